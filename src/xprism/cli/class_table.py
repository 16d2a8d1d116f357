"""How class maps held against true ones are printed."""

from __future__ import annotations

from collections.abc import Iterator
from math import isnan
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xprism.evaluation.class_rows import ClassSummaryRow
    from xprism.protocols.classes import ClassScores

_COLUMNS = {
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
    "auc": "AUC",
    "confidence": "confidence",
    "calibration_gap": "gap",
}
_WORDS = {
    "test": "films of the test",
    "validation": "films that chose the weights",
    "authors_pool": "films of the test and that chose the weights, as XNet's authors score",
}
_SETS = {"all": "one threshold", "by_part": "thresholds by part of the body"}
_AUTHORS = 0.9


def class_lines(scores: ClassScores) -> Iterator[str]:
    """Every class on the films of the test, calibration and thresholds there, and every class of the authors' pool."""
    for name in scores.films:
        rows = [row for row in scores.summary if row.target == name]
        views = list(dict.fromkeys(row.films for row in rows))
        yield from _measures(scores, name, rows, views[0])
        yield from _calibration(scores, name, rows)
        yield from _thresholds(scores, name)
        if "authors_pool" in views:
            yield from _measures(scores, name, rows, "authors_pool")


def _measures(scores: ClassScores, name: str, rows: list[ClassSummaryRow], view: str) -> Iterator[str]:
    own = {
        (row.label, row.measure): row for row in rows if row.films == view and row.temperature == rows[0].temperature
    }
    counted = sum(view in ("authors_pool", film.films) for film in scores.films[name])
    yield f"{name}, {counted} {_WORDS[view]}"
    yield f"  {'':<14}" + "".join(f"{head:>23}" for head in _COLUMNS.values())
    for label in (*scores.labels[name], "weighted"):
        yield f"  {label:<14}" + "".join(f"{_cell(own.get((label, one))):>23}" for one in _COLUMNS)
    yield f"  {'accuracy':<14}{_cell(own['all', 'accuracy']):>23}"
    if scores.doubted in scores.labels[name]:
        fdr, fpr = (_cell(own[scores.doubted, one]) for one in ("fdr", "fpr"))
        yield f"  false {scores.doubted}: {fdr} of what is found (1 - precision), {fpr} of what is not it"


def _calibration(scores: ClassScores, name: str, rows: list[ClassSummaryRow]) -> Iterator[str]:
    errors = {row.temperature: row for row in rows if (row.films, row.label, row.measure) == ("test", "all", "ece")}
    fitted = scores.temperatures.get(name)
    for temperature, row in errors.items():
        words = f"  calibration error {_cell(row)} at temperature {temperature:.3g}"
        if fitted is not None and temperature == fitted.value:
            words += f", fitted to {fitted.films} films that chose the weights"
        yield words


def _thresholds(scores: ClassScores, name: str) -> Iterator[str]:
    rows = [row for row in scores.thresholds if (row.target, row.films) == (name, "test")]
    for row in rows:
        if row.threshold == _AUTHORS and row.temperature == rows[0].temperature:
            false = f"false {_number(row.fdr)} of what is found, {_number(row.fpr)} of what is not it"
            yield f"  {row.label} only above {_AUTHORS:.2f}: found {_number(row.tpr)}, {false}"
    for one in scores.searched:
        if one.target == name and one.temperature == scores.temperatures[name].value and one.body_part in _SETS:
            threshold = "" if one.threshold is None else f" {one.threshold:g}"
            wanted = f"to keep {one.wanted_fdr:g}" if one.keeps else f"to come near {one.wanted_fdr:g}"
            false = f"false {_number(one.fdr)} ({_number(one.fdr_low)}-{_number(one.fdr_high)}) of what is found"
            how = f"{_SETS[one.body_part]}{threshold}, chosen on {one.chosen_on} films {wanted}"
            yield f"  {how}: found {_number(one.tpr)}, {false}"


def _cell(row: ClassSummaryRow | None) -> str:
    if row is None or isnan(row.pooled):
        return "-"
    return f"{row.pooled:.3f} ({_number(row.interval_low)}-{_number(row.interval_high)})"


def _number(value: float) -> str:
    return "-" if isnan(value) else f"{value:.3f}"
