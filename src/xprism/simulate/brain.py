"""Axial MR slices of a drawn head in several contrasts, all of one anatomy.

Lengths are in mm: x to the patient's left, y to the back, z to the head; z is 0 at the height of the deep grey matter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from xprism.simulate.brain_tissue import Lesion, paint_head
from xprism.simulate.canvas import Canvas, Waves, coarser, near
from xprism.simulate.contrast import SEQUENCES, TISSUES, Tissue, signal

Floats = NDArray[np.floating[Any]]

LOWEST, HIGHEST = -14.0, 62.0
"""Heights between which slices lie: the whole cerebrum above the skull's base."""
SPREAD = 0.4
"""Standard deviation of the scanner's point spread in pixels."""


@dataclass(frozen=True)
class Brain:
    """One drawn head. Half sizes and thicknesses in mm; ``ventricles`` and ``sulci`` are 1 in a young adult.

    ``tissues`` are this patient's own constants, ``shading`` and ``snr`` those of each scan.
    """

    half_width: float
    half_length: float
    scalp: float
    skull: float
    ventricles: float
    sulci: float
    lesions: tuple[Lesion, ...]
    folds: tuple[Waves, Waves]
    bend: tuple[Waves, Waves]
    tissues: Mapping[str, Tissue]
    shading: Mapping[str, Waves]
    snr: Mapping[str, float]


@dataclass(frozen=True)
class BrainSlice:
    """A slice: display values float32 [H, W] in [0, 1] by contrast, ``spacing_mm`` of its square pixels."""

    pictures: Mapping[str, NDArray[np.float32]]
    spacing_mm: float
    z_mm: float


def draw_brain(rng: np.random.Generator) -> Brain:
    """Draw a patient and the patient's scans from the generator."""
    half_length = near(rng, 95, 4)
    age = float(rng.uniform(0, 1))
    return Brain(
        half_width=half_length * near(rng, 0.79, 0.025),
        half_length=half_length,
        scalp=near(rng, 5.0, 1.0),
        skull=near(rng, 6.5, 0.8),
        ventricles=0.85 + 0.6 * age + near(rng, 0, 0.1),
        sulci=0.85 + 0.7 * age,
        lesions=tuple(_draw_lesion(rng) for _ in range(rng.poisson(3 + 14 * age))),
        folds=(_waves(rng, 17, 30), _waves(rng, 17, 30)),
        bend=(_waves(rng, 60, 200), _waves(rng, 60, 200)),
        tissues=MappingProxyType({name: _varied(rng, tissue) for name, tissue in TISSUES.items()}),
        shading=MappingProxyType({name: _waves(rng, 300, 600) for name in SEQUENCES}),
        snr=MappingProxyType({name: float(rng.uniform(22, 40)) for name in SEQUENCES}),
    )


def brain_slice(patient: Brain, z_mm: float, *, size: int, rng: np.random.Generator) -> BrainSlice:
    """The slice of ``size`` x ``size`` pixels at a height; ``rng`` draws the noise of this slice alone."""
    finer = 2 if size >= 256 else 4
    spacing = 2.06 * patient.half_length / size
    canvas = Canvas(size * finer, spacing / finer)
    tissue = paint_head(patient, canvas, z_mm)
    return BrainSlice(
        MappingProxyType({name: _scanned(patient, tissue, name, (canvas, finer, z_mm), rng) for name in SEQUENCES}),
        spacing,
        z_mm,
    )


def _scanned(
    patient: Brain,
    tissue: NDArray[np.uint8],
    contrast: str,
    place: tuple[Canvas, int, float],
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """Display values of one contrast: signal, shading, blur, Rician noise; the brightest tissue is nearly white."""
    canvas, finer, z_mm = place
    levels = {name: signal(one, SEQUENCES[contrast]) for name, one in patient.tissues.items()}
    bright = np.array([0.0, *(levels[name] for name in TISSUES)])
    shaded = bright[tissue] * (1 + 0.08 * patient.shading[contrast].on(canvas, z_mm))
    clean = coarser(gaussian_filter(shaded, SPREAD * finer), finer)
    sigma = levels["white"] / patient.snr[contrast]
    first, second = sigma * rng.standard_normal((2, *clean.shape))
    magnitude = np.hypot(clean + first, second)
    return np.asarray(np.clip(magnitude / (1.15 * bright.max()), 0, 1), np.float32)


def _waves(rng: np.random.Generator, shortest_mm: float, longest_mm: float) -> Waves:
    return Waves.draw(rng, shortest_mm=shortest_mm, longest_mm=longest_mm, count=16)


def _varied(rng: np.random.Generator, tissue: Tissue) -> Tissue:
    return Tissue(tissue.t1 * near(rng, 1, 0.03), tissue.t2 * near(rng, 1, 0.03), tissue.density * near(rng, 1, 0.01))


def _draw_lesion(rng: np.random.Generator) -> Lesion:
    side = 1 if rng.random() < 0.5 else -1
    centre = (side * rng.uniform(14, 34), rng.uniform(-32, 45), rng.uniform(0, 42))
    return Lesion(tuple(float(v) for v in centre), float(rng.uniform(1.5, 5.5)))
