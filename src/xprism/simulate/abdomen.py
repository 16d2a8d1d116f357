"""Axial CT slices of the upper abdomen of a drawn patient, in Hounsfield units, with the exact kidneys.

Lengths are in mm: x to the patient's left, y to the back, z to the head; z is 0 at the middle of the kidneys.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from xprism.simulate.abdomen_kidneys import paint_kidneys
from xprism.simulate.abdomen_organs import Painting, paint_organs
from xprism.simulate.abdomen_wall import paint_spine, paint_wall
from xprism.simulate.canvas import Canvas, Waves, coarser, near

Floats = NDArray[np.floating[Any]]
Mask = NDArray[np.bool_]

LOWEST, HIGHEST = -85.0, 90.0
"""Heights between which slices lie: below the kidneys, and through liver, spleen and the lungs' lower ends."""
SPREAD = 0.7
"""Standard deviation of the scanner's point spread in pixels."""


@dataclass(frozen=True)
class Kidney:
    """One kidney: ``side`` is -1 for the right one and 1 for the left, ``centre`` in mm, ``length`` from pole to pole.

    ``width`` runs from hilum to convexity, ``breadth`` across it, ``hilum`` is where the hilum looks, in radians
    forwards from the midline.
    """

    side: int
    centre: tuple[float, float, float]
    length: float
    width: float
    breadth: float
    hilum: float


@dataclass(frozen=True)
class Loop:
    """A piece of bowel: an ellipsoid that leans with height, and what is in it."""

    centre: tuple[float, float, float]
    radii: tuple[float, float, float]
    turn: float
    lean: tuple[float, float]
    content: str


@dataclass(frozen=True)
class Abdomen:
    """One drawn patient. Half sizes and thicknesses in mm; ``contrast`` is how much agent the organs hold, 0 to 1."""

    half_width: float
    half_depth: float
    fat: float
    muscle: float
    contrast: float
    liver: float
    spleen: float
    stomach: float
    kidneys: tuple[Kidney, Kidney]
    loops: tuple[Loop, ...]
    vessels: tuple[tuple[float, float, float, float, float], ...]
    bone: float
    discs: float
    warp: tuple[Waves, Waves]
    noise: float

    @property
    def spine(self) -> float:
        """Where the middle of a vertebral body lies, in mm behind the middle of the trunk."""
        return self.half_depth - 1.25 * self.fat - 68


@dataclass(frozen=True)
class AbdomenSlice:
    """A slice: ``hounsfield`` float32 [H, W], ``masks`` bool [H, W] by label, ``spacing_mm`` of its square pixels."""

    hounsfield: NDArray[np.float32]
    masks: Mapping[str, Mask]
    spacing_mm: float
    z_mm: float


def draw_abdomen(rng: np.random.Generator) -> Abdomen:
    """Draw a patient from the generator."""
    half_width = near(rng, 165, 13)
    half_depth = half_width * near(rng, 0.69, 0.04)
    fat = float(np.clip(rng.gamma(4.0, 4.0), 7, 30))
    contrast = float(rng.uniform(0.5, 1.0)) if rng.random() < 0.7 else float(rng.uniform(0, 0.08))
    spine = half_depth - 1.25 * fat - 68
    return Abdomen(
        half_width=half_width,
        half_depth=half_depth,
        fat=fat,
        muscle=near(rng, 11, 1.5),
        contrast=contrast,
        liver=near(rng, 1.0, 0.07),
        spleen=near(rng, 1.0, 0.12),
        stomach=near(rng, 0.95, 0.15),
        kidneys=(_draw_kidney(rng, -1, half_width, spine), _draw_kidney(rng, 1, half_width, spine)),
        loops=tuple(_draw_loop(rng, half_width, half_depth) for _ in range(46)),
        vessels=tuple(_draw_vessel(rng, half_width, half_depth) for _ in range(60)),
        bone=near(rng, 1.0, 0.15),
        discs=float(rng.uniform(0, 36)),
        warp=(_warp(rng), _warp(rng)),
        noise=float(rng.uniform(5, 9)),
    )


def abdomen_slice(patient: Abdomen, z_mm: float, *, size: int, rng: np.random.Generator) -> AbdomenSlice:
    """The slice of ``size`` x ``size`` pixels at a height; the patient fills its width.

    ``rng`` draws the noise and the fine structure of this slice alone.
    """
    finer = 2 if size >= 256 else 4
    spacing = 2.03 * patient.half_width / size
    canvas = Canvas(size * finer, spacing / finer)
    painting = Painting.blank(patient, canvas, z_mm)
    paint_wall(painting)
    paint_organs(painting)
    paint_spine(painting)
    kidneys = paint_kidneys(painting)
    texture = 4 * canvas.grain(rng, 2.5) + patient.noise * canvas.grain(rng, 0.6)
    hounsfield = painting.hounsfield + np.where(painting.hounsfield > -300, texture, 0.4 * texture)
    hounsfield = gaussian_filter(hounsfield, SPREAD * finer)
    masks = {name: coarser(mask, finer) >= 0.5 for name, mask in kidneys.items()}
    return AbdomenSlice(coarser(hounsfield, finer).astype(np.float32), MappingProxyType(masks), spacing, z_mm)


def _warp(rng: np.random.Generator) -> Waves:
    return Waves.draw(rng, shortest_mm=70, longest_mm=240)


def _draw_kidney(rng: np.random.Generator, side: int, half_width: float, spine: float) -> Kidney:
    scale = half_width / 165
    lower = 8 if side < 0 else -4
    return Kidney(
        side,
        (side * near(rng, 63, 4) * scale, spine + near(rng, 4, 4), near(rng, -lower, 7)),
        length=near(rng, 108, 9),
        width=near(rng, 50, 4),
        breadth=near(rng, 60, 4),
        hilum=near(rng, 0.6, 0.2),
    )


def _draw_loop(rng: np.random.Generator, half_width: float, half_depth: float) -> Loop:
    kind = rng.choice(["fluid", "stool", "gas"], p=[0.6, 0.2, 0.2])
    radius = rng.uniform(11, 21)
    return Loop(
        (rng.uniform(-0.62, 0.62) * half_width, rng.uniform(-0.62, 0.12) * half_depth, rng.uniform(-130, 30)),
        (radius * rng.uniform(1.0, 1.9), radius, radius * rng.uniform(1.0, 2.2)),
        turn=float(rng.uniform(0, np.pi)),
        lean=(float(rng.uniform(-0.5, 0.5)), float(rng.uniform(-0.3, 0.3))),
        content=str(kind),
    )


def _draw_vessel(
    rng: np.random.Generator, half_width: float, half_depth: float
) -> tuple[float, float, float, float, float]:
    """A vessel of the mesentery: x, y, radius, and how x and y change with height."""
    x, y = rng.normal(0, 0.3) * half_width, (-0.25 + rng.normal(0, 0.2)) * half_depth
    radius, (dx, dy) = rng.uniform(0.9, 2.6), rng.normal(0, 0.35, 2)
    return float(x), float(y), float(radius), float(dx), float(dy)
