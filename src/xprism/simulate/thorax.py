"""Trunk, chest wall, lungs and diaphragm: the soft outlines of the body."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from xprism.simulate.parameters import Build
from xprism.simulate.projection import Rays, Span, Tube, ellipsoid, pillow, tubes_length

Floats = NDArray[np.float64]

SECTION = 2.4
"""Exponent of the superellipse that the thorax is when cut across: flatter at its sides than an ellipse."""


class Curve:
    """A smooth curve through control points (shape-preserving cubic), constant beyond its ends."""

    def __init__(self, at: Sequence[float], values: Sequence[float]) -> None:
        self._at = np.linspace(at[0], at[-1], 601)
        self._values = PchipInterpolator(np.asarray(at, float), np.asarray(values, float))(self._at)

    def __call__(self, where: Floats) -> Floats:
        return np.asarray(np.interp(where, self._at, self._values))


def quarter(u: Floats, power: float) -> Floats:
    """A quarter of a superellipse: rises steeply from 0 at u = 0 to 1 at u = 1 and stays there."""
    return np.asarray((1 - (1 - np.clip(u, 0, 1)) ** power) ** (1 / power))


@dataclass(frozen=True)
class Cage:
    """The inner surface of the chest wall: a superellipse at every level y (mm below the lung apices)."""

    build: Build

    def half_width(self, y: Floats) -> Floats:
        """Half of the inner width in mm at levels y."""
        b = self.build
        top = b.apex_offset * np.sqrt(np.clip((y + 4) / 4, 0, 1))
        flare = 1 + b.base_flare * np.clip(y / b.lung_height - 0.7, -0.2, 0.5)
        return top + (b.half_width * flare - b.apex_offset) * quarter(y / (0.9 * b.lung_height), b.shoulder_power)

    def half_depth(self, y: Floats) -> Floats:
        """Half of the inner depth in mm at levels y."""
        b = self.build
        return 24 + (b.half_depth - 24) * quarter(y / (0.6 * b.lung_height), 2.0)

    def middle(self, y: Floats) -> Floats:
        """Depth z in mm of the ellipse's centre at levels y; the apices lie further back."""
        return -22 + 22 * quarter(y / (0.5 * self.build.lung_height), 1.6)


@dataclass(frozen=True)
class Lungs:
    """Both lungs as spans before the diaphragm and the mediastinum are cut out of them."""

    cage: Cage

    def edges(self, y: Floats) -> tuple[Floats, Floats]:
        """Distance in mm from the midline of a lung's inner and outer edge at levels y."""
        b = self.cage.build
        inner = b.apex_offset - (b.apex_offset - 6) * quarter(y / (0.22 * b.lung_height), 1.7)
        outer = b.apex_offset + (self.cage.half_width(y) - b.apex_offset) * (y > 0)
        return inner, np.where(y > 0, outer, inner)

    def span(self, x: Floats, y: Floats) -> Span:
        """Span of the lungs: the cage, closing smoothly towards the midline and at the apex."""
        inner, outer = self.edges(y)
        across = np.abs(x)
        half = self.cage.half_depth(y) * np.maximum(1 - (across / np.maximum(outer, 1)) ** SECTION, 0) ** (1 / SECTION)
        medial = np.clip((across - inner) / 38, 0, 1)
        half *= np.sqrt(medial * (2 - medial))
        half *= quarter(y / 14, 2.0)
        middle = self.cage.middle(y)
        return Span(middle - half, middle + half).where((y > 0) & (across > inner) & (across < outer))


@dataclass(frozen=True)
class Dome:
    """One half of the diaphragm: a ridge line over x that falls away to the front and the back.

    ``side`` is -1 for the patient's right (left in the image) and 1 for the left. ``top`` is the
    ridge's highest level in mm below the apices, ``rise`` its height over the costophrenic angle.
    """

    cage: Cage
    side: int
    top: float
    rise: float

    def ridge(self, x: Floats) -> Floats:
        """Level y in mm of the visible dome at x."""
        width = self.cage.build.half_width
        u = (self.side * x - 0.46 * width) / (0.53 * width)
        lateral = self.rise * np.clip(u, 0, None) ** self.cage.build.dome_power
        medial = 0.42 * self.rise * np.clip(-u, 0, None) ** 2.0
        return self.top + lateral + medial

    def span(self, x: Floats, y: Floats) -> Span:
        """Span of what lies below the dome."""
        depth = self.cage.build.half_depth
        below = np.sqrt(np.maximum(y - self.ridge(x), 0))
        return Span(8 - 0.92 * depth * below / np.sqrt(62), 8 + 0.95 * depth * below / np.sqrt(22))


def domes_span(cage: Cage, x: Floats, y: Floats) -> Span:
    """Span of what lies below the diaphragm, right and left."""
    b = cage.build
    rise = b.dome_rise * b.lung_height
    right = Dome(cage, -1, b.dome_right * b.lung_height, rise).span(x, y)
    lower = b.dome_left * b.lung_height
    left = Dome(cage, 1, b.dome_right * b.lung_height + lower, max(rise - 0.8 * lower, 0.5 * rise)).span(x, y)
    return Span(np.where(x < 0, right.near, left.near), np.where(x < 0, right.far, left.far))


@dataclass(frozen=True)
class Trunk:
    """Neck, shoulders, chest and belly, with a layer of fat under the skin; shoulders stand ``lift`` mm higher."""

    cage: Cage
    lift: float = 0.0

    def span(self, x: Floats, y: Floats, *, inset: float = 0.0) -> Span:
        """Span of the trunk, or of its inside ``inset`` mm within the skin."""
        b = self.cage.build
        wall = b.muscle + b.fat
        size = b.half_width / 131
        chest, drop = b.half_width + 12 + wall, b.shoulder_drop - self.lift
        levels = [-120, -66 + drop, -40 + drop, -22 + drop, -7 + drop, 7 + drop, 28 + drop, 60 + drop]
        widths = [55 * size, 57 * size, 68 * size, 98 * size, 132 * size, 158 * size, 176 * size, 182 * size]
        widths = [w + 0.5 * (b.fat - 8) for w in widths]
        height = b.lung_height
        levels += [0.44 * height, 0.6 * height, 0.8 * height, height, 1.3 * height, 1.7 * height]
        widths += [max(chest + 14, 170 * size), chest + 3, chest - 3, chest - 6, chest - 16 + b.fat, chest + b.fat - 4]
        half_width = Curve(levels, widths)(y) - inset
        deep = b.half_depth + 2 + wall
        depth_levels = [-100, -30, 0, 0.2 * height, 0.45 * height, height, 1.5 * height]
        depths = [70 + b.fat / 3, 70 + b.fat / 3, 70 + b.fat / 2, 0.94 * deep, deep, deep + 3, deep + 6 + b.fat / 2]
        half_depth = Curve(depth_levels, depths)(y) - inset
        middle = Curve([-60, 0, 0.3 * height, height], [-14, -16, -2, 0])(y)
        return pillow(x / np.maximum(half_width, 1), middle=middle, half_depth=half_depth, power=2.6)

    def arms(self, *, inset: float = 0.0) -> tuple[Tube, Tube]:
        """Upper arms from the shoulder downwards and out of the field, right and left."""
        b = self.cage.build
        size = b.half_width / 131
        points = [[122, 48, -12], [150, 58, -12], [174, 95, -10], [200, 150, -8], [232, 230, 0], [310, 430, 10]]
        line = np.array(points) * size
        line[:, 1] += b.shoulder_drop
        radii = np.array([46, 50, 50, 46, 42, 38]) * size + 0.5 * b.fat - inset
        return Tube.round(line * [-1, 1, 1], radii), Tube.round(line, radii)

    def breasts(self, x: Floats, y: Floats) -> Floats:
        """How far the breasts stand out from the chest in mm: full below, running out thinly above."""
        b = self.cage.build
        size = (58 * b.breast + 0.5 * b.fat) * (b.breast > 0)
        if not size:
            return np.zeros(x.shape)
        across = (np.abs(x) - 0.54 * b.half_width) / size
        down = (y - 0.68 * b.lung_height) / size
        reach = np.maximum(1 - across**2 - np.where(down > 0, down / 0.85, down / 1.35) ** 2, 0)
        thin = np.clip(0.55 - 0.9 * down, 0.55, 1.6)
        return np.asarray(0.62 * size * reach**thin)

    def pectorals(self, x: Floats, y: Floats) -> tuple[Span, Span]:
        """The big muscles in front of the upper ribs, right and left."""
        b = self.cage.build
        size = b.half_width / 131
        radii = (68 * size, 58 * size, 40.0)
        front = 0.9 * (b.half_depth + 2 + b.muscle + b.fat) - 36 + 0.7 * (b.muscle - 15)
        spans = [
            ellipsoid(
                x,
                y,
                centre=(s * 84 * size, 0.35 * b.lung_height + 0.5 * b.shoulder_drop, front),
                radii=radii,
                tilt=s * -0.5,
            )
            for s in (-1, 1)
        ]
        return spans[0], spans[1]


def arms_length(rays: Rays, arms: tuple[Tube, Tube], *, outside: Span) -> Floats:
    """Path length in mm through the arms where they do not overlap a span."""
    return np.maximum(tubes_length(rays, arms) - tubes_length(rays, arms, within=outside), 0)
