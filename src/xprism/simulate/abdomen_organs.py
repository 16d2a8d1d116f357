"""The organs of an abdominal slice, painted one over another from the far ones to the kidneys and vessels."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import sin, sqrt
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xprism.simulate.abdomen_wall import FAT, MUSCLE
from xprism.simulate.canvas import Canvas, ellipse

if TYPE_CHECKING:
    from xprism.simulate.abdomen import Abdomen, Loop

Floats = NDArray[np.floating[Any]]
Mask = NDArray[np.bool_]

AIR, GAS, FLUID, BILE = -1000.0, -900.0, 15.0, 8.0


@dataclass
class Painting:
    """A slice while it is painted: Hounsfield units [H, W] and where organs may lie.

    ``bend`` are two smooth fields by which everything leaves its ideal shape.
    """

    patient: Abdomen
    canvas: Canvas
    z: float
    hounsfield: Floats
    bend: tuple[NDArray[np.float32], NDArray[np.float32]]
    cavity: Mask = field(default_factory=lambda: np.zeros((0, 0), bool))

    @classmethod
    def blank(cls, patient: Abdomen, canvas: Canvas, z: float) -> Painting:
        """Nothing but air."""
        first, second = (waves.on(canvas, z) for waves in patient.warp)
        return cls(patient, canvas, z, np.full((canvas.size, canvas.size), AIR), (first, second))

    @property
    def contrast(self) -> float:
        """How much contrast agent the organs hold, 0 to 1."""
        return self.patient.contrast

    def put(self, where: Mask, hounsfield: Floats | float) -> None:
        """Paint a mask over what is there."""
        if isinstance(hounsfield, np.ndarray):
            np.copyto(self.hounsfield, hounsfield, where=where)
        else:
            self.hounsfield[where] = hounsfield

    def blob(
        self,
        centre: tuple[float, float, float],
        radii: tuple[float, float, float],
        *,
        turn: float = 0.0,
        power: float = 2.0,
        bend_mm: float = 6.0,
    ) -> Floats | None:
        """How far out of a bent ellipsoid (1 on its edge) the pixels lie; None where the slice misses it."""
        share = (self.z - centre[2]) / radii[2]
        if abs(share) >= 1:
            return None
        q = sqrt(1 - share**2)
        x, y = self.canvas.x + bend_mm * self.bend[0], self.canvas.y + bend_mm * self.bend[1]
        return ellipse(x, y, centre=centre[:2], radii=(radii[0] * q, radii[1] * q), turn=turn, power=power)


def paint_organs(painting: Painting) -> None:
    """Paint the organs of the belly but for the kidneys."""
    _bowel(painting)
    _mesentery(painting)
    _colon(painting)
    _stomach(painting)
    _pancreas(painting)
    _spleen(painting)
    _liver(painting)
    _great_vessels(painting)


def _bowel(painting: Painting) -> None:
    for loop in painting.patient.loops:
        up = painting.z - loop.centre[2]
        centre = (loop.centre[0] + loop.lean[0] * up, loop.centre[1] + loop.lean[1] * up, loop.centre[2])
        out = painting.blob(centre, loop.radii, turn=loop.turn, bend_mm=8)
        if out is not None:
            _hollow(painting, out, loop, centre)


def _hollow(painting: Painting, out: Floats, loop: Loop, centre: tuple[float, float, float]) -> None:
    """A wall and what it holds: fluid, stool with bubbles, or gas above a level of fluid."""
    wall = 2.5 / min(loop.radii)
    inside = (out < 1 - wall) & painting.cavity
    painting.put((out < 1) & painting.cavity, 42 + 50 * painting.contrast)
    if loop.content == "stool":
        bubbles = np.sin(1.3 * painting.canvas.x + 3 * painting.bend[1]) * np.sin(1.1 * painting.canvas.y + 1.7)
        painting.put(inside, np.where(bubbles > 0.45, -500.0, 20 + 45 * bubbles))
    else:
        painting.put(inside, FLUID + 10)
    if loop.content == "gas":
        painting.put(inside & (painting.canvas.y < centre[1] + 3), GAS)


def _mesentery(painting: Painting) -> None:
    """Vessels in the fat between the loops, seen as dots."""
    x, y = painting.canvas.x, painting.canvas.y
    for x0, y0, radius, dx, dy in painting.patient.vessels:
        centre = (x0 + dx * painting.z, y0 + dy * painting.z)
        dot = ellipse(x, y, centre=centre, radii=(radius, radius)) < 1
        painting.put(dot & painting.cavity & (painting.hounsfield < -50), 40 + 90 * painting.contrast)


def _colon(painting: Painting) -> None:
    """Ascending and descending colon at the flanks."""
    patient, x = painting.patient, painting.canvas.x + 4 * painting.bend[1]
    y = painting.canvas.y + 4 * painting.bend[0]
    for side, top in ((-1, -20.0), (1, 40.0)):
        if painting.z > top:
            continue
        sway = 6 * sin(painting.z / 14 + side)
        centre = (side * 0.66 * patient.half_width + sway * 0.5, 0.08 * patient.half_depth + sway)
        out, inside = ellipse(x, y, centre=centre, radii=(21, 24)), painting.cavity
        bubbles = np.sin(0.9 * x + 2) * np.sin(0.8 * y + 1) + 0.4 * painting.bend[0]
        painting.put((out < 1) & inside, 45 + 35 * painting.contrast)
        painting.put((out < 0.87) & inside, np.where(bubbles > 0.4, -650.0, 15 + 40 * bubbles))
        painting.put((out < 0.87) & inside & (y < centre[1] - 8), GAS)


def _stomach(painting: Painting) -> None:
    patient = painting.patient
    size = patient.stomach
    centre = (0.36 * patient.half_width, -0.38 * patient.half_depth, 62.0)
    out = painting.blob(
        centre, (0.34 * patient.half_width * size, 0.42 * patient.half_depth * size, 62), turn=0.5, bend_mm=10
    )
    if out is None:
        return
    painting.put((out < 1) & painting.cavity, 45 + 45 * painting.contrast)
    inside = (out < 0.9) & painting.cavity
    food = 25 + 14 * painting.bend[0] * painting.bend[1]
    painting.put(inside, food)
    painting.put(inside & (painting.canvas.y < centre[1] - 8), GAS)


def _pancreas(painting: Painting) -> None:
    patient = painting.patient
    for share in np.linspace(-1, 1, 9):
        bow = (0.13 + 0.24 * share) * patient.half_width
        centre = (bow, patient.spine - 52 - 10 * (1 - share**2) + 12 * max(share, 0), 22 + 22 * share)
        out = painting.blob(centre, (15, 10, 22), turn=0.3, bend_mm=5)
        if out is not None:
            lobules = 14 * np.sin(0.9 * painting.canvas.x) * np.sin(0.8 * painting.canvas.y)
            painting.put((out < 1) & painting.cavity, 36 + 62 * painting.contrast + lobules)


def _spleen(painting: Painting) -> None:
    patient = painting.patient
    size = patient.spleen
    centre = (0.66 * patient.half_width, 0.26 * patient.half_depth, 58.0)
    radii = (0.25 * patient.half_width * size, 0.5 * patient.half_depth * size, 52 * size)
    out = painting.blob(centre, radii, turn=-0.35, bend_mm=7)
    if out is not None:
        painting.put((out < 1) & painting.cavity, 48 + 72 * painting.contrast)


def _liver(painting: Painting) -> None:
    patient, canvas = painting.patient, painting.canvas
    size, wide, deep = patient.liver, patient.half_width, patient.half_depth
    lobes = [
        painting.blob((-0.52 * wide, -0.02 * deep, 78), (0.5 * wide * size, 0.84 * deep, 95 * size), power=2.2),
        painting.blob((0.0 * wide, -0.46 * deep, 84), (0.52 * wide * size, 0.33 * deep, 52 * size), turn=-0.15),
    ]
    liver = np.zeros_like(painting.cavity)
    for lobe in lobes:
        if lobe is not None:
            liver |= lobe < 1
    liver &= painting.cavity
    painting.put(liver, 58 + 50 * painting.contrast)
    veins = np.abs(painting.bend[0] + 0.7 * painting.bend[1] - 0.2) * 12 < 1.2
    depth_mm = np.hypot(canvas.x + 0.35 * wide, canvas.y + 0.1 * deep)
    painting.put(liver & veins & (depth_mm < 60) & (painting.bend[1] < 0.6), 42 + 105 * painting.contrast)
    bladder = painting.blob((-0.34 * wide, -0.5 * deep, 8), (14, 22, 32), turn=0.5, bend_mm=3)
    if bladder is not None:
        painting.put((bladder < 1) & painting.cavity, 40 + 40 * painting.contrast)
        painting.put((bladder < 0.88) & painting.cavity, BILE)


def _great_vessels(painting: Painting) -> None:
    """Aorta, vena cava and the vessels to the bowel, in front of the spine."""
    x, y, spine = painting.canvas.x, painting.canvas.y, painting.patient.spine
    artery, vein = 42 + 115 * painting.contrast, 42 + 95 * painting.contrast
    painting.put(ellipse(x, y, centre=(0, spine - 22), radii=(36, 17)) < 1, FAT)
    painting.put(ellipse(x, y, centre=(9, spine - 27), radii=(10, 10)) < 1, artery)
    painting.put(ellipse(x, y, centre=(-18, spine - 26), radii=(13, 9), turn=0.2) < 1, vein)
    if painting.z < 45:
        painting.put(ellipse(x, y, centre=(6, spine - 49), radii=(4, 4)) < 1, artery)
        painting.put(ellipse(x, y, centre=(-6, spine - 51), radii=(5.5, 5.5)) < 1, vein)
    if painting.z > 35:
        for side in (-1, 1):
            crus = ellipse(x, y, centre=(side * 20 + 4, spine - 20), radii=(4, 17), turn=-0.25 * side)
            painting.put(crus < 1, MUSCLE)
