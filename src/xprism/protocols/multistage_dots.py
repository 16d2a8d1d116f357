"""Whether the dots steer: the heart's dot is moved, and the heart of the label map should move as far."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import hypot, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xprism.evaluation.interval import Interval
from xprism.synthesis.dots import Dots
from xprism.synthesis.label_map import LABELS
from xprism.synthesis.runs import SynthRun
from xprism.synthesis.sampling import Sampler

SIZE, WITHIN = 512, 5.0
"""A heart has followed its dot where it is at most 5 px from where it should be, on a film of 512 px."""
FURTHEST = 3
"""Pixels of the dot map that a dot is moved at most, along either axis."""
_HEART = LABELS.index("heart")
_Z = 1.959964


@dataclass(frozen=True)
class Move:
    """One moved dot: how far the heart was asked to go and went, in px of a film of 512, and how far beside that.

    What it went is None where either label map has no heart.
    """

    sample: str
    asked_down: float
    asked_right: float
    went_down: float | None
    went_right: float | None
    error: float | None

    @property
    def followed(self) -> bool:
        """Whether the heart came to where it was asked to, within 5 px."""
        return self.error is not None and self.error <= WITHIN


def moved_hearts(
    run: SynthRun, count: int, *, seed: int = 0, on_sample: Callable[[], object] = lambda: None
) -> list[Move]:
    """Move the heart's dot in ``count`` dot maps that a pipeline of three stages draws, each by a vector of its own.

    A vector, drawn by ``seed``, is of whole pixels of the dot map, up to 3 along either axis and not zero, and stays
    on the map. Dot maps without a heart are left out. Raises ``DataError`` where a stage cannot draw.
    """
    draws, labels = Sampler(run, (1,)), Sampler(run, (2,))
    moves = []
    for sample in draws.samples(count, seed=seed):
        on_sample()
        if sample.dots is None or "heart" not in sample.dots.dots:
            continue
        vector = _vector(np.random.default_rng([seed, int(sample.name.rpartition("-")[2])]), sample.dots)
        changed = sample.dots.moved("heart", down=vector[0], right=vector[1])
        maps = [labels.of_dots(dots, name=sample.name).labels for dots in (sample.dots, changed)]
        assert maps[0] is not None
        assert maps[1] is not None
        moves.append(_measured(sample.name, vector, maps[0], maps[1], scale=SIZE / sample.dots.size))
    return moves


def share_followed(moves: Sequence[Move]) -> tuple[float, Interval]:
    """The share of hearts that followed their dot, with its 95 % interval (Wilson); NaN for no move."""
    count = len(moves)
    if not count:
        return float("nan"), Interval(float("nan"), float("nan"))
    share = sum(move.followed for move in moves) / count
    middle, width = share + _Z**2 / (2 * count), _Z * sqrt(share * (1 - share) / count + _Z**2 / (4 * count**2))
    below, above = ((middle + side * width) / (1 + _Z**2 / count) for side in (-1, 1))
    return share, Interval(max(0.0, below), min(1.0, above))


def _vector(rng: np.random.Generator, dots: Dots) -> tuple[int, int]:
    """A vector (down, right) as likely as any other that leaves the heart's dot on the map."""
    heart, steps = dots.dots["heart"], range(-FURTHEST, FURTHEST + 1)
    allowed = [
        (down, right)
        for down in steps
        for right in steps
        if (down or right) and 0 <= heart.row + down < dots.size and 0 <= heart.column + right < dots.size
    ]
    return allowed[int(rng.integers(len(allowed)))]


def _measured(name: str, vector: tuple[int, int], before: NDArray[Any], after: NDArray[Any], *, scale: float) -> Move:
    """The move of one heart between two label maps; ``scale`` is px of a film of 512 in a pixel of the dot map."""
    asked = vector[0] * scale, vector[1] * scale
    if not ((before == _HEART).any() and (after == _HEART).any()):
        return Move(name, *asked, None, None, None)
    places = [[float(pixels.mean()) for pixels in np.nonzero(numbers == _HEART)] for numbers in (before, after)]
    went = [(new - old) * SIZE / len(before) for old, new in zip(*places, strict=True)]
    return Move(name, *asked, went[0], went[1], hypot(went[0] - asked[0], went[1] - asked[1]))
