"""From path lengths to a film."""

from __future__ import annotations

import numpy as np
import pytest

from xprism.simulate.film import Noise, develop, expose, primary, scattered
from xprism.simulate.parameters import Exposure, draw_parameters


@pytest.fixture
def exposure() -> Exposure:
    return draw_parameters(np.random.default_rng(1)).exposure


def slab(value: float, shape: tuple[int, int] = (64, 64)) -> dict[str, np.ndarray]:
    return {"soft_tissue": np.full(shape, value)}


def test_quantum_noise_has_the_variance_of_counted_quanta(exposure: Exposure) -> None:
    """The log signal of N quanta scatters by 1 / sqrt(N)."""
    noise = Noise.draw(np.random.default_rng(0), (256, 256))
    body = slab(150.0, (256, 256))
    log_signal = expose(body, exposure, spacing_mm=0.5, noise=noise)
    signal = float(np.exp(-log_signal.mean()))
    quanta = exposure.quanta * 0.25 * signal
    assert log_signal.std() == pytest.approx(1 / np.sqrt(quanta), rel=0.03)


def test_open_field_has_log_signal_zero(exposure: Exposure) -> None:
    noise = Noise(np.zeros((64, 64)))
    assert np.abs(expose(slab(0.0), exposure, spacing_mm=1.0, noise=noise)).max() < 1e-9


def test_scatter_makes_thick_parts_lighter_in_exposure_but_keeps_their_order(exposure: Exposure) -> None:
    noise = Noise(np.zeros((64, 64)))
    thick, thin = (expose(slab(v), exposure, spacing_mm=5.6, noise=noise).mean() for v in (220.0, 120.0))
    bare = -np.log(primary(slab(220.0), exposure)).mean()
    assert thin < thick < bare


def test_scatter_spreads_beyond_an_edge(exposure: Exposure) -> None:
    body = {"soft_tissue": np.where(np.arange(128) < 64, 100.0, 0.0) * np.ones((128, 1))}
    passed = primary(body, exposure)
    stray = scattered(passed, exposure, spacing_mm=2.8)
    assert stray[64, 20] > stray[64, 70] > stray[64, 120] >= 0
    assert stray[64, 70] > 0.1 * stray[64, 20]


def test_blur_keeps_a_film_without_edges(exposure: Exposure) -> None:
    noise = Noise(np.zeros((64, 64)))
    assert np.ptp(expose(slab(80.0), exposure, spacing_mm=0.2, noise=noise)) < 1e-6


def test_developing_brightens_with_attenuation_and_stays_in_range(exposure: Exposure) -> None:
    shown = develop(np.linspace(-1, 12, 300), exposure)
    assert (np.diff(shown) >= 0).all()
    assert shown[0] < 0.1
    assert shown[-1] > 0.99
    assert develop(np.array([exposure.speed]), exposure)[0] == pytest.approx(0.5)
