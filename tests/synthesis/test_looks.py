"""A look tells collapse from variety, and shows what there is."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.measure import block_reduce

from xprism.synthesis.looks import as_picture, diversity, looked_at, save_grid

RNG = np.random.default_rng(0)


def test_diversity_is_the_mean_difference_of_pairs_on_coarse_pixels() -> None:
    signals = RNG.uniform(-1, 1, (4, 2, 64, 64))
    coarse = block_reduce(signals, (1, 1, 4, 4), np.mean)
    wanted = np.mean([np.abs(a - b).mean() for a, b in combinations(coarse, 2)])
    assert diversity(signals) == pytest.approx(wanted)


def test_small_pictures_are_compared_as_they_are() -> None:
    signals = RNG.uniform(-1, 1, (3, 1, 8, 8))
    wanted = np.mean([np.abs(a - b).mean() for a, b in combinations(signals, 2)])
    assert diversity(signals) == pytest.approx(wanted)
    assert diversity(signals[:1]) == 0


@pytest.mark.parametrize(("share", "flagged"), [(0.2, True), (0.3, False)])
def test_samples_that_hardly_differ_are_collapsed(share: float, flagged: bool) -> None:
    real = RNG.uniform(-1, 1, (8, 1, 16, 16))
    mean = real.mean(0)
    seen = looked_at(mean + share * (real - mean), real, below=0.25)
    assert seen["diversity"] == pytest.approx(share * seen["diversity_of_films"])
    assert seen["collapsed"] is flagged


def test_one_picture_with_noise_is_collapsed() -> None:
    rows = np.linspace(-1, 1, 64)[:, None] * np.ones(64)
    real = np.stack([np.roll(rows, k * 8, axis=0)[None] for k in range(8)])
    same = real[:1] + RNG.normal(0, 0.2, real.shape)
    assert looked_at(same, real, below=0.25)["collapsed"]


def test_channels_are_shown_as_grey_side_by_side_or_as_codes() -> None:
    one = np.array([-2.0, -1, 0, 1]).reshape(1, 1, 2, 2)
    np.testing.assert_array_equal(as_picture(one)[0], [[0, 0], [128, 255]])
    two = np.concatenate([one, -one], axis=1)
    np.testing.assert_array_equal(as_picture(two)[0], [[0, 0, 255, 255], [128, 255, 128, 0]])
    scores = np.full((1, 6, 1, 2), -1.0)
    scores[0, 2, 0, 0] = scores[0, 5, 0, 1] = 1
    np.testing.assert_array_equal(as_picture(scores)[0], [[102, 255]])


def test_a_grid_shows_every_picture_once(tmp_path: Path) -> None:
    pictures = np.stack([np.full((4, 6), 10 * k, np.uint8) for k in range(5)])
    save_grid(pictures, tmp_path / "grids" / "grid.png")
    grid = np.asarray(Image.open(tmp_path / "grids" / "grid.png"))
    assert grid.shape == (2 * 5 - 1, 3 * 7 - 1)
    found = [grid[row * 5 : row * 5 + 4, column * 7 : column * 7 + 6] for row in range(2) for column in range(3)]
    for k in range(5):
        assert (found[k] == 10 * k).all()
