"""What parametric slices are drawn on: positions in mm, ellipses, smooth random fields."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, cos, pi, sin
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter

from xprism.grid import resize

Floats = NDArray[np.floating[Any]]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Canvas:
    """A slice of ``size`` pixels a side and ``step`` mm a pixel; x grows to the patient's left, y to the back.

    ``x`` and ``y`` are positions in mm from the middle, [1, W] and [H, 1].
    """

    size: int
    step: float

    @property
    def x(self) -> Floats:
        return self._line[None, :]

    @property
    def y(self) -> Floats:
        return self._line[:, None]

    @property
    def _line(self) -> Floats:
        return (np.arange(self.size) - (self.size - 1) / 2) * self.step

    def depth(self, inside: Mask) -> Floats:
        """How far in mm each pixel lies inside of a mask's edge; zero outside."""
        return np.asarray(distance_transform_edt(inside)) * self.step

    def grain(self, rng: np.random.Generator, width_mm: float) -> Floats:
        """A random field of mean 0 and deviation 1 whose spots are about ``width_mm`` wide."""
        field = gaussian_filter(rng.standard_normal((self.size, self.size)), width_mm / self.step, mode="wrap")
        return np.asarray(field / field.std())


def ellipse(
    x: NDArray[Any],
    y: NDArray[Any],
    *,
    centre: tuple[float, float],
    radii: tuple[float, float],
    turn: float = 0.0,
    power: float = 2.0,
) -> Floats:
    """How far out of an ellipse positions lie: 0 in its centre, 1 on its edge.

    ``turn`` in radians takes its first axis from the left of the patient towards the back; a higher ``power`` makes
    it boxier.
    """
    dx, dy = x - centre[0], y - centre[1]
    along, across = (dx * cos(turn) + dy * sin(turn)) / radii[0], (dy * cos(turn) - dx * sin(turn)) / radii[1]
    if power == 2:
        return np.asarray(np.hypot(along, across))
    return np.asarray((np.abs(along) ** power + np.abs(across) ** power) ** (1 / power))


@dataclass(frozen=True)
class Waves:
    """A smooth field over space, mean 0 and deviation about 1: a sum of plane waves, so that slices agree.

    ``vectors`` [n, 3] in radians a mm, ``phases`` [n].
    """

    vectors: Floats
    phases: Floats

    @classmethod
    def draw(cls, rng: np.random.Generator, *, shortest_mm: float, longest_mm: float, count: int = 12) -> Waves:
        """Waves of random directions and lengths."""
        direction = rng.standard_normal((count, 3))
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        length = np.exp(rng.uniform(np.log(shortest_mm), np.log(longest_mm), (count, 1)))
        return cls(direction * 2 * pi / length, rng.uniform(0, 2 * pi, count))

    def on(self, canvas: Canvas, z: float) -> NDArray[np.float32]:
        """Values [H, W] in the slice at height ``z`` in mm, made at six pixels a shortest wave and enlarged."""
        shortest = 2 * pi / np.linalg.norm(self.vectors, axis=1).max()
        side = min(canvas.size, max(2, ceil(6 * canvas.size * canvas.step / shortest)))
        few = Canvas(side, canvas.step * canvas.size / side)
        total = np.zeros((few.size, few.size))
        for vector, phase in zip(self.vectors, self.phases, strict=True):
            total += np.cos(vector[0] * few.x + vector[1] * few.y + (vector[2] * z + phase))
        return resize(total * (2 / len(self.phases)) ** 0.5, (canvas.size, canvas.size))


def heights(lowest: float, highest: float, slices: int) -> Floats:
    """Heights in mm of so many slices, evenly spread between two ends."""
    return lowest + (highest - lowest) * (np.arange(slices) + 0.5) / slices


def near(rng: np.random.Generator, mean: float, spread: float) -> float:
    """A normal draw cut at two standard deviations."""
    return float(mean + spread * np.clip(rng.standard_normal(), -2, 2))


def coarser(plane: NDArray[Any], by: int) -> Floats:
    """Means over blocks of ``by`` x ``by`` pixels of a plane [H, W] whose sides are multiples of it."""
    height, width = plane.shape[0] // by, plane.shape[1] // by
    return np.asarray(plane.reshape(height, by, width, by).mean(axis=(1, 3)))
