"""Similarity of two pictures of 8-bit grey, 0 to 255, as the papers on bone suppression measure it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from xprism.errors import DataError

Picture = NDArray[Any]
WINDOW = 8
C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


def rmse(made: Picture, real: Picture, *, inside: NDArray[np.bool_] | None = None) -> float:
    """Root mean squared error over the frame [H, W], or over the pixels ``inside`` a mask."""
    first, second = _pair(made, real)
    squared = (first - second) ** 2
    return float(np.sqrt((squared if inside is None else squared[_some(inside, squared.shape)]).mean()))


def psnr(made: Picture, real: Picture, *, inside: NDArray[np.bool_] | None = None) -> float:
    """Peak signal-to-noise ratio in dB, 20 log10(255 / RMSE); infinite for equal pictures."""
    error = rmse(made, real, inside=inside)
    return float(20 * np.log10(255 / error)) if error else float("inf")


def mssim(made: Picture, real: Picture, *, inside: NDArray[np.bool_] | None = None) -> float:
    """Mean structural similarity over uniform 8x8 windows at stride 1 (Eslami et al. 2020, eq. 10).

    Variances are those of the population, the range is 255; only windows that lie within the frame
    count, and with ``inside`` only those whose centre (the pixel below and right of it) is in the mask.
    Raises ``DataError`` for pictures smaller than a window.
    """
    first, second = _pair(made, real)
    if min(first.shape) < WINDOW:
        raise DataError(f"pictures must have {WINDOW} pixels a side or more, not {list(first.shape)}")
    mean1, mean2 = _window_means(first), _window_means(second)
    var1, var2 = _window_means(first**2) - mean1**2, _window_means(second**2) - mean2**2
    both = _window_means(first * second) - mean1 * mean2
    values = ((2 * mean1 * mean2 + C1) * (2 * both + C2)) / ((mean1**2 + mean2**2 + C1) * (var1 + var2 + C2))
    if inside is None:
        return float(values.mean())
    _some(inside, first.shape)
    half = WINDOW // 2
    centres = inside[half : half + values.shape[0], half : half + values.shape[1]]
    return float(values[_some(centres, values.shape)].mean())


def _window_means(values: NDArray[np.float64]) -> NDArray[np.float64]:
    sums = np.lib.stride_tricks.sliding_window_view(values, WINDOW, axis=0).sum(-1)
    means: NDArray[np.float64] = np.lib.stride_tricks.sliding_window_view(sums, WINDOW, axis=1).sum(-1) / WINDOW**2
    return means


def _pair(made: Picture, real: Picture) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if made.shape != real.shape or made.ndim != 2:
        raise DataError(f"two grey pictures of one size are compared, not {list(made.shape)} and {list(real.shape)}")
    return made.astype(np.float64), real.astype(np.float64)


def _some(inside: NDArray[np.bool_], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    if inside.shape != shape or not inside.any():
        raise DataError(f"the mask must be {list(shape)} and hold at least one pixel")
    return inside.astype(bool)
