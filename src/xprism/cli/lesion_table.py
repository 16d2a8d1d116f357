"""How findings held against known lesions are printed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xprism.evaluation.lesion_summary import FindingSummary
    from xprism.protocols.lesions import LesionScores

_FEW = 5


def lesion_lines(scores: LesionScores) -> Iterator[str]:
    """Reported findings by group, the free-response curve by group, the rule, and what was not scored."""
    for label in dict.fromkeys(film.label for film in scores.films):
        yield f"{label}: {'recall':>38}{'precision':>23}{'F1':>23}{'false a film':>23}"
        for row in scores.summary:
            if row.label == label:
                yield f"  {row.group:<24}{f'{row.hit}/{row.lesions}':>9}  {_ratios(row)}".rstrip()
        every = next(row for row in scores.summary if (row.label, row.group) == (label, "all"))
        if every.false_in_lungs + every.false_outside_lungs:
            yield f"  false findings inside the lungs {every.false_in_lungs}, outside {every.false_outside_lungs}"
        curves = [row for row in scores.froc if row.label == label]
        heads = dict.fromkeys(row.at_false_per_film for row in curves)
        yield f"  sensitivity at no more false findings a film than{'':<3}" + "".join(f"{head:>8}" for head in heads)
        for group in dict.fromkeys(row.group for row in curves):
            own = [row for row in curves if row.group == group]
            yield f"  {group:<42}{own[0].lesions:>9} " + "".join(f"{row.sensitivity:>8.3f}" for row in own)
        for name, spread in scores.record["over_folds"][label].items():
            yield f"  {name} {spread['mean']:.3f} ± {spread['std']:.3f} over {spread['folds']} folds"
        lost = scores.not_scored.get(label, [])
        if lost:
            names = ", ".join(lost[:_FEW]) + (", ..." if len(lost) > _FEW else "")
            yield f"  not scored, and in none of these numbers: {len(lost)} ({names})"
    if scores.films:
        yield f"rule: {scores.record['rule']}"


def _ratios(row: FindingSummary) -> str:
    made = []
    for name in ("recall", "precision", "f1", "false_per_film"):
        value, low, high = (getattr(row, f"{name}{end}") for end in ("", "_low", "_high"))
        made.append("-" if value is None else f"{value:.3f} ({low:.3f}-{high:.3f})")
    return "".join(f"{cell:<23}" for cell in made)
