"""Codes lie as far apart as they can, and are found again."""

import numpy as np
import pytest

from xprism.errors import DataError
from xprism.synthesis.codes import as_grey, as_signal, greys_of, nearest_number


def test_codes_are_equally_spaced() -> None:
    assert greys_of(6).tolist() == [0, 51, 102, 153, 204, 255]
    assert np.abs(np.diff(greys_of(7).astype(int)) - 255 / 6).max() <= 1


@pytest.mark.parametrize("count", [2, 4, 6, 7])
def test_a_value_goes_to_the_nearest_code(count: int) -> None:
    signal = np.random.default_rng(0).uniform(-1.3, 1.3, (40, 50))
    grey = np.clip((signal + 1) * 127.5, 0, 255)
    nearest = np.abs(grey[..., None] - [round(k * 255 / (count - 1)) for k in range(count)]).argmin(-1)
    np.testing.assert_array_equal(nearest_number(signal, count), nearest)


@pytest.mark.parametrize("count", [4, 6, 7])
def test_numbers_come_back_from_greys_that_are_off_by_less_than_half_a_step(count: int) -> None:
    rng = np.random.default_rng(1)
    numbers = rng.integers(0, count, (30, 30))
    half = 255 / (count - 1) / 2 - 1
    signal = as_signal(as_grey(numbers, count)) + rng.uniform(-half, half, numbers.shape) / 127.5
    np.testing.assert_array_equal(nearest_number(signal, count), numbers)


def test_signals_span_minus_one_to_one() -> None:
    assert as_signal(np.array([0, 255], np.uint8)).tolist() == [-1, 1]


def test_values_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(DataError, match="no numbers"):
        nearest_number(np.array([[0.0, np.nan]]), 6)
    with pytest.raises(DataError, match="holds 0 to 6"):
        as_grey(np.array([[0, 6]]), 6)
