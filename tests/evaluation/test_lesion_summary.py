"""Recall, precision and F1 by group, worked by hand on four films."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from xprism.evaluation.froc import FilmFindings
from xprism.evaluation.lesion_rows import Group, LesionFilm, LesionRow, groups_of
from xprism.evaluation.lesion_summary import FindingSummary, findings_by_film, froc_rows, summarise_findings


def hit(case: str, score: float, mm: float, subtlety: int, *, inside: bool = True, reported: bool = True) -> LesionRow:
    known = {"lesion": 1, "lesion_diameter_mm": mm, "subtlety": subtlety, "in_lungs": inside}
    return LesionRow(case, case, "nodule", "hit", score=score, reported=reported, **known)


def missed(case: str, mm: float, subtlety: int, *, inside: bool) -> LesionRow:
    known = {"lesion": 2, "lesion_diameter_mm": mm, "subtlety": subtlety, "in_lungs": inside}
    return LesionRow(case, case, "nodule", "missed", **known)


def false(case: str, score: float, *, inside: bool | None, reported: bool = True) -> LesionRow:
    return LesionRow(case, case, "nodule", "false", score=score, reported=reported, in_lungs=inside)


FILMS = [
    LesionFilm("a", "a", "nodule", 2, fold="1"),
    LesionFilm("b", "b", "nodule", 1, fold="1"),
    LesionFilm("c", "c", "nodule", 1, fold="2"),
    LesionFilm("d", "d", "nodule", 0, fold="2"),
]
ROWS = [
    hit("a", 0.9, 10, 5),
    replace(hit("a", 0.8, 10, 5), outcome="repeat"),
    missed("a", 30, 2, inside=False),
    false("a", 0.6, inside=False),
    hit("b", 0.7, 9.9, 2),
    hit("c", 0.2, 25, 2, inside=False, reported=False),
    false("c", 0.1, inside=True, reported=False),
    false("d", 0.95, inside=True),
    false("d", 0.5, inside=None),
]


@pytest.fixture(scope="module")
def groups() -> dict[str, FindingSummary]:
    return {row.group: row for row in summarise_findings(FILMS, ROWS, rule="centre")}


def test_all_films_by_hand(groups: dict[str, FindingSummary]) -> None:
    row = groups["all"]
    assert (row.films, row.lesions, row.hit, row.missed, row.false, row.repeated) == (4, 4, 2, 2, 3, 1)
    assert (row.recall, row.precision, row.f1) == pytest.approx((2 / 4, 2 / 5, 2 * 2 / (2 * 2 + 3 + 2)))
    assert row.f1 == pytest.approx(2 * row.recall * row.precision / (row.recall + row.precision))
    assert row.false_per_film == pytest.approx(3 / 4)
    assert (row.false_in_lungs, row.false_outside_lungs) == (1, 1), "of the third the lungs are not known"
    assert row.recall_low <= row.recall <= row.recall_high
    assert row.rule == "centre"


def test_a_finding_too_faint_to_be_reported_leaves_its_lesion_missed(groups: dict[str, FindingSummary]) -> None:
    assert (groups["20 to under 30 mm"].lesions, groups["20 to under 30 mm"].hit) == (1, 0)
    lower = [replace(row, reported=True) if row.score else row for row in ROWS]
    assert summarise_findings(FILMS, lower, rule="centre")[0].recall == pytest.approx(3 / 4)


def test_films_with_and_without_lesions_by_hand(groups: dict[str, FindingSummary]) -> None:
    with_lesions, without = groups["films with lesions"], groups["films without lesions"]
    assert (with_lesions.films, with_lesions.false, with_lesions.precision) == (3, 1, pytest.approx(2 / 3))
    assert (without.films, without.false, without.false_per_film) == (1, 2, 2.0)
    assert (without.precision, without.f1) == (None, None), "these lesions are not on those films"
    assert without.recall == groups["all"].recall


def test_lungs_subtlety_and_size_part_the_lesions_and_leave_the_false_findings(
    groups: dict[str, FindingSummary],
) -> None:
    found = {name: (row.hit, row.lesions) for name, row in groups.items()}
    assert (found["in lungs"], found["outside lungs"]) == ((2, 2), (0, 2))
    assert (found["subtlety 2"], found["subtlety 5"]) == ((1, 3), (1, 1))
    assert (found["under 10 mm"], found["10 to under 20 mm"]) == ((1, 1), (1, 1))
    assert (found["20 to under 30 mm"], found["30 mm and more"]) == ((0, 1), (0, 1))
    assert "subtlety 3" not in found
    assert {groups[name].false for name in ("in lungs", "outside lungs", "subtlety 2", "under 10 mm")} == {3}


def test_folds_stand_alone(groups: dict[str, FindingSummary]) -> None:
    first, second = groups["fold 1"], groups["fold 2"]
    assert (first.recall, first.precision, first.films) == (pytest.approx(2 / 3), pytest.approx(2 / 3), 2)
    assert (second.recall, second.precision) == (0.0, 0.0)


def test_no_finding_at_all_has_no_precision() -> None:
    (row,) = summarise_findings([LesionFilm("a", "a", "nodule", 1)], [missed("a", 5, 1, inside=True)], rule="iou")[:1]
    assert (row.recall, row.f1) == (0.0, 0.0)
    assert row.precision is not None
    assert math.isnan(row.precision)


def test_normal_films_alone_have_false_findings_and_no_recall() -> None:
    (row,) = summarise_findings([LesionFilm("d", "d", "nodule", 0)], [false("d", 0.6, inside=True)], rule="centre")
    assert (row.group, row.lesions, row.false_per_film) == ("all", 0, 1.0)
    assert math.isnan(row.recall)


def test_a_curve_takes_faint_findings_as_well() -> None:
    every = Group("all", lambda row: True, lambda film: True)
    (group,) = [one for one in groups_of(FILMS, ROWS) if one.name == "outside lungs"]
    assert findings_by_film(every, FILMS, ROWS) == [
        FilmFindings("a", (0.9,), (0.6,), 2),
        FilmFindings("b", (0.7,), (), 1),
        FilmFindings("c", (0.2,), (0.1,), 1),
        FilmFindings("d", (), (0.95, 0.5), 0),
    ]
    assert findings_by_film(group, FILMS, ROWS)[0] == FilmFindings("a", (), (0.6,), 1)


def test_curves_by_hand_for_all_films_and_by_the_films_whose_false_findings_count() -> None:
    rows = {(row.group, row.at_false_per_film): row for row in froc_rows(FILMS, ROWS, rule="centre")}
    # Falling scores: d false, a hit, b hit, a false, d false, c hit, c false.
    at = [rows["all", rate].sensitivity for rate in ("0.125", "0.25", "0.5", "1", "2")]
    assert at == [0.0, 0.5, 0.5, 0.75, 0.75]
    assert rows["all", "0.25"].false_per_film == pytest.approx(0.25)
    # Only films a, b and c count: three films, on which the first false finding has the score 0.6.
    assert rows["films with lesions", "0.125"].sensitivity == 0.5
    assert (rows["films with lesions", "0.125"].films, rows["films with lesions", "0.125"].lesions) == (3, 4)
    # Only film d counts: nothing is allowed before one false finding a film.
    assert rows["films without lesions", "0.5"].sensitivity == 0.0
    assert rows["films without lesions", "1"].sensitivity == 0.5
    mean = np.mean([rows["all", f"{rate:g}"].sensitivity for rate in (0.125, 0.25, 0.5, 1, 2, 4, 8)])
    assert rows["all", "mean"].sensitivity == pytest.approx(mean)


def test_labels_are_summed_apart() -> None:
    others = [replace(film, label="mass") for film in FILMS]
    found = summarise_findings([*FILMS, *others], ROWS, rule="centre")
    assert {row.label for row in found} == {"nodule", "mass"}
    assert next(row for row in found if row.label == "mass").false == 0
