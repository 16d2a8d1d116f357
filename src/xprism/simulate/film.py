"""From path lengths to a film: Beer-Lambert, scatter, blur, quantum noise, film curve."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, zoom

from xprism.simulate.attenuation import transmission
from xprism.simulate.parameters import Exposure

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Noise:
    """Standard normal draws, one a pixel, made before they are used so that two films can share them."""

    quantum: Floats

    @classmethod
    def draw(cls, rng: np.random.Generator, shape: tuple[int, int]) -> Noise:
        """Noise for a film of ``shape`` (H, W)."""
        return cls(rng.standard_normal(shape))


def primary(thickness_mm: Mapping[str, NDArray[Any]], exposure: Exposure) -> Floats:
    """Share of the signal that reaches the detector unscattered, [H, W] in (0, 1]."""
    return transmission(thickness_mm, energies=exposure.energies, shares=exposure.shares)


def scattered(unscattered: Floats, exposure: Exposure, *, spacing_mm: float) -> Floats:
    """Scattered signal [H, W]: a wide blur of what each part of the body scatters.

    The scatter made behind a ray grows with its attenuation: primary times (1 - primary) in shape,
    scaled so that the ratio to the primary behind 4 log units of body is ``exposure.scatter``.
    """
    step = max(1, round(4.0 / spacing_mm))
    coarse = _shrink(unscattered, step)
    source = coarse * np.clip(-np.log(coarse), 0, 5) / 4.0
    spread = gaussian_filter(source, exposure.scatter_reach / (spacing_mm * step), mode="nearest")
    fine = zoom(spread, step, order=1, mode="nearest", grid_mode=True)
    return np.asarray(0.35 * exposure.scatter * fine[: unscattered.shape[0], : unscattered.shape[1]])


def _shrink(plane: Floats, step: int) -> Floats:
    pad = [(0, -n % step) for n in plane.shape]
    padded = np.pad(plane, pad, mode="edge")
    blocks = padded.reshape(padded.shape[0] // step, step, padded.shape[1] // step, step)
    return np.asarray(blocks.mean(axis=(1, 3)))


def expose(thickness_mm: Mapping[str, NDArray[Any]], exposure: Exposure, *, spacing_mm: float, noise: Noise) -> Floats:
    """Log signal -ln(detected / open field) [H, W] with scatter, blur and quantum noise."""
    unscattered = primary(thickness_mm, exposure)
    signal = unscattered + scattered(unscattered, exposure, spacing_mm=spacing_mm)
    signal = gaussian_filter(signal, exposure.blur / spacing_mm, mode="nearest")
    quanta = exposure.quanta * spacing_mm**2
    # Detected quanta are many per pixel, where Poisson is normal to within a percent.
    noisy = signal + np.sqrt(signal / quanta) * noise.quantum
    return np.asarray(-np.log(np.maximum(noisy, 1.0 / quanta)))


def develop(log_signal: Floats, exposure: Exposure) -> NDArray[np.float32]:
    """Display values in [0, 1] (bone bright) of a log signal by the film's logistic curve."""
    return (1 / (1 + np.exp(-exposure.contrast * (log_signal - exposure.speed)))).astype(np.float32)
