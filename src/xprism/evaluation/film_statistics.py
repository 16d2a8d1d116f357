"""What sets of films are compared by where no network is at hand: grey values, coarse looks, detail, directions."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

LEVELS, LOOK, DIRECTIONS = 16, 8, 8
BLURS_PX = (0.7, 1.4, 2.8, 5.6, 11.2)
"""Detail is measured between one blur and the next, on films of 128 pixels."""
FARTHEST = 6.0


@dataclass(frozen=True)
class Yardstick:
    """Means and deviations [d] of the films that others are measured by, and the weight of each statistic."""

    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]
    weight: NDArray[np.float64]

    @classmethod
    def of(cls, statistics: dict[str, NDArray[np.float64]]) -> Yardstick:
        """From statistics by kind, [n, k] each; every kind weighs as much, however many statistics it has."""
        values = np.concatenate([*statistics.values()], axis=1)
        weights = [np.full(part.shape[1], 1 / np.sqrt(len(statistics) * part.shape[1])) for part in statistics.values()]
        deviation = values.std(axis=0, ddof=1)
        # What is nearly the same on all films, such as a corner that is always black, must not count for much.
        floors = [np.full(part.shape[1], 0.1 * float(_spread(part))) for part in statistics.values()]
        deviation = np.maximum(deviation, np.concatenate(floors))
        return cls(values.mean(axis=0), np.where(deviation > 0, deviation, 1), np.concatenate(weights))

    def features(self, statistics: dict[str, NDArray[np.float64]]) -> NDArray[np.float64]:
        """Features [n, d] whose squared length is about 1; what lies farther than 6 deviations off counts as 6."""
        values = np.concatenate([*statistics.values()], axis=1)
        return np.clip((values - self.mean) / self.deviation, -FARTHEST, FARTHEST) * self.weight


def film_statistics(films: NDArray[Any]) -> dict[str, NDArray[np.float64]]:
    """Statistics by kind, [n, k] each, of films [n, h, h] from 0 to 1, all of one size.

    ``grey``: roots of the shares of 16 grey ranges. ``look``: means of 8 x 8 blocks. ``detail``: log of the contrast in
    four bands, of the whole film and of its quarters. ``direction``: roots of the shares of gradients in 8 directions,
    fine and coarse.
    """
    films = np.asarray(films, np.float64)
    scale = films.shape[-1] / 128
    blurred = [ndimage.gaussian_filter(films, (0, blur * scale, blur * scale)) for blur in BLURS_PX]
    bands = [finer - coarser for finer, coarser in pairwise(blurred)]
    return {
        "grey": np.stack([np.histogram(film, LEVELS, (0, 1))[0] for film in films]) ** 0.5 / films[0].size ** 0.5,
        "look": _blocks(films, LOOK).reshape(len(films), -1),
        "detail": np.concatenate([_contrast(band) for band in bands], axis=1),
        "direction": np.concatenate([_directions(blurred[place]) for place in (1, 3)], axis=1),
    }


def _blocks(pictures: NDArray[np.float64], side: int) -> NDArray[np.float64]:
    """Means of side x side blocks, [n, side, side]; edges that do not fill a block go to the nearest one."""
    edges = np.linspace(0, pictures.shape[-1], side + 1).astype(int)
    sums = np.add.reduceat(np.add.reduceat(pictures, edges[:-1], axis=1), edges[:-1], axis=2)
    sizes = np.diff(edges)
    return np.asarray(sums / np.outer(sizes, sizes))


def _contrast(band: NDArray[np.float64]) -> NDArray[np.float64]:
    squares = band**2
    quarters = _blocks(squares, 2).reshape(len(band), -1)
    energy = np.concatenate([quarters.mean(axis=1, keepdims=True), quarters], axis=1)
    return np.asarray(0.5 * np.log(energy + 1e-8))


def _directions(pictures: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of gradients without sign, weighted by their size: roots of the shares of eight directions, [n, 8]."""
    down, right = np.gradient(pictures, axis=(1, 2))
    size = np.hypot(down, right)
    place = np.floor(np.arctan2(down, right) / np.pi * DIRECTIONS).astype(int) % DIRECTIONS
    shares = np.stack([np.where(place == one, size, 0).sum(axis=(1, 2)) for one in range(DIRECTIONS)], axis=1)
    return np.asarray(np.sqrt(shares / np.maximum(size.sum(axis=(1, 2)), 1e-12)[:, None]))


def _spread(part: NDArray[np.float64]) -> np.float64:
    """The usual deviation of one kind's statistics."""
    return np.float64(np.sqrt(part.var(axis=0, ddof=1).mean()))
