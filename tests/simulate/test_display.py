"""Display processing against closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from xprism.errors import DataError
from xprism.simulate.display import FILM, Display, draw_display, show
from xprism.simulate.film import develop
from xprism.simulate.parameters import Exposure, draw_parameters


@pytest.fixture
def exposure() -> Exposure:
    return draw_parameters(np.random.default_rng(1)).exposure


def test_film_is_the_film_curve_alone(exposure: Exposure) -> None:
    signal = np.random.default_rng(0).uniform(0, 4, (20, 30))
    assert np.array_equal(show(signal, exposure, FILM, spacing_mm=0.7), develop(signal, exposure))


def test_a_window_is_linear_between_its_ends_and_cuts_beyond(exposure: Exposure) -> None:
    signal = np.array([[0.5, 1.0, 1.5, 2.5, 3.0, 9.0]])
    shown = show(signal, exposure, Display(window=(1.0, 3.0)), spacing_mm=1.0)
    np.testing.assert_allclose(shown, [[0, 0, 0.25, 0.75, 1, 1]], atol=1e-7)


def test_gamma_bends_tones_and_keeps_both_ends(exposure: Exposure) -> None:
    signal = np.array([[1.0, 1.5, 3.0]])
    shown = show(signal, exposure, Display(window=(1.0, 3.0), gamma=2.0), spacing_mm=1.0)
    np.testing.assert_allclose(shown, [[0, 0.25**2, 1]], atol=1e-7)


def test_a_band_amplifies_a_wave_by_its_closed_form(exposure: Exposure) -> None:
    """A Gaussian of width s leaves exp(-(2 pi f s)^2 / 2) of a wave of frequency f; the rest is amplified."""
    x = np.arange(400) * 0.5
    period, width, gain = 8.0, 1.5, 0.8
    signal = np.tile(2 + 0.1 * np.sin(2 * np.pi * x / period), (3, 1))
    shown = show(signal, exposure, Display(bands=((width, gain),), window=(1.0, 3.0)), spacing_mm=0.5)
    left = np.exp(-((2 * np.pi * width / period) ** 2) / 2)
    inner = shown[1, 80:-80]
    assert np.ptp(inner) / 2 == pytest.approx(0.05 * (1 + gain * (1 - left)), rel=0.01)


def test_bands_leave_broad_tones_alone(exposure: Exposure) -> None:
    flat = np.full((30, 30), 1.7)
    display = Display(bands=((1.0, 0.9), (8.0, 0.6)), window=(1.0, 3.0))
    np.testing.assert_allclose(show(flat, exposure, display, spacing_mm=0.7), 0.35, atol=1e-6)


def test_bands_add_up_whatever_their_order(exposure: Exposure) -> None:
    signal = np.random.default_rng(2).normal(2, 0.1, (40, 40))
    both = show(signal, exposure, Display(bands=((1.0, 0.5), (5.0, 0.3)), window=(0.0, 4.0)), spacing_mm=1.0)
    by_hand = signal + sum(gain * (signal - gaussian_filter(signal, width, mode="nearest"))
                           for width, gain in ((5.0, 0.3), (1.0, 0.5)))  # fmt: skip
    np.testing.assert_allclose(both, by_hand / 4, atol=1e-6)


def test_drawn_displays_differ_but_keep_bone_bright(exposure: Exposure) -> None:
    rng = np.random.default_rng(4)
    drawn = [draw_display(rng, exposure) for _ in range(40)]
    assert 5 < sum(display == FILM for display in drawn) < 25
    assert len(set(drawn)) > 15
    ramp = np.tile(np.linspace(0.2, 3.5, 60), (60, 1))
    for display in drawn:
        shown = show(ramp, exposure, display, spacing_mm=2.0)
        assert shown.min() >= 0
        assert shown.max() <= 1
        assert (np.diff(shown[30]) >= -1e-6).all()


@pytest.mark.parametrize(
    "wrong", [{"bands": ((0.0, 0.5),)}, {"bands": ((1.0, -1.5),)}, {"window": (2.0, 1.0)}, {"gamma": 0.0}]
)
def test_settings_that_cannot_be_are_refused(wrong: dict) -> None:
    with pytest.raises(DataError):
        Display(**wrong)
