"""The findings of a source held against known lesions case by case, and what they come to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xprism.data.lesions import LesionPlace, sides_px
from xprism.data.manifest import Case
from xprism.evaluation.lesion_matching import RULES, Finding, Outcome, Rule, Square, match
from xprism.evaluation.lesion_rows import LesionFilm, LesionRow
from xprism.evaluation.lesion_summary import FindingSummary, FrocRow, froc_rows, summarise_findings
from xprism.protocols.scoring import Pair, spacing_of
from xprism.result import Lesion

FILES = ("lesions.csv", "lesion_summary.csv", "froc.csv", "froc.png", "lesions.png")
"""What an evaluation of lesions may leave in its folder."""


class LesionScores:
    """Judges the findings of cases one by one by a ``rule``; ``films`` are those that were searched.

    ``not_scored`` names, by label, the cases with known lesions or known to have none that were not searched.
    """

    def __init__(self, *, rule: Rule = "centre") -> None:
        self.rule: Rule = rule
        self.films: list[LesionFilm] = []
        self.rows: list[LesionRow] = []
        self.not_scored: dict[str, list[str]] = {}

    def add(self, both: Pair) -> bool:
        """Judge one case; False where there is nothing to judge, as no label is both known and predicted.

        Raises ``DataError`` where the case has lesions, but the film's spacing is not known, or their table is damaged.
        """
        case, found = both.case, both.prediction.lesions
        labels = [label for label in case.lesions if label in found]
        known = case.load_lesions() if labels else {}
        spacing = spacing_of(case, both.prediction) if labels else None
        for label in labels:
            rows = list(self._judged(both, label, known[label], spacing))
            self.rows += rows
            fold = case.attributes.get("fold", "")
            self.films.append(LesionFilm(case.case, case.subject, label, len(known[label]), fold))
        return bool(labels)

    def finish(self, cases: Sequence[Case]) -> None:
        """Note the cases that were never reached, because they could not be scored."""
        searched = {(film.case, film.label) for film in self.films}
        for label in sorted({film.label for film in self.films}):
            lost = [case.case for case in cases if label in case.lesions and (case.case, label) not in searched]
            if lost:
                self.not_scored[label] = lost

    @cached_property
    def summary(self) -> list[FindingSummary]:
        """What the reported findings come to; asked for when all cases are added."""
        return summarise_findings(self.films, self.rows, rule=self.rule)

    @cached_property
    def froc(self) -> list[FrocRow]:
        """The free-response curves, read off; asked for when all cases are added."""
        return froc_rows(self.films, self.rows, rule=self.rule)

    @property
    def tables(self) -> list[tuple[str, type, Sequence[Any]]]:
        """File name, kind of record and records of every table; none where no film was searched."""
        if not self.films:
            return []
        return [
            ("lesions.csv", LesionRow, self.rows),
            ("lesion_summary.csv", FindingSummary, self.summary),
            ("froc.csv", FrocRow, self.froc),
        ]

    @property
    def record(self) -> dict[str, Any]:
        """The rule in words, how much was searched, what was not, and the spread over folds where there are any."""
        labels = dict.fromkeys(film.label for film in self.films)
        return {
            "rule": RULES[self.rule],
            "labels": {
                label: {
                    "films": sum(film.label == label for film in self.films),
                    "lesions": sum(film.lesions for film in self.films if film.label == label),
                    "films_not_scored": self.not_scored.get(label, []),
                }
                for label in labels
            },
            "over_folds": {label: over_folds(self.summary, label) for label in labels},
        }

    def _judged(
        self, both: Pair, label: str, places: Sequence[LesionPlace], spacing: tuple[float, float] | None
    ) -> list[LesionRow]:
        """A row for every finding, best first, then one for every lesion that was missed."""
        found = sorted(
            (_measured(lesion, spacing) for lesion in both.prediction.lesions[label]), key=lambda lesion: -lesion.score
        )
        findings = [Finding(*lesion.centre_px, lesion.box_px, lesion.score) for lesion in found]
        squares = [Square(place.row, place.column, *sides_px(place, spacing)) for place in places]
        outcomes = match(findings, squares, rule=self.rule)
        rows = [
            _row(both, label, outcome, lesion, places, number)
            for lesion, (outcome, number) in zip(found, outcomes, strict=True)
        ]
        hit = {number for outcome, number in outcomes if outcome == "hit"}
        missed = [number for number in range(len(places)) if number not in hit]
        return rows + [_row(both, label, "missed", None, places, number) for number in missed]


def over_folds(summary: Sequence[FindingSummary], label: str) -> dict[str, dict[str, float]]:
    """Mean and sample standard deviation over folds of recall, precision and F1 [0, 1], where cases name their fold.

    Folds in which one is not defined, as those without any finding for precision, are left out of it.
    """
    folds = [row for row in summary if row.label == label and row.group.startswith("fold ")]
    spread = {}
    for name in ("recall", "precision", "f1"):
        values = np.array([getattr(row, name) for row in folds], float)
        values = values[np.isfinite(values)]
        if values.size > 1:
            spread[name] = {"mean": float(values.mean()), "std": float(values.std(ddof=1)), "folds": values.size}
    return spread


def _measured(lesion: Lesion, spacing: tuple[float, float] | None) -> Lesion:
    """A finding with its size in mm by the spacing of the case, which a manifest may know better than the film."""
    if spacing is None:
        return lesion
    top, left, bottom, right = lesion.box_px
    return replace(lesion, diameter_mm=max((bottom - top) * spacing[0], (right - left) * spacing[1]))


def _row(
    both: Pair,
    label: str,
    outcome: Outcome | str,
    finding: Lesion | None,
    places: Sequence[LesionPlace],
    number: int | None,
) -> LesionRow:
    about: dict[str, Any] = {"case": both.case.case, "subject": both.case.subject, "label": label, "outcome": outcome}
    about["matched_by"] = both.prediction.matched_by
    where = (0.0, 0.0)
    if finding is not None:
        where = finding.centre_px
        about |= {"score": finding.score, "reported": finding.reported, "diameter_mm": finding.diameter_mm}
        about |= dict(zip(("row", "column"), finding.centre_px, strict=True))
        about |= dict(zip(("top", "left", "bottom", "right"), finding.box_px, strict=True))
    if number is not None:
        place = places[number]
        where = place.row, place.column
        about |= {"lesion": number + 1, "lesion_row": place.row, "lesion_column": place.column}
        about |= {"lesion_diameter_mm": place.diameter_mm, "subtlety": place.subtlety}
    return LesionRow(in_lungs=_inside(both.truth.get("lungs"), where), **about)


def _inside(lungs: NDArray[np.bool_] | None, where: tuple[float, float]) -> bool | None:
    """Whether a position (row, column) lies inside the lungs [H, W]; off the film it does not."""
    if lungs is None:
        return None
    row, column = (int(np.floor(one + 0.5)) for one in where)
    return 0 <= row < lungs.shape[0] and 0 <= column < lungs.shape[1] and bool(lungs[row, column])
