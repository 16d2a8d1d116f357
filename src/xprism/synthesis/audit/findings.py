"""What an audit can say: one finding a check, tables, and the rule that makes a finding a verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.01
"""How likely an audit of honest films, of the same kind as the real ones, is to flag anything at all."""

MEANINGS = {
    "copied films": (
        "no sample is nearer to a real film than honest films come",
        "real films were learnt by heart: such samples teach nothing new, and may show a patient",
    ),
    "copied label maps": (
        "no label map is nearer to a real one than honest ones come",
        "label maps repeat real ones, whatever film was made of them",
    ),
    "films apart": (
        "these numbers of films cannot be told from real ones by their grey values, looks and detail",
        "films as a whole can be told from real ones; the distance says by how much",
    ),
    "foreign labels": (
        "label maps fit their own films as real ones do",
        "label maps fit their own films less than real ones do: shuffled, shifted, or films that do not follow them",
    ),
    "strange labels": (
        "areas, places, overlaps, pieces and holes are like those of real label maps",
        "label maps differ from real ones: see the measures",
    ),
    "few films": (
        "films differ from each other as real ones do",
        "films differ less from each other than real ones do: the network has collapsed, wholly or in part",
    ),
    "few label maps": (
        "label maps differ from each other as real ones do",
        "label maps differ less from each other than real ones do: the network has collapsed, wholly or in part",
    ),
}
"""Of every check what it means where it passes, and where it is flagged."""


@dataclass(frozen=True)
class Finding:
    """The outcome of one check: a number, what it is held against, and how likely honest films are to go as far."""

    check: str
    number: float
    what: str
    reference: float
    reference_what: str
    p: float


@dataclass(frozen=True)
class Verdict:
    """A finding after correction for the number of checks: ``p_corrected`` up to ``LEVEL`` is flagged."""

    check: str
    flagged: bool
    number: float
    what: str
    reference: float
    reference_what: str
    p: float
    p_corrected: float
    meaning: str

    @property
    def line(self) -> str:
        """The verdict as one line of text."""
        word = "FLAGGED" if self.flagged else "passes"
        p = "< 1e-6" if self.p_corrected < 1e-6 else f"{self.p_corrected:.2g}"
        return f"{word:<8}{self.check:<18}{self.number:>8.3g} against {self.reference:.3g}, p {p}: {self.meaning}"


@dataclass(frozen=True)
class SampleRow:
    """A sample's nearest real cases: by film, and by label map where there are any."""

    sample: str
    film_case: str
    film_distance: float
    film_p: float
    film_copied: bool
    labels_case: str
    labels_distance: float | None
    labels_p: float | None
    labels_copied: bool | None


@dataclass(frozen=True)
class MeasureRow:
    """One measure of label maps in both sets.

    ``outside`` is the share of samples beyond the smallest and largest real value. ``apart`` is how far the means, or
    the deviations from the common median, lie apart, in standard errors, whichever is more; its p-value is corrected
    for all measures.
    """

    measure: str
    mean_synth: float
    mean_real: float
    std_synth: float
    std_real: float
    min_real: float
    max_real: float
    outside: float
    apart: float
    p: float


@dataclass(frozen=True)
class Closeness:
    """Distances of samples [n] to their nearest real cases and what is known of such distances of honest films.

    ``honest`` are those of held-out films, or of real films to the others; below ``limit`` a sample counts as a copy.
    """

    case: NDArray[np.int64]
    distance: NDArray[np.float64]
    p: NDArray[np.float64]
    honest: NDArray[np.float64]
    limit: float


def judged(findings: Sequence[Finding], *, level: float = LEVEL) -> tuple[Verdict, ...]:
    """Verdicts of all checks of one audit: p-values times their number (Bonferroni), flagged up to ``level``."""
    verdicts = []
    for one in findings:
        corrected = min(1.0, one.p * len(findings))
        flagged = corrected <= level
        meaning = MEANINGS[one.check][flagged]
        verdicts.append(Verdict(**asdict(one), flagged=flagged, p_corrected=corrected, meaning=meaning))
    return tuple(verdicts)
