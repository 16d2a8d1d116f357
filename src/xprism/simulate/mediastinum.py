"""Heart, great vessels, airways: what stands between the lungs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from xprism.simulate.parameters import Build, Pose
from xprism.simulate.projection import Span, Tube, ellipsoid, pillow
from xprism.simulate.thorax import Curve

Floats = NDArray[np.float64]

# Outline of a heart seen from the front, mm from its centre: start at the right atrium, run over the
# outflow tract to the left ventricle and the apex, and back along the diaphragm.
_HEART = np.array(
    [
        (-58, 4), (-54, -18), (-42, -40), (-22, -54), (0, -57), (18, -50), (34, -34),
        (50, -12), (62, 8), (69, 26), (58, 41), (28, 46), (-8, 44), (-44, 32),
    ],
    float,
)  # fmt: skip


@dataclass(frozen=True)
class Outline:
    """A closed smooth outline that is star-shaped about its centre: radius in mm over angle."""

    centre: tuple[float, float]
    angles: Floats
    radii: Floats

    @classmethod
    def through(cls, points: Floats, *, centre: tuple[float, float]) -> Outline:
        """The outline through points [N, 2] given relative to the centre."""
        angle = np.arctan2(points[:, 1], points[:, 0])
        order = np.argsort(angle)
        angle, radius = angle[order], np.hypot(points[:, 0], points[:, 1])[order]
        ring = CubicSpline(np.append(angle, angle[0] + 2 * np.pi), np.append(radius, radius[0]), bc_type="periodic")
        dense = np.linspace(-np.pi, np.pi, 721)
        return cls(centre, dense, ring(dense))

    def across(self, x: Floats, y: Floats) -> Floats:
        """0 at the centre, 1 on the outline, larger outside."""
        dx, dy = x - self.centre[0], y - self.centre[1]
        return np.asarray(np.hypot(dx, dy) / np.interp(np.arctan2(dy, dx), self.angles, self.radii))


def turned(points: Floats, yaw: float) -> Floats:
    """Points [..., 3] after the patient turns by ``yaw`` about the vertical axis."""
    cos, sin = np.cos(yaw), np.sin(yaw)
    x, y, z = points[..., 0], points[..., 1], points[..., 2]
    return np.stack([cos * x + sin * z, y, cos * z - sin * x], axis=-1)


@dataclass(frozen=True)
class Mediastinum:
    """The heart and its neighbours for one build and pose."""

    build: Build
    pose: Pose

    def heart(self, x: Floats, y: Floats) -> Span:
        """Span of the heart; its shadow is the whole silhouette, also below the domes."""
        b = self.build
        points = _HEART * (1 + np.array(b.heart_lumps))[:, None]
        extent = points.max(0) - points.min(0)
        points = points * [b.heart_width / extent[0], b.heart_height / extent[1]]
        low = (b.dome_right + 0.6 * b.dome_left) * b.lung_height + b.heart_centre[1]
        place = np.array([b.heart_centre[0], low - points[:, 1].max(), 16.0])
        centre = turned(place, self.pose.yaw)
        outline = Outline.through(points, centre=(float(centre[0]), float(centre[1])))
        return pillow(outline.across(x, y), middle=float(centre[2]), half_depth=0.45 * b.heart_width)

    def middle(self, x: Floats, y: Floats) -> Span:
        """Span of the tissue along the midline: great veins, gullet, fat, down into the heart."""
        b = self.build
        height = b.lung_height
        at = [-0.1, 0.0, 0.12, 0.22, 0.34, 0.46, 0.6, 0.85, 1.1]
        right = Curve([v * height for v in at], [v * b.mediastinum for v in (26, 24, 20, 22, 27, 29, 27, 20, 20)])(y)
        left = Curve([v * height for v in at], [v * b.mediastinum for v in (26, 23, 17, 19, 24, 26, 25, 22, 20)])(y)
        shift = np.sin(self.pose.yaw) * 20
        across = np.where(x < shift, (shift - x) / right, (x - shift) / left)
        depth = Curve([0, 0.2 * height, 0.42 * height, 0.65 * height], [32, 44, 40, 11])(y)
        back = Curve([0.3 * height, 0.65 * height], [-6, -26])(y)
        return pillow(across, middle=back, half_depth=depth, power=2.2)

    def bulges(self, x: Floats, y: Floats) -> list[Span]:
        """Spans that shape the left border above the heart: pulmonary trunk and left atrial appendage."""
        b = self.build
        height, size = b.lung_height, b.heart_width / 122
        places = np.array([[25.0, 0.43 * height, 12.0], [33.0, 0.53 * height, 8.0]])
        places = turned(places, self.pose.yaw)
        radii = np.array([[15.0, 21.0, 16.0], [13.0, 20.0, 14.0]]) * size
        return [ellipsoid(x, y, centre=list(p), radii=list(r), tilt=0.5) for p, r in zip(places, radii, strict=True)]

    def aorta(self) -> Tube:
        """The aorta from its root over the arch and down along the spine."""
        b = self.build
        h, old = b.lung_height, 5 * b.age_stiffness
        line = [
            (4, 0.58 * h, 22), (-10 - old, 0.48 * h, 30), (-13 - old, 0.40 * h, 28), (-6, 0.315 * h, 20),
            (8, 0.275 * h, 6), (19 + old, 0.275 * h, -10), (23 + 0.8 * old, 0.315 * h, -24),
            (23 + 0.6 * old, 0.37 * h, -34), (21 + 0.5 * old, 0.46 * h, -38), (19 + 0.5 * old, 0.6 * h, -38),
            (13, 0.8 * h, -38), (8, 1.05 * h, -38),
        ]  # fmt: skip
        smooth = CubicSpline(np.arange(len(line)), np.array(line, float))(np.linspace(0, len(line) - 1, 45))
        radii = np.interp(np.linspace(0, 1, 45), [0, 0.35, 0.5, 1], [1.12, 1.08, 1.0, 0.85]) * b.knob
        return Tube.round(turned(smooth, self.pose.yaw), radii)

    def airways(self) -> list[Tube]:
        """Trachea and main bronchi, filled with air."""
        h = self.build.lung_height
        trachea = np.array([(0, -70, -6), (0, -0.05 * h, -10), (-1, 0.15 * h, -14), (-2, 0.36 * h, -18)], float)
        right = np.array([(-2, 0.355 * h, -18), (-16, 0.40 * h, -18), (-30, 0.45 * h, -16)], float)
        left = np.array([(-2, 0.355 * h, -18), (18, 0.415 * h, -18), (36, 0.46 * h, -18)], float)
        size = 8.2 if self.build.sex == "female" else 9.4
        pairs = ((trachea, [size, size, size, size * 0.95]), (right, [6.5, 6, 3]), (left, [6, 5.5, 2.5]))
        return [Tube.round(turned(line, self.pose.yaw), radii) for line, radii in pairs]
