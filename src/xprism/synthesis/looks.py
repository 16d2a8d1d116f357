"""What a look at a training shows: a picture of fixed samples, and whether they still differ from each other."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xprism.png import save_png
from xprism.synthesis.codes import as_grey

COARSE = 16
"""Samples are compared on this many pixels a side, so that noise and single pixels count little."""


def diversity(signals: NDArray[Any]) -> float:
    """How much samples [n, C, h, h] differ: the mean absolute difference of two of them, on coarse pixels.

    0 for equal samples, and for a single one.
    """
    coarse = _coarse(np.asarray(signals, np.float64))
    apart = [np.abs(first - second).mean() for first, second in combinations(coarse, 2)]
    return float(np.mean(apart)) if apart else 0.0


def looked_at(made: NDArray[Any], real: NDArray[Any], *, below: float) -> dict[str, Any]:
    """For the log: diversity of samples and of real pictures, both [n, C, h, h] in about [-1, 1].

    ``collapsed`` says that the samples' is less than the part ``below`` of the real ones'.
    """
    found, wanted = diversity(made), diversity(real)
    return {"diversity": found, "diversity_of_films": wanted, "collapsed": bool(found < below * wanted)}


def as_picture(signals: NDArray[Any]) -> NDArray[np.uint8]:
    """Grey pictures [n, h, w] of signals [n, C, h, h] in about [-1, 1], to look at.

    One channel is shown as it is, two side by side; of more, which are scores of labels, the code of the highest.
    """
    channels = signals.shape[1]
    if channels > 2:
        return as_grey(signals.argmax(1), channels)
    grey = np.rint(np.clip((np.asarray(signals, np.float64) + 1) * 127.5, 0, 255)).astype(np.uint8)
    return np.concatenate([grey[:, channel] for channel in range(channels)], axis=-1)


def save_grid(pictures: NDArray[np.uint8], path: Path) -> None:
    """Write pictures [n, h, w] as one PNG, in rows of about as many as there are rows, a pixel apart."""
    count, height, width = pictures.shape
    columns = int(np.ceil(np.sqrt(count)))
    rows = -(-count // columns)
    grid = np.full((rows * (height + 1) - 1, columns * (width + 1) - 1), 128, np.uint8)
    for place, picture in enumerate(pictures):
        top, left = place // columns * (height + 1), place % columns * (width + 1)
        grid[top : top + height, left : left + width] = picture
    save_png(grid, path)


def _coarse(signals: NDArray[np.float64]) -> NDArray[np.float64]:
    block = max(1, signals.shape[-1] // COARSE)
    side = signals.shape[-1] // block
    cut = signals[..., : side * block, : side * block]
    return np.asarray(cut.reshape(*signals.shape[:2], side, block, side, block).mean((-3, -1)))
