"""Soft tissue drawn over films at random: what must pass a network that takes bones off, and nodules to be found."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Rng = np.random.Generator
MOST = {"nodule": 10, "vessel": 8, "grating": 4}
"""The most pieces of each kind in one film."""


def draw_tissue(rng: Rng, size: tuple[int, int]) -> Tensor:
    """What soft tissue adds to a film in [0, 1], [h, w]: nodules, vessels and gratings at random places.

    Nodules are spheres of 1 to 10 % of the longer side, soft or sharp at their edges, vessels bent lines of 0.3 to
    2 %, gratings waves of 1.2 to 8 % in a round window; each is 0.01 to 0.15 high, and a few take away what others add.
    """
    drawn = np.zeros(size, np.float32)
    for kind, draw in (("nodule", _nodule), ("vessel", _vessel), ("grating", _grating)):
        for _ in range(rng.integers(0, MOST[kind] + 1)):
            height = np.exp(rng.uniform(np.log(0.01), np.log(0.15))) * (-1 if rng.random() < 0.15 else 1)
            for rows, columns, piece in draw(rng, size):
                drawn[rows, columns] += (height * piece).astype(np.float32)
    return torch.from_numpy(drawn)


Pieces = Iterator[tuple[slice, slice, NDArray[np.float64]]]


def _around(
    place: NDArray[np.float64], reach: float, size: tuple[int, int]
) -> tuple[slice, slice, NDArray[np.float64], NDArray[np.float64]]:
    """The part of a film up to ``reach`` pixels from a place, and the distances down and to the right there."""
    first = np.maximum(np.floor(place - reach), 0).astype(int)
    last = np.minimum(np.ceil(place + reach) + 1, size).astype(int)
    rows, columns = slice(first[0], last[0]), slice(first[1], last[1])
    down, right = np.ogrid[rows, columns]
    return rows, columns, down - place[0], right - place[1]


def _nodule(rng: Rng, size: tuple[int, int]) -> Pieces:
    """The thickness of a sphere, or of one that thins out towards its edge."""
    radius = 0.5 * max(size) * np.exp(rng.uniform(np.log(0.01), np.log(0.1)))
    rows, columns, down, right = _around(rng.random(2) * size, radius, size)
    turn, stretch = rng.uniform(0, np.pi), np.exp(rng.uniform(0, 0.4))
    along, across = np.cos(turn) * down + np.sin(turn) * right, np.cos(turn) * right - np.sin(turn) * down
    inside = np.maximum(1 - (along**2 + (stretch * across) ** 2) / radius**2, 0)
    yield rows, columns, inside ** rng.choice([0.5, 0.5, 1.0, 1.5])


def _vessel(rng: Rng, size: tuple[int, int]) -> Pieces:
    """A tube along an arc, as thick as it is wide."""
    width = 0.5 * max(size) * np.exp(rng.uniform(np.log(0.003), np.log(0.02)))
    length, bend = max(size) * rng.uniform(0.05, 0.3), rng.normal(0, 1.0)
    steps = np.linspace(0, 1, 48)
    angle = rng.uniform(0, 2 * np.pi) + bend * steps
    course = rng.random(2) * size + np.cumsum(np.stack([np.sin(angle), np.cos(angle)], 1), 0) * (length / len(steps))
    reach = np.ptp(course, axis=0).max() / 2 + 2 * width
    rows, columns, down, right = _around((course.min(0) + course.max(0)) / 2, reach, size)
    if down.size and right.size:
        middle = (course.min(0) + course.max(0)) / 2
        away = np.full((down.shape[0], right.shape[1]), np.inf)
        for row, column in course - middle:
            away = np.minimum(away, (down - row) ** 2 + (right - column) ** 2)
        yield rows, columns, np.sqrt(np.maximum(1 - away / width**2, 0))


def _grating(rng: Rng, size: tuple[int, int]) -> Pieces:
    """A wave that fades from the middle of its window."""
    period = max(size) * np.exp(rng.uniform(np.log(0.012), np.log(0.08)))
    reach = period * rng.uniform(1.5, 4)
    rows, columns, down, right = _around(rng.random(2) * size, reach, size)
    turn, phase = rng.uniform(0, np.pi, 2)
    wave = np.sin(2 * np.pi / period * (np.cos(turn) * down + np.sin(turn) * right) + 2 * phase)
    yield rows, columns, wave * np.maximum(1 - (down**2 + right**2) / reach**2, 0)


def draw_nodules(rng: Rng, film: Tensor, where: Tensor, *, square: bool) -> tuple[Tensor, Tensor]:
    """What one to three nodules add to a film [h, w], and the mask of them, both [h, w].

    Diameters are 1.4 to 9 % of the longer side, heights 0.2 to 1.3 of the film's standard deviation within ``where``
    [h, w], both spread evenly over their logarithms, about as on the films of JSRT. Five in six lie within ``where``,
    others anywhere in the box about it, as behind heart and diaphragm. Outlines are wavy, edges sharp or soft. The mask
    is a disc, or a square, of the mean diameter.
    """
    size = (where.shape[0], where.shape[1])
    drawn, mask = np.zeros(size, np.float32), np.zeros(size, np.float32)
    inside = np.argwhere(where.numpy() > 0.5)
    spread = float(film[where > 0.5].std()) if len(inside) > 1 else 0.0
    for _ in range(rng.integers(1, 4) if len(inside) else 0):
        place = inside[rng.integers(len(inside))] + rng.random(2)
        if rng.random() < 1 / 6:
            place = rng.uniform(inside.min(0), inside.max(0) + 1)
        radius = 0.5 * max(size) * np.exp(rng.uniform(np.log(0.014), np.log(0.09)))
        height = spread * np.exp(rng.uniform(np.log(0.2), np.log(1.3)))
        rows, columns, down, right = _around(place, 1.6 * radius, size)
        angle, waves = np.arctan2(down, right), np.arange(2, 6)
        swell = rng.normal(0, 0.18, 4) / (waves - 1) * rng.random()
        outline = radius * (1 + (swell * np.cos(waves * angle[..., None] + rng.uniform(0, 2 * np.pi, 4))).sum(-1))
        thick = np.maximum(1 - (down**2 + right**2) / outline**2, 0) ** rng.choice([0.5, 0.75, 1.0, 1.5])
        drawn[rows, columns] += (height * thick).astype(np.float32)
        away = np.maximum(np.abs(down), np.abs(right)) if square else np.hypot(down, right)
        mask[rows, columns] = np.maximum(mask[rows, columns], away <= radius)
    return torch.from_numpy(drawn), torch.from_numpy(mask)
