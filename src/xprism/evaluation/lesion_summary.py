"""What the findings of many films come to: recall, precision, F1, and free-response curves, group by group."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from xprism.evaluation.froc import FilmFindings, Point, points, ratio_interval
from xprism.evaluation.interval import Interval
from xprism.evaluation.lesion_rows import Group, LesionFilm, LesionRow, groups_of

RATIOS = ("recall", "precision", "f1", "false_per_film")


@dataclass(frozen=True)
class FindingSummary:
    """The findings that a model reports, in one group.

    ``hit`` lesions and ``missed`` ones make up the group's ``lesions``; ``false`` and ``repeated`` findings are those
    on its ``films``. Of false findings ``false_in_lungs`` and ``false_outside_lungs`` are those whose film's lungs are
    known. Precision and F1 are None where the lesions of a group are not all of those on its films.
    """

    label: str
    group: str
    films: int
    lesions: int
    hit: int
    missed: int
    false: int
    repeated: int
    false_in_lungs: int
    false_outside_lungs: int
    recall: float
    recall_low: float
    recall_high: float
    precision: float | None
    precision_low: float | None
    precision_high: float | None
    f1: float | None
    f1_low: float | None
    f1_high: float | None
    false_per_film: float
    false_per_film_low: float
    false_per_film_high: float
    rule: str


@dataclass(frozen=True)
class FrocRow:
    """Sensitivity of one group at no more false findings a film than ``at_false_per_film``, or the mean of them all.

    ``threshold`` is the score from which findings count there, and ``false_per_film`` what they then are.
    """

    label: str
    group: str
    at_false_per_film: str
    sensitivity: float
    interval_low: float
    interval_high: float
    threshold: float | None
    false_per_film: float | None
    lesions: int
    films: int
    rule: str


def summarise_findings(
    films: Sequence[LesionFilm], rows: Sequence[LesionRow], *, rule: str, seed: int = 0
) -> list[FindingSummary]:
    """What the reported findings of every label and group come to; every interval is drawn from the same ``seed``."""
    return [
        _summary(label, group, own, of_label, rule, seed)
        for label, own, of_label in _by_label(films, rows)
        for group in groups_of(own, of_label)
    ]


def froc_rows(films: Sequence[LesionFilm], rows: Sequence[LesionRow], *, rule: str, seed: int = 0) -> list[FrocRow]:
    """The free-response curve of every label and group, read off; every interval is drawn from the same ``seed``."""
    made = []
    for label, own, of_label in _by_label(films, rows):
        for group in groups_of(own, of_label):
            on_films = findings_by_film(group, own, of_label)
            lesions, counted = sum(film.lesions for film in on_films), sum(film.counted for film in on_films)
            for point in points(on_films, generator=np.random.default_rng(seed)):
                made.append(_froc_row(label, group.name, point, lesions, counted, rule))
    return made


def findings_by_film(
    group: Group, films: Sequence[LesionFilm], rows: Sequence[LesionRow], *, reported: bool = False
) -> list[FilmFindings]:
    """What each film of one label adds to a group's curve; only what is ``reported``, if so asked."""
    of_case: dict[str, list[LesionRow]] = {film.case: [] for film in films}
    for row in rows:
        of_case[row.case].append(row)
    found = []
    for film in films:
        lesions = [row for row in of_case[film.case] if row.outcome in ("hit", "missed") and group.lesion(row)]
        false = [row for row in of_case[film.case] if row.outcome == "false"]
        found.append(
            FilmFindings(
                film.subject, _scores(lesions, reported), _scores(false, reported), len(lesions), group.film(film)
            )
        )
    return found


def _scores(rows: Sequence[LesionRow], reported: bool) -> tuple[float, ...]:
    return tuple(row.score for row in rows if row.score is not None and (row.reported or not reported))


def _by_label(
    films: Sequence[LesionFilm], rows: Sequence[LesionRow]
) -> Iterator[tuple[str, list[LesionFilm], list[LesionRow]]]:
    for label in dict.fromkeys(film.label for film in films):
        yield label, [film for film in films if film.label == label], [row for row in rows if row.label == label]


def _summary(
    label: str, group: Group, films: Sequence[LesionFilm], rows: Sequence[LesionRow], rule: str, seed: int
) -> FindingSummary:
    on_films = findings_by_film(group, films, rows, reported=True)
    those = {film.case for film in films if group.film(film)}
    reported = [row for row in rows if row.reported and row.case in those]
    false = [row for row in reported if row.outcome == "false"]
    lesions, hit = sum(film.lesions for film in on_films), sum(len(film.hits) for film in on_films)
    ratios = _ratios(on_films, seed)
    cells: dict[str, float | None] = {}
    for name in RATIOS:
        value, interval = ratios[name]
        meant = group.whole or name in ("recall", "false_per_film")
        numbers = (value, interval.low, interval.high) if meant else (None, None, None)
        cells |= dict(zip((name, f"{name}_low", f"{name}_high"), numbers, strict=True))
    return FindingSummary(
        label=label,
        group=group.name,
        films=len(those),
        lesions=lesions,
        hit=hit,
        missed=lesions - hit,
        false=len(false),
        repeated=sum(row.outcome == "repeat" for row in reported),
        false_in_lungs=sum(row.in_lungs is True for row in false),
        false_outside_lungs=sum(row.in_lungs is False for row in false),
        rule=rule,
        **cells,  # type: ignore[arg-type]
    )


def _ratios(films: Sequence[FilmFindings], seed: int) -> dict[str, tuple[float, Interval]]:
    """Recall, precision, F1 and false findings a film, each with its interval."""
    hits = [float(len(film.hits)) for film in films]
    lesions = [float(film.lesions) for film in films]
    false = [float(len(film.false) * film.counted) for film in films]
    findings = [one + other for one, other in zip(hits, false, strict=True)]
    sides = {
        "recall": (hits, lesions),
        "precision": (hits, findings),
        "f1": ([2 * one for one in hits], [one + other for one, other in zip(findings, lesions, strict=True)]),
        "false_per_film": (false, [float(film.counted) for film in films]),
    }
    subjects = [film.subject for film in films]
    made = {}
    for name, (above, below) in sides.items():
        interval = ratio_interval(above, below, subjects=subjects, generator=np.random.default_rng(seed))
        made[name] = (sum(above) / sum(below) if sum(below) else float("nan")), interval
    return made


def _froc_row(label: str, group: str, point: Point, lesions: int, films: int, rule: str) -> FrocRow:
    return FrocRow(
        label=label,
        group=group,
        at_false_per_film="mean" if point.rate is None else f"{point.rate:g}",
        sensitivity=point.sensitivity,
        interval_low=point.interval.low,
        interval_high=point.interval.high,
        threshold=point.threshold,
        false_per_film=point.false_per_film,
        lesions=lesions,
        films=films,
        rule=rule,
    )
