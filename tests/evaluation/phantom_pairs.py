"""Phantom films with and without bones that several tests share; each is simulated once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from xprism.simulate import ChestCase, simulate_chest


@dataclass(frozen=True)
class PhantomPair:
    """Film and its twin without bones, grey levels 0 to 255 [256, 256], with exact lungs and bones."""

    film: np.ndarray
    target: np.ndarray
    lungs: np.ndarray
    bones: np.ndarray


@cache
def fine_case(seed: int) -> ChestCase:
    """A phantom of 512 pixels a side."""
    return simulate_chest(seed, 512)


def binned(fine: np.ndarray, moved: tuple[int, int] = (0, 0)) -> np.ndarray:
    """A plane twice too fine as one of half the size, moved by whole fine pixels, that is halves of a pixel."""
    height, width = (side // 2 for side in fine.shape)
    return np.roll(fine, moved, (0, 1)).reshape(height, 2, width, 2).mean((1, 3))


@cache
def phantom_pair(seed: int) -> PhantomPair:
    """The phantom at half its size."""
    case = fine_case(seed)
    lungs = binned(case.masks["right_lung"] | case.masks["left_lung"]) > 0.5
    film, target = (255 * binned(one).astype(float) for one in (case.film, case.film_without_bone))
    return PhantomPair(film, target, lungs, binned(case.masks["bones"]) > 0.5)
