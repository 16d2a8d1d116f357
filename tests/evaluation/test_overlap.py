"""Overlap measures against set arithmetic on pixel positions, and their empty cases."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xprism.errors import DataError
from xprism.evaluation.overlap import Counts, dice, fnr, fpr_gt, jaccard

masks = st.lists(st.booleans(), min_size=12, max_size=12).map(lambda bits: np.array(bits).reshape(3, 4))


@given(predicted=masks, reference=masks)
def test_measures_follow_set_arithmetic(predicted: np.ndarray, reference: np.ndarray) -> None:
    a, b = set(map(tuple, np.argwhere(predicted))), set(map(tuple, np.argwhere(reference)))
    if a | b:
        assert jaccard(predicted, reference) == len(a & b) / len(a | b)
        assert dice(predicted, reference) == 2 * len(a & b) / (len(a) + len(b))
    if b:
        assert fnr(predicted, reference) == pytest.approx(len(b - a) / len(b))
        assert fpr_gt(predicted, reference) == len(a - b) / len(b)


def test_two_empty_masks_agree() -> None:
    empty = np.zeros((2, 2), bool)
    assert (jaccard(empty, empty), dice(empty, empty), fnr(empty, empty), fpr_gt(empty, empty)) == (1, 1, 0, 0)


def test_a_mask_where_nothing_should_be_scores_zero_and_has_no_rate() -> None:
    empty, full = np.zeros((2, 2), bool), np.ones((2, 2), bool)
    assert jaccard(full, empty) == dice(full, empty) == 0
    assert math.isnan(fpr_gt(full, empty))


def test_masks_of_different_size_are_refused() -> None:
    with pytest.raises(DataError, match="differ in size"):
        jaccard(np.zeros((2, 2)), np.zeros((2, 3)))


def test_counts_of_two_films_add_up_to_those_of_both_side_by_side() -> None:
    rng = np.random.default_rng(0)
    first, second, third, fourth = rng.random((4, 5, 6)) > 0.5
    together = Counts.of(np.hstack([first, third]), np.hstack([second, fourth]))
    assert Counts.of(first, second) + Counts.of(third, fourth) == together
