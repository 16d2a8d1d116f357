"""Pulmonary vessels that branch from the hila and taper towards the chest wall, and lung nodules."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xprism.errors import DataError
from xprism.simulate.parameters import Build
from xprism.simulate.projection import Tube
from xprism.simulate.thorax import Cage

Floats = NDArray[np.float64]

_THINNEST, _STRAIGHT = 0.5, 1.3  # radii in mm: no branch is thinner; thinner ones are drawn straight
_MOST_BRANCHES = 800
_MOST_TRIES = 20_000


@dataclass(frozen=True)
class Nodule:
    """A round lung nodule: ``centre`` in mm in the body, ``diameter_mm``, and its ``density`` (1 is soft tissue)."""

    centre: tuple[float, float, float]
    diameter_mm: float
    density: float


class _Room:
    """How far out in the cage a point lies: 0 on its axis, 1 on the chest wall, 2 above the lungs.

    The cage is looked up per millimetre, for the trees ask thousands of times.
    """

    def __init__(self, cage: Cage) -> None:
        levels = np.arange(0.0, 2 * cage.build.lung_height)
        self._wide = cage.half_width(levels).tolist()
        self._deep = cage.half_depth(levels).tolist()
        self._middle = cage.middle(levels).tolist()

    def __call__(self, x: float, y: float, z: float) -> float:
        if not 2 <= y < len(self._wide):
            return 2.0
        k = int(y)
        return math.hypot(x / self._wide[k], (z - self._middle[k]) / self._deep[k])


def _unit(vector: Floats) -> Floats:
    return np.asarray(vector / math.sqrt(vector @ vector))


def grow_vessels(rng: np.random.Generator, build: Build, *, side: int) -> tuple[Tube, ...]:
    """One lung's vessel tree; side -1 is the patient's right, 1 the left.

    A parent splits into two whose radii obey Murray's law (cubes add up); a branch ends where it gets
    thinner than the eye can see or nears the chest wall, the midline or the domes.
    """
    room, h = _Room(Cage(build)), build.lung_height
    hilum = np.array([side * 30.0, (0.455 if side < 0 else 0.43) * h, -4.0])
    stems = _stems(rng, side)
    waiting = [(hilum + rng.normal(0, 3, 3), direction, radius) for direction, radius in stems]
    grown: list[Tube] = []
    floor = (build.dome_right + 0.06) * h
    while waiting and len(grown) < _MOST_BRANCHES:
        start, direction, radius = waiting.pop(0)
        length = 7.0 + radius * rng.uniform(1.8, 3.4)
        bend = _unit(direction + 0.22 * rng.standard_normal(3))
        points = np.array([start, start + bend * length / 2, start + (bend + direction) * length / 2])
        end, onward = points[2], _unit(points[2] - points[1])
        if radius < _STRAIGHT:
            points = points[[0, 2]]
        grown.append(Tube.round(points, np.linspace(radius, 0.95 * radius, len(points))))
        if room(*end.tolist()) < 0.96 and side * end[0] > 8 and end[1] < floor + 40:
            waiting.extend(_children(rng, end, onward, 0.95 * radius))
    return tuple(grown)


def _stems(rng: np.random.Generator, side: int) -> list[tuple[Floats, float]]:
    """Directions and radii in mm of the vessels that leave a hilum."""
    angles = [-80, -55, -28, 5, 38, 62, 80, -68, -10, 50, 72]
    radii = [3.4, 3.2, 2.4, 2.6, 3.6, 5.2, 5.6, 2.6, 2.2, 3.2, 3.4]
    found = []
    for angle, radius in zip(angles, radii, strict=True):
        turn = np.deg2rad(angle + rng.normal(0, 9))
        depth = rng.normal(-0.05, 0.45)
        found.append((_unit(np.array([side * np.cos(turn), np.sin(turn), depth])), radius * rng.uniform(0.85, 1.15)))
    return found


def _children(
    rng: np.random.Generator, end: Floats, direction: Floats, radius: float
) -> list[tuple[Floats, Floats, float]]:
    share = rng.uniform(0.55, 0.93)
    (a, b, c), (u, v, w) = direction.tolist(), rng.standard_normal(3).tolist()
    sideways = _unit(np.array([b * w - c * v, c * u - a * w, a * v - b * u]))
    found = []
    for part, turn in ((share, -1.0), (1 - share, 1.0)):
        child = radius * part ** (1 / 3)
        angle = turn * np.deg2rad(rng.uniform(28, 62)) * (1 - part) ** 0.8
        if child > (_THINNEST if part > 0.5 else 0.75):
            found.append((end, _unit(direction * np.cos(angle) + sideways * np.sin(angle)), child))
    return found


def place_nodules(
    rng: np.random.Generator, build: Build, wanted: int | Sequence[tuple[float, float]]
) -> tuple[Nodule, ...]:
    """Nodules at random places well inside the visible lungs: so many of 7 to 30 mm, or of given (mm, density).

    Raises DataError for a diameter outside 3 to 40 mm or a density outside 0 to 1.
    """
    cage, h = Cage(build), build.lung_height
    given = None if isinstance(wanted, int) else list(wanted)
    if given and not all(3 <= diameter <= 40 and 0 < density <= 1 for diameter, density in given):
        raise DataError(f"a nodule has a diameter of 3 to 40 mm and a density over 0 to 1, not {given}")
    count = wanted if isinstance(wanted, int) else len(wanted)
    room, tries = _Room(cage), 0
    found: list[Nodule] = []
    while len(found) < count:
        tries += 1
        if tries > _MOST_TRIES:
            raise DataError(f"no room for {count} such nodules in this chest", remedy="ask for fewer or smaller ones")
        diameter = float(np.clip(np.exp(rng.normal(np.log(15), 0.4)), 7, 30))
        if given:
            diameter = given[len(found)][0]
        y = rng.uniform(0.14, 0.86) * h
        wide, deep = float(cage.half_width(np.array(y))), float(cage.half_depth(np.array(y)))
        side = -1 if rng.random() < 0.5 else 1
        x = side * rng.uniform(0.32, 0.9) * wide
        z = float(cage.middle(np.array(y))) + rng.uniform(-0.7, 0.7) * deep
        density = float(rng.uniform(0.75, 1.0))
        if given:
            density = given[len(found)][1]
        clear = room(x, y, z) + diameter / 2 / min(wide, deep) < 0.95
        low = (build.dome_right - 0.04) * h - diameter / 2
        in_heart = x > 0 and y > 0.45 * h and x < 0.72 * build.heart_width * (y / h - 0.2) + diameter / 2
        apart = all(np.hypot(x - n.centre[0], y - n.centre[1]) > (diameter + n.diameter_mm) / 2 + 3 for n in found)
        if clear and y < low and not in_heart and apart:
            found.append(Nodule((float(x), float(y), float(z)), diameter, density))
    return tuple(found)
