"""Outline distances against all pairs of outline pixels, and against shapes with known distances."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xprism.errors import DataError
from xprism.evaluation.surface import assd, hd95, outline


def _outline_by_hand(mask: np.ndarray) -> np.ndarray:
    padded = np.pad(mask, 1)
    inside = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return np.argwhere(mask & ~inside)


@given(seed=st.integers(0, 500), row=st.floats(0.2, 3), column=st.floats(0.2, 3))
def test_distances_agree_with_all_pairs(seed: int, row: float, column: float) -> None:
    rng = np.random.default_rng(seed)
    first, second = rng.random((2, 9, 11)) > 0.7
    a, b = (_outline_by_hand(m) * (row, column) for m in (first, second))
    if not (len(a) and len(b)):
        return
    pairs = np.linalg.norm(a[:, None] - b[None], axis=-1)
    there, back = pairs.min(1), pairs.min(0)
    found = hd95(first, second, spacing=(row, column)), assd(first, second, spacing=(row, column))
    assert found[0] == pytest.approx(max(np.percentile(there, 95), np.percentile(back, 95)))
    assert found[1] == pytest.approx(np.concatenate([there, back]).mean())


def test_a_shifted_line_is_its_shift_away_in_mm() -> None:
    first, second = np.zeros((2, 30, 30), bool)
    first[5, 3:27], second[9, 3:27] = True, True
    assert hd95(first, second, spacing=(0.5, 2)) == assd(first, second, spacing=(0.5, 2)) == 2.0


def test_the_outline_of_a_square_is_its_rim_also_at_the_films_edge() -> None:
    mask = np.zeros((8, 8), bool)
    mask[0:5, 2:7] = True
    assert outline(mask).sum() == 16


def test_empty_masks() -> None:
    empty, full = np.zeros((4, 4), bool), np.ones((4, 4), bool)
    assert hd95(empty, empty) == assd(empty, empty) == 0
    assert math.isnan(hd95(empty, full))
    assert math.isnan(assd(full, empty))


def test_masks_of_different_size_are_refused() -> None:
    with pytest.raises(DataError, match="differ in size"):
        hd95(np.zeros((2, 2)), np.zeros((2, 3)))
