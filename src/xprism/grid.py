"""From a film of any size to the network's grid, and back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from xprism.card import InputSpec
from xprism.radiograph import robust_range

Window = tuple[int, int, int, int]

# Borders are left out only where they take up this much of the film: narrower ones do no harm.
_BORDER_SHARE = 0.2
_BLANK_SPREAD = 0.02


@dataclass(frozen=True)
class Placement:
    """Where a film of ``film`` (height, width) pixels lies on a grid of ``grid`` (height, width) pixels.

    Of the film its ``window`` (top, left, height, width) is shown; it fills rows ``top`` to ``top +
    height`` and columns ``left`` to ``left + width`` of the grid, the rest of which is border. ``grey`` is the
    difference of display values that one unit of the network's input stands for.
    """

    film: tuple[int, int]
    grid: tuple[int, int]
    window: Window
    top: int
    left: int
    height: int
    width: int
    grey: float = 1.0

    @classmethod
    def fit(
        cls, film: tuple[int, int], grid: tuple[int, int], *, window: Window | None = None, row_to_column: float = 1.0
    ) -> Placement:
        """The largest centred placement that keeps the aspect of the film, or of a ``window`` of it.

        ``row_to_column`` is the height of a pixel over its width where pixels are not square.
        """
        window = window or (0, 0, *film)
        sides = window[2] * row_to_column, float(window[3])
        scale = min(grid[0] / sides[0], grid[1] / sides[1])
        height, width = (max(1, min(g, round(side * scale))) for side, g in zip(sides, grid, strict=True))
        return cls(film, grid, window, (grid[0] - height) // 2, (grid[1] - width) // 2, height, width)

    @property
    def window_shape(self) -> tuple[int, int]:
        """Height and width of the window in film pixels."""
        return self.window[2], self.window[3]

    def crop(self, values: NDArray[Any]) -> NDArray[Any]:
        """The film's part [..., height, width] of values on the grid [..., h, w]."""
        return values[..., self.top : self.top + self.height, self.left : self.left + self.width]

    def cut(self, film: NDArray[Any]) -> NDArray[Any]:
        """The window of a film [H, W]."""
        top, left, height, width = self.window
        return film[top : top + height, left : left + width]

    def paste(self, part: NDArray[Any], *, outside: float = 0) -> NDArray[Any]:
        """Values of the window [wh, ww, ...] at their place in the film [H, W, ...], ``outside`` elsewhere."""
        if part.shape[:2] == self.film:
            return part
        whole = np.full((*self.film, *part.shape[2:]), outside, part.dtype)
        self.cut(whole)[:] = part
        return whole

    def onto_grid(self, film: NDArray[Any], *, border: float) -> NDArray[np.float32]:
        """A film [H, W] on the grid [h, w], smoothed as it shrinks, with ``border`` around it."""
        placed = np.full(self.grid, border, np.float32)
        self.crop(placed)[:] = resize(self.cut(film), (self.height, self.width))
        return placed

    def onto_film(self, plane: NDArray[Any]) -> NDArray[np.float32]:
        """One plane [h, w] of the grid at the film's own size [H, W], bilinear; zero outside the window."""
        return self.paste(resize(self.crop(plane), self.window_shape))


def content_window(film: NDArray[Any]) -> Window | None:
    """The part (top, left, height, width) of a film [H, W] inside wide blank borders; None where there are none.

    A row or column is blank where 90 % of it lies within 2 % of the film's range. Borders count as
    wide from a fifth of the film's area; a film that is blank throughout has no content.
    """
    step = max(1, min(film.shape) // 128)
    low, high = robust_range(film, 0.5, 99.5)
    sides = []
    for lines in (film[:, ::step], film[::step].T):
        spread = np.subtract(*np.percentile(lines, (95, 5), axis=1))
        filled = np.flatnonzero(spread > _BLANK_SPREAD * (high - low))
        if not filled.size:
            return None
        sides.append((int(filled[0]), int(filled[-1]) + 1))
    (top, bottom), (left, right) = sides
    height, width = bottom - top, right - left
    if height * width > (1 - _BORDER_SHARE) * film.size or min(height, width) < 32:
        return None
    return top, left, height, width


def resize(plane: NDArray[Any], shape: tuple[int, int]) -> NDArray[np.float32]:
    """Bilinear resize of one plane [H, W] to ``shape``, pixel areas aligned, smoothed where it shrinks."""
    if plane.shape == shape:
        return np.asarray(plane, np.float32)
    image = Image.fromarray(np.ascontiguousarray(plane, np.float32))
    return np.asarray(image.resize((shape[1], shape[0]), Image.Resampling.BILINEAR))


def prepare(
    display: NDArray[np.float32], spec: InputSpec, *, row_to_column: float = 1.0
) -> tuple[NDArray[np.float32], Placement]:
    """A display image [H, W] as network input [1, 1, h, w], with the placement that leads back.

    Wide blank borders are left out, unless the whole film is asked for; pixels that are not square (``row_to_column``
    is height over width) are made so. Grey values are scaled by percentiles of what is shown.
    """
    shape = (int(display.shape[0]), int(display.shape[1]))
    window = None if spec.whole else content_window(display)
    place = Placement.fit(shape, spec.size, window=window, row_to_column=row_to_column)
    film = resize(place.cut(display), (place.height, place.width))
    low, high = robust_range(film, spec.low_percent, spec.high_percent)
    scaled = np.clip((film - low) * np.float32(2 / (high - low)) - 1, -spec.clip, spec.clip)
    grid = np.full(spec.size, -1, np.float32)
    place.crop(grid)[:] = -scaled if spec.inverted else scaled
    return grid[None, None], replace(place, grey=(low - high if spec.inverted else high - low) / 2)


def windows(spec: InputSpec) -> tuple[tuple[slice, slice], ...]:
    """Where windows lie on the grid, rows and columns of each: as few as the stride allows, evenly spread.

    Together they cover every pixel; a network that sees the whole grid has one.
    """
    rows, columns = (
        [slice(start, start + part) for start in _starts(side, part, spec.stride or max(1, 2 * part // 3))]
        for side, part in zip(spec.size, spec.seen, strict=True)
    )
    return tuple((row, column) for row in rows for column in columns)


def _starts(side: int, part: int, stride: int) -> list[int]:
    steps = -(-(side - part) // stride)
    return [round(place * (side - part) / max(1, steps)) for place in range(steps + 1)]
