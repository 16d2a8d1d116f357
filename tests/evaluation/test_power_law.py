"""Power laws through learning curves, against laws that are known and SciPy's fit."""

import numpy as np
import pytest
from scipy.optimize import curve_fit

from xprism.errors import DataError
from xprism.evaluation.power_law import look_ahead, power_law

COUNTS = [8, 20, 40, 80]


@pytest.mark.parametrize(("limit", "loss", "rate"), [(0.9, 0.8, 0.5), (0.8, 1.5, 1.0), (0.7, 0.4, 0.3)])
def test_a_known_law_is_continued(limit: float, loss: float, rate: float) -> None:
    scores = np.array([limit - loss * n**-rate for n in COUNTS])
    assert power_law(COUNTS, scores).at(160) == pytest.approx(limit - loss * 160**-rate, abs=0.002)


def test_the_fit_is_scipys_for_curves_off_the_law() -> None:
    rng = np.random.default_rng(0)
    for _ in range(5):
        scores = np.array([0.85 - 0.9 * n**-0.6 for n in COUNTS]) + rng.normal(0, 0.005, 4)
        (a, b, c), _ = curve_fit(
            lambda n, a, b, c: a - b * n**-c, COUNTS, scores, p0=(0.8, 1, 0.5), bounds=([0, 0, 0.1], [1, 9, 2])
        )
        assert power_law(COUNTS, scores).at(160) == pytest.approx(a - b * 160**-c, abs=0.003)


def test_what_falls_is_continued_as_its_mean_and_nothing_passes_1() -> None:
    assert power_law(COUNTS, np.array([0.8, 0.7, 0.75, 0.7])).at(160) == pytest.approx(0.7375)
    assert power_law(COUNTS, np.array([0.2, 0.5, 0.8, 0.99])).at(1e9) <= 1


def test_many_curves_are_fitted_as_each_alone() -> None:
    curves = np.random.default_rng(1).random((3, 5, 4)).cumsum(-1) / 4
    together = power_law(COUNTS, curves).at(160)
    alone = [[power_law(COUNTS, curve).at(160) for curve in some] for some in curves]
    np.testing.assert_allclose(together, alone)


def test_the_interval_holds_what_the_next_training_reaches() -> None:
    """60 simulated laboratories: films differ, and so do trainings. Of 95 % promised, at least 80 % must be kept."""
    rng, kept, gains = np.random.default_rng(2), 0, 0
    for _ in range(60):
        films = rng.normal(0, 0.08, (25, 1))
        law = np.array([0.9 - 0.7 * n**-0.5 for n in [*COUNTS, 160]])
        trainings = law + rng.normal(0, 0.01, 5)
        scores = np.clip(trainings + films + rng.normal(0, 0.02, (25, 5)), 0, 1)
        names = [f"s{k}" for k in range(25)]
        (ahead,) = look_ahead(COUNTS, scores[:, :4], subjects=names, wanted=[160], generator=rng)
        kept += ahead.low <= trainings[4] <= ahead.high
        gains += ahead.gain_low <= law[4] - law[3] <= ahead.gain_high
        assert ahead.gain_high - ahead.gain_low < ahead.high - ahead.low
    assert kept >= 48
    assert gains >= 48


def test_films_of_one_subject_are_drawn_together() -> None:
    """Ten films of two subjects say less than ten of ten."""
    films = np.repeat([0.3, -0.3], 5)[:, None]
    scores = 0.5 + films + np.array([[0.0, 0.05, 0.08, 0.1]])
    widths = []
    for subjects in ([*"aaaaabbbbb"], [*"abcdefghij"]):
        (ahead,) = look_ahead(COUNTS, scores, subjects=subjects, wanted=[160], generator=np.random.default_rng(3))
        widths.append(ahead.high - ahead.low)
    assert widths[0] > 1.5 * widths[1]


def test_three_points_say_nothing_of_what_follows() -> None:
    with pytest.raises(DataError, match="3 points"):
        look_ahead([1, 2, 4], np.zeros((2, 3)), subjects=["a", "b"], wanted=[8], generator=np.random.default_rng(0))
