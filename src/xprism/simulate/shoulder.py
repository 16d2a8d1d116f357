"""The shoulder girdle: clavicles, shoulder blades and upper arm bones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xprism.simulate.bone import Bone, smooth
from xprism.simulate.detail import KNOTS, BoneDetail, along
from xprism.simulate.mediastinum import Outline, turned
from xprism.simulate.parameters import Bones, Build, Pose
from xprism.simulate.projection import Tube

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Shoulder:
    """The bones of one shoulder; ``side`` -1 is the patient's right, 1 the left; every length in mm."""

    build: Build
    bones: Bones
    pose: Pose
    detail: BoneDetail
    side: int

    @property
    def size(self) -> float:
        """How large the patient is beside the one that the numbers below describe."""
        return self.build.half_width / 131

    def clavicle(self) -> Bone:
        """The clavicle, from the breastbone to the acromion: broad inner end, thick-walled shaft, flat outer end."""
        b = self.bones
        s = np.linspace(0, 1, 44)
        medial = b.clavicle_medial * self.build.lung_height
        lateral = self.build.shoulder_drop + b.clavicle_end[0] + self.side * b.clavicle_end[1]
        lateral -= self.detail.shoulder_lift
        x = (18 + 133 * s) * self.size
        y = medial + (lateral - medial) * s**0.9 + b.clavicle_bow * np.sin(2 * np.pi * s)
        z = np.interp(s, [0, 0.3, 0.7, 1], [58, 53, 14, -4])
        ends = np.interp(s, [0, 0.03, 0.97, 1], [0.85, 1, 1, 0.8])
        wobble = self.detail.wobble[12 if self.side < 0 else 25]
        high = np.interp(s, [0, 0.06, 0.16, 0.32, 0.55, 0.8, 1], [1.72, 1.7, 1.38, 1.08, 0.95, 0.98, 0.95])
        high = high * (1 + 0.05 * along(wobble[:KNOTS], s)) * ends
        deep = np.interp(s, [0, 0.2, 0.5, 0.75, 1], [1.5, 1.2, 1.0, 1.4, 1.7]) * ends
        thick = np.interp(s, [0, 0.12, 0.35, 0.6, 0.85, 1], [0.8, 1.0, 1.9, 2.0, 1.1, 0.7])
        shaft = 1 - self.detail.clavicle_canal
        filling = np.interp(s, [0, 0.2, 0.4, 0.6, 0.85, 1], [1.0, 0.85, shaft, shaft, 0.8, 0.9])
        line = turned(np.stack([self.side * x, y, z], 1), self.pose.yaw)
        tube = Tube(line, b.clavicle_radius * np.stack([high, deep], 1), np.tile([0.0, 1.0, 0.0], (len(s), 1)))
        return Bone(tube, self.detail.cortex * b.cortex * thick, filling)

    def scapula(self) -> tuple[Outline, list[Bone]]:
        """The shoulder blade: the outline of its thin plate, and its rims, spine, acromion, coracoid and socket."""
        rim = [(158, 34, -40), (128, 30, -58), (118, 52, -66), (119, 90, -72), (127, 132, -72), (133, 150, -68),
               (141, 136, -64), (150, 102, -54), (161, 72, -42), (168, 60, -32), (166, 42, -32)]  # fmt: skip
        plate = self._place(rim)
        centre = self._place([(140, 78, -60)])[0]
        outline = Outline.through(plate[:, :2] - centre[:2], centre=(float(centre[0]), float(centre[1])))
        wall = 1.3 * self.bones.cortex
        spine = [(121, 60, -70), (142, 46, -72), (163, 28, -62), (180, 17, -42), (188, 18, -30), (191, 23, -22)]
        beak = [(160, 44, -34), (152, 33, -26), (153, 31, -14), (163, 38, -6), (167, 41, -4)]
        socket = [(168, 38, -28), (172, 44, -28), (172, 54, -28), (168, 63, -30), (165, 66, -31)]
        bones = [
            self._bone([*rim[5:10]], (1.2, 2.8, 3.8, 4.6), wall, filling=0.6),
            self._bone([*rim[1:6]], (0.8, 1.1, 1.1, 0.8), wall, filling=1.0),
            self._bone([rim[0], *rim[1:3]], (1.2, 0.8, 0.8), wall, filling=1.0),
            self._bone(spine, (2.0, 3.6, 5.0, 6.2, 5.2, 0.8), 1.3 * wall, filling=0.7),
            self._bone(beak, (5.6, 5.4, 5.0, 4.2, 0.8), wall, filling=0.7),
            self._bone(socket, (0.8, 3.6, 4.4, 3.6, 0.8), 1.1 * wall, filling=0.9),
        ]
        return outline, bones

    def humerus(self) -> tuple[tuple[float, float, float], Bone]:
        """Centre of the humeral head (its radius is ``head_radius``) and the shaft."""
        low = self.bones.scapula_shift[1] + self.build.shoulder_drop
        line = np.array(
            [(163, 50, -20), (174, 78, -16), (187, 120, -12), (204, 170, -8), (228, 235, 0), (300, 420, 10)]
        )
        line = line * self.size
        shift = np.array([self.bones.scapula_shift[0], low, 0])
        line = turned((line + shift) * np.array([self.side, 1, 1]), self.pose.yaw)
        head = (float(line[0, 0]), float(line[0, 1]), float(line[0, 2]))
        line[0] += 0.3 * (line[1] - line[0])
        way = np.linspace(0, 1, 40)
        tube = Tube.round(smooth(line, 40), np.interp(way, [0, 0.25, 1], [17, 12, 11]) * self.size)
        wall = np.interp(way, [0, 0.12, 0.3, 1], [0.7, 1.2, 3.2, 4.0]) * self.bones.cortex
        return head, Bone(tube, wall, np.interp(way, [0, 0.2, 0.4], [0.9, 0.7, 0.15]))

    @property
    def head_radius(self) -> float:
        """Radius of the humeral head in mm."""
        return 22 * self.size

    def _place(self, points: Sequence[tuple[float, float, float]]) -> Floats:
        """Points of a shoulder blade brought to where this patient's lies, [N, 3]."""
        shift, turn = self.bones.scapula_shift, self.bones.scapula_turn[0 if self.side < 0 else 1]
        cos, sin = np.cos(turn), np.sin(turn)
        p = (np.array(points, float) - [26, 0, 0]) * self.size
        dx, dy = p[:, 0] - 114 * self.size, p[:, 1] - 80 * self.size
        xs = 114 * self.size + cos * dx - sin * dy + shift[0]
        ys = 80 * self.size + sin * dx + cos * dy + shift[1] + self.build.shoulder_drop
        return turned(np.stack([self.side * xs, ys, p[:, 2]], 1), self.pose.yaw)

    def _bone(
        self, points: Sequence[tuple[float, float, float]], radii: Sequence[float], wall: float, *, filling: float
    ) -> Bone:
        line = smooth(self._place(points), 24)
        size = np.interp(np.linspace(0, 1, 24), np.linspace(0, 1, len(radii)), radii)
        return Bone.even(Tube.round(line, size * self.size), wall, filling=filling)
