"""Free-response curves against cases worked by hand and a plain rewrite that counts films one by one."""

from __future__ import annotations

import math

import numpy as np
import pytest

from xprism.evaluation.froc import RATES, FilmFindings, froc, percentiles, points, ratio_interval

FILMS = [
    FilmFindings("a", hits=(0.9,), false=(0.8, 0.3), lesions=1),
    FilmFindings("b", hits=(0.6,), false=(), lesions=2),
    FilmFindings("c", hits=(), false=(0.7, 0.2), lesions=0),
    FilmFindings("d", hits=(0.1,), false=(0.5,), lesions=1),
]


def generator() -> np.random.Generator:
    return np.random.default_rng(1)


def test_the_curve_by_hand() -> None:
    curve = froc(FILMS)
    np.testing.assert_allclose(curve.thresholds, [0.9, 0.8, 0.7, 0.6, 0.5, 0.3, 0.2, 0.1])
    np.testing.assert_allclose(curve.false_per_film, np.array([0, 1, 2, 2, 3, 4, 5, 5]) / 4)
    np.testing.assert_allclose(curve.sensitivity, np.array([1, 1, 1, 2, 2, 2, 2, 3]) / 4)


def test_points_by_hand_take_the_highest_sensitivity_within_the_rate() -> None:
    found = points(FILMS, generator=generator())
    assert [point.rate for point in found] == [*RATES, None]
    # 1/8 a film is 0.5 findings on 4 films: none. 1/4: one, but it buys nothing. 1/2: two, and b is found.
    assert [point.sensitivity for point in found[:-1]] == [0.25, 0.25, 0.5, 0.5, 0.75, 0.75, 0.75]
    assert [point.threshold for point in found[:-1]] == [0.9, 0.8, 0.6, 0.3, 0.1, 0.1, 0.1]
    assert [point.false_per_film for point in found[:-1]] == [0, 0.25, 0.5, 1.0, 1.25, 1.25, 1.25]
    assert found[-1].sensitivity == pytest.approx(np.mean([0.25, 0.25, 0.5, 0.5, 0.75, 0.75, 0.75]))


def test_findings_of_equal_score_come_and_go_together() -> None:
    films = [FilmFindings("a", (0.5,), (0.5, 0.5), 1), FilmFindings("b", (0.4,), (), 1)]
    assert froc(films).thresholds.tolist() == [0.5, 0.4]
    found = points(films, generator=generator(), rates=(0.5, 1.0))
    assert [(point.sensitivity, point.threshold) for point in found[:2]] == [(0.0, None), (1.0, 0.4)]


def test_a_film_that_is_not_counted_adds_its_lesions_only() -> None:
    films = [FilmFindings("a", (0.9,), (0.95,), 1, counted=False), FilmFindings("b", (), (0.5,), 0)]
    curve = froc(films)
    np.testing.assert_allclose(curve.thresholds, [0.9, 0.5])
    np.testing.assert_allclose(curve.false_per_film, [0, 1])
    np.testing.assert_allclose(curve.sensitivity, [1, 1])


def test_no_lesion_no_finding_and_no_film_are_no_error() -> None:
    nothing = points([], generator=generator())
    assert all(math.isnan(point.sensitivity) for point in nothing)
    without = points([FilmFindings("a", (), (0.5,), 0), FilmFindings("b", (), (), 0)], generator=generator())
    assert all(math.isnan(point.sensitivity) and math.isnan(point.interval.low) for point in without)
    silent = points([FilmFindings("a", (), (), 1), FilmFindings("b", (), (), 1)], generator=generator())
    assert [(point.sensitivity, point.threshold, point.false_per_film) for point in silent[:-1]] == [
        (0.0, None, 0.0)
    ] * 7
    assert (silent[0].interval.low, silent[0].interval.high) == (0.0, 0.0)


def test_one_subject_has_no_interval() -> None:
    found = points([FilmFindings("a", (0.9,), (), 1), FilmFindings("a", (), (0.3,), 1)], generator=generator())
    assert found[0].sensitivity == 0.5
    assert math.isnan(found[0].interval.low)


def drawn_films(seed: int, subjects: int = 20) -> list[FilmFindings]:
    rng = np.random.default_rng(seed)
    films = []
    for subject in range(subjects):
        for _ in range(rng.integers(1, 3)):
            lesions = int(rng.integers(0, 3))
            hits = tuple(rng.beta(3, 2, rng.binomial(lesions, 0.8)).round(2).tolist())
            films.append(
                FilmFindings(f"s{subject}", hits, tuple(rng.beta(2, 3, rng.poisson(2)).round(2).tolist()), lesions)
            )
    return films


def plainly(films: list[FilmFindings], rate: float) -> float:
    """Sensitivity at a rate by trying every threshold, one film after another."""
    best = 0.0
    for threshold in sorted({score for film in films for score in (*film.hits, *film.false)}):
        false = sum(score >= threshold for film in films for score in film.false)
        hits = sum(score >= threshold for film in films for score in film.hits)
        if false / len(films) <= rate:
            best = max(best, hits / sum(film.lesions for film in films))
    return best


@pytest.mark.parametrize("seed", range(5))
def test_points_are_those_of_a_plain_rewrite(seed: int) -> None:
    films = drawn_films(seed)
    found = points(films, generator=generator())
    for point in found[:-1]:
        assert point.rate is not None
        assert point.sensitivity == pytest.approx(plainly(films, point.rate))
        kept = [score for film in films for score in film.false if score >= (point.threshold or 2)]
        assert point.false_per_film == pytest.approx(len(kept) / len(films))


def test_intervals_are_those_of_drawing_subjects_one_by_one() -> None:
    films = drawn_films(7)
    names = sorted({film.subject for film in films})
    rng = np.random.default_rng(5)
    draws = {rate: [] for rate in (0.5, 2.0)}
    for _ in range(500):
        some = [film for name in rng.choice(names, len(names)) for film in films if film.subject == name]
        for rate, values in draws.items():
            values.append(plainly(some, rate))
    for point in points(films, generator=generator(), rates=(0.5, 2.0))[:-1]:
        expected = np.quantile(draws[point.rate], (0.025, 0.975))
        assert (point.interval.low, point.interval.high) == pytest.approx(expected, abs=0.06)
        assert point.interval.low < point.sensitivity < point.interval.high


def test_intervals_narrow_with_the_root_of_the_number_of_patients() -> None:
    few, many = ([FilmFindings(f"s{k}", (0.9,) if k % 3 else (), (), 1) for k in range(count)] for count in (60, 960))
    widths = []
    for films in (few, many):
        interval = points(films, generator=generator())[0].interval
        widths.append(interval.high - interval.low)
    # Binomial: 2 * 1.96 * sqrt(p (1 - p) / n).
    assert widths[0] == pytest.approx(2 * 1.96 * math.sqrt(2 / 9 / 60), rel=0.15)
    assert widths[0] / widths[1] == pytest.approx(4, rel=0.15)


def test_the_interval_of_a_ratio_is_that_of_drawing_its_patients() -> None:
    above, below = [1.0, 0, 2, 3, 1, 0], [2.0, 1, 2, 4, 1, 0]
    subjects = ["a", "a", "b", "c", "d", "e"]
    rng = np.random.default_rng(2)
    both = {
        name: [(x, y) for x, y, subject in zip(above, below, subjects, strict=True) if subject == name]
        for name in "abcde"
    }
    values = []
    for _ in range(4000):
        some = [pair for name in rng.choice(list("abcde"), 5) for pair in both[name]]
        if sum(y for _, y in some):
            values.append(sum(x for x, _ in some) / sum(y for _, y in some))
    found = ratio_interval(above, below, subjects=subjects, generator=generator())
    assert (found.low, found.high) == pytest.approx(np.quantile(values, (0.025, 0.975)), abs=0.04)


def test_percentiles_leave_out_what_is_not_defined() -> None:
    found = percentiles(np.array([np.nan, *range(101)]))
    assert (found.low, found.high) == pytest.approx((2.5, 97.5))
    assert math.isnan(percentiles(np.array([np.nan])).low)


def test_the_curve_is_that_of_monai() -> None:
    monai = pytest.importorskip("monai.metrics")
    films = drawn_films(3)
    # MONAI leaves the lowest score out of its thresholds; one below all others takes that part.
    false = np.array([-1.0, *(score for film in films for score in film.false)])
    hits = np.array([score for film in films for score in film.hits])
    lesions = sum(film.lesions for film in films)
    rates, sensitivity = monai.compute_froc_curve_data(false, hits, lesions, len(films))
    ours = froc(films)
    np.testing.assert_allclose(rates[::-1], [0, *ours.false_per_film])
    np.testing.assert_allclose(sensitivity[::-1], [0, *ours.sensitivity])
