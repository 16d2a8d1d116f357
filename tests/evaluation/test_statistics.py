"""Paired tests against SciPy, statsmodels and mpmath; who counts as one observation, and who does not."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import astuple
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from xprism.data.manifest import Case
from xprism.errors import DataError
from xprism.evaluation.scores import Score
from xprism.evaluation.statistics import Comparison, compare_scores, holm, log10_p_of_t, p_text, refuse_copies

REGIONS = ("frame", "lung")
LUNGS = {"lungs": ("right_lung", "left_lung")}


def scored(values: Sequence[float], structure: str = "heart", measure: str = "dice", films: int = 1) -> list[Score]:
    """Scores of subjects s0, s1, ... with ``films`` each, in the order of ``values``."""
    return [
        Score(f"c{k}", f"s{k // films}", structure, **{measure: value})  # type: ignore[arg-type]
        for k, value in enumerate(values)
    ]


def compared(first: Sequence[Score], second: Sequence[Score]) -> list[Comparison]:
    return compare_scores(first, second, unions=LUNGS, generator=np.random.default_rng(0))


@pytest.fixture
def pairs() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    first = rng.normal(0.97, 0.01, 24)
    return first, first - 0.002 + rng.normal(0, 0.006, 24)


def test_tests_agree_with_scipy(pairs: tuple[np.ndarray, np.ndarray]) -> None:
    first, second = pairs
    (row,) = compared(scored(first), scored(second)[::-1])  # paired by case, not by place
    paired, welch = stats.ttest_rel(first, second), stats.ttest_ind(first, second, equal_var=False)
    assert row.t == pytest.approx(paired.statistic)
    assert 10**row.log10_p == pytest.approx(paired.pvalue)
    assert 10**row.log10_p_welch == pytest.approx(welch.pvalue)
    assert 10**row.log10_p_wilcoxon == pytest.approx(stats.wilcoxon(first, second).pvalue)
    assert row.effect_size == pytest.approx(paired.statistic / math.sqrt(24))  # d_z = t / sqrt(n)
    assert row.difference == pytest.approx(row.mean_first - row.mean_second) == pytest.approx((first - second).mean())
    assert row.interval_low < row.difference < row.interval_high
    t_interval = paired.confidence_interval()
    assert (row.interval_low, row.interval_high) == pytest.approx((t_interval.low, t_interval.high), abs=1e-3)


def test_signed_ranks_are_those_of_all_ways_to_turn_the_signs() -> None:
    apart = np.array([0.9, -0.1, 0.4, 0.35, 0.8, -0.2, 0.5, 0.65])
    ranks = stats.rankdata(np.abs(apart))
    sums = np.array([ranks @ np.array(signs) for signs in itertools.product((0, 1), repeat=8)])
    seen, middle = ranks @ (apart > 0), ranks.sum() / 2
    p = (np.abs(sums - middle) >= abs(seen - middle)).mean()
    (row,) = compared(scored(apart), scored(np.zeros(8)))
    assert 10**row.log10_p_wilcoxon == pytest.approx(p)


def test_films_of_one_patient_count_once(pairs: tuple[np.ndarray, np.ndarray]) -> None:
    first, second = pairs
    (row,) = compared(scored(first, films=3), scored(second, films=3))
    by_patient = stats.ttest_rel(first.reshape(8, 3).mean(axis=1), second.reshape(8, 3).mean(axis=1))
    assert row.subjects == 8
    assert row.t == pytest.approx(by_patient.statistic)
    (often,) = compared(scored(np.repeat(first, 5), films=5), scored(np.repeat(second, 5), films=5))
    (once,) = compared(scored(first), scored(second))
    assert astuple(often)[4:] == pytest.approx(astuple(once)[4:])


def test_cases_of_one_set_only_and_values_that_are_not_defined_are_counted() -> None:
    first = scored([0.9, 0.8, math.nan, 0.7, 0.6])
    second = [*scored([0.8, 0.8, 0.5]), Score("c9", "s9", "heart", dice=0.1), Score("c8", "s8", "heart", dice=0.1)]
    (row,) = compared(first, [*second, Score("c7", "s7", "heart", dice=0.1)])
    assert (row.subjects, row.only_first, row.only_second, row.undefined) == (2, 2, 3, 1)
    assert row.difference == pytest.approx(0.05)


def test_holm_agrees_with_statsmodels() -> None:
    multitest = pytest.importorskip("statsmodels.stats.multitest")
    ps = np.array([0.01, 0.04, 0.03, 0.005, 0.9, 0.04])
    expected = multitest.multipletests(ps, method="holm")[1]
    assert 10 ** np.array(holm(np.log10(ps))) == pytest.approx(expected)
    assert holm([math.nan, -2, -400]) == pytest.approx([math.nan, -2, -400 + math.log10(2)], nan_ok=True)


def test_holm_corrects_over_structures_and_leaves_out_what_follows_from_them() -> None:
    rng = np.random.default_rng(2)
    first, second = [], []
    for structure in ("heart", "right_lung", "left_lung", "lungs", "heart_lung_overlap"):
        values = rng.normal(0.9, 0.02, 15)
        first += scored(values, structure)
        second += scored(values - rng.normal(0.005, 0.01, 15), structure)
    rows = compared(first, second)
    assert [row.structure for row in rows] == ["heart", "right_lung", "left_lung"]
    assert [row.log10_p_holm for row in rows] == holm([row.log10_p for row in rows])
    smallest = min(rows, key=lambda row: row.log10_p)
    assert 10**smallest.log10_p_holm == pytest.approx(min(1, 3 * 10**smallest.log10_p))


@pytest.mark.parametrize("freedom", [1, 4, 39.7, 246, 2000])
@pytest.mark.parametrize("t", [0.0, 0.5, 3, 37, 200, 1e4, 1e30])
def test_p_values_are_exact_also_where_they_underflow(freedom: float, t: float) -> None:
    mpmath = pytest.importorskip("mpmath")
    with mpmath.workdps(40):
        x = freedom / (freedom + mpmath.mpf(t) ** 2)
        p = mpmath.betainc(mpmath.mpf(freedom) / 2, mpmath.mpf("0.5"), 0, x, regularized=True)
        expected = float(mpmath.log10(p))
    assert log10_p_of_t(t, freedom) == log10_p_of_t(-t, freedom) == pytest.approx(expected, rel=1e-11, abs=1e-11)


def test_many_patients_who_all_differ_alike_keep_their_p() -> None:
    values = 1 + np.arange(2500) / 1e4
    (row,) = compared(scored(values), scored(np.zeros(2500)))
    n = 2500  # all ranks positive: the largest sum there is
    z = (n * (n + 1) / 4) / math.sqrt(n * (n + 1) * (2 * n + 1) / 24)
    assert 10**row.log10_p_wilcoxon == 0
    assert row.log10_p_wilcoxon == pytest.approx((math.log(2) + stats.norm.logsf(z)) / math.log(10), rel=1e-6)


def test_a_small_p_prints_as_such() -> None:
    assert p_text(-400) == "1.0e-400"
    assert p_text(math.log10(1.2) - 93) == "1.2e-93"
    assert p_text(math.log10(9.97) - 5) == "1.0e-4"
    assert (p_text(0), p_text(math.log10(0.0341)), p_text(math.nan)) == ("1.000", "0.034", "-")


def test_pictures_are_compared_by_region_and_distances_by_unit() -> None:
    def some(shift: float) -> list[Score]:
        scores = []
        for k in range(6):
            about = {"case": f"c{k}", "subject": f"s{k}"}
            scores += [
                Score(**about, structure="soft", region=region, rmse=k**1.5 + shift) for region in ("frame", "lung")
            ]
            scores.append(Score(**about, structure="heart", hd95=k * (1 + shift), unit="mm" if k < 3 else "px"))
        return scores

    rows = compared(some(1), some(0))
    assert [(row.structure, row.region, row.measure, row.unit, row.subjects) for row in rows] == [
        ("soft", "frame", "rmse", "", 6),
        ("soft", "lung", "rmse", "", 6),
        ("heart", "", "hd95", "mm", 3),
        ("heart", "", "hd95", "px", 3),
    ]


def test_what_has_no_test() -> None:
    (alone,) = compared(scored([0.5]), scored([0.25]))
    assert (alone.subjects, alone.difference) == (1, 0.25)
    assert math.isnan(alone.log10_p)
    (none,) = compared(scored([0.5]), [Score("other", "s9", "heart", dice=0.5)])
    assert (none.subjects, none.only_first, none.only_second) == (0, 1, 1)
    assert math.isnan(none.difference)
    # Constant but for rounding: the spread is no measure of anything.
    (shifted,) = compared(scored([0.3, 0.1, 0.7]), scored([0.2, 0.0, 0.6]))
    assert math.isnan(shifted.t)
    (same,) = compared(scored([0.3, 0.1, 0.7]), scored([0.3, 0.1, 0.7]))
    assert same.difference == 0
    assert math.isnan(same.log10_p_wilcoxon)
    with pytest.raises(DataError, match=r"case 'c0' is of subject 's0' in one .* 'x' in the other"):
        compared(scored([0.5]), [Score("c0", "x", "heart", dice=0.5)])


def test_copies_are_refused_as_observations() -> None:
    original = Case("film1", "p1", Path("film1.png"))
    refuse_copies([original])
    copies = [Case(f"film1-{k}", "p1", Path(f"{k}.png"), attributes={"copy_of": "film1"}) for k in range(4)]
    with pytest.raises(DataError, match=r"4 scored cases are copies .*film1-0.*original films alone"):
        refuse_copies([original, *copies])
