"""Tidied bones against squares set one by one, and cases drawn by hand."""

from __future__ import annotations

import numpy as np
import pytest

from xprism.errors import DataError
from xprism.evaluation.class_cleanup import tidied_bones

LABELS = ("open_beam", "soft_tissue", "bone")


def by_squares(bone: np.ndarray) -> np.ndarray:
    """What squares of 10 pixels can be put into bone, which goes on beyond the film; their middle lies on the film."""
    rows, columns = bone.shape
    wide = np.pad(bone, 10, constant_values=True)
    opened = np.zeros_like(wide)
    for row in range(10, 10 + rows):
        for column in range(10, 10 + columns):
            square = slice(row - 5, row + 5), slice(column - 5, column + 5)
            if wide[square].all():
                opened[square] = True
    return opened[10:-10, 10:-10]


def test_only_what_holds_a_square_stays_bone() -> None:
    rng = np.random.default_rng(0)
    bone = rng.random((60, 50)) < 0.0
    for _ in range(12):
        top, left = rng.integers(0, 50), rng.integers(0, 40)
        bone[top : top + rng.integers(4, 16), left : left + rng.integers(4, 16)] = True
    index = np.where(bone, 2, 1).astype(np.uint8)
    found = tidied_bones(index, LABELS, dilation_px=1)
    np.testing.assert_array_equal(found == 2, by_squares(bone))
    assert 0 < (found == 2).sum() < bone.sum()


def test_removed_bone_is_soft_tissue_and_open_beam_stays() -> None:
    index = np.ones((40, 40), np.uint8)
    index[:, :10] = 0
    index[10:30, 10:25] = 2  # a bone beside open beam
    index[5:8, 30:33] = 2  # a speck
    found = tidied_bones(index, LABELS, dilation_px=3)
    assert (found[5:8, 30:33] == 1).all()
    np.testing.assert_array_equal(found == 0, index == 0)
    expected = np.zeros((40, 40), bool)
    expected[9:31, 10:26] = True  # one pixel more, but not into open beam
    np.testing.assert_array_equal(found == 2, expected)


def test_labels_may_stand_in_another_order() -> None:
    index = np.zeros((30, 30), np.uint8)
    index[8:22, 8:22], index[0, 0], index[:, 28:] = 1, 1, 2
    found = tidied_bones(index, ("soft_tissue", "bone", "open_beam"), dilation_px=1)
    index[0, 0] = 0
    np.testing.assert_array_equal(found, index)


def test_other_classes_are_refused() -> None:
    with pytest.raises(DataError, match="bones can be tidied in maps of open_beam"):
        tidied_bones(np.zeros((4, 4), np.uint8), ("air", "bone"), dilation_px=1)
