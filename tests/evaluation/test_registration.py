"""Two pictures of one chest are laid on each other to a fraction of a pixel."""

import numpy as np
import pytest
from phantom_pairs import binned, fine_case, phantom_pair
from scipy import ndimage

from xprism.errors import DataError
from xprism.evaluation.registration import Shift, find_shift

SHAPE = (96, 112)


def _waves(moved: tuple[float, float], *, seed: int = 0) -> np.ndarray:
    """A texture that is a sum of periodic waves, computed anew where it is moved to."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]].astype(float)
    picture = np.zeros(SHAPE)
    for _ in range(150):
        down, along = rng.integers(-19, 20, 2) / SHAPE  # at most a fifth of a period a pixel
        turns = down * (rows - moved[0]) + along * (columns - moved[1])
        picture += np.cos(2 * np.pi * (turns + rng.uniform()))
    return picture


INSIDE = np.zeros(SHAPE, bool)
INSIDE[5:-5, 8:-8] = True


@pytest.mark.parametrize("moved", [(0.0, 0.0), (0.37, -1.81), (-3.6, 2.45), (4.0, -4.0)])
def test_a_known_shift_of_a_texture_is_found(moved: tuple[float, float]) -> None:
    found = find_shift(_waves((0, 0)), 3 + 0.2 * _waves(moved), inside=INSIDE)
    assert found.rows == pytest.approx(-moved[0], abs=0.01)
    assert found.columns == pytest.approx(-moved[1], abs=0.01)


def test_agrees_with_phase_correlation_where_both_apply() -> None:
    registration = pytest.importorskip("skimage.registration")
    first, second = _waves((0, 0)), _waves((-1.3, 2.6))
    correlate = registration.phase_cross_correlation
    expected = correlate(first, second, upsample_factor=50, normalization=None)[0]
    found = find_shift(first, second, inside=INSIDE)
    assert (found.rows, found.columns) == pytest.approx(tuple(expected), abs=0.03)


@pytest.mark.parametrize("seed", [0, 3])
def test_ribs_that_only_one_picture_shows_do_not_mislead(seed: int) -> None:
    fine, pair = fine_case(seed), phantom_pair(seed)
    for moved in ((0, 0), (1, -3), (-7, 6)):
        found = find_shift(pair.film, binned(fine.film_without_bone, moved), inside=pair.lungs)
        assert found.rows == pytest.approx(-moved[0] / 2, abs=0.15)
        assert found.columns == pytest.approx(-moved[1] / 2, abs=0.15)


def test_a_target_cut_to_the_lungs_is_laid_as_well() -> None:
    picture, moved = _waves((0, 0)), _waves((0.6, 0.3))
    found = find_shift(picture, np.where(INSIDE, moved, -30), inside=INSIDE)
    assert (found.rows, found.columns) == pytest.approx((-0.6, -0.3), abs=0.05)


def test_a_shift_moves_the_picture_and_says_where_nothing_came_in() -> None:
    picture = np.random.default_rng(0).normal(size=(20, 30))
    moved, known = Shift(2, -3).apply(picture)
    expected = np.zeros((20, 30), bool)
    expected[2:, :-3] = True
    np.testing.assert_array_equal(known, expected)
    np.testing.assert_allclose(moved[2:, :-3], picture[:-2, 3:], atol=1e-12)


def test_half_a_pixel_loses_one_line_and_keeps_a_smooth_picture() -> None:
    moved, known = Shift(0.5, 0).apply(_waves((0, 0)))
    assert not known[0].any()
    assert known[1:].all()
    inner = slice(10, -10)
    np.testing.assert_allclose(moved[inner, inner], _waves((0.5, 0))[inner, inner], atol=0.3)  # of levels of some +-30


def test_the_shift_found_brings_the_moving_picture_onto_the_fixed_one() -> None:
    fixed, moving = _waves((0, 0)), _waves((1.4, -2.2))
    laid, known = find_shift(fixed, moving, inside=INSIDE).apply(moving)
    inner = known & INSIDE
    assert np.abs(laid - fixed)[inner].max() < 0.1 * np.abs(moving - fixed)[inner].max()


@pytest.mark.parametrize("moved", [(5.4, 0.0), (9.0, 0.0), (2.0, -12.0)])
def test_pictures_too_far_apart_are_refused(moved: tuple[float, float]) -> None:
    rng = np.random.default_rng(0)
    texture = ndimage.gaussian_filter(rng.normal(size=SHAPE), 1)
    with pytest.raises(DataError, match=r"too little in common|beyond 4 px"):
        find_shift(texture, ndimage.shift(texture, moved, mode="grid-wrap"), inside=INSIDE)


def test_different_or_inverted_pictures_are_refused() -> None:
    for other in (_waves((0, 0), seed=5), np.where(INSIDE, 1.0, 0.0)):
        with pytest.raises(DataError, match="too little"):
            find_shift(_waves((0, 0)), other, inside=INSIDE)


def test_a_mask_with_nothing_left_and_other_sizes_are_refused() -> None:
    picture, small = _waves((0, 0)), np.zeros(SHAPE, bool)
    small[20:30, 20:30] = True
    with pytest.raises(DataError, match="too little in the mask"):
        find_shift(picture, picture, inside=small)
    with pytest.raises(DataError, match="one size"):
        find_shift(picture, picture[1:], inside=INSIDE)
