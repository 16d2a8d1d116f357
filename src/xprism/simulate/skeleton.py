"""Ribs, clavicles, scapulae, humeri and spine, each with a cortex around spongy bone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from xprism.simulate.mediastinum import Outline, turned
from xprism.simulate.parameters import Bones, Build, Pose
from xprism.simulate.projection import Rays, Span, Tube, add_tube, ellipsoid, pillow, tubes_length
from xprism.simulate.thorax import Cage

Floats = NDArray[np.float64]

# Per rib 1 to 12: how far round the cage it goes (degrees from the back) and how far it sinks (share of
# the lung height) between its joint with the spine and its front end.
_RIB_END = (146, 142, 140, 139, 138, 136, 131, 124, 116, 106, 72, 48)
_RIB_SINK = (0.15, 0.20, 0.25, 0.30, 0.34, 0.375, 0.40, 0.41, 0.40, 0.36, 0.24, 0.15)


@dataclass(frozen=True)
class Skeleton:
    """The bones of one patient in one pose; every length in mm."""

    build: Build
    bones: Bones
    pose: Pose

    def level(self, vertebra: float) -> float:
        """Level y in mm of a thoracic vertebra's centre; 1 is T1, 13 is L1, 0 is C7."""
        h = self.build.lung_height
        return float(np.interp(vertebra, [-6, 1, 12, 18], [-0.40 * h, -0.005 * h, 0.985 * h, 1.72 * h]))

    def spine_x(self, y: Floats | float) -> Floats:
        """Sideways bend of the spine in mm at levels y."""
        size, phase = self.bones.spine_curve
        return np.asarray(size * np.sin(np.asarray(y) / self.build.lung_height * np.pi * 1.4 + phase))

    def rib(self, number: int, side: int) -> Tube:
        """Rib 1 to 12; side -1 is the patient's right, 1 the left."""
        cage, h = Cage(self.build), self.build.lung_height
        jitter = self.bones.rib_jitter[number - 1 + (12 if side > 0 else 0)]
        turn = np.linspace(np.deg2rad(9), np.deg2rad(_RIB_END[number - 1]), 25)
        way = (turn - turn[0]) / (np.deg2rad(140) - turn[0])
        sink = 0.16 * way + 0.84 * way**2 * (3 - 2 * np.minimum(way, 1))
        sink *= _RIB_SINK[number - 1] * h * self.bones.rib_slope
        arch = -0.020 * h * np.sin(np.clip(turn / np.deg2rad(60), 0, 1) * np.pi)
        y = self.level(number - 0.45) + jitter + sink + arch
        inside = self.bones.rib_depth + 1.5
        wide = np.maximum(cage.half_width(np.maximum(y, 8.0)), self.build.apex_offset * 0.9) + inside
        deep = cage.half_depth(y) + inside
        x, z = wide * np.sin(turn), cage.middle(y) - deep * np.cos(turn)
        points = np.stack([side * x + self.spine_x(y) * np.cos(turn / 2) ** 2, y, z], 1)
        normals = np.stack([side * np.sin(turn) / wide, 0 * turn, -np.cos(turn) / deep], 1)
        normals /= np.linalg.norm(normals, axis=1, keepdims=True)
        taper = np.interp(way, [0, 0.1, 0.75, 1], [0.75, 1, 1, 0.92]) * (0.85 if number in (1, 11, 12) else 1.0)
        radii = np.stack([self.bones.rib_depth * taper, self.bones.rib_height * taper], 1)
        return Tube(turned(points, self.pose.yaw), radii, turned(normals, self.pose.yaw))

    def clavicle(self, side: int) -> Tube:
        """A clavicle from breastbone to shoulder; side -1 is the patient's right, 1 the left."""
        b, s = self.bones, np.linspace(0, 1, 34)
        size = self.build.half_width / 131
        medial = b.clavicle_medial * self.build.lung_height
        lateral = self.build.shoulder_drop + b.clavicle_end[0] + side * b.clavicle_end[1]
        x = (17 + 122 * s) * size
        y = medial + (lateral - medial) * s**0.85 + b.clavicle_bow * np.sin(2 * np.pi * s)
        z = np.interp(s, [0, 0.3, 0.7, 1], [58, 53, 14, -4])
        ends = np.sqrt(np.clip(1 - (np.maximum(np.abs(2 * s - 1) - 0.92, 0) / 0.082) ** 2, 0.02, 1))
        high = np.interp(s, [0, 0.12, 0.3, 0.6, 0.85, 1], [1.55, 1.32, 1.0, 0.95, 1.05, 1.1]) * ends
        radii = np.stack([b.clavicle_radius * high, b.clavicle_radius * high * 0.95], 1)
        line = np.stack([side * x, y, z], 1)
        return Tube(turned(line, self.pose.yaw), radii, np.tile([0.0, 1.0, 0.0], (len(s), 1)))

    def vertebrae(self, x: Floats, y: Floats) -> tuple[Span, Span]:
        """Spans of the vertebral bodies (cervical to lumbar), outer and inside the cortex."""
        outer_half, inner_half = np.zeros(x.shape), np.zeros(x.shape)
        middle = np.zeros(x.shape)
        aside = np.abs(x - self.spine_x(y))
        wall = 0.45 * self.bones.cortex
        for number in range(-4, 17):
            top, bottom = self.level(number - 0.5), self.level(number + 0.5)
            rows = (y > top) & (y < bottom) & (aside < 30)
            if not rows.any():
                continue
            high = (bottom - top) / 2 * (0.82 if number > 0 else 0.74)
            width = np.interp(number, [-4, 1, 6, 12, 16], [12, 14.5, 14.5, 19, 23]) * self.bones.vertebra_scale
            u = (y[rows] - (top + bottom) / 2) / high
            half = width * (1 - 0.10 * (1 - u**2))
            for found, cut in ((outer_half, 0.0), (inner_half, wall)):
                flat = np.maximum(1 - (aside[rows] / (half - cut)) ** 4, 0) ** 0.25
                found[rows] = np.where(np.abs(u) < 1 - cut / high, (0.85 * width - cut) * flat, 0)
            middle[rows] = np.interp(number, [-4, 1, 6, 14], [-18, -34, -48, -40])
        return Span(middle - outer_half, middle + outer_half), Span(middle - inner_half, middle + inner_half)

    def processes(self) -> list[Tube]:
        """Pedicles, spinous and transverse processes of the vertebrae."""
        found, k = [], self.bones.vertebra_scale
        for number in range(-3, 16):
            y = self.level(number)
            x, z = float(self.spine_x(y)), float(np.interp(number, [-4, 1, 6, 14], [-18, -34, -48, -40]))
            step = self.level(number + 1) - y
            spine = [(x, y + 0.1 * step, z - 20), (x, y + 0.55 * step, z - 36), (x, y + 0.75 * step, z - 40)]
            found.append(Tube.round(turned(np.array(spine), self.pose.yaw), np.array([3.2, 3.4, 3.0]) * k))
            for side in (-1, 1):
                if number >= 1:
                    foot = np.array([(x + side * 10 * k, y - 3, z - 12), (x + side * 10.5 * k, y - 3, z - 23)])
                    found.append(Tube.round(turned(foot, self.pose.yaw), np.array([3.2, 3.2]) * k))
                    arm = [(x + side * 9 * k, y - 3, z - 22), (x + side * 19 * k, y - 5, z - 28),
                           (x + side * 27 * k, y - 7, z - 31)]  # fmt: skip
                    found.append(Tube.round(turned(np.array(arm), self.pose.yaw), np.array([3.6, 3.2, 3.6]) * k))
        return found

    def scapula(self, side: int) -> tuple[Outline, list[Tube]]:
        """A shoulder blade: the outline of its plate, and its rims, spine, acromion and coracoid as tubes."""
        size = self.build.half_width / 131
        shift, turn = self.bones.scapula_shift, self.bones.scapula_turn[0 if side < 0 else 1]
        cos, sin = np.cos(turn), np.sin(turn)

        def place(points: Sequence[tuple[float, float, float]]) -> Floats:
            p = (np.array(points, float) - [26, 0, 0]) * size
            dx, dy = p[:, 0] - 114 * size, p[:, 1] - 80 * size
            xs = 114 * size + cos * dx - sin * dy + shift[0]
            ys = 80 * size + sin * dx + cos * dy + shift[1] + self.build.shoulder_drop
            return turned(np.stack([side * xs, ys, p[:, 2]], 1), self.pose.yaw)

        rim = [(158, 34, -40), (128, 30, -58), (118, 52, -66), (119, 90, -72), (127, 132, -72), (133, 150, -68),
               (141, 136, -64), (150, 102, -54), (161, 72, -42), (168, 60, -32), (166, 42, -32)]  # fmt: skip
        plate = place(rim)
        centre = place([(140, 78, -60)])[0]
        outline = Outline.through(plate[:, :2] - centre[:2], centre=(float(centre[0]), float(centre[1])))
        lateral = Tube.round(_smooth(place(rim[5:10]), 18), np.linspace(3.2, 5.2, 18))
        medial = Tube.round(_smooth(place(rim[1:6]), 18), np.full(18, 1.7))
        spine = place([(121, 60, -70), (142, 46, -72), (163, 30, -62), (180, 20, -42), (192, 25, -34)])
        thick = np.interp(np.linspace(0, 1, 20), [0, 0.8, 0.93, 1], [2.6, 5.2, 4.4, 0.6])
        ridge = Tube.round(_smooth(spine, 20), thick)
        beak = place([(158, 42, -34), (152, 31, -26), (156, 32, -14), (166, 41, -8)])
        coracoid = Tube.round(_smooth(beak, 14), np.interp(np.linspace(0, 1, 14), [0, 0.6, 0.9, 1], [5.5, 5, 3.8, 0.6]))
        glenoid = Tube.round(place([(170, 40, -28), (172, 52, -28), (169, 66, -30)]), [1.2, 3.4, 1.2])
        return outline, [lateral, medial, ridge, coracoid, glenoid]

    def humerus(self, side: int) -> tuple[tuple[float, float, float], Tube]:
        """Centre of the humeral head (radius 22 mm) and the shaft."""
        size = self.build.half_width / 131
        low = self.bones.scapula_shift[1] + self.build.shoulder_drop
        line = np.array(
            [(163, 50, -20), (174, 78, -16), (187, 120, -12), (204, 170, -8), (228, 235, 0), (300, 420, 10)]
        )
        line = line * size
        shift = np.array([self.bones.scapula_shift[0], low, 0])
        line = turned((line + shift) * np.array([side, 1, 1]), self.pose.yaw)
        head = (float(line[0, 0]), float(line[0, 1]), float(line[0, 2]))
        line[0] += 0.3 * (line[1] - line[0])
        return head, Tube.round(_smooth(line, 20), np.interp(np.linspace(0, 1, 20), [0, 0.25, 1], [17, 12, 11]) * size)


def _smooth(points: Floats, count: int) -> Floats:
    t = np.linspace(0, len(points) - 1, count)
    return np.asarray(CubicSpline(np.arange(len(points)), points)(t))


@dataclass(frozen=True)
class BoneLengths:
    """Path lengths [H, W] in mm through compact and spongy bone, and which rays pass which bones."""

    cortical: Floats
    spongiosa: Floats
    masks: dict[str, NDArray[np.bool_]]


def bone_lengths(rays: Rays, skeleton: Skeleton) -> BoneLengths:
    """Path lengths through the whole skeleton and the exact shadow of each group of bones."""
    outer, inner = np.zeros(rays.shape), np.zeros(rays.shape)
    masks: dict[str, NDArray[np.bool_]] = {}
    wall = skeleton.bones.cortex

    def tubes(name: str, found: list[Tube], cortex: float) -> None:
        alone = np.zeros(rays.shape)
        for tube in found:
            add_tube(alone, rays, tube)
            add_tube(inner, rays, tube.thinned(cortex))
        outer[...] += alone
        masks[name] = masks.get(name, np.zeros(rays.shape, bool)) | (alone > 0)

    tubes("ribs", [skeleton.rib(n, side) for n in range(1, 13) for side in (-1, 1)], wall)
    for name, side in (("right_clavicle", -1), ("left_clavicle", 1)):
        tubes(name, [skeleton.clavicle(side)], 1.6 * wall)
    body, marrow = skeleton.vertebrae(rays.x, rays.y)
    outer += 0.75 * body.length
    inner += 0.75 * marrow.length
    masks["spine"] = body.hit
    tubes("spine", skeleton.processes(), 0.35 * wall)
    for side in (-1, 1):
        outline, rims = skeleton.scapula(side)
        plate = pillow(outline.across(rays.x, rays.y), middle=0.0, half_depth=1.5, power=6.0)
        outer += plate.length
        inner += 0.55 * plate.length
        masks["scapulae"] = masks.get("scapulae", np.zeros(rays.shape, bool)) | plate.hit
        tubes("scapulae", rims, 0.9 * wall)
        head, shaft = skeleton.humerus(side)
        size = 22 * skeleton.build.half_width / 131
        ball = ellipsoid(rays.x, rays.y, centre=head, radii=(size, size, size))
        hollow = ellipsoid(rays.x, rays.y, centre=head, radii=(size - 0.6 * wall,) * 3)
        arm = _outside(rays, shaft, ball)
        outer += ball.length + arm
        inner += hollow.length + _outside(rays, shaft.thinned(2.2), ball)
        masks["humeri"] = masks.get("humeri", np.zeros(rays.shape, bool)) | ball.hit | (arm > 0)
    inner = np.minimum(inner, outer)
    return BoneLengths((outer - inner) * skeleton.bones.mineral, inner, masks)


def _outside(rays: Rays, tube: Tube, span: Span) -> Floats:
    """Path length in mm through the part of a tube that a span does not cover."""
    return np.maximum(tubes_length(rays, [tube]) - tubes_length(rays, [tube], within=span), 0)
