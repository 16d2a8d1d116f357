"""How bright a tissue is in magnetic resonance: signal equations, and the tissues' constants at 3 tesla."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import exp


@dataclass(frozen=True)
class Tissue:
    """Relaxation times ``t1`` and ``t2`` in ms, and ``density`` of protons (1 is water)."""

    t1: float
    t2: float
    density: float


@dataclass(frozen=True)
class Sequence:
    """Times of a spin echo in ms: repetition, echo, and inversion where one goes before (else None)."""

    repetition: float
    echo: float
    inversion: float | None = None


TISSUES: Mapping[str, Tissue] = {
    "white": Tissue(832, 79.6, 0.70),
    "grey": Tissue(1331, 110, 0.82),
    "csf": Tissue(4163, 2000, 1.00),
    "lesion": Tissue(1350, 170, 0.86),
    "fat": Tissue(382, 68, 0.90),
    "muscle": Tissue(1412, 50, 0.78),
    "marrow": Tissue(450, 60, 0.45),
    "bone": Tissue(400, 5, 0.08),
}
"""White and grey matter: Wansapura et al., J Magn Reson Imaging 9 (1999) 531. Muscle: Stanisz et al., Magn Reson Med
54 (2005) 507. Fat: de Bazelaire et al., Radiology 230 (2004) 652. T1 of cerebrospinal fluid: Lin et al., J Comput
Assist Tomogr 25 (2001) 17. The rest, lesions and densities among them, are round numbers of the order found in
textbooks. Blood is left out."""

SEQUENCES: Mapping[str, Sequence] = {
    "t1": Sequence(600, 12),
    "pd": Sequence(3000, 15),
    "t1_ir": Sequence(4416, 15, 400),
    "flair": Sequence(11000, 125, 2800),
}
"""Times of T1-IR and FLAIR are those of MRBrainS (Mendrik et al., Comput Intell Neurosci 2015, 813696), whose T1 is a
gradient echo; here it is a spin echo."""


def signal(tissue: Tissue, sequence: Sequence) -> float:
    """Magnitude of a spin echo's signal, as a share of that of water fully relaxed.

    Without inversion PD (1 - e^(-TR/T1)) e^(-TE/T2), after one PD |1 - 2 e^(-TI/T1) + e^(-TR/T1)| e^(-TE/T2).
    """
    recovered = 1 - exp(-sequence.repetition / tissue.t1)
    if sequence.inversion is not None:
        recovered = 1 - 2 * exp(-sequence.inversion / tissue.t1) + exp(-sequence.repetition / tissue.t1)
    return tissue.density * abs(recovered) * exp(-sequence.echo / tissue.t2)
