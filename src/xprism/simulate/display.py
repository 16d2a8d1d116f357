"""How a log signal becomes a picture: film curve or linear response, detail enhancement, tone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from xprism.errors import DataError
from xprism.simulate.film import develop
from xprism.simulate.parameters import Exposure

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Display:
    """Display processing of a digital system.

    ``bands`` are pairs (width in mm, gain): what a Gaussian of that width smooths away is amplified by 1 + gain.
    One band is an unsharp mask; several are multi-scale processing; a wide band, with the contrast of all that is
    wider left alone, lifts detail over the broad tones. ``window`` holds the log signals shown as 0 and 1 (what lies
    beyond them is cut); without it the exposure's logistic film curve is used. ``gamma`` bends the tones
    (below 1 brightens).
    """

    bands: tuple[tuple[float, float], ...] = ()
    window: tuple[float, float] | None = None
    gamma: float = 1.0

    def __post_init__(self) -> None:
        if any(width <= 0 or gain <= -1 for width, gain in self.bands):
            raise DataError("a band has a width over 0 mm and a gain over -1", remedy="for example (2.0, 0.8)")
        if self.window is not None and self.window[0] >= self.window[1]:
            raise DataError(f"a window runs from a lower to a higher log signal, not {self.window}")
        if self.gamma <= 0:
            raise DataError(f"gamma is over 0, not {self.gamma:g}")


FILM = Display()
"""Screen and film: the logistic curve and nothing else."""


def draw_display(rng: np.random.Generator, exposure: Exposure) -> Display:
    """Draw a display as different systems have them: a third is film, the rest sharpens, windows and bends tones."""
    kind = rng.random()
    fine, wide = float(rng.uniform(0.4, 1.5)), float(rng.uniform(4, 16))
    gains = rng.uniform([0.0, 0.1], [0.8, 1.0])
    half = float(rng.uniform(1.5, 2.3)) / exposure.contrast
    shift, gamma = float(rng.normal(0, 0.12)), float(np.exp(rng.normal(0, 0.18)))
    if kind < 0.33:
        return FILM
    bands = ((fine, float(gains[0])), (wide, float(gains[1])))
    if kind < 0.55:
        return Display(bands=bands, gamma=gamma)
    middle = exposure.speed + shift
    return Display(bands=bands, window=(middle - half, middle + half), gamma=gamma)


def show(log_signal: Floats, exposure: Exposure, display: Display, *, spacing_mm: float) -> NDArray[np.float32]:
    """Display values [H, W] in [0, 1] (bone bright) of a log signal."""
    enhanced = log_signal
    for width, gain in display.bands:
        if gain:
            enhanced = enhanced + gain * (log_signal - gaussian_filter(log_signal, width / spacing_mm, mode="nearest"))
    if display.window is None:
        shown = develop(enhanced, exposure)
    else:
        low, high = display.window
        shown = np.clip((enhanced - low) / (high - low), 0, 1).astype(np.float32)
    return shown if display.gamma == 1.0 else np.asarray(shown**display.gamma, np.float32)
