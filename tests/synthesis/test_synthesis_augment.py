"""Six of every film: the paper's counts, its limits, and film and labels that stay together."""

from collections import Counter

import numpy as np
import pytest
from scipy import ndimage

from xprism.synthesis.augment import Variant, VariantLimits, draw_variants, variants_of

KINDS = ["original", "rotation", "horizontal", "vertical", "combined", "noise"]


@pytest.mark.parametrize(("films", "variants"), [(124, 744), (11, 66)])
def test_sets_have_the_papers_counts(films: int, variants: int) -> None:
    names = [f"JPCLN{number:03}" for number in range(films)]
    made = variants_of(names, seed=0)
    assert len(made) == variants
    assert Counter(name for name, _ in made) == dict.fromkeys(names, 6)
    assert Counter(variant.kind for _, variant in made) == dict.fromkeys(KINDS, films)
    assert made == variants_of(names, seed=0)
    assert len({variant.degrees for _, variant in made}) == films + 1
    assert made != variants_of(names, seed=1)


def test_draws_fill_the_papers_limits() -> None:
    made = [variant for _, variant in variants_of(range(600), seed=0)]

    def drawn(kind: str, name: str) -> np.ndarray:
        return np.array([getattr(variant, name) for variant in made if variant.kind == kind])

    variances = (255 * drawn("noise", "deviation")) ** 2
    for values, low, high in (
        (drawn("rotation", "degrees"), -2, 2),
        (drawn("horizontal", "right"), -0.03, 0.03),
        (drawn("vertical", "down"), -0.03, 0.03),
        (drawn("combined", "right"), -0.03, 0.03),
        (drawn("combined", "down"), -0.03, 0.03),
        (variances, 2.55, 7.65),
    ):
        assert low <= values.min() < low + 0.02 * (high - low)
        assert high - 0.02 * (high - low) < values.max() <= high
        assert values.mean() == pytest.approx((low + high) / 2, abs=0.05 * (high - low))
    assert abs(np.corrcoef(drawn("combined", "right"), drawn("combined", "down"))[0, 1]) < 0.15


def test_a_kind_does_what_it_is_called_and_nothing_else() -> None:
    changes = {
        "original": set(),
        "rotation": {"degrees"},
        "horizontal": {"right"},
        "vertical": {"down"},
        "combined": {"down", "right"},
        "noise": {"deviation"},
    }
    for variant in draw_variants(np.random.default_rng(0)):
        changed = {name for name in ("degrees", "down", "right", "deviation") if getattr(variant, name)}
        assert changed == changes[variant.kind]


def test_an_original_stays_as_it_is() -> None:
    film = np.random.default_rng(0).random((20, 20), np.float32)
    original = draw_variants(np.random.default_rng(0))[0]
    np.testing.assert_array_equal(original.of_film(film), film)
    np.testing.assert_array_equal(original.of_labels(film > 0.5), film > 0.5)


def test_positive_degrees_turn_clockwise() -> None:
    labels = np.arange(25).reshape(5, 5)
    quarter = Variant("rotation", degrees=90)
    np.testing.assert_array_equal(quarter.of_labels(labels), np.rot90(labels, -1))
    np.testing.assert_allclose(quarter.of_film(labels / 25), np.rot90(labels, -1) / 25, atol=1e-6)


@pytest.mark.parametrize("degrees", [-2.0, 1.3])
def test_small_rotations_agree_with_scipys(degrees: float) -> None:
    film = ndimage.gaussian_filter(np.random.default_rng(0).random((40, 40)), 2)
    expected = ndimage.rotate(film, -degrees, order=1, reshape=False, mode="nearest")
    np.testing.assert_allclose(Variant("rotation", degrees=degrees).of_film(film), expected, atol=1e-5)


def test_shifts_are_whole_pixels_and_repeat_the_edge() -> None:
    film = np.random.default_rng(0).random((40, 100), np.float32)
    moved = Variant("combined", down=-0.026, right=0.03).of_film(film)
    np.testing.assert_allclose(moved[:-1, 3:], film[1:, :-3], atol=1e-6)
    np.testing.assert_allclose(moved[:-1, :3], film[1:, :1].repeat(3, 1), atol=1e-6)
    np.testing.assert_allclose(moved[-1, 3:], film[-1, :-3], atol=1e-6)


def test_film_and_labels_stay_together() -> None:
    rows, columns = np.mgrid[:64, :64]
    labels = (np.hypot(rows - 30, columns - 36) < 15).astype(np.uint8) * 5
    for variant in draw_variants(np.random.default_rng(3)):
        made = variant.of_labels(labels)
        assert made.dtype == labels.dtype
        assert set(np.unique(made).tolist()) == {0, 5}
        # Where all pixels that a film's value is mixed of have one label, that is the label there.
        shown = variant.of_film((labels > 0).astype(float))
        if variant.kind != "noise":
            assert (made[shown > 1 - 1e-6] == 5).all()
            assert (made[shown < 1e-6] == 0).all()


def test_noise_has_its_deviation_and_leaves_labels_alone() -> None:
    noisy = Variant("noise", deviation=np.sqrt(5) / 255, seed=7)
    film = np.full((200, 200), 0.5, np.float32)
    apart = 255 * (noisy.of_film(film) - film)
    assert apart.var() == pytest.approx(5, rel=0.03)
    assert apart.mean() == pytest.approx(0, abs=0.05)
    np.testing.assert_array_equal(noisy.of_film(film), noisy.of_film(film))
    np.testing.assert_array_equal(noisy.of_labels(film > 0), film > 0)
    assert noisy.of_film(np.zeros((20, 20))).min() >= 0


def test_limits_can_be_others() -> None:
    limits = VariantLimits(degrees=0, shift=0.5, variance=(0, 0))
    variants = {variant.kind: variant for variant in draw_variants(np.random.default_rng(0), limits)}
    assert variants["rotation"].degrees == variants["noise"].deviation == 0
    assert abs(variants["horizontal"].right) > 0.03
