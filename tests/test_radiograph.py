"""Stored values are kept; display is a view of them that can be turned back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xprism.errors import DataError
from xprism.radiograph import DisplayMapping, Radiograph, Spacing, robust_range


@given(bits=st.integers(1, 16), signed=st.booleans(), inverted=st.booleans(), seed=st.integers(0, 99))
def test_stored_values_come_back_exactly(bits: int, signed: bool, inverted: bool, seed: int) -> None:
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    if high == low:
        return
    stored = np.random.default_rng(seed).integers(low, high + 1, (9, 7)).astype(np.int16 if signed else np.uint16)
    film = Radiograph(stored, DisplayMapping(low, high, inverted))
    back = film.to_stored(film.display)
    assert back.dtype == stored.dtype
    np.testing.assert_array_equal(back, stored)


def test_an_inverted_twin_displays_bit_identically() -> None:
    stored = np.random.default_rng(0).integers(0, 4096, (50, 40)).astype(np.uint16)
    film = Radiograph(stored, DisplayMapping(0, 4095))
    twin = Radiograph((4095 - stored).astype(np.uint16), DisplayMapping(0, 4095, inverted=True))
    np.testing.assert_array_equal(film.display, twin.display)


def test_a_modality_table_is_followed_and_turned_back() -> None:
    table = np.cumsum(np.random.default_rng(1).integers(1, 9, 256)).astype(float)
    stored = np.arange(256, dtype=np.uint8).reshape(16, 16)
    mapping = DisplayMapping(table[0], table[-1], table=table)
    film = Radiograph(stored, mapping)
    np.testing.assert_allclose(film.display.ravel(), (table - table[0]) / (table[-1] - table[0]), atol=1e-6)
    np.testing.assert_array_equal(film.to_stored(film.display), stored)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16])
@pytest.mark.parametrize("table", [None, np.arange(0, 5000, 2.0)])
def test_large_films_are_mapped_as_small_ones(dtype: type, table: np.ndarray | None) -> None:
    info = np.iinfo(dtype)
    stored = np.random.default_rng(2).integers(info.min, info.max + 1, (300, 300)).astype(dtype)
    mapping = DisplayMapping(0, 4095, inverted=True, table=table, table_start=-7)
    by_row = np.stack([mapping.to_display(row) for row in stored])
    np.testing.assert_array_equal(mapping.to_display(stored), by_row)


def test_a_falling_table_is_refused() -> None:
    with pytest.raises(DataError, match="must not fall"):
        DisplayMapping(0, 1, table=np.array([1.0, 0.0]))


def test_values_beyond_the_stated_range_are_not_clipped() -> None:
    film = Radiograph(np.array([[0, 200]], np.uint8), DisplayMapping(0, 100))
    assert film.display.max() == 2.0


def test_a_window_is_for_viewing_only() -> None:
    stored = np.arange(256, dtype=np.uint8).reshape(16, 16)
    film = Radiograph(stored, DisplayMapping(0, 255), window=(0.25, 0.5))
    assert film.display.max() == 1.0
    assert np.unique(film.viewed()).size < 80
    assert film.viewed().min() == 0
    assert film.viewed().max() == 255


@pytest.mark.parametrize("shape", [(0, 3), (2, 3, 3)])
def test_what_is_not_one_plane_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match=r"\[H, W\]"):
        Radiograph(np.zeros(shape, np.uint8), DisplayMapping(0, 255))


def test_a_spacing_of_zero_is_refused() -> None:
    with pytest.raises(DataError, match="positive"):
        Spacing(0.0, 0.1, "PixelSpacing")


def test_notes_are_added_to_a_copy() -> None:
    film = Radiograph(np.zeros((2, 2), np.uint8), DisplayMapping(0, 255))
    assert film.noted("a", "b").log == ("a", "b")
    assert film.log == ()


def test_robust_range_follows_numpys_percentiles() -> None:
    values = np.random.default_rng(3).normal(size=(200, 200))
    assert robust_range(values, 1, 99) == pytest.approx(tuple(np.percentile(values, (1, 99))))


@pytest.mark.parametrize(
    ("values", "expected"), [(np.full((5, 5), 3.0), (3.0, 4.0)), (np.full((2, 2), np.nan), (0.0, 1.0))]
)
def test_robust_range_of_a_flat_or_empty_film_is_still_a_range(
    values: np.ndarray, expected: tuple[float, float]
) -> None:
    assert robust_range(values, 1, 99) == expected
