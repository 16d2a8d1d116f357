"""The spine: vertebral bodies with tilted end plates, and their processes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xprism.simulate.bone import Bone
from xprism.simulate.detail import BoneDetail
from xprism.simulate.mediastinum import turned
from xprism.simulate.parameters import Bones, Build, Pose
from xprism.simulate.projection import Span, Tube

Floats = NDArray[np.float64]

_NUMBERS = (-4, 1, 6, 12, 16)  # C3, T1, T6, T12, L4, between which sizes are interpolated
_WIDTH = (12, 14.5, 14.5, 19, 23)  # half-width of a body in mm
_DEPTH = (-18, -34, -48, -42, -36)  # z of its middle in mm
_TILT = (-12, 20, 6, -9, 2)  # how far a body leans to the front, in degrees


@dataclass(frozen=True)
class Spine:
    """The vertebrae of one patient in one pose; every length in mm. Vertebra 1 is T1, 13 is L1, 0 is C7."""

    build: Build
    bones: Bones
    pose: Pose
    detail: BoneDetail

    def level(self, vertebra: float) -> float:
        """Level y in mm of a vertebra's centre; vertebrae grow downwards."""
        h = self.build.lung_height
        # Strongly arched ribs rise to the lung apices from lower vertebrae.
        first = 30 * self.detail.arch - 2
        last = 0.985 * h
        at = [-6, 1, 4, 8, 12, 18]
        return float(
            np.interp(
                vertebra,
                at,
                [first - 0.42 * h, first, *(first + share * (last - first) for share in (0.235, 0.60)), last, 1.72 * h],
            )
        )

    def x(self, y: Floats | float) -> Floats:
        """Sideways bend of the spine in mm at levels y."""
        size, phase = self.bones.spine_curve
        return np.asarray(size * np.sin(np.asarray(y) / self.build.lung_height * np.pi * 1.4 + phase))

    def bodies(self, x: Floats, y: Floats) -> tuple[Span, Span]:
        """Spans of the vertebral bodies (cervical to lumbar), outer and inside the cortex."""
        outer, inner = _empty(x.shape), _empty(x.shape)
        aside = np.abs(x - self.x(y))
        wall = 0.6 * self.bones.cortex
        for number in range(-4, 17):
            top, bottom = self.level(number - 0.5), self.level(number + 0.5)
            rows = (y > top - 5) & (y < bottom + 5) & (aside < 30)
            if not rows.any():
                continue
            high = (bottom - top) / 2 * (0.84 if number > 0 else 0.76)
            width = np.interp(number, _NUMBERS, _WIDTH) * self.bones.vertebra_scale
            middle = float(np.interp(number, _NUMBERS, _DEPTH))
            down = y[rows] - (top + bottom) / 2
            # Near the level of the tube's focus end plates are seen edge-on, elsewhere as narrow ellipses.
            slope = np.tan(np.deg2rad(np.interp(number, _NUMBERS, _TILT)))
            slope = slope if abs(slope) > 0.02 else 0.02
            half = width * (1 - 0.10 * (1 - np.minimum(np.abs(down / high), 1) ** 2))
            spans = []
            for cut in (0.0, wall):
                flat = np.maximum(1 - (aside[rows] / (half - cut)) ** 4, 0) ** 0.25 * (0.85 * width - cut)
                ends = np.sort(np.stack([(down - high + cut) / slope, (down + high - cut) / slope]), 0)
                spans.append(Span(middle + np.maximum(-flat, ends[0]), middle + np.minimum(flat, ends[1])))
            # Leaning neighbours may overlap at their rims; the upper one keeps its place.
            fresh = spans[0].hit & (outer.far[rows] <= outer.near[rows])
            for found, span in ((outer, spans[0]), (inner, spans[1])):
                found.near[rows] = np.where(fresh, span.near, found.near[rows])
                found.far[rows] = np.where(fresh, span.far, found.far[rows])
        return outer, inner

    def processes(self) -> list[Bone]:
        """Pedicles, spinous, transverse and articular processes of the vertebrae."""
        found, k, wall = [], self.bones.vertebra_scale, self.bones.cortex
        for number in range(-4, 16):
            y = self.level(number)
            x, z = float(self.x(y)), float(np.interp(number, _NUMBERS, _DEPTH))
            step = self.level(number + 1) - y
            spine = [(x, y + 0.1 * step, z - 20), (x, y + 0.55 * step, z - 36), (x, y + 0.75 * step, z - 40)]
            found.append(self._tube(spine, np.array([2.6, 3.4, 3.0]) * k, 0.8 * wall))
            for side in (-1, 1):
                if number < 1:
                    share = np.linspace(-0.46, 0.46, 7)
                    pillar = [(x + side * 15 * k, y + part * step, z - 12) for part in share]
                    found.append(self._tube(pillar, (6.0 - 11 * share**2) * k, 0.4 * wall))
                    continue
                foot = [(x + side * 10 * k, y - 3, z - 12), (x + side * 10.5 * k, y - 3, z - 23)]
                found.append(self._pedicle(foot))
                if number > 12:
                    continue
                arm = [(x + side * 9 * k, y - 3, z - 22), (x + side * 19 * k, y - 5, z - 28),
                       (x + side * 27 * k, y - 7, z - 31), (x + side * 29.5 * k, y - 7.5, z - 32)]  # fmt: skip
                found.append(self._tube(arm, np.array([3.4, 3.0, 3.8, 1.5]) * k, 0.4 * wall))
        return found

    def _pedicle(self, foot: list[tuple[float, float, float]]) -> Bone:
        """A pedicle, which is seen end-on: an oval, higher than wide."""
        radii = np.tile([4.3, 2.9], (2, 1)) * self.bones.vertebra_scale
        tube = Tube(turned(np.array(foot), self.pose.yaw), radii, np.tile([0.0, 1.0, 0.0], (2, 1)))
        return Bone.even(tube, 0.4 * self.bones.cortex, filling=0.7)

    def _tube(self, points: list[tuple[float, float, float]], radii: Floats, wall: float) -> Bone:
        return Bone.even(Tube.round(turned(np.array(points), self.pose.yaw), radii), wall)


def _empty(shape: tuple[int, ...]) -> Span:
    return Span(np.zeros(shape), np.zeros(shape))
