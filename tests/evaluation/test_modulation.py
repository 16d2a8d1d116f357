"""Gratings tell how much detail a method keeps."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy import ndimage

from xprism.errors import DataError
from xprism.evaluation.modulation import modulation_kept

SPACING = 0.8
FILM = 100 + 20 * ndimage.gaussian_filter(np.random.default_rng(0).normal(size=(150, 170)), 2)
INSIDE = np.zeros(FILM.shape, bool)
INSIDE[10:140, 5:75] = INSIDE[10:140, 95:165] = True
# Bands of 10 px that slope like ribs, with 8 px between them: no patch fits there.
BONES = (np.arange(150)[:, None] + 0.5 * np.arange(170)) % 18 < 10


def _kept(method: Callable[[np.ndarray], np.ndarray]) -> tuple[float, float]:
    first, second = modulation_kept(method, FILM, inside=INSIDE, spacing_mm=SPACING)
    assert (first.line_pairs_per_cm, second.line_pairs_per_cm) == (1, 2)
    return first.kept, second.kept


@pytest.mark.parametrize("gain", [1.0, 0.4, 0.0, -1.0])
def test_a_change_of_contrast_is_what_is_kept(gain: float) -> None:
    assert _kept(lambda film: gain * film + 30) == pytest.approx((gain, gain), abs=1e-9)


@pytest.mark.parametrize("sigma_mm", [0.5, 1.2, 2.0])
def test_a_gaussian_blur_keeps_what_its_transfer_function_says(sigma_mm: float) -> None:
    expected = tuple(np.exp(-2 * (np.pi * sigma_mm * per_mm) ** 2) for per_mm in (0.1, 0.2))
    assert _kept(lambda film: ndimage.gaussian_filter(film, sigma_mm / SPACING)) == pytest.approx(expected, abs=0.01)


def test_a_blur_along_the_rows_spares_lines_that_run_along_them() -> None:
    found = modulation_kept(
        lambda film: ndimage.uniform_filter1d(film, 5, axis=1), FILM, inside=INSIDE, spacing_mm=SPACING
    )
    for one, per_px in zip(found, (0.08, 0.16), strict=True):
        along, oblique = (np.sin(5 * np.pi * f) / (5 * np.sin(np.pi * f)) for f in (per_px, per_px / np.sqrt(2)))
        assert one.by_orientation == pytest.approx((1, oblique, along, oblique), abs=0.01)
        assert one.kept == pytest.approx(np.mean(one.by_orientation))


def test_detail_that_is_moved_by_a_quarter_of_a_period_is_not_kept() -> None:
    moved = modulation_kept(lambda film: ndimage.shift(film, (3.125, 0)), FILM, inside=INSIDE, spacing_mm=SPACING)[0]
    assert moved.by_orientation[0] == pytest.approx(0, abs=0.01)
    assert moved.by_orientation[2] == pytest.approx(1, abs=0.01)


def test_an_average_with_a_picture_of_its_own_making_shows() -> None:
    own = np.random.default_rng(1).normal(100, 20, FILM.shape)
    assert _kept(lambda film: 0.3 * film + 0.7 * own) == pytest.approx((0.3, 0.3))


def test_gratings_are_faint_and_lie_inside_the_mask() -> None:
    seen: list[np.ndarray] = []

    def method(film: np.ndarray) -> np.ndarray:
        seen.append(film.copy())
        return film

    found = modulation_kept(method, FILM, inside=INSIDE, spacing_mm=SPACING)
    np.testing.assert_array_equal(seen[0], FILM)
    assert len(seen) == 1 + 4 * len(found)
    assert found[0].patches >= 4
    for film in seen[1:]:
        assert not (film - FILM)[~INSIDE].any()
        assert np.abs(film - FILM).max() == pytest.approx(0.1 * FILM[INSIDE].std())


def test_a_mask_up_to_the_border_has_its_patches_within_the_film() -> None:
    everywhere = np.ones(FILM.shape, bool)
    for spacing in (0.5, 0.75, 1.0, 1.2):
        found = modulation_kept(lambda film: film, FILM, inside=everywhere, spacing_mm=spacing)
        assert found[1].kept == pytest.approx(1)


@pytest.mark.parametrize("sigma_mm", [0.5, 1.2, 2.0])
def test_between_bones_a_blur_keeps_what_its_transfer_function_says(sigma_mm: float) -> None:
    found = modulation_kept(
        lambda film: ndimage.gaussian_filter(film, sigma_mm / SPACING),
        FILM,
        inside=INSIDE,
        spacing_mm=SPACING,
        bones=BONES,
    )
    for one, per_mm in zip(found, (0.1, 0.2), strict=True):
        expected = np.exp(-2 * (np.pi * sigma_mm * per_mm) ** 2)
        assert one.by_orientation == pytest.approx([expected] * 4, abs=0.015)


def test_what_happens_on_bones_does_not_count() -> None:
    def on_bones(film: np.ndarray) -> np.ndarray:
        return np.where(BONES, ndimage.gaussian_filter(film, 4), film)

    outside = modulation_kept(on_bones, FILM, inside=INSIDE, spacing_mm=SPACING, bones=BONES)
    everywhere = modulation_kept(on_bones, FILM, inside=INSIDE, spacing_mm=SPACING)
    assert [one.kept for one in outside] == pytest.approx([1, 1])
    assert all(one.kept < 0.7 for one in everywhere)
    spoilt = modulation_kept(on_bones, FILM, inside=INSIDE, spacing_mm=SPACING, bones=~BONES)
    assert all(one.kept < 0.3 for one in spoilt)


def test_patches_lie_where_bones_leave_room() -> None:
    right_only = np.zeros_like(INSIDE)
    right_only[:, :85] = True
    changed = np.zeros_like(INSIDE)

    def method(film: np.ndarray) -> np.ndarray:
        changed[film != FILM] = True
        return film

    found = modulation_kept(method, FILM, inside=INSIDE, spacing_mm=SPACING, bones=right_only)
    assert found[0].kept == pytest.approx(1)
    assert changed.any()
    assert not changed[:, :85].any()
    with pytest.raises(DataError, match="no patch"):
        modulation_kept(method, FILM, inside=INSIDE, spacing_mm=SPACING, bones=INSIDE)


def test_what_cannot_be_measured_is_refused() -> None:
    small = np.zeros(FILM.shape, bool)
    small[20:60, 20:60] = True
    with pytest.raises(DataError, match="no patch"):
        modulation_kept(lambda film: film, FILM, inside=small, spacing_mm=SPACING)
    with pytest.raises(DataError, match="4 px"):
        modulation_kept(lambda film: film, FILM, inside=INSIDE, spacing_mm=1.3)
    with pytest.raises(DataError, match="flat"):
        modulation_kept(lambda film: film, np.ones(FILM.shape), inside=INSIDE, spacing_mm=SPACING)
    with pytest.raises(DataError, match="one size"):
        modulation_kept(lambda film: film, FILM[1:], inside=INSIDE, spacing_mm=SPACING)
