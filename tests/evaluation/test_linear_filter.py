"""The best linear filter is that of least squares on the other pairs."""

import numpy as np
import pytest
from scipy import ndimage

from xprism.errors import DataError
from xprism.evaluation.linear_filter import FilterSums, filter_sums, leave_one_out

SHAPE = (40, 44)
INSIDE = np.zeros(SHAPE, bool)
INSIDE[:30, 5:40] = True


def _film(seed: int) -> np.ndarray:
    return 120 + 30 * ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=SHAPE), 0.6)


def _target(film: np.ndarray, seed: int = 9) -> np.ndarray:
    kernel = np.array([[0.0, -0.2, 0.1], [0.0, 1.0, 0.0], [0.3, 0.0, -0.1]])
    noise = np.random.default_rng(seed).normal(0, 2, SHAPE)
    return 0.5 * ndimage.correlate(film, kernel, mode="reflect") + 7 + noise


def _by_hand(film: np.ndarray, target: np.ndarray, side: int) -> np.ndarray:
    """What the least-squares filter of one pair makes of its film, by a design matrix and no ridge."""
    reach = side // 2
    padded = np.pad(film, reach, mode="symmetric")
    windows = [padded[i : i + SHAPE[0], j : j + SHAPE[1]] for i in range(side) for j in range(side)]
    matrix = np.stack([*windows, np.ones(SHAPE)], -1)
    return matrix @ np.linalg.lstsq(matrix[INSIDE], target[INSIDE], rcond=None)[0]


def _fitted(made: np.ndarray, target: np.ndarray) -> np.ndarray:
    return np.polyval(np.polyfit(made[INSIDE], target[INSIDE], 1), made)


@pytest.mark.parametrize("side", [3, 5])
def test_one_pair_gets_its_least_squares_filter(side: int) -> None:
    film = _film(0)
    target = _target(film)
    made = filter_sums(film, target, inside=INSIDE, size=side).solve().apply(film, inside=INSIDE)
    expected = _by_hand(film, target, side)
    assert expected[INSIDE].std() > 5
    np.testing.assert_allclose(_fitted(made, target)[INSIDE], expected[INSIDE], atol=0.1)


def test_a_film_that_is_its_own_target_is_left_alone() -> None:
    film = _film(0)
    found = filter_sums(film, 3 * film - 20, inside=INSIDE, size=5).solve()
    expected = np.zeros((5, 5))
    expected[2, 2] = 1
    np.testing.assert_allclose(found.kernel, expected, atol=1e-4)
    np.testing.assert_allclose(found.apply(film, inside=INSIDE), film, atol=0.02)


def test_grey_scales_of_film_and_target_are_free() -> None:
    film = _film(0)
    target = _target(film)
    plain = filter_sums(film, target, inside=INSIDE, size=3).solve()
    other = filter_sums(film / 255 - 0.1, 16 * target + 300, inside=INSIDE, size=3).solve()
    np.testing.assert_allclose(other.kernel, plain.kernel, atol=1e-4)


def test_a_pair_weighs_the_same_whatever_its_number_of_pixels() -> None:
    film, few = _film(0), INSIDE & (np.arange(SHAPE[0]) < 9)[:, None]
    for inside in (INSIDE, few):
        found = filter_sums(film, _target(film), inside=inside, size=3).products
        assert (found[4, 4], found[-1, -1]) == pytest.approx((1, 1), rel=1e-4)


def test_each_pair_gets_the_filter_of_the_others() -> None:
    films = [_film(seed) for seed in range(3)]
    sums = [filter_sums(film, _target(film, 20 + n), inside=INSIDE, size=3) for n, film in enumerate(films)]
    # A pair whose film and target disagree wildly must not touch its own filter, but does touch the others'.
    odd = filter_sums(films[0], np.roll(films[0], 1, 1) + films[0], inside=INSIDE, size=3)
    plain, changed = leave_one_out(sums), leave_one_out([odd, *sums[1:]])
    np.testing.assert_allclose(changed[0].kernel, plain[0].kernel, atol=1e-6)
    assert np.abs(changed[1].kernel - plain[1].kernel).max() > 0.05
    by_hand = FilterSums(sums[1].products + sums[2].products, sums[1].wanted + sums[2].wanted, 2).solve()
    np.testing.assert_allclose(plain[0].kernel, by_hand.kernel, atol=1e-6)


def test_what_cannot_be_fitted_is_refused() -> None:
    film = _film(0)
    with pytest.raises(DataError, match="odd"):
        filter_sums(film, film, inside=INSIDE, size=4)
    with pytest.raises(DataError, match="no larger than the film"):
        filter_sums(film, film, inside=INSIDE, size=41)
    with pytest.raises(DataError, match="opposite polarity"):
        filter_sums(film, -film, inside=INSIDE, size=3)
    with pytest.raises(DataError, match="flat"):
        filter_sums(np.ones(SHAPE), film, inside=INSIDE, size=3)
    with pytest.raises(DataError, match="at least one pixel"):
        filter_sums(film, film, inside=np.zeros(SHAPE, bool), size=3)
    with pytest.raises(DataError, match="two pairs"):
        leave_one_out([filter_sums(film, film, inside=INSIDE, size=3)])
