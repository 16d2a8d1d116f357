"""Which findings are true: by hand, and that no finding depends on those of lower score."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xprism.errors import DataError
from xprism.evaluation.lesion_matching import RULES, Finding, Square, checked_rule, iou, match


def finding(row: float, column: float, score: float, side: float = 4.0) -> Finding:
    box = (row + 0.5 - side / 2, column + 0.5 - side / 2, row + 0.5 + side / 2, column + 0.5 + side / 2)
    return Finding(row, column, box, score)


SQUARE = Square(50.0, 40.0, 20.0, 10.0)


@pytest.mark.parametrize(
    ("row", "column", "outcome"),
    [(50, 40, "hit"), (60, 45, "hit"), (40, 35, "hit"), (60.1, 40, "false"), (50, 34.9, "false"), (0, 0, "false")],
)
def test_a_finding_is_true_where_its_centre_lies_in_the_square(row: float, column: float, outcome: str) -> None:
    assert match([finding(row, column, 0.5)], [SQUARE])[0][0] == outcome


def test_one_hit_a_lesion_and_it_is_the_best_finding() -> None:
    findings = [finding(48, 40, 0.4), finding(52, 41, 0.9), finding(10, 10, 0.8), finding(50, 40, 0.7)]
    assert match(findings, [SQUARE]) == [("repeat", 0), ("hit", 0), ("false", None), ("repeat", 0)]


def test_two_lesions_that_overlap_may_both_be_hit() -> None:
    squares = [Square(50, 40, 20, 20), Square(55, 45, 20, 20)]
    assert match([finding(54, 44, 0.9), finding(52, 42, 0.8)], squares) == [("hit", 1), ("hit", 0)]
    assert match([finding(54, 44, 0.9)], squares) == [("hit", 1)]


def test_no_lesion_makes_every_finding_false_and_no_finding_is_no_row() -> None:
    assert match([finding(5, 5, 0.9), finding(9, 9, 0.2)], []) == [("false", None)] * 2
    assert match([], [SQUARE]) == []


def test_a_square_beyond_the_border_counts_with_what_is_on_the_film() -> None:
    at_corner = Square(0.0, 2.0, 20.0, 20.0)
    assert match([finding(9.0, 11.0, 0.5)], [at_corner])[0][0] == "hit"


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        ((0, 0, 10, 10), 1.0),
        ((0, 5, 10, 15), 50 / 150),
        ((5, 5, 15, 15), 25 / 175),
        ((0, 0, 10, 20), 0.5),
        ((10, 0, 20, 10), 0.0),
        ((30, 30, 40, 40), 0.0),
    ],
)
def test_iou_by_hand(second: tuple[float, float, float, float], expected: float) -> None:
    assert iou((0, 0, 10, 10), second) == pytest.approx(expected)
    assert iou(second, (0, 0, 10, 10)) == pytest.approx(expected)


def test_iou_of_whole_pixels_is_that_of_masks() -> None:
    rng = np.random.default_rng(0)
    for _ in range(30):
        corners = rng.integers(0, 8, (2, 2))
        far = corners + rng.integers(1, 9, (2, 2))
        boxes = [tuple(map(int, box)) for box in np.hstack([corners, far])]
        masks = np.zeros((2, 20, 20), bool)
        for mask, (top, left, bottom, right) in zip(masks, boxes, strict=True):
            mask[top:bottom, left:right] = True
        assert iou(*boxes) == pytest.approx((masks[0] & masks[1]).sum() / (masks[0] | masks[1]).sum())


def test_the_other_rule_asks_for_half_of_box_and_square() -> None:
    same = Square(50, 40, 4, 4)
    assert match([finding(50, 40, 0.5)], [same], rule="iou")[0][0] == "hit"
    assert match([finding(50, 40, 0.5, side=2)], [same], rule="iou")[0][0] == "false"
    # 4 x 4 within 4 x 8 shares exactly half.
    assert match([finding(50, 40, 0.5)], [Square(50, 42, 4, 8)], rule="iou")[0][0] == "hit"


def test_a_rule_that_there_is_not_is_refused_and_each_has_words() -> None:
    assert checked_rule("iou") == "iou"
    with pytest.raises(DataError, match="no rule 'dice'"):
        checked_rule("dice")
    assert all("once" in words for words in RULES.values())


spots = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30), st.floats(0.01, 0.99)), max_size=12)
lesions = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30), st.integers(2, 16)), max_size=4)


@settings(max_examples=60, deadline=None)
@given(spots, lesions, st.floats(0, 1))
def test_outcomes_do_not_depend_on_findings_below_a_threshold(
    found: list[tuple[int, int, float]], known: list[tuple[int, int, int]], threshold: float
) -> None:
    findings = [finding(row, column, score) for row, column, score in found]
    squares = [Square(row, column, side, side) for row, column, side in known]
    whole = dict(zip(map(id, findings), match(findings, squares), strict=True))
    kept = [one for one in findings if one.score >= threshold]
    assert match(kept, squares) == [whole[id(one)] for one in kept]
    hits = [number for outcome, number in whole.values() if outcome == "hit"]
    assert len(hits) == len(set(hits)) <= len(squares)
