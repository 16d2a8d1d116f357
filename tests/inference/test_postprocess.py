"""Masks from probabilities: one piece, no holes, and the film's own grid."""

from __future__ import annotations

from collections import deque

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage

from xprism.inference.postprocess import bounding_window, clean_plane, enlarge_mask, find_pieces


def naive_clean(mask: np.ndarray) -> np.ndarray:
    """Largest 8-connected piece with its holes filled, by walking from pixel to pixel."""

    def walk(free: np.ndarray, start: tuple[int, int], steps: list[tuple[int, int]]) -> set[tuple[int, int]]:
        seen, todo = {start}, deque([start])
        while todo:
            row, column = todo.popleft()
            for down, right in steps:
                at = row + down, column + right
                inside = 0 <= at[0] < free.shape[0] and 0 <= at[1] < free.shape[1]
                if inside and free[at] and at not in seen:
                    seen.add(at)
                    todo.append(at)
        return seen

    eight = [(a, b) for a in (-1, 0, 1) for b in (-1, 0, 1) if (a, b) != (0, 0)]
    best: set[tuple[int, int]] = set()
    done: set[tuple[int, int]] = set()
    for start in zip(*np.nonzero(mask), strict=True):
        if start not in done:
            piece = walk(mask, start, eight)
            done |= piece
            best = piece if len(piece) > len(best) else best
    kept = np.zeros((mask.shape[0] + 2, mask.shape[1] + 2), bool)
    for row, column in best:
        kept[row + 1, column + 1] = True
    outside = walk(~kept, (0, 0), [(0, 1), (1, 0), (0, -1), (-1, 0)])
    filled = np.ones_like(kept)
    filled[tuple(np.array(sorted(outside)).T)] = False
    return filled[1:-1, 1:-1]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.2, 0.8))
def test_cleaning_equals_a_walk_from_pixel_to_pixel(seed: int, share: float) -> None:
    plane = np.random.default_rng(seed).random((17, 23), np.float32)
    cleaned, _ = clean_plane(plane, 1 - share)
    mask = plane >= 1 - share
    expected = naive_clean(mask) if mask.any() else mask
    np.testing.assert_array_equal(cleaned >= 1 - share, expected)


def two_pieces() -> np.ndarray:
    plane = np.full((40, 50), 0.1, np.float32)
    plane[5:30, 5:25] = 0.9
    plane[12:16, 10:14] = 0.2
    plane[33:37, 40:48] = 0.95
    return plane


def test_cleaning_says_what_it_did() -> None:
    _, cleaning = clean_plane(two_pieces(), 0.5)
    assert cleaning.removed == 1
    assert cleaning.removed_fraction == pytest.approx(32 / (25 * 20 - 16 + 32))
    assert cleaning.filled_fraction == pytest.approx(16 / (25 * 20 - 16))


@pytest.mark.parametrize("shape", [(120, 150), (203, 171), (40, 50), (23, 31)])
def test_what_cleaning_removed_does_not_return_on_the_films_grid(shape: tuple[int, int]) -> None:
    cleaned, _ = clean_plane(two_pieces(), 0.5)
    mask = enlarge_mask(cleaned, 0.5, shape)
    np.testing.assert_array_equal(mask, naive_clean(mask))
    assert not mask[int(0.82 * shape[0]) :, int(0.78 * shape[1]) :].any()


def test_two_pieces_are_kept_where_two_are_asked_for() -> None:
    plane = two_pieces()
    plane[36, 2] = 0.9
    cleaned, cleaning = clean_plane(plane, 0.5, keep=2)
    assert cleaning.removed == 1
    assert (cleaned[33:37, 40:48] == plane[33:37, 40:48]).all()
    assert cleaned[36, 2] == 0
    assert (cleaned[12:16, 10:14] == 1).all()
    one_piece, nothing = clean_plane(plane[:32, :30], 0.5, keep=2)
    assert nothing.removed == 0
    np.testing.assert_array_equal(one_piece, clean_plane(plane[:32, :30], 0.5)[0])


def test_cleaning_leaves_its_input_alone() -> None:
    plane = two_pieces()
    before = plane.copy()
    clean_plane(plane, 0.5)
    np.testing.assert_array_equal(plane, before)


@pytest.mark.parametrize("shape", [(300, 310), (64, 64), (20, 90), (1, 1), (777, 64)])
def test_enlarging_in_a_window_equals_enlarging_the_whole(shape: tuple[int, int]) -> None:
    noise = np.random.default_rng(3).random((8, 8), np.float32)
    plane = np.asarray(Image.fromarray(noise).resize((64, 64), Image.Resampling.BICUBIC))
    whole = np.asarray(Image.fromarray(plane).resize(shape[::-1], Image.Resampling.BILINEAR))
    certain = np.abs(whole - 0.5) > 1e-5
    mask = enlarge_mask(plane, 0.5, shape)
    np.testing.assert_array_equal(mask[certain], (whole >= 0.5)[certain])


def test_an_empty_mask_stays_empty() -> None:
    plane = np.zeros((10, 10), np.float32)
    cleaned, cleaning = clean_plane(plane, 0.5)
    assert not enlarge_mask(cleaned, 0.5, (50, 60)).any()
    assert cleaning.removed == 0
    assert bounding_window(plane > 0) is None


def test_pieces_come_with_window_and_best_probability() -> None:
    first, second = find_pieces(two_pieces(), 0.5)
    assert (first.window, second.window) == ((slice(33, 37), slice(40, 48)), (slice(5, 30), slice(5, 25)))
    assert (first.score, second.score) == pytest.approx((0.95, 0.9))
    assert (first.area, second.area) == (32, 25 * 20 - 16)
    assert first.centre == pytest.approx((34.5, 43.5))


def test_pieces_are_those_of_another_library() -> None:
    measure = pytest.importorskip("skimage.measure")
    plane = ndimage.gaussian_filter(np.random.default_rng(4).random((60, 70)), 2)
    threshold = float(np.percentile(plane, 80))
    theirs = measure.regionprops(measure.label(plane >= threshold, connectivity=2), intensity_image=plane)
    expected = sorted((-one.intensity_max, one.area, *one.centroid, *one.bbox) for one in theirs)
    found = [
        (
            -piece.score,
            piece.area,
            *piece.centre,
            *(side.start for side in piece.window),
            *(s.stop for s in piece.window),
        )
        for piece in find_pieces(plane, threshold)
    ]
    assert len(found) > 5
    np.testing.assert_allclose(found, expected)


def test_nothing_above_the_threshold_has_no_pieces() -> None:
    assert find_pieces(np.full((4, 5), 0.4, np.float32), 0.5) == []
