"""Floors are the film itself in place of a picture."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import stats

from xprism.errors import DataError
from xprism.evaluation.floors import copied_frames, copied_pictures
from xprism.evaluation.similarity import mssim, rmse


def _draw() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    lungs = np.zeros((40, 50), bool)
    lungs[8:30, 10:40] = True
    film = rng.uniform(40, 200, lungs.shape)
    return film, np.where(lungs, 0.5 * film + 20 + rng.normal(0, 3, lungs.shape), 0), lungs


def test_the_line_is_the_one_of_least_squares() -> None:
    film, real, lungs = _draw()
    made = copied_pictures(film, real, lungs)["linear_fit"]
    matrix = np.stack([film[lungs], np.ones(lungs.sum())], 1)
    residual = np.linalg.lstsq(matrix, real[lungs], rcond=None)[1][0]
    assert rmse(made, real, inside=lungs) == pytest.approx(np.sqrt(residual / lungs.sum()), rel=1e-9)
    assert not made[~lungs].any()


def test_copies_differ_by_one_pixel_of_outline() -> None:
    film, real, lungs = _draw()
    made = copied_pictures(film, real, lungs)
    rows, columns = 22, 30
    assert (made["copy"] > 0).sum() == rows * columns
    assert (made["copy_larger"] > 0).sum() == rows * columns + 2 * (rows + columns)
    assert (made["copy_smaller"] > 0).sum() == (rows - 2) * (columns - 2)
    assert not made["black"].any()
    np.testing.assert_array_equal(made["copy"][lungs], film[lungs])


def test_a_film_without_lungs_has_no_floors() -> None:
    film, real, lungs = _draw()
    with pytest.raises(DataError, match="at least one pixel"):
        copied_pictures(film, real, np.zeros_like(lungs))


@pytest.mark.parametrize("name", ["JPCLN001", "JPCLN003"])
def test_floors_of_real_pairs_lie_where_they_were_measured_before(name: str, shared_data: Path) -> None:
    def grey(part: str) -> np.ndarray:
        return np.asarray(Image.open(shared_data / "jsrt" / "bone_suppression" / f"{name}_{part}.png"))

    organs = grey("organs")
    lungs = (organs[..., 1] >= 128) | (organs[..., 2] >= 128)
    film, real = 255 - grey("cxr").astype(float), np.where(lungs, 255 - grey("bs").astype(float), 0)
    made = copied_pictures(film, real, lungs)
    ranges = {
        "copy": (1.44, 3.15),
        "linear_fit": (1.04, 1.99),
        "copy_larger": (3.98, 7.06),
        "copy_smaller": (4.31, 7.87),
        "black": (35.8, 56.9),
    }
    for way, (low, high) in ranges.items():
        assert low - 0.05 <= rmse(made[way], real) <= high + 0.05, way
    assert 0.99 <= mssim(made["copy"], real) <= 0.996


def test_a_picture_of_the_whole_frame_is_held_against_the_whole_film() -> None:
    film = np.arange(12.0).reshape(3, 4)
    made = copied_frames(film, 100 - 7 * film)
    np.testing.assert_array_equal(made["copy"], film)
    np.testing.assert_allclose(made["linear_fit"], 100 - 7 * film, atol=1e-9)


def test_the_line_of_a_whole_frame_is_the_one_of_least_squares_within_grey_levels() -> None:
    film, real, _ = _draw()
    line = stats.linregress(film.ravel(), real.ravel())
    expected = np.clip(line.slope * film + line.intercept, 0, 255)
    np.testing.assert_allclose(copied_frames(film, real)["linear_fit"], expected, atol=1e-9)
    with pytest.raises(DataError, match="one size"):
        copied_frames(film, real[1:])
