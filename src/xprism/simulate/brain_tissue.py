"""Which tissue lies where in a slice of a head: scalp, skull, fluid, folded cortex, deep grey matter, lesions."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xprism.simulate.canvas import Canvas, ellipse
from xprism.simulate.contrast import TISSUES

if TYPE_CHECKING:
    from xprism.simulate.brain import Brain

Floats = NDArray[np.floating[Any]]
Mask = NDArray[np.bool_]
Tissues = NDArray[np.uint8]

NUMBER = {name: number for number, name in enumerate(TISSUES, start=1)}
"""Numbers of the tissues in a painted slice; 0 is air."""

CORTEX_MM = 3.0

# Ellipsoids of both sides (x is mirrored): tissue, centre, radii, turn in radians.
_NUCLEI = (
    ((13.0, -20.0, 4.0), (5.0, 10.0, 16.0), -0.25),
    ((25.0, -3.0, 2.0), (6.0, 16.0, 13.0), -0.2),
    ((9.5, 15.0, 4.0), (8.5, 14.0, 12.0), 0.3),
)
_VENTRICLES = (
    ((7.0, -23.0, 6.0), (4.0, 13.0, 17.0), 0.2),
    ((10.0, 6.0, 19.0), (5.5, 30.0, 9.0), -0.12),
    ((22.0, 33.0, 5.0), (5.5, 15.0, 15.0), -0.35),
    ((0.0, 8.0, -4.0), (2.0, 12.0, 12.0), 0.0),
)


@dataclass(frozen=True)
class Lesion:
    """A round lesion of the white matter: ``centre`` and ``radius`` in mm."""

    centre: tuple[float, ...]
    radius: float


def paint_head(patient: Brain, canvas: Canvas, z: float) -> Tissues:
    """The tissues of a slice [H, W] by number."""
    bend = (patient.bend[0].on(canvas, z), patient.bend[1].on(canvas, z))
    head = _outline(patient, canvas, z, bend)
    tissue = np.zeros(head.shape, np.uint8)
    brain = _shell(patient, canvas, tissue, canvas.depth(head), bend)
    fluid = _sulci(patient, canvas, z, brain)
    cortex = brain & ~fluid & (canvas.depth(brain & ~fluid) < CORTEX_MM) & (canvas.depth(brain) < 34)
    for name, where in (("white", brain), ("grey", cortex), ("csf", fluid)):
        tissue[where] = NUMBER[name]
    _deep(patient, canvas, z, tissue, bend)
    return tissue


def _outline(patient: Brain, canvas: Canvas, z: float, bend: tuple[Floats, Floats]) -> Mask:
    """The skin: an egg that is wider behind and closes towards the vertex."""
    share = sqrt(1 - (max(z - 4, 0.0) / 92) ** 2)
    wide, long = patient.half_width * share, patient.half_length * (0.25 + 0.75 * share)
    broader = 1 + 0.09 * canvas.y / patient.half_length
    out = ellipse(canvas.x / broader, canvas.y, centre=(0, 0), radii=(wide, long), power=2.15)
    return np.asarray(out + 0.007 * bend[0] < 0.99)


def _shell(patient: Brain, canvas: Canvas, tissue: Tissues, depth: Floats, bend: tuple[Floats, Floats]) -> Mask:
    """Paint skin, fat, skull and the fluid below it; returns where the brain lies."""
    scalp = patient.scalp * (1 + 0.15 * bend[0])
    temple = 6 * np.exp(-(((canvas.y + 20) / 26) ** 2)) * (np.abs(canvas.x) > 0.5 * patient.half_width)
    skull = patient.skull * (1 + 0.15 * bend[1])
    below = depth - scalp - temple
    layers = (
        ("muscle", depth > 0),
        ("fat", depth > 1.3),
        ("muscle", depth > scalp - 0.3),
        ("bone", below > 0),
        ("marrow", below > 0.3 * skull),
        ("bone", below > 0.68 * skull),
        ("csf", below > skull),
    )
    for name, where in layers:
        tissue[where] = NUMBER[name]
    return np.asarray(below > skull + 1.2 + 0.8 * patient.sulci)


def _sulci(patient: Brain, canvas: Canvas, z: float, brain: Mask) -> Mask:
    """The fluid between the folds of the cortex, between the halves of the brain and in the Sylvian fissures."""
    depth = canvas.depth(brain)
    fluid = np.zeros_like(brain)
    for folds, reach in zip(patient.folds, (26.0, 14.0), strict=True):
        wide = 0.30 * patient.sulci * np.clip(1.1 - depth / reach, 0, 1)
        fluid |= np.abs(folds.on(canvas, z)) < wide
    side, y = np.abs(canvas.x), canvas.y
    between = (side < 0.9 * patient.sulci) & ((y < -34) | (y > 44) | (z > 34))
    sylvian = ellipse(side, y, centre=(44, -12), radii=(17, 2.2 * patient.sulci), turn=0.35) < 1
    return np.asarray(brain & (fluid | between | (sylvian if -16 < z < 14 else False)))


def _deep(patient: Brain, canvas: Canvas, z: float, tissue: Tissues, bend: tuple[Floats, Floats]) -> None:
    """Paint white matter in the middle, then nuclei, lesions and ventricles."""
    side, y = np.abs(canvas.x + 1.5 * bend[0]), canvas.y + 2 * bend[1]
    core = ellipse(side, y, centre=(0, 5), radii=(33, 44)) < sqrt(max(0.0, 1 - (z / 60) ** 2))
    inside = np.isin(tissue, (NUMBER["white"], NUMBER["grey"], NUMBER["csf"]))
    if z < 34:
        tissue[core & inside & ~((np.abs(canvas.x) < 1.2) & (np.abs(y - 5) > 30))] = NUMBER["white"]
    for centre, radii, turn in _NUCLEI:
        tissue[_ellipsoid(side, y, z, centre, radii, turn) & inside] = NUMBER["grey"]
    for lesion in patient.lesions:
        up = (z - lesion.centre[2]) / lesion.radius
        if abs(up) < 1:
            radius = lesion.radius * sqrt(1 - up**2)
            x = canvas.x + 0.8 * bend[0]
            where = ellipse(x, y, centre=(lesion.centre[0], lesion.centre[1]), radii=(radius, 1.3 * radius)) < 1
            tissue[where & (tissue == NUMBER["white"])] = NUMBER["lesion"]
    grow = sqrt(patient.ventricles)
    for centre, radii, turn in _VENTRICLES:
        larger = (radii[0] * patient.ventricles, radii[1] * grow, radii[2] * grow)
        tissue[_ellipsoid(side, y, z, centre, larger, turn) & inside] = NUMBER["csf"]


def _ellipsoid(
    side: Floats,
    y: Floats,
    z: float,
    centre: tuple[float, float, float],
    radii: tuple[float, float, float],
    turn: float,
) -> Mask:
    share = (z - centre[2]) / radii[2]
    if abs(share) >= 1:
        return np.zeros(np.broadcast_shapes(side.shape, y.shape), bool)
    q = sqrt(1 - share**2)
    return np.asarray(ellipse(side, y, centre=centre[:2], radii=(radii[0] * q, radii[1] * q), turn=turn) < 1)
