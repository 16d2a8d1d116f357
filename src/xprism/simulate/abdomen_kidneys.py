"""The kidneys of an abdominal slice, whose masks are what the slices are simulated for."""

from __future__ import annotations

from math import cos, sin, sqrt
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xprism.simulate.abdomen_organs import BILE, Painting
from xprism.simulate.abdomen_wall import FAT
from xprism.simulate.canvas import ellipse

if TYPE_CHECKING:
    from xprism.simulate.abdomen import Kidney

Mask = NDArray[np.bool_]


def paint_kidneys(painting: Painting) -> dict[str, Mask]:
    """Paint both kidneys; returns their exact masks on the painting's own pixels."""
    names = {-1: "right_kidney", 1: "left_kidney"}
    return {names[kidney.side]: _kidney(painting, kidney) for kidney in painting.patient.kidneys}


def _kidney(painting: Painting, kidney: Kidney) -> Mask:
    """A kidney in its fat: cortex, pyramids and sinus with its vessels; returns the tissue without the sinus."""
    nothing = np.zeros_like(painting.cavity)
    up = painting.z - kidney.centre[2]
    share = 2 * up / kidney.length
    if abs(share) > 1.25:
        return nothing
    centre = (kidney.centre[0] - 0.16 * kidney.side * up, kidney.centre[1] + 0.08 * up)
    x = painting.canvas.x + 2.5 * painting.bend[0]
    y = painting.canvas.y + 2.5 * painting.bend[1]
    towards = (-kidney.side * cos(kidney.hilum), -sin(kidney.hilum))
    turn = float(np.arctan2(towards[1], towards[0]))
    # Fat around the kidney reaches beyond its poles.
    rim = 3 + 0.3 * painting.patient.fat
    halo = sqrt(max(0.0, 1 - (share / 1.25) ** 2))
    fat = ellipse(
        x, y, centre=centre, radii=((kidney.width / 2 + rim) * halo, (kidney.breadth / 2 + rim) * halo), turn=turn
    )
    painting.put((fat < 1) & painting.cavity, FAT)
    painting.put((np.abs(fat - 1.0) < 0.025) & painting.cavity & (painting.hounsfield < -50), -20)
    if abs(share) >= 1:
        return nothing
    q = (1 - share**2) ** 0.45
    whole = (
        ellipse(x, y, centre=centre, radii=(kidney.width / 2 * q, kidney.breadth / 2 * q), turn=turn, power=2.15) < 1
    )
    sinus = _sinus(painting, kidney, share, (centre, towards, turn))
    tissue = whole & ~sinus & painting.cavity
    _kidney_tissue(painting, kidney, tissue, whole, centre)
    return tissue


def _sinus(
    painting: Painting, kidney: Kidney, share: float, pose: tuple[tuple[float, float], tuple[float, float], float]
) -> Mask:
    """Paint the sinus with fat, pelvis and vessels, open towards the hilum near the middle; returns where it is."""
    centre, towards, turn = pose
    x = painting.canvas.x + 4 * painting.bend[1]
    y = painting.canvas.y + 4 * painting.bend[0]
    q = sqrt(max(0.0, 1 - (share / 0.66) ** 2))
    if q == 0:
        return np.zeros_like(painting.cavity)
    out = kidney.width * 0.2
    middle = (centre[0] + towards[0] * out, centre[1] + towards[1] * out)
    sinus = ellipse(x, y, centre=middle, radii=(kidney.width * 0.30 * q, kidney.breadth * 0.24 * q), turn=turn) < 1
    if abs(share) < 0.4:
        gate = (centre[0] + towards[0] * kidney.width * 0.45, centre[1] + towards[1] * kidney.width * 0.45)
        sinus |= ellipse(x, y, centre=gate, radii=(kidney.width * 0.3, 7), turn=turn) < 1
        vein = (gate[0] + towards[0] * 12, gate[1] + towards[1] * 12)
        painting.put(ellipse(x, y, centre=vein, radii=(18, 4), turn=turn) < 1, 42 + 95 * painting.contrast)
    painting.put(sinus, FAT + 15)
    pelvis = ellipse(x, y, centre=middle, radii=(kidney.width * 0.17 * q, kidney.breadth * 0.11 * q), turn=turn + 0.3)
    painting.put(pelvis < 1, BILE + 5)
    for off in (-5.0, 6.0):
        dot = (middle[0] - towards[1] * off + 2, middle[1] + towards[0] * off)
        painting.put((ellipse(x, y, centre=dot, radii=(2.4, 2.4)) < 1) & sinus, 42 + 95 * painting.contrast)
    return sinus


def _kidney_tissue(painting: Painting, kidney: Kidney, tissue: Mask, whole: Mask, centre: tuple[float, float]) -> None:
    """Cortex, with darker pyramids below it."""
    angle = np.arctan2(painting.canvas.y - centre[1], painting.canvas.x - centre[0])
    painting.put(tissue, 34 + 155 * painting.contrast)
    pyramids = tissue & (painting.canvas.depth(whole) > 6) & (np.cos(8 * angle + painting.z / 9) > -0.1)
    painting.put(pyramids, 32 + 105 * painting.contrast)
