"""The rib cage: ribs with cortex and marrow, calcified cartilage, breastbone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xprism.simulate.bone import Bone, smooth
from xprism.simulate.detail import KNOTS, BoneDetail, along
from xprism.simulate.mediastinum import turned
from xprism.simulate.parameters import Bones, Build, Pose
from xprism.simulate.projection import Tube
from xprism.simulate.spine import Spine
from xprism.simulate.thorax import SECTION, Cage

Floats = NDArray[np.float64]

# Per rib 1 to 13: how far round the cage it goes (degrees from the back); how far it would sink (share of the
# lung height) from the back to the very front; how far it rises beside the spine first (mm, at full arch), and
# over how many degrees that rise fades; how much its section leans from upright to flat (degrees).
_END = (146, 142, 140, 139, 138, 136, 131, 124, 116, 106, 72, 48, 30)
_SINK = (0.15, 0.19, 0.26, 0.33, 0.38, 0.425, 0.453, 0.465, 0.453, 0.408, 0.272, 0.17, 0.12)
_ARCH = (30, 31, 31, 29, 23, 18, 14, 11, 9, 6, 3, 0, 0)
_FADE = (26, 26, 24, 22, 20, 18, 17, 16, 16, 16, 16, 16, 16)
_LEAN = (62, 38, 18, 8, 4, 0, 0, 0, 0, 0, 0, 0, 0)

_STEPS = 45
_FIRST_WIDTH = 57.0  # mm from the midline: the first rib is narrower than the lung behind it


@dataclass(frozen=True)
class RibCage:
    """The ribs and breastbone of one patient in one pose; every length in mm."""

    build: Build
    bones: Bones
    pose: Pose
    detail: BoneDetail

    def rib(self, number: int, side: int) -> Bone:
        """Rib 1 to 13; side -1 is the patient's right, 1 the left."""
        turn = np.deg2rad(np.linspace(6, _END[number - 1], _STEPS))
        way = np.linspace(0, 1, _STEPS)
        wobble = self.detail.wobble[number - 1 + (13 if side > 0 else 0)]
        line, out = self._course(number, side, turn, sway=0.6 * along(wobble[:KNOTS], way))
        lean = np.deg2rad(_LEAN[number - 1])
        normals = np.cos(lean) * out + np.sin(lean) * np.array([0.0, -1.0, 0.35])
        radii, wall, filling = self._section(number, np.rad2deg(turn), way, wobble)
        tube = Tube(turned(line, self.pose.yaw), radii, turned(normals, self.pose.yaw))
        # The cortex is thicker below, where the groove for vessels and nerve runs.
        return Bone(tube, wall, filling, lift=0.25)

    def _course(self, number: int, side: int, turn: Floats, *, sway: Floats) -> tuple[Floats, Floats]:
        """Centre line [N, 3] of a rib and the outward direction [N, 3] of the cage along it."""
        cage, h, k = Cage(self.build), self.build.lung_height, number - 1
        jitter = self.bones.rib_jitter[min(k, 11) + (12 if side > 0 else 0)]
        sin, cos = np.sin(turn), np.cos(turn)
        # A superellipse seen from above: the cage is flat at its sides.
        reach = (np.abs(sin) ** SECTION + np.abs(cos) ** SECTION) ** (-1 / SECTION)
        back = np.rad2deg(turn) / _FADE[k]
        arch = self.detail.arch * _ARCH[k] * back * np.exp(1 - back)
        sink = _SINK[k] * h * self.bones.rib_slope * (1 - reach * cos) / 2
        y = Spine(self.build, self.bones, self.pose, self.detail).level(number - 0.45) + jitter + sink - arch + sway
        inside = self.bones.rib_depth + 1.5
        wide = np.maximum(cage.half_width(np.maximum(y, 8.0)), self.build.apex_offset * 0.9) + inside
        if number == 1:
            wide = np.full_like(y, _FIRST_WIDTH * self.build.half_width / 131)
        deep = cage.half_depth(y) + inside
        x, z = wide * reach * sin, cage.middle(y) - deep * reach * cos
        bend = Spine(self.build, self.bones, self.pose, self.detail).x(y)
        line = np.stack([side * x + bend * np.cos(turn / 2) ** 2, y, z], 1)
        out = np.stack([side * sin / wide, 0 * turn, -cos / deep], 1)
        return line, out / np.linalg.norm(out, axis=1, keepdims=True)

    def _section(
        self, number: int, degrees: Floats, way: Floats, wobble: tuple[float, ...]
    ) -> tuple[Floats, Floats, Floats]:
        """Half-thicknesses [N, 2], cortex [N] in mm and share of spongiosa [N] along a rib."""
        d = self.detail
        scale = 0.85 if number in (11, 12, 13) else 1.0
        deep = np.interp(degrees, [6, 20, 70, 95, 130], [0.85, 1.1, 1.1, 1.0, 0.75]) * scale
        # Short lungs have narrow spaces between narrow ribs.
        scale *= 0.93 * np.sqrt(self.build.lung_height / 255)
        tall = np.interp(degrees, [6, 20, 60, 95, 130], [0.66, 0.98, 1.0, 0.9, 1.08]) * scale
        tall = tall * (1 + 0.05 * along(wobble[KNOTS : 2 * KNOTS], way))
        if number == 1:
            tall, deep = 1.15 * tall, 0.85 * deep
        front = np.interp(degrees, [80, 110, 140], [1.0, 0.35 + 0.65 * d.front, d.front])
        front = 0.7 + 0.3 * front if number == 1 else front * np.interp(way, [0.88, 1], [1, 0.4])
        wall = d.cortex * self.bones.cortex * np.interp(degrees, [6, 25], [0.75, 1.0]) * front
        wall = wall * (1 + 0.16 * along(wobble[2 * KNOTS :], way))
        radii = np.stack([self.bones.rib_depth * deep, self.bones.rib_height * tall], 1)
        return radii, np.maximum(wall, 0.15), d.filling * front

    def groove(self, number: int, side: int) -> Bone:
        """The sharp lower edge of a rib's hind part, a thin rod of compact bone."""
        rib = self.rib(number, side)
        hind = slice(3, int(_STEPS * min(72 / _END[number - 1], 1)))
        points, radii = rib.tube.points[hind], rib.tube.radii[hind]
        low = np.array([0.0, 1.0, 0.0]) * (radii[:, 1:] - 0.75) - rib.tube.normals[hind] * 0.35 * radii[:, :1]
        size = np.sin(np.linspace(0.25, np.pi - 0.1, len(points))) ** 0.5 * self.detail.groove
        return Bone(Tube.round(points + low, np.maximum(size, 0.1)), size, 0 * size)

    def cartilages(self) -> list[Bone]:
        """Calcified parts of the rib cartilages: grains along the way from a rib's front end to the breastbone."""
        found = []
        for side in (-1, 1):
            for number in range(1, 8):
                grade = self.detail.first_cartilage if number == 1 else self.detail.cartilage
                if grade <= 0.02:
                    continue
                wobble = self.detail.wobble[number - 1 + (13 if side > 0 else 0)]
                points = self._cartilage(number, side)
                way = np.linspace(0, 1, len(points))
                spots = np.clip(0.5 + 0.9 * np.interp(way * 9 % 1, np.linspace(0, 1, 21), wobble), 0, 1.6)
                size = np.interp(way, [0, 0.35, 1], [5.5, 4.5, 4.0])
                shell = 0.55 * grade * spots * np.interp(way, [0, 0.4, 1], [1, 0.6, 0.5])
                tube = Tube(points, np.stack([0.7 * size, size], 1), np.tile([0.0, 0.2, 1.0], (len(points), 1)))
                found.append(Bone(tube, shell, 0.12 * grade * spots))
        return found

    def _cartilage(self, number: int, side: int) -> Floats:
        """Centre line of a rib's cartilage, from its front end to the edge of the breastbone."""
        end = self.rib(number, side).tube.points[-1]
        h = self.build.lung_height
        x = side * (27 if number == 1 else 18) * self.detail.sternum
        y = float(np.interp(number, [1, 2, 7], [0.20 * h, 0.28 * h, 0.72 * h]))
        goal = turned(np.array([x, y, self._front(y)]), self.pose.yaw)
        middle = (end + goal) / 2 + np.array([0.0, 0.0 if number < 4 else 6.0, 4.0])
        return smooth(np.stack([end, middle, goal]), 22)

    def _front(self, y: float) -> float:
        """Depth in mm of the breastbone at a level."""
        cage, level = Cage(self.build), np.array(max(y, 1.0))
        return float(cage.middle(level) + cage.half_depth(level)) + 4

    def sternum(self) -> list[tuple[Floats, float]]:
        """Outlines [N, 2] of manubrium and body of the breastbone and the depth of each in mm."""
        h, k = self.build.lung_height, self.detail.sternum * self.build.half_width / 131
        top, angle, low = 0.155 * h, 0.31 * h, 0.70 * h
        manubrium = [(0, top + 5), (12, top), (24, top + 5), (31, top + 16), (25, top + 27), (17, angle)]
        body = [(15, angle + 2), (18, angle + 0.25 * (low - angle)), (20, angle + 0.7 * (low - angle)), (12, low)]
        found = []
        for half, level in ((manubrium, top + 20), (body, (angle + low) / 2)):
            right = [(-x, y) for x, y in reversed(half) if x]
            ring = np.array([(x * k, y, self._front(y)) for x, y in [*half, *right]])
            found.append((turned(ring, self.pose.yaw)[:, :2], self._front(level)))
        return found
