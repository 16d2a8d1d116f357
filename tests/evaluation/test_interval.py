"""Bootstrap intervals against a bootstrap written by hand, and against what theory says."""

import math

import numpy as np
import pytest
from scipy.stats import norm

from xprism.errors import DataError
from xprism.evaluation.interval import Interval, mean_interval, paired_difference_interval


def _by_hand(values: np.ndarray, method: str) -> tuple[float, float]:
    """Efron's percentile and BCa intervals of a mean, from 40,000 draws."""
    rng, n = np.random.default_rng(99), len(values)
    means = values[rng.integers(0, n, (40_000, n))].mean(axis=1)
    levels = np.array([0.025, 0.975])
    if method == "BCa":
        bias = norm.ppf((means < values.mean()).mean() / 2 + (means <= values.mean()).mean() / 2)
        left_out = np.array([np.delete(values, k).mean() for k in range(n)])
        apart = left_out.mean() - left_out
        speed = (apart**3).sum() / (6 * (apart**2).sum() ** 1.5)
        shifted = bias + norm.ppf(levels)
        levels = norm.cdf(bias + shifted / (1 - speed * shifted))
    low, high = np.quantile(means, levels)
    return float(low), float(high)


def _interval(values: np.ndarray, **more: object) -> Interval:
    settings = {"subjects": [str(k) for k in range(len(values))], "generator": np.random.default_rng(0), **more}
    return mean_interval(values, **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("method", ["BCa", "percentile"])
def test_intervals_agree_with_a_bootstrap_by_hand(method: str) -> None:
    values = np.random.default_rng(3).exponential(1, 40)  # skewed, as Dice is
    found = _interval(values, method=method)
    width = found.high - found.low
    assert (found.low, found.high) == pytest.approx(_by_hand(values, method), abs=0.06 * width)


def test_a_large_normal_sample_has_the_interval_of_the_textbook() -> None:
    values = np.random.default_rng(4).normal(5, 2, 400)
    found = _interval(values)
    half = 1.96 * values.std(ddof=1) / 20
    assert (found.low, found.high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.1 * half)


def test_more_films_of_the_same_subjects_make_no_surer() -> None:
    values = np.random.default_rng(5).normal(0, 1, 30)
    subjects = [str(k) for k in range(30)]
    once = _interval(values)
    often = _interval(np.repeat(values, 8), subjects=[name for name in subjects for _ in range(8)])
    assert (often.low, often.high) == pytest.approx((once.low, once.high), abs=1e-12)


def test_the_mean_is_over_images_also_where_subjects_have_different_numbers_of_them() -> None:
    values, subjects = np.array([1.0, 1, 1, 1, 0, 0.5]), ["a", "a", "a", "a", "b", "c"]
    found = _interval(values, subjects=subjects, method="percentile")
    assert found.low <= values.mean() <= found.high
    assert (found.low, found.high) == (0.0, 1.0)  # three draws of b, three draws of a


def test_pairs_that_move_together_differ_surely() -> None:
    rng = np.random.default_rng(6)
    first = rng.normal(0, 5, 50)
    second = first - 1 + rng.normal(0, 0.1, 50)
    subjects = [str(k) for k in range(50)]
    found = paired_difference_interval(first, second, subjects=subjects, generator=np.random.default_rng(0))
    assert 0.9 < found.low < 1 < found.high < 1.1


def test_equal_generators_give_equal_intervals() -> None:
    values = np.random.default_rng(7).random(20)
    assert _interval(values) == _interval(values)


def test_what_has_no_interval() -> None:
    assert _interval(np.array([0.5, 0.5, 0.5])) == Interval(0.5, 0.5)
    for values in ([0.5], [], [1.0, math.inf]):
        found = _interval(np.array(values))
        assert math.isnan(found.low)
        assert math.isnan(found.high)
    with pytest.raises(DataError, match="2 values of 1 images"):
        _interval(np.zeros(2), subjects=["a"])
    with pytest.raises(DataError, match="equal lengths"):
        paired_difference_interval([1], [1, 2], subjects=["a"], generator=np.random.default_rng(0))
