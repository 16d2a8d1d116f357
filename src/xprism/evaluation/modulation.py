"""How much fine detail a method keeps: gratings of known frequency are put into a film and looked for afterwards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from xprism.errors import DataError

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Method = Callable[[Floats], NDArray[Any]]

LINE_PAIRS_PER_CM = (1.0, 2.0)
ORIENTATIONS_DEG = (0.0, 45.0, 90.0, 135.0)
# Gratings have full amplitude within the core and fade out by a cosine to the rim.
_CORE_MM, _RIM_MM = 10.0, 18.0
# Amplitude over the film's standard deviation inside: that of a faint vessel.
_AMPLITUDE = 0.1


@dataclass(frozen=True)
class Modulation:
    """Share of a grating's amplitude that a method keeps, 1 for all of it, negative for one of reversed contrast.

    ``kept`` is the mean over ``patches`` places and all orientations, ``by_orientation`` the mean over places for
    gratings whose lines run at 0 (along the rows), 45, 90 and 135 degrees.
    """

    line_pairs_per_cm: float
    kept: float
    by_orientation: tuple[float, ...]
    patches: int


def modulation_kept(
    method: Method,
    film: NDArray[Any],
    *,
    inside: Mask,
    spacing_mm: float,
    line_pairs_per_cm: Sequence[float] = LINE_PAIRS_PER_CM,
) -> tuple[Modulation, ...]:
    """Put gratings into a film where a mask allows, and measure what a method leaves of them.

    ``method`` takes a film [H, W] to a picture [H, W] on the film's own grey scale; it is called once for the film
    and four times for each frequency. Round patches 36 mm wide are laid side by side ``inside`` the mask; in each the
    difference of the method's two pictures is fitted by the grating, the same a quarter of a period on, and a
    constant, over the inner 20 mm, and the first amplitude is taken over the one put in. Raises ``DataError``
    where no patch fits, the film is flat inside, or a period is shorter than 4 px.
    """
    if film.ndim != 2 or film.shape != inside.shape or not spacing_mm > 0:
        raise DataError("film and mask must be [H, W] of one size, and the pixel spacing above 0")
    levels = np.asarray(film, np.float64)
    if max(line_pairs_per_cm) > 10 / (4 * spacing_mm):
        raise DataError(f"a period must be 4 px or more, but {max(line_pairs_per_cm)} line pairs per cm are asked for")
    places = _places(inside, int(_RIM_MM / spacing_mm) + 1)
    amplitude = _AMPLITUDE * float(levels[inside].std())
    if not amplitude:
        raise DataError("the film is flat inside the mask")
    plain = np.asarray(method(levels), np.float64)
    found = []
    for frequency in line_pairs_per_cm:
        shares = []
        for orientation in ORIENTATIONS_DEG:
            grating = _Grating.of(frequency, orientation, spacing_mm=spacing_mm)
            with_gratings = levels.copy()
            for place in places:
                with_gratings[grating.window(place)] += amplitude * grating.pattern
            change = np.asarray(method(with_gratings), np.float64) - plain
            left = [grating.amplitude_in(change[grating.window(place)]) for place in places]
            shares.append(float(np.mean(left)) / amplitude)
        found.append(Modulation(float(frequency), float(np.mean(shares)), tuple(shares), len(places)))
    return tuple(found)


@dataclass(frozen=True)
class _Grating:
    """One patch: its pattern [n, n] of amplitude 1, and the waves [pixels, 3] to fit on its core bool [n, n]."""

    pattern: Floats
    waves: Floats
    core: Mask

    @classmethod
    def of(cls, per_cm: float, orientation_deg: float, *, spacing_mm: float) -> _Grating:
        reach = int(_RIM_MM / spacing_mm)
        down, along = np.mgrid[-reach : reach + 1, -reach : reach + 1] * spacing_mm
        turn = np.deg2rad(orientation_deg)
        phase = 2 * np.pi * per_cm / 10 * (down * np.cos(turn) + along * np.sin(turn))
        distance = np.hypot(down, along)
        fade = np.clip((distance - _CORE_MM) / (_RIM_MM - _CORE_MM), 0, 1)
        core = distance <= _CORE_MM
        waves = np.stack([np.cos(phase), np.sin(phase), np.ones_like(phase)], -1)[core]
        return cls(np.cos(phase) * (1 + np.cos(np.pi * fade)) / 2, waves, core)

    def window(self, place: tuple[int, int]) -> tuple[slice, slice]:
        """The part of a picture where the patch lies if its centre lies at a place (row, column)."""
        reach = len(self.pattern) // 2
        rows, columns = (slice(at - reach, at + reach + 1) for at in place)
        return rows, columns

    def amplitude_in(self, change: Floats) -> float:
        """Amplitude of the pattern in what a method changed within the window [n, n]."""
        return float(np.linalg.lstsq(self.waves, change[self.core], rcond=None)[0][0])


def _places(inside: Mask, radius_px: int) -> list[tuple[int, int]]:
    """Centres of discs that lie inside a mask and do not overlap, the roomiest first."""
    room = ndimage.distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1]
    rows, columns = np.indices(inside.shape)
    places = []
    while room.max() >= radius_px:
        row, column = (int(at) for at in np.unravel_index(room.argmax(), room.shape))
        places.append((row, column))
        room = np.where(np.hypot(rows - row, columns - column) < 2 * radius_px, 0, room)
    if not places:
        raise DataError(f"no patch of {2 * _RIM_MM:.0f} mm fits into the mask", remedy="check mask and pixel spacing")
    return places
