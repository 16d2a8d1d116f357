"""Measures that see bones tell a film without bones from a blurred one."""

from collections.abc import Callable

import numpy as np
import pytest
from phantom_pairs import phantom_pair
from scipy.ndimage import binary_dilation, gaussian_filter

from xprism.errors import DataError
from xprism.evaluation.bone_measures import (
    contrast_kept,
    false_structure,
    grey_fit,
    lung_rmse,
    lungs_width,
    nodule_contrast,
    rib_gradient,
)


def _random(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(100, 20, shape)


def _two_lungs(height: int, width: int) -> np.ndarray:
    lungs = np.zeros((height, width), bool)
    lungs[4:-4, 3 : width // 2 - 3] = lungs[6:-4, width // 2 + 3 : -3] = True
    return lungs


def _plain_mean(levels: np.ndarray, region: np.ndarray, sigma: float) -> np.ndarray:
    """Mean over a region weighted by a Gaussian that ends at four sigma, pixel by pixel."""
    height, width = levels.shape
    reach = int(4 * sigma + 0.5)
    result = np.zeros(levels.shape)
    for row, column in zip(*np.nonzero(region), strict=True):
        rows = np.arange(max(0, row - reach), min(height, row + reach + 1))
        columns = np.arange(max(0, column - reach), min(width, column + reach + 1))
        squares = (rows - row)[:, None] ** 2 + (columns - column)[None, :] ** 2
        part = np.ix_(rows, columns)
        weight = np.exp(-squares / (2 * sigma**2)) * region[part]
        result[row, column] = (weight * levels[part]).sum() / weight.sum()
    return result


def test_the_grey_fit_is_the_straight_line_of_least_squares() -> None:
    picture, reference, inside = _random(20, 30), _random(20, 30, seed=1), _two_lungs(20, 30)
    expected = np.polyval(np.polyfit(picture[inside], reference[inside], 1), picture)
    np.testing.assert_allclose(grey_fit(picture, reference, inside=inside), expected)


def test_a_flat_picture_is_fitted_by_the_mean() -> None:
    inside, reference = _two_lungs(20, 30), _random(20, 30)
    expected = np.full((20, 30), reference[inside].mean())
    np.testing.assert_allclose(grey_fit(np.full((20, 30), 7), reference, inside=inside), expected)


def test_lung_rmse_is_what_a_line_leaves_and_sees_no_grey_scale() -> None:
    picture, target, lungs = _random(20, 30), _random(20, 30, seed=1), _two_lungs(20, 30)
    share = np.corrcoef(picture[lungs], target[lungs])[0, 1]
    expected = target[lungs].std() * np.sqrt(1 - share**2)
    assert lung_rmse(picture, target, lungs=lungs) == pytest.approx(expected)
    assert lung_rmse(5 - 0.3 * picture, np.where(lungs, target, 0), lungs=lungs) == pytest.approx(expected)


def test_the_rib_gradient_agrees_with_a_plain_computation() -> None:
    lungs = _two_lungs(40, 81)
    film, target, made = (_random(40, 81, seed=seed) for seed in range(3))
    target, made = 0.5 * film + target, film + made
    width = 81 - 6
    assert lungs_width(lungs) == width

    def gradient(levels: np.ndarray) -> np.ndarray:
        band = _plain_mean(levels, lungs, width / 150) - _plain_mean(levels, lungs, width / 25)
        inner = lungs[1:-1] & lungs[2:] & lungs[:-2]
        return ((band[2:] - band[:-2]) / 2)[inner] * width / 100

    fitted = [np.polyval(np.polyfit(one[lungs], target[lungs], 1), one) for one in (made, film)]
    ours, real, bare = gradient(fitted[0]), gradient(target), gradient(fitted[1])
    shares = np.linalg.lstsq(np.stack([real, bare - real], 1), ours, rcond=None)[0]
    found = rib_gradient(made, film=film, target=target, lungs=lungs)
    assert found.error == pytest.approx(np.sqrt(((ours - real) ** 2).mean()), rel=1e-9)
    assert (found.tissue_kept, found.bone_left) == pytest.approx(tuple(shares), rel=1e-6)


def test_the_band_passes_half_or_more_from_9_to_46_periods_a_lungs_width() -> None:
    lungs = np.ones((600, 200), bool)  # tall, so that the rim of the lungs hardly counts
    rows, columns = np.mgrid[:600, :200]
    target = columns.astype(float)  # rises along the rows and so has no gradient down them

    def error(periods: float, *, turned: bool = False) -> float:
        wave = np.cos(2 * np.pi * periods * (columns if turned else rows) / 200)
        return rib_gradient(target + wave, film=target - wave, target=target, lungs=lungs).error

    def passed(periods: float) -> float:
        blurs = [np.exp(-2 * (np.pi * periods / part) ** 2) for part in (150, 25)]
        return float(2 * np.pi * periods / 100 * (blurs[0] - blurs[1]) / np.sqrt(2))

    most = max(passed(periods) for periods in range(1, 100))
    for periods in (9, 20, 46):
        assert passed(periods) > 0.48 * most
        sampled = np.sinc(2 * periods / 200)  # the derivative is a difference between neighbours
        assert error(periods) == pytest.approx(sampled * passed(periods), rel=0.1)
    assert error(5) < 0.3 * most
    assert error(70) < 0.3 * most
    assert error(20, turned=True) < 0.01 * most


def test_film_and_perfect_picture_have_the_shares_they_must() -> None:
    pair = phantom_pair(0)
    known = {"film": pair.film, "target": pair.target, "lungs": pair.lungs}
    nothing, perfect = rib_gradient(pair.film, **known), rib_gradient(2 * pair.target + 3, **known)
    assert (nothing.bone_left, nothing.tissue_kept) == pytest.approx((1, 1))
    assert (perfect.error, perfect.bone_left) == pytest.approx((0, 0), abs=1e-9)
    assert perfect.tissue_kept == pytest.approx(1)
    same = rib_gradient(pair.target, film=pair.target, target=pair.target, lungs=pair.lungs)
    assert same.error == pytest.approx(0)
    assert np.isnan([same.bone_left, same.tissue_kept]).all()


@pytest.mark.parametrize("seed", [0, 3])
def test_no_blur_beats_a_picture_that_lost_half_of_its_bones(seed: int) -> None:
    pair = phantom_pair(seed)
    known = {"film": pair.film, "target": pair.target, "lungs": pair.lungs}
    half = rib_gradient((pair.film + pair.target) / 2, **known)
    assert half.bone_left == pytest.approx(0.5, abs=0.1)
    for sigma in (0.5, 1, 2, 3, 4, 6, 9, 14, 20):
        blurred = rib_gradient(gaussian_filter(pair.film, sigma), **known)
        assert blurred.error > 1.1 * half.error
        if sigma >= 3:  # what takes the ribs away takes the tissue along
            assert blurred.tissue_kept < 0.75


def test_nothing_outside_the_lungs_counts() -> None:
    pair = phantom_pair(0)
    lungs, known = pair.lungs, {"film": pair.film, "target": pair.target, "lungs": pair.lungs}
    made = gaussian_filter(pair.film, 1)
    cut = {"film": np.where(lungs, pair.film, -99), "target": np.where(lungs, pair.target, 0), "lungs": lungs}
    assert rib_gradient(np.where(lungs, made, 999), **cut) == rib_gradient(made, **known)
    expected = false_structure(made, bones=pair.bones, **known)
    assert false_structure(np.where(lungs, made, 999), bones=pair.bones, **cut) == pytest.approx(expected)


def _striped(height: int = 40, width: int = 60) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Film, target, lungs and bones: lungs with three bars over them that are the only difference."""
    lungs, bones = _two_lungs(height, width), np.zeros((height, width), bool)
    for top in (8, 19, 30):
        bones[top : top + 4] = True
    target = _random(height, width)
    return target + 30 * bones, target, lungs, bones


def test_false_structure_agrees_with_a_plain_computation() -> None:
    film, target, lungs, bones = _striped()
    made = target + 0.2 * _random(*film.shape, seed=4)
    width = 60 - 6
    free = lungs & ~binary_dilation(bones)  # the margin is 54/150, rounded up to a pixel

    def change(picture: np.ndarray) -> np.ndarray:
        return np.polyval(np.polyfit(picture[free], film[free], 1), picture) - film

    added, removed = change(made), change(target)
    numerator = (added - _plain_mean(added, free, width / 20))[free]
    denominator = (removed - _plain_mean(removed, lungs, width / 20))[lungs & bones]
    expected = np.sqrt((numerator**2).mean() / (denominator**2).mean())
    found = false_structure(made, film=film, target=target, lungs=lungs, bones=bones)
    assert found == pytest.approx(expected, rel=1e-9)


def test_neither_the_film_nor_a_perfect_picture_has_false_structure() -> None:
    film, target, lungs, bones = _striped()
    for picture in (film, target, 0.1 * target - 8, (film + target) / 2):
        assert false_structure(picture, film=film, target=target, lungs=lungs, bones=bones) < 1e-9
    pair = phantom_pair(0)
    known = {"film": pair.film, "target": pair.target, "lungs": pair.lungs, "bones": pair.bones}
    assert false_structure(pair.target, **known) < 0.05


@pytest.mark.parametrize(
    "spoil", [lambda one: gaussian_filter(one, 1.5), lambda one: one + _random(256, 256) / 10], ids=["blur", "noise"]
)
def test_detail_taken_away_and_noise_put_in_are_false_structure(spoil: Callable[[np.ndarray], np.ndarray]) -> None:
    pair = phantom_pair(0)
    known = {"film": pair.film, "target": pair.target, "lungs": pair.lungs, "bones": pair.bones}
    assert false_structure(spoil(pair.target), **known) > 4 * false_structure(pair.target, **known) + 0.05


def test_lungs_without_bone_have_no_false_structure_to_speak_of() -> None:
    film, target, lungs, bones = _striped()
    for wrong in (np.zeros_like(bones), np.ones_like(bones)):
        with pytest.raises(DataError, match="partly behind bones"):
            false_structure(film, film=film, target=target, lungs=lungs, bones=wrong)
    with pytest.raises(DataError, match="empty"):
        false_structure(film, film=film, target=target, lungs=np.zeros_like(lungs), bones=bones)


ROWS, COLUMNS = np.mgrid[:120, :140].astype(float)
CENTRE = (58.3, 71.6)
DISTANCE = np.hypot(ROWS - CENTRE[0], COLUMNS - CENTRE[1])
SLOPE = 50 + 0.4 * ROWS - 0.7 * COLUMNS


def test_contrast_of_a_disc_on_a_slope_is_its_height() -> None:
    picture = SLOPE + 12.5 * (DISTANCE <= 10)
    assert nodule_contrast(picture, *CENTRE, 10) == pytest.approx(12.5)
    assert nodule_contrast(SLOPE, *CENTRE, 10) == pytest.approx(0, abs=1e-9)


def test_contrast_of_a_gaussian_spot_is_its_integral() -> None:
    sigma, radius = 8.0, 11.0
    share = [np.exp(-0.5 * (part * radius / sigma) ** 2) for part in (1, 1.5, 2.5)]
    ring = 2.5**2 - 1.5**2
    expected = 20 * 2 * (sigma / radius) ** 2 * ((1 - share[0]) - (share[1] - share[2]) / ring)
    picture = SLOPE + 20 * np.exp(-0.5 * (DISTANCE / sigma) ** 2)
    assert nodule_contrast(picture, *CENTRE, radius) == pytest.approx(expected, rel=0.02)


def test_contrast_kept_is_the_share_of_the_nodule_on_any_grey_scale() -> None:
    lungs = DISTANCE < 45
    rough = SLOPE + _random(120, 140) / 10
    reference = rough + 10 * (DISTANCE <= 9)
    # The fit is over the lungs, of which the nodule is a small part, so that it hardly moves.
    faded = rough + 6 * (DISTANCE <= 9)
    assert contrast_kept(reference / 255, reference, *CENTRE, 9, lungs=lungs) == pytest.approx(1)
    assert contrast_kept(3 * faded + 1, reference, *CENTRE, 9, lungs=lungs) == pytest.approx(0.6, abs=0.03)
    assert contrast_kept(gaussian_filter(reference, 6), reference, *CENTRE, 9, lungs=lungs) < 0.75


def test_what_lies_outside_the_lungs_does_not_touch_the_contrast() -> None:
    lungs = CENTRE[1] - 14 < COLUMNS
    picture = np.where(lungs, SLOPE + 9 * (DISTANCE <= 10), 0)
    assert nodule_contrast(picture, *CENTRE, 10, inside=lungs) == pytest.approx(9)


def test_contrast_is_unknown_where_disc_or_ring_is_not_there() -> None:
    assert np.isnan(nodule_contrast(SLOPE, 5.0, 60.0, 10))
    assert np.isnan(nodule_contrast(SLOPE, *CENTRE, 10, inside=CENTRE[1] + 5 < COLUMNS))
    assert np.isnan(contrast_kept(SLOPE, np.full_like(SLOPE, 3.0), *CENTRE, 10, lungs=DISTANCE < 40))
