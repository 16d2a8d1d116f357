"""Films of limbs as files: a film and the map of its classes, case by case."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from xprism.data.manifest import Case
from xprism.png import save_png
from xprism.simulate.limb import LimbCase, simulate_limb
from xprism.simulate.limb_parts import part_of

_INVERTED = 0.06
"""Share of films that are stored bone dark; the manifest says so, and they are read like the others."""


def limb_of(seed: int, number: int, *, size: int) -> LimbCase:
    """Film ``number`` (from 0) of a data set; it depends on the seed and its number alone."""
    return simulate_limb(np.random.default_rng([seed, number]), part_of(number), size)


def write_limb(folder: Path, name: str, seed: int, number: int, *, size: int) -> Case:
    """Write one film and its class map ``tissue`` (0 open beam, 1 soft tissue, 2 bone)."""
    made = limb_of(seed, number, size=size)
    inverted = np.random.default_rng([seed, number, 1]).random() < _INVERTED
    case = Case(
        case=name,
        subject=name,
        film=folder / "films" / f"{name}.png",
        classes={"tissue": folder / "tissue" / f"{name}.png"},
        attributes={
            "source": "phantom",
            "polarity": "inverted" if inverted else "display",
            "spacing_mm": f"{made.spacing_mm:.6f}",
            "body_part": made.body_part,
            "view": made.view,
            "metal": "yes" if made.metal else "no",
        },
    )
    stored = np.rint((1 - made.film if inverted else made.film).astype(np.float64) * 65535)
    save_png(stored.astype(np.uint16), case.film)
    save_png(made.tissue, case.classes["tissue"])
    return case
