"""Drawn dot maps are read where each structure has one piece, and turned down with the reason elsewhere."""

import numpy as np
import pytest
from skimage.measure import label, regionprops

from xprism.errors import DataError
from xprism.synthesis.codes import as_signal, greys_of
from xprism.synthesis.decoding import Problem, decoded
from xprism.synthesis.dots import STRUCTURES, Dot, Dots

DOTS = Dots(dots={name: Dot(row=12 + 10 * k, column=55 - 9 * k, radius=k) for k, name in enumerate(STRUCTURES)})


def _signal(dots: Dots = DOTS) -> np.ndarray:
    return as_signal(dots.picture())


def _paint(signal: np.ndarray, number: int, rows: slice, columns: slice) -> np.ndarray:
    painted = signal.copy()
    painted[rows, columns] = as_signal(greys_of(6))[number]
    return painted


def test_what_was_drawn_is_read_through_noise() -> None:
    noise = np.random.default_rng(0).uniform(-0.19, 0.19, (64, 64))
    drawing = decoded(_signal() + noise)
    assert drawing.dots == DOTS
    assert not drawing.problems
    np.testing.assert_array_equal(drawing.picture, DOTS.picture())


def test_values_beyond_the_range_are_the_outermost_codes() -> None:
    assert decoded(1.5 * _signal() - 0.2 * (_signal() == -1)).picture.max() == 255
    assert decoded(np.full((64, 64), -3.0)).picture.max() == 0


def test_a_missing_structure_is_a_reason() -> None:
    drawing = decoded(_signal(DOTS.removed("heart")))
    assert drawing.problems == (Problem("heart", "missing"),)
    assert drawing.dots == DOTS.removed("heart")


def test_two_pieces_are_a_reason_and_the_larger_is_the_dot() -> None:
    drawing = decoded(_paint(_signal(), 3, slice(2, 4), slice(2, 4)))
    assert drawing.problems == (Problem("heart", "several"),)
    assert drawing.dots == DOTS


def test_pieces_that_are_too_small_are_dropped() -> None:
    signal = _paint(_signal(), 3, slice(2, 4), slice(2, 4))
    assert decoded(signal, smallest=4).problems == (Problem("right_lung", "missing"), Problem("heart", "several"))
    drawing = decoded(signal, smallest=5)
    assert drawing.problems == (Problem("right_lung", "missing"),)
    np.testing.assert_array_equal(drawing.picture, DOTS.removed("right_lung").picture())


def test_pixels_that_touch_at_corners_are_one_piece() -> None:
    dot = DOTS.dots["heart"]
    signal = _paint(_signal(), 3, slice(dot.row - 3, dot.row - 2), slice(dot.column - 3, dot.column - 2))
    assert not decoded(signal).problems


def test_a_signal_without_dots_lacks_everything() -> None:
    drawing = decoded(np.full((64, 64), -1.0))
    assert drawing.problems == tuple(Problem(name, "missing") for name in STRUCTURES)
    assert not drawing.dots.dots


@pytest.mark.parametrize("seed", range(5))
def test_pieces_are_counted_as_scikit_image_counts_them(seed: int) -> None:
    rng = np.random.default_rng(seed)
    signal = as_signal(greys_of(6))[rng.choice(6, (32, 32), p=[0.94, 0.02, 0.01, 0.01, 0.01, 0.01])]
    drawing = decoded(signal, smallest=2)
    numbers = np.rint((signal + 1) * 127.5 / 51).astype(int)
    for number, name in enumerate(STRUCTURES, start=1):
        pieces = [one for one in regionprops(label(numbers == number, connectivity=2)) if one.area >= 2]
        reasons = [problem.reason for problem in drawing.problems if problem.structure == name]
        assert reasons == ([] if len(pieces) == 1 else ["several" if pieces else "missing"])
        assert int((drawing.picture == 51 * number).sum()) == sum(one.area for one in pieces)
        if pieces:
            largest = max(pieces, key=lambda one: one.area)
            dot = drawing.dots.dots[name]
            assert np.abs(np.subtract((dot.row, dot.column), largest.centroid)).max() <= 0.5


def test_maps_that_are_not_square_are_refused() -> None:
    with pytest.raises(DataError, match=r"square, not \[64, 32\]"):
        decoded(np.zeros((64, 32)))
