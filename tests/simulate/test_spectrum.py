"""Tube spectra against published half-value layers and the law they follow."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import brentq

from xprism.errors import DataError
from xprism.simulate.attenuation import transmission
from xprism.simulate.film import primary
from xprism.simulate.parameters import draw_parameters
from xprism.simulate.spectrum import Beam, with_beam


def filtered_to(kilovolt: float, layer_mm: float) -> float:
    """The filtration in mm of aluminium that gives a beam the half-value layer that a standard asks for."""
    return float(brentq(lambda mm: Beam(kilovolt, mm).half_value_layer() - layer_mm, 1, 12))


@pytest.mark.parametrize(("kilovolt", "least"), [(70, 1.5), (80, 2.3), (100, 2.7), (120, 3.2), (150, 4.1)])
def test_a_tube_with_the_usual_filter_meets_the_law(kilovolt: float, least: float) -> None:
    """Minimum half-value layers of 21 CFR 1020.30, which 2.5 mm of aluminium is known to satisfy; at most 45 % over."""
    found = Beam(kilovolt, 2.5).half_value_layer()
    assert least < found < max(1.45 * least, least + 1.4)


def test_chest_beams_have_the_half_value_layer_of_practice() -> None:
    """4.0 to 4.6 mm at 120 kV behind 2.5 to 3 mm of aluminium."""
    assert 4.0 < Beam(120, 2.5).half_value_layer() < Beam(120, 3.0).half_value_layer() < 4.6


@pytest.mark.parametrize(
    ("kilovolt", "before", "copper", "after"), [(100, 3.97, 0.20, 6.9), (120, 5.00, 0.25, 8.4), (150, 6.57, 0.30, 10.1)]
)
def test_copper_hardens_as_between_the_standard_beams(
    kilovolt: float, before: float, copper: float, after: float
) -> None:
    """IEC 61267: an RQR beam behind so much copper is the RQT beam of the same voltage; within 5 %."""
    beam = Beam(kilovolt, filtered_to(kilovolt, before), copper)
    assert beam.half_value_layer() == pytest.approx(after, rel=0.05)


@pytest.mark.parametrize(
    ("kilovolt", "before", "added", "after"), [(70, 2.58, 21, 6.8), (90, 3.48, 30, 9.2), (120, 5.00, 40, 11.6)]
)
def test_aluminium_hardens_as_between_the_standard_beams(
    kilovolt: float, before: float, added: float, after: float
) -> None:
    """IEC 61267: an RQR beam behind so much aluminium is the RQA beam of the same voltage; within 6 %."""
    beam = Beam(kilovolt, filtered_to(kilovolt, before) + added)
    assert beam.half_value_layer() == pytest.approx(after, rel=0.06)


def test_without_filters_in_between_photons_follow_kramers() -> None:
    """Two voltages differ by (voltage - energy) alone: filters and target cancel in the ratio."""
    energies, high = Beam(120).photons()
    same, low = Beam(80).photons()
    shared = energies[: len(same)]
    np.testing.assert_array_equal(shared, same)
    ratio = low / high[: len(same)] * (120 - shared) / (80 - shared)
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-9)


def test_bins_stand_for_the_whole_spectrum_behind_a_body() -> None:
    beam = Beam(125, 3.0, 0.1)
    energies, photons = beam.photons()
    signal = energies * photons / (energies @ photons)
    body = {"soft_tissue": np.array([40.0, 120, 220]), "cortical_bone": np.array([0.0, 5, 20])}
    whole = -np.log(transmission(body, energies=list(energies), shares=list(signal)))
    few, shares = beam.bins(8)
    assert sum(shares) == pytest.approx(1)
    assert sorted(few) == list(few)
    np.testing.assert_allclose(-np.log(transmission(body, energies=few, shares=shares)), whole, rtol=3e-3)


def test_a_beam_of_higher_voltage_shows_bone_fainter() -> None:
    drawn = draw_parameters(np.random.default_rng(0)).exposure
    body = {"soft_tissue": np.array([150.0, 145.0]), "cortical_bone": np.array([0.0, 5.0])}
    contrasts = []
    for kilovolt in (60, 90, 140):
        signal = -np.log(primary(body, with_beam(drawn, Beam(kilovolt))))
        contrasts.append(signal[1] - signal[0])
    assert contrasts[0] > 1.3 * contrasts[1] > 1.5 * contrasts[2] > 0
    assert with_beam(drawn, Beam(90)).scatter == drawn.scatter


@pytest.mark.parametrize("wrong", [(30, 2.5, 0.0), (120, 0.1, 0.0), (120, 2.5, -1.0)])
def test_beams_that_no_tube_makes_are_refused(wrong: tuple[float, float, float]) -> None:
    with pytest.raises(DataError, match="a beam"):
        Beam(*wrong)
