"""Picture measures against loops that follow the papers' formulas word by word."""

import math

import numpy as np
import pytest

from xprism.errors import DataError
from xprism.evaluation.similarity import mssim, psnr, rmse


def _pictures(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    real = rng.integers(0, 256, (17, 20)).astype(np.uint8)
    return np.clip(real + rng.normal(0, 20, real.shape), 0, 255).astype(np.uint8), real


def _window_values(made: np.ndarray, real: np.ndarray) -> np.ndarray:
    values = np.empty((made.shape[0] - 7, made.shape[1] - 7))
    for i in range(values.shape[0]):
        for j in range(values.shape[1]):
            x, y = (p[i : i + 8, j : j + 8].astype(float).ravel() for p in (made, real))
            cov = ((x - x.mean()) * (y - y.mean())).mean()
            top = (2 * x.mean() * y.mean() + 6.5025) * (2 * cov + 58.5225)
            values[i, j] = top / ((x.mean() ** 2 + y.mean() ** 2 + 6.5025) * (x.var() + y.var() + 58.5225))
    return values


def test_mssim_is_the_mean_over_all_8x8_windows() -> None:
    made, real = _pictures()
    assert mssim(made, real) == pytest.approx(_window_values(made, real).mean(), abs=1e-9)


def test_mssim_inside_takes_windows_centred_in_the_mask() -> None:
    made, real = _pictures(1)
    inside = np.zeros(real.shape, bool)
    inside[6, 9] = inside[10, 12] = True
    values = _window_values(made, real)
    assert mssim(made, real, inside=inside) == pytest.approx((values[2, 5] + values[6, 8]) / 2, abs=1e-9)


def test_rmse_and_psnr_follow_their_formulas() -> None:
    made, real = _pictures(2)
    error = math.sqrt(sum((float(a) - float(b)) ** 2 for a, b in zip(made.flat, real.flat, strict=True)) / real.size)
    assert rmse(made, real) == pytest.approx(error)
    assert psnr(made, real) == pytest.approx(20 * math.log10(255 / error))


def test_rmse_inside_sees_nothing_outside() -> None:
    made, real = _pictures(3)
    inside = np.zeros(real.shape, bool)
    inside[4:9, 5:11] = True
    spoilt = np.where(inside, made, 0)
    assert rmse(spoilt, real, inside=inside) == rmse(made, real, inside=inside) != rmse(spoilt, real)


def test_equal_pictures_are_as_similar_as_can_be() -> None:
    _, real = _pictures()
    assert (rmse(real, real), mssim(real, real), psnr(real, real)) == (0, pytest.approx(1), math.inf)


def test_what_cannot_be_compared_is_refused() -> None:
    picture = np.zeros((9, 9))
    with pytest.raises(DataError, match="one size"):
        rmse(picture, np.zeros((9, 8)))
    with pytest.raises(DataError, match="8 pixels"):
        mssim(np.zeros((7, 9)), np.zeros((7, 9)))
    with pytest.raises(DataError, match="at least one pixel"):
        mssim(picture, picture, inside=np.zeros((9, 9), bool))


def test_psnr_inside_follows_from_the_error_inside() -> None:
    made, real = _pictures(4)
    inside = np.zeros(real.shape, bool)
    inside[3:12, 2:9] = True
    expected = 20 * math.log10(255 / rmse(made, real, inside=inside))
    assert psnr(made, real, inside=inside) == pytest.approx(expected)
