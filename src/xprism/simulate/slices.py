"""Simulated volumes slice by slice as files: a film and its exact truth, case by case."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from xprism.data.importers.files import save_mask
from xprism.data.manifest import Case
from xprism.png import save_png
from xprism.simulate import abdomen, brain
from xprism.simulate.canvas import Floats, heights
from xprism.simulate.lowdose import WINDOW, low_dose, shown

Seed = tuple[int, ...]
"""Whole numbers that name a subject; the slice's number is added for what is drawn slice by slice."""


def write_abdomen(folder: Path, name: str, seed: Seed, *, slices: int, size: int, photons: float) -> list[Case]:
    """Slices of one abdomen: the film is the low dose, the picture ``full_dose``, masks are the kidneys."""
    patient = abdomen.draw_abdomen(np.random.default_rng(seed))
    cases = []
    for index, z_mm in enumerate(heights(abdomen.LOWEST, abdomen.HIGHEST, slices)):
        rng = np.random.default_rng((*seed, 1 + index))
        made = abdomen.abdomen_slice(patient, float(z_mm), size=size, rng=rng)
        full, spacing = made.hounsfield, made.spacing_mm
        noisy = low_dose(full, (spacing, spacing), photons=photons, rng=rng)
        case = _case(folder, name, index, slices, spacing_mm=spacing, z_mm=float(z_mm))
        case.attributes.update(photons=f"{photons:g}", window=f"{WINDOW[0]:g},{WINDOW[1]:g}")
        case.pictures["full_dose"] = folder / "full_dose" / case.film.name
        _save(shown(noisy), case.film)
        _save(shown(full), case.pictures["full_dose"])
        for label, mask in made.masks.items():
            case.masks[label] = folder / label / case.film.name
            save_mask(mask, case.masks[label])
        cases.append(case)
    return cases


def write_brain(folder: Path, name: str, seed: Seed, *, slices: int, size: int) -> list[Case]:
    """Slices of one head: the film is T1-weighted, pictures are ``t1_ir``, ``flair`` and ``pd``."""
    patient = brain.draw_brain(np.random.default_rng(seed))
    cases = []
    for index, z_mm in enumerate(heights(brain.LOWEST, brain.HIGHEST, slices)):
        rng = np.random.default_rng((*seed, 1 + index))
        made = brain.brain_slice(patient, float(z_mm), size=size, rng=rng)
        case = _case(folder, name, index, slices, spacing_mm=made.spacing_mm, z_mm=float(z_mm))
        _save(made.pictures["t1"], case.film)
        for contrast in ("t1_ir", "flair", "pd"):
            case.pictures[contrast] = folder / contrast / case.film.name
            _save(made.pictures[contrast], case.pictures[contrast])
        cases.append(case)
    return cases


def _case(folder: Path, name: str, index: int, slices: int, *, spacing_mm: float, z_mm: float) -> Case:
    case = f"{name}_z{index:0{max(2, len(str(slices - 1)))}d}"
    about = {"polarity": "display", "spacing_mm": f"{spacing_mm:.6f}", "z_mm": f"{z_mm:.1f}"}
    return Case(case, name, folder / "films" / f"{case}.png", attributes=about)


def _save(display: Floats | np.ndarray, path: Path) -> None:
    save_png(np.rint(display.astype(np.float64) * 65535).astype(np.uint16), path)
