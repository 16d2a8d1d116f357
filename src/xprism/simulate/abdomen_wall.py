"""The abdominal wall: skin, fat, muscles, ribs and spine, and the lungs' lower ends behind the diaphragm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xprism.simulate.canvas import ellipse

if TYPE_CHECKING:
    from xprism.simulate.abdomen_organs import Painting

Floats = NDArray[np.floating[Any]]

SKIN, FAT, MUSCLE, LUNG, RIM, SPONGY, DISC, CANAL = 15.0, -103.0, 56.0, -840.0, 430.0, 165.0, 85.0, 18.0


def paint_wall(painting: Painting) -> None:
    """Paint everything round the organs; leaves in ``painting.cavity`` where organs may lie."""
    depth, angle = painting.canvas.depth(_trunk(painting)), _angle(painting)
    fat, muscle = _thickness(painting, angle)
    painting.put(depth > 0, SKIN)
    painting.put(depth > 1.8, FAT)
    painting.put(depth > fat, MUSCLE + 6 * painting.contrast)
    painting.put(np.abs(depth - fat - 0.62 * muscle) < 0.5, -60)
    inner = depth - fat - muscle
    painting.put(inner > 0, FAT)
    recess = _recess(painting, angle)
    painting.put((inner > 0) & (inner < recess), LUNG)
    painting.put((inner >= recess) & (inner < recess + 3) & (recess > 0), MUSCLE)
    painting.cavity = inner > np.where(recess > 0, recess + 3, 0)
    _ribs(painting, depth - fat - 0.5 * muscle, angle)


def paint_spine(painting: Painting) -> None:
    """Paint the spine and the muscles along it: erector spinae behind, psoas and quadratus lumborum lower down."""
    _back(painting)
    _vertebra(painting)


def _trunk(painting: Painting) -> NDArray[np.bool_]:
    patient, x, y = painting.patient, painting.canvas.x, painting.canvas.y
    wide = patient.half_width * (1 - 0.0003 * max(painting.z, 0))
    out = ellipse(x, y, centre=(0, 0), radii=(wide, patient.half_depth), power=2.35)
    groove = 0.07 * np.exp(-((x / 16) ** 2)) * (y > 0)
    return np.asarray(out + groove + 0.012 * painting.bend[0] < 0.985)


def _angle(painting: Painting) -> Floats:
    """Direction from the middle: -pi/2 in front, 0 at either side, pi/2 behind."""
    patient = painting.patient
    across = np.abs(painting.canvas.x) / patient.half_width
    return np.asarray(np.arctan2(painting.canvas.y / patient.half_depth, across))


def _thickness(painting: Painting, angle: Floats) -> tuple[Floats, Floats]:
    """Thickness in mm of the fat under the skin and of the muscles under the fat."""
    patient, low = painting.patient, np.clip(-painting.z / 80, 0, 1)
    behind = np.clip(np.sin(angle), 0, 1)
    fat = patient.fat * (0.75 + (0.5 + 0.5 * low) * behind) * (1 + 0.08 * painting.bend[1])
    middle = np.exp(-((painting.canvas.x / 9) ** 2)) * (angle < 0)
    muscle = patient.muscle * (1 + 0.35 * np.cos(2 * angle)) * (1 - 0.75 * middle)
    return np.maximum(fat, 3), np.maximum(muscle, 3)


def _recess(painting: Painting, angle: Floats) -> Floats:
    """Thickness in mm of the lung between chest wall and diaphragm."""
    behind = 0.15 + 0.85 * np.clip(np.sin(angle) + 0.35, 0, 1)
    return np.asarray(np.clip((painting.z - 40) * 0.5 * behind - 5 * (1 - behind), 0, 45))


def _ribs(painting: Painting, off: Floats, angle: Floats) -> None:
    """Ribs run forwards and down: a slice cuts each of them once, the higher one further in front."""
    patient = painting.patient
    radius = np.hypot(painting.canvas.x, painting.canvas.y)
    for number in range(7):
        way = (28.0 * number + 6 - painting.z) / 120
        if not 0.02 < way < min(0.2 + 0.25 * number, 0.9):  # the lowest two are short
            continue
        along = np.abs(angle - (1.25 - 2.0 * way)) * radius
        painting.put((along < 10) & (np.abs(off) < 4), RIM * patient.bone)
        painting.put((along < 8) & (np.abs(off) < 2.2), SPONGY * patient.bone)


def _back(painting: Painting) -> None:
    spine = painting.patient.spine
    flesh = MUSCLE + 6 * painting.contrast
    _muscle(painting, (30, spine + 41), (32, 19), 0.12, flesh + 8 * painting.bend[1])
    low = float(np.clip((35 - painting.z) / 110, 0, 1))
    if low > 0:
        _muscle(painting, (62, spine + 30), (20, 7), 0.5, flesh)
        _muscle(painting, (32 + 8 * low, spine + 3), (7 + 12 * low, 9 + 13 * low), 0.0, flesh)
    else:
        _muscle(painting, (19, spine - 18), (6, 16), 0.3, flesh)


def _muscle(
    painting: Painting, centre: tuple[float, float], radii: tuple[float, float], turn: float, flesh: Floats | float
) -> None:
    """A muscle of either side with a line of fat around it."""
    out = ellipse(np.abs(painting.canvas.x), painting.canvas.y, centre=centre, radii=radii, turn=turn, power=2.3)
    out += 0.05 * painting.bend[0]
    painting.put((out < 1 + 1.6 / min(radii)) & (painting.hounsfield > -900), FAT)
    painting.put((out < 1) & (painting.hounsfield > -900), flesh)


def _vertebra(painting: Painting) -> None:
    """A vertebra with its arch, or the disc between two."""
    patient, x, y = painting.patient, painting.canvas.x, painting.canvas.y
    spine, side = patient.spine, np.abs(x)
    rim, spongy = RIM * patient.bone, SPONGY * patient.bone
    level = (painting.z + patient.discs) % 36
    body = ellipse(x, y, centre=(0, spine), radii=(23, 17), power=2.3)
    spine_grain = 40 * painting.bend[1]
    disc = level < 8
    painting.put(body < 1, DISC if disc else rim)
    if not disc:
        painting.put(body < 0.88, spongy + spine_grain)
    arch = ellipse(x, y, centre=(0, spine + 25), radii=(17, 14))
    painting.put((arch < 1) & (y > spine + (22 if disc else 12)), rim)
    painting.put((side < 3.2) & (y > spine + 34) & (y < spine + 58) & ~np.asarray(disc), rim * 0.8)
    if 10 < level < 18:
        painting.put((side < 42) & (np.abs(y - spine - 24 - 0.12 * side) < 4), rim * 0.75)
    painting.put(ellipse(x, y, centre=(0, spine + 25), radii=(11, 8.5)) < 1, CANAL)
