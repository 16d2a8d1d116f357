"""Chance that depends on a seed, a purpose and a number alone, so that a resumed training equals an unbroken one."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

Purpose = Literal["order", "step", "look", "sample"]
_PURPOSES: tuple[Purpose, ...] = ("order", "step", "look", "sample")


def rng_for(seed: int, purpose: Purpose, number: int = 0) -> np.random.Generator:
    """The generator of a step, a look or a sample."""
    return np.random.default_rng([seed, _PURPOSES.index(purpose), number])


def latents_for(rng: np.random.Generator, count: int, length: int) -> Tensor:
    """Latents [count, length] from N(0, 1)."""
    return torch.from_numpy(rng.standard_normal((count, length), np.float32))


def in_epochs(seed: int, films: int, first: int, count: int) -> NDArray[np.int64]:
    """Which films are shown ``first`` and next: every epoch shows each of them once, in an order of its own."""
    places = [divmod(number, films) for number in range(first, first + count)]
    return np.array([_order(seed, films, epoch)[place] for epoch, place in places], np.int64)


@lru_cache(maxsize=2)
def _order(seed: int, films: int, epoch: int) -> NDArray[np.int64]:
    return rng_for(seed, "order", epoch).permutation(films)


@torch.no_grad()
def averaged(kept: nn.Module, network: nn.Module, decay: float, step: int) -> None:
    """Take the weights after ``step`` into the averages, of which the first steps make up a larger part."""
    share = 1 - min(decay, (1 + step) / (10 + step))
    for old, new in zip(kept.parameters(), network.parameters(), strict=True):
        old.lerp_(new, share)
