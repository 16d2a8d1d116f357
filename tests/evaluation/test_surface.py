"""Outline distances against all pairs of outline pixels, and against shapes with known distances."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from xprism.errors import DataError
from xprism.evaluation.surface import assd, hd95, outline, surface_distances


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


def _whole_frame(first: np.ndarray, second: np.ndarray, spacing: tuple[float, float]) -> tuple[float, float]:
    """Both distances from transforms of the whole film, without any cropping."""
    a, b = outline(first), outline(second)
    there = ndimage.distance_transform_edt(~b, sampling=spacing)[a]
    back = ndimage.distance_transform_edt(~a, sampling=spacing)[b]
    both = np.concatenate([there, back])
    return max(np.percentile(there, 95), np.percentile(back, 95)), both.mean()


@given(seed=st.integers(0, 500))
def test_cropping_changes_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    first, second = np.zeros((2, 40, 50), bool)
    for mask in (first, second):
        row, column = rng.integers(0, 30, 2)
        mask[row : row + rng.integers(1, 12), column : column + rng.integers(1, 20)] = True
        mask &= rng.random(mask.shape) > 0.3
    if not (first.any() and second.any()):
        return
    assert surface_distances(first, second) == pytest.approx(_whole_frame(first, second, (1, 1)), abs=1e-12)
    found = surface_distances(first, second, spacing=(0.7, 0.35))
    assert found == pytest.approx(_whole_frame(first, second, (0.7, 0.35)), abs=1e-12)
    assert found[0] == hd95(first, second, spacing=(0.7, 0.35))
    assert found[1] == assd(first, second, spacing=(0.7, 0.35))


def test_masks_at_opposite_corners_keep_their_distance() -> None:
    first, second = np.zeros((2, 64, 64), bool)
    first[0, 0], second[-1, -1] = True, True
    assert surface_distances(first, second) == pytest.approx((63 * math.sqrt(2),) * 2)
