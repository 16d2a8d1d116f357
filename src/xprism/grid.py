"""From a film of any size to the network's grid, and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from xprism.card import InputSpec
from xprism.radiograph import robust_range


@dataclass(frozen=True)
class Placement:
    """Where a film of ``film`` (height, width) pixels lies on a grid of ``grid`` (height, width) pixels.

    It fills rows ``top`` to ``top + height`` and columns ``left`` to ``left + width``; the rest is border.
    """

    film: tuple[int, int]
    grid: tuple[int, int]
    top: int
    left: int
    height: int
    width: int

    @classmethod
    def fit(cls, film: tuple[int, int], grid: tuple[int, int]) -> Placement:
        """The largest centred placement that keeps the film's aspect."""
        scale = min(grid[0] / film[0], grid[1] / film[1])
        height, width = (max(1, min(g, round(f * scale))) for f, g in zip(film, grid, strict=True))
        return cls(film, grid, (grid[0] - height) // 2, (grid[1] - width) // 2, height, width)

    def crop(self, values: NDArray[Any]) -> NDArray[Any]:
        """The film's part [..., height, width] of values on the grid [..., h, w]."""
        return values[..., self.top : self.top + self.height, self.left : self.left + self.width]

    def onto_grid(self, film: NDArray[Any], *, border: float) -> NDArray[np.float32]:
        """A film [H, W] on the grid [h, w], smoothed as it shrinks, with ``border`` around it."""
        placed = np.full(self.grid, border, np.float32)
        self.crop(placed)[:] = resize(film, (self.height, self.width))
        return placed

    def onto_film(self, plane: NDArray[Any]) -> NDArray[np.float32]:
        """One plane [h, w] of the grid at the film's own size [H, W], bilinear."""
        return resize(self.crop(plane), self.film)


def resize(plane: NDArray[Any], shape: tuple[int, int]) -> NDArray[np.float32]:
    """Bilinear resize of one plane [H, W] to ``shape``, pixel areas aligned, smoothed where it shrinks."""
    if plane.shape == shape:
        return np.asarray(plane, np.float32)
    image = Image.fromarray(np.ascontiguousarray(plane, np.float32))
    return np.asarray(image.resize((shape[1], shape[0]), Image.Resampling.BILINEAR))


def scale(plane: NDArray[Any], spec: InputSpec, *, like: NDArray[Any] | None = None) -> NDArray[np.float32]:
    """Scale display values to the network's range by the percentiles of ``like`` (default: of ``plane``)."""
    low, high = robust_range(plane if like is None else like, spec.low_percent, spec.high_percent)
    scaled = (np.asarray(plane, np.float32) - low) * np.float32(2 / (high - low)) - 1
    return np.asarray(np.clip(scaled, -spec.clip, spec.clip), np.float32)


def prepare(display: NDArray[np.float32], spec: InputSpec) -> tuple[NDArray[np.float32], Placement]:
    """A display image [H, W] as network input [1, 1, h, w], with the placement that leads back."""
    place = Placement.fit((int(display.shape[0]), int(display.shape[1])), spec.size)
    film = resize(display, (place.height, place.width))
    grid = np.full(spec.size, -1, np.float32)
    place.crop(grid)[:] = scale(film, spec)
    return grid[None, None], place
