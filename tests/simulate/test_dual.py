"""Dual-energy subtraction and bone layers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from xprism.errors import DataError
from xprism.simulate import simulate_chest
from xprism.simulate.attenuation import attenuation_table
from xprism.simulate.dual import HIGH, LOW, DualEnergyCase, Weights, simulate_dual_energy
from xprism.simulate.film import Noise, expose, primary
from xprism.simulate.layers import bone_layer, superimpose
from xprism.simulate.parameters import Exposure, draw_parameters
from xprism.simulate.spectrum import Beam, with_beam


@pytest.fixture(scope="module")
def beams() -> tuple[Exposure, Exposure]:
    drawn = draw_parameters(np.random.default_rng(1)).exposure
    return with_beam(drawn, LOW), with_beam(drawn, HIGH)


@pytest.fixture(scope="module")
def pair() -> DualEnergyCase:
    return simulate_dual_energy(4, 192)


def logs(lengths: dict[str, np.ndarray], beams: tuple[Exposure, Exposure]) -> list[np.ndarray]:
    return [-np.log(primary(lengths, beam)) for beam in beams]


def test_two_single_energies_are_solved_exactly(beams: tuple[Exposure, Exposure]) -> None:
    """Without hardening the two log signals are two linear equations: thicknesses come back as they went in."""
    single = [replace(beams[0], energies=(kev,), shares=(1.0,)) for kev in (50.0, 90.0)]
    body, bone = np.array([80.0, 150, 230]), np.array([0.0, 12, 25])
    low, high = logs({"soft_tissue": body - bone, "cortical_bone": bone}, (single[0], single[1]))
    weights = Weights.of(*single)
    table = attenuation_table()
    assert weights.soft[0] == pytest.approx(float(table.linear("soft_tissue", 50)))
    np.testing.assert_allclose(weights.body(low, high), body, rtol=1e-9)
    np.testing.assert_allclose(weights.skeleton(low, high), bone, atol=1e-7)


def test_a_slab_of_bone_vanishes_from_the_soft_picture(beams: tuple[Exposure, Exposure]) -> None:
    """1 cm of bone in 10 to 20 cm of soft tissue leaves less than 6 % of its log signal of the low film behind."""
    body = np.array([100.0, 150.0, 200.0])
    bare = logs({"soft_tissue": body, "cortical_bone": 0 * body}, beams)
    bony = logs({"soft_tissue": body - 10, "cortical_bone": 0 * body + 10}, beams)
    weights = Weights.of(*beams)
    left = weights.soft[0] * (weights.body(*bony) - weights.body(*bare))
    assert (np.abs(left) < 0.06 * (bony[0] - bare[0])).all()


def test_soft_tissue_vanishes_from_the_bone_picture(beams: tuple[Exposure, Exposure]) -> None:
    """Between 10 and 20 cm of soft tissue the bone picture changes by under 1.5 mm; 1 cm of bone is 1 cm to 15 %."""
    weights = Weights.of(*beams)
    body = np.linspace(100, 200, 11)
    bare = weights.skeleton(*logs({"soft_tissue": body, "cortical_bone": 0 * body}, beams))
    bony = weights.skeleton(*logs({"soft_tissue": body - 10, "cortical_bone": 0 * body + 10}, beams))
    assert np.ptp(bare) < 1.5
    np.testing.assert_allclose(bony - bare, 10, rtol=0.15)


def test_one_beam_alone_tells_nothing_apart(beams: tuple[Exposure, Exposure]) -> None:
    assert Weights.of(beams[0], beams[0]).determinant == pytest.approx(0, abs=1e-12)
    assert abs(Weights.of(*beams).determinant) > 1e-4


def test_the_soft_film_loses_the_ribs_and_keeps_the_heart(pair: DualEnergyCase) -> None:
    lungs = pair.masks["right_lung"] | pair.masks["left_lung"]
    ribs, gaps = lungs & pair.masks["ribs"], lungs & ~pair.masks["bones"]
    seen = pair.film - pair.film_without_bone
    left = pair.soft_film - pair.film_without_bone
    contrast = seen[ribs].mean() - seen[gaps].mean()
    assert abs(left[ribs].mean() - left[gaps].mean()) < 0.2 * contrast
    assert np.median(pair.soft_film[pair.masks["heart"]]) > np.median(pair.soft_film[gaps]) + 0.1


def test_the_bone_film_follows_the_true_bones_in_the_lungs(pair: DualEnergyCase) -> None:
    lungs = pair.masks["right_lung"] | pair.masks["left_lung"]
    bone = pair.case.projection.with_bone["cortical_bone"] + 0.2 * pair.case.projection.with_bone["spongiosa"]
    assert np.corrcoef(pair.bone_mm[lungs], bone[lungs])[0, 1] > 0.8
    assert pair.bone_film.dtype == np.float32


def test_the_pair_is_the_film_of_the_same_seed_with_its_geometry(pair: DualEnergyCase) -> None:
    case = simulate_chest(4, 192)
    assert np.array_equal(pair.film, case.film)
    assert np.array_equal(pair.film_without_bone, case.film_without_bone)
    assert pair.spacing_mm == case.spacing_mm == pytest.approx(358.4 / 192)
    assert pair.body_spacing_mm < pair.spacing_mm
    assert (pair.low > pair.high)[pair.masks["heart"]].mean() > 0.99


def test_beams_of_choice_are_used_and_solved_for() -> None:
    low, high = Beam(50), Beam(140, 3, 0.3)
    made = simulate_dual_energy(4, 48, low=low, high=high)
    weights = Weights.of(*(with_beam(made.case.parameters.exposure, beam) for beam in (low, high)))
    np.testing.assert_allclose(made.soft_mm, weights.body(made.low, made.high))
    np.testing.assert_allclose(made.bone_mm, weights.skeleton(made.low, made.high))


def test_a_layer_is_the_difference_of_noise_free_signals(pair: DualEnergyCase) -> None:
    exposure, spacing = pair.case.parameters.exposure, pair.spacing_mm
    still = Noise(np.zeros((192, 192)))
    projection = pair.case.projection
    signals = [expose(paths, exposure, spacing_mm=spacing, noise=still)
               for paths in (projection.with_bone, projection.without_bone)]  # fmt: skip
    np.testing.assert_allclose(pair.layer.log_signal, signals[0] - signals[1], atol=1e-6)
    assert pair.layer.log_signal[pair.masks["ribs"]].mean() > 0.03
    assert pair.layer.shown[pair.masks["ribs"]].mean() > 0.01


def test_the_quick_layer_shows_the_bones_of_the_same_seed(pair: DualEnergyCase) -> None:
    quick = bone_layer(4, 192)
    assert np.array_equal(quick.masks["bones"], pair.masks["bones"])
    assert np.array_equal(quick.masks["left_clavicle"], pair.masks["left_clavicle"])
    assert quick.parameters == pair.case.parameters
    assert np.abs(quick.log_signal - pair.layer.log_signal).mean() < 0.002


def test_bones_laid_over_their_own_film_give_the_film_with_bones(pair: DualEnergyCase) -> None:
    """By the film's own curve; what is left is the noise behind bones, which is a little stronger."""
    contrast = pair.case.parameters.exposure.contrast
    made = superimpose(pair.film_without_bone, pair.layer.log_signal, contrast=contrast)
    assert np.abs(made - pair.film).mean() < 0.1 * np.abs(pair.film_without_bone - pair.film).mean()
    same = superimpose(pair.film_without_bone, pair.layer.log_signal, contrast=contrast, strength=0.0)
    np.testing.assert_allclose(same, np.clip(pair.film_without_bone, 1e-3, 1 - 1e-3), atol=1e-6)


def test_layers_and_pictures_of_other_shapes_are_refused(pair: DualEnergyCase) -> None:
    with pytest.raises(DataError, match="do not fit"):
        superimpose(pair.film[:-1], pair.layer.log_signal, contrast=1.2)
