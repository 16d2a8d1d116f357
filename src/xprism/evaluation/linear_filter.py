"""The best single linear filter from film to bone-free picture: what a method must beat to have recognised bones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal import fftconvolve

from xprism.errors import DataError

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

SIZE_PX = 31
"""Default side of the kernel: at 512 pixels a film's longer side, a larger one gains nothing on real pairs."""

# Against a variance of 1 for every input; what it costs is far below a percent.
_RIDGE = 1e-3
_PIXELS_AT_ONCE = 8192


@dataclass(frozen=True)
class LinearFilter:
    """A kernel [K, K] that is laid on a film (correlated with it, not convolved) and an offset.

    Both hold for films whose lungs have mean 0 and standard deviation 1; ``apply`` sees to that.
    """

    kernel: Floats
    offset: float

    def apply(self, film: NDArray[Any], *, inside: Mask) -> Floats:
        """The filtered film [H, W], on the film's own grey scale; beyond its border the film is mirrored."""
        mean, spread = _scale_of(film, inside)
        reach = len(self.kernel) // 2
        padded = np.pad((np.asarray(film, np.float64) - mean) / spread, reach, mode="symmetric")
        filtered = fftconvolve(padded, self.kernel[::-1, ::-1], mode="valid") + self.offset
        return np.asarray(mean + spread * filtered, np.float64)


@dataclass(frozen=True)
class FilterSums:
    """The normal equations of one pair, or of several added up: means of products over the lungs' pixels.

    ``products`` [K*K + 1, K*K + 1] of the inputs among themselves and ``wanted`` [K*K + 1] of the inputs with
    what the filter has to add to the film; the last input is a constant 1. A pair weighs the same whatever its size.
    """

    products: Floats
    wanted: Floats
    pairs: int = 1

    def __add__(self, other: FilterSums) -> FilterSums:
        return FilterSums(self.products + other.products, self.wanted + other.wanted, self.pairs + other.pairs)

    def __sub__(self, other: FilterSums) -> FilterSums:
        return FilterSums(self.products - other.products, self.wanted - other.wanted, self.pairs - other.pairs)

    def solve(self) -> LinearFilter:
        """The filter of least squares, held to the film itself by a slight ridge."""
        ridge = np.full(len(self.wanted), self.pairs * _RIDGE)
        ridge[-1] = 0
        found = np.linalg.solve(self.products + np.diag(ridge), self.wanted)
        side = round(np.sqrt(len(found) - 1))
        kernel = np.array(found[:-1], np.float64).reshape(side, side)
        kernel[side // 2, side // 2] += 1  # what was solved for is the difference to the film
        return LinearFilter(kernel, float(found[-1]))


def filter_sums(film: NDArray[Any], target: NDArray[Any], *, inside: Mask, size: int = SIZE_PX) -> FilterSums:
    """What one pair of pictures [H, W], laid on each other, says about the best ``size`` x ``size`` filter.

    Pixels count ``inside`` the lungs; the kernel sees the film beyond them. Grey scales are free: the film is
    brought to mean 0 and standard deviation 1 inside, the target to where the film's straight-line fit to it
    is the film itself. Raises ``DataError`` for an even size, for films smaller than the kernel, and for
    pairs of opposite polarity.
    """
    if size % 2 == 0 or size < 1 or min(film.shape) < size:
        raise DataError(f"the kernel's side must be odd and no larger than the film, not {size} of {list(film.shape)}")
    mean, spread = _scale_of(film, inside)
    level = (np.asarray(film, np.float64) - mean) / spread
    real = np.asarray(target, np.float64)[inside]
    slope = float(((real - real.mean()) * level[inside]).mean())
    if slope <= 0:
        raise DataError("film and target have opposite polarity", remedy="bring both to the same, bone bright")
    wanted = (real - real.mean()) / slope - level[inside]
    return _sums(level, wanted, inside, size)


def leave_one_out(sums: Sequence[FilterSums]) -> list[LinearFilter]:
    """For every pair the filter of all the others; raises ``DataError`` for fewer than two pairs."""
    if len(sums) < 2:
        raise DataError("a filter fitted on the other pairs needs two pairs or more")
    total = sums[0]
    for one in sums[1:]:
        total = total + one
    return [(total - one).solve() for one in sums]


def _sums(level: Floats, wanted: Floats, inside: Mask, size: int) -> FilterSums:
    padded = np.pad(level, size // 2, mode="symmetric").astype(np.float32)
    views = np.lib.stride_tricks.sliding_window_view(padded, (size, size))
    rows, columns = np.nonzero(inside)
    products, right = np.zeros((size * size + 1,) * 2), np.zeros(size * size + 1)
    for start in range(0, len(rows), _PIXELS_AT_ONCE):
        some = slice(start, start + _PIXELS_AT_ONCE)
        inputs = np.ones((len(rows[some]), size * size + 1), np.float32)
        inputs[:, :-1] = views[rows[some], columns[some]].reshape(-1, size * size)
        products += inputs.T @ inputs
        right += inputs.T @ wanted[some].astype(np.float32)
    return FilterSums(products / len(rows), right / len(rows))


def _scale_of(film: NDArray[Any], inside: Mask) -> tuple[float, float]:
    if film.shape != inside.shape or not inside.any():
        raise DataError(f"the mask must be {list(film.shape)} and hold at least one pixel")
    levels = np.asarray(film, np.float64)[inside]
    if not np.ptp(levels):
        raise DataError("the film is flat inside the mask")
    return float(levels.mean()), float(levels.std())
