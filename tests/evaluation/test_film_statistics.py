"""Statistics of films, on films of which they are known."""

from itertools import pairwise

import numpy as np
import pytest

from xprism.evaluation.film_statistics import Yardstick, film_statistics


def films(count: int, side: int = 64, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    coarse = rng.random((count, 8, 8)).repeat(side // 8, 1).repeat(side // 8, 2)
    return np.clip(coarse + 0.1 * rng.standard_normal((count, side, side)), 0, 1)


def test_looks_are_means_of_blocks_and_grey_shares_add_up() -> None:
    made = films(3)
    found = film_statistics(made)
    blocks = made.reshape(3, 8, 8, 8, 8).mean((2, 4)).reshape(3, 64)
    assert found["look"] == pytest.approx(blocks)
    assert (found["grey"] ** 2).sum(axis=1) == pytest.approx(np.ones(3))


@pytest.mark.parametrize(("axis", "direction"), [(0, 4), (1, 0)])
def test_stripes_have_one_direction(axis: int, direction: int) -> None:
    wave = 0.5 + 0.4 * np.sin(np.arange(64) / 2)
    film = np.broadcast_to(wave[:, None] if axis == 0 else wave[None], (64, 64))
    shares = film_statistics(film[None])["direction"][0, :8] ** 2
    assert shares.argmax() == direction
    assert shares[direction] > 0.95


def test_detail_sees_which_band_a_pattern_is_of() -> None:
    down, right = np.mgrid[:128, :128]
    fine, coarse = (0.5 + 0.3 * np.sin(2 * np.pi * down / w) * np.sin(2 * np.pi * right / w) for w in (5, 40))
    contrast = film_statistics(np.stack([fine, coarse]))["detail"][:, ::5]
    assert contrast[0].argmax() < contrast[1].argmax()


def test_the_yardstick_s_own_features_have_length_1_in_the_mean_whatever_the_number_of_statistics() -> None:
    statistics = film_statistics(films(40))
    yardstick = Yardstick.of(statistics)
    features = yardstick.features(statistics)
    assert features.mean(axis=0) == pytest.approx(np.zeros(features.shape[1]), abs=0.02)
    assert (features**2).sum(axis=1).mean() == pytest.approx(1, abs=0.1)
    ends = np.cumsum([0, *(part.shape[1] for part in statistics.values())])
    parts = [(features[:, a:b] ** 2).sum(axis=1).mean() for a, b in pairwise(ends)]
    assert parts == pytest.approx([0.25] * 4, abs=0.06)


def test_strange_films_lie_far_but_not_without_bound() -> None:
    yardstick = Yardstick.of(film_statistics(films(20)))
    far = (yardstick.features(film_statistics(np.ones((1, 64, 64)))) ** 2).sum()
    assert 2 < far <= 36.0001
