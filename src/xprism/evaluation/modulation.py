"""How much fine detail a method keeps: gratings of known frequency are put into a film and looked for afterwards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.signal import fftconvolve

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
# A patch needs so much of its core clear of bones.
_CLEAR = 0.1


@dataclass(frozen=True)
class Modulation:
    """Share of a grating's amplitude that a method keeps, 1 for all of it, negative for one of reversed contrast.

    ``kept`` is the mean over all orientations, ``by_orientation`` what is kept over ``patches`` places of gratings
    whose lines run at 0 (along the rows), 45, 90 and 135 degrees.
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
    bones: Mask | None = None,
) -> tuple[Modulation, ...]:
    """Put gratings into a film where a mask allows, and measure what a method leaves of them.

    ``method`` makes a picture [H, W] of a film [H, W]; it is called once for the film itself and then once for
    each frequency and orientation. Round patches of 36 mm lie ``inside`` a mask such as the lungs, without overlap.
    Their amplitude is found by least squares on the change of the picture, so that neither a shift of brightness nor
    what the method makes of the film itself counts. ``bones`` is a mask whose pixels do not count: ribs lie closer
    than a patch is wide, so gratings cross them, and those places go first that have most of their core between bones.
    Raises ``DataError`` for frequencies of less than 4 px a period and where no patch fits.
    """
    if film.ndim != 2 or film.shape != inside.shape or not spacing_mm > 0:
        raise DataError("film and mask must be [H, W] of one size, and the pixel spacing above 0")
    levels = np.asarray(film, np.float64)
    clear = np.ones_like(inside) if bones is None else ~bones
    if max(line_pairs_per_cm) > 10 / (4 * spacing_mm):
        raise DataError(f"a period must be 4 px or more, but {max(line_pairs_per_cm)} line pairs per cm are asked for")
    places = _places(inside, clear, spacing_mm=spacing_mm)
    amplitude = _AMPLITUDE * float(levels[inside].std())
    if not amplitude:
        raise DataError("the film is flat inside the mask")
    plain = np.asarray(method(levels), np.float64)
    found = []
    for frequency in line_pairs_per_cm:
        shares = []
        for orientation in ORIENTATIONS_DEG:
            grating = _Grating.of(frequency, orientation, spacing_mm=spacing_mm)
            windows = [grating.window(place) for place in places]
            with_gratings = levels.copy()
            for window in windows:
                with_gratings[window] += amplitude * grating.pattern
            change = np.asarray(method(with_gratings), np.float64) - plain
            shares.append(grating.amplitude_in([(change[window], clear[window]) for window in windows]) / amplitude)
        found.append(Modulation(float(frequency), float(np.mean(shares)), tuple(shares), len(places)))
    return tuple(found)


@dataclass(frozen=True)
class _Grating:
    """One patch: its pattern [n, n] of amplitude 1, and the waves [n, n, 3] to fit on its core bool [n, n]."""

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
        waves = np.stack([np.cos(phase), np.sin(phase), np.ones_like(phase)], -1)
        return cls(np.cos(phase) * (1 + np.cos(np.pi * fade)) / 2, waves, distance <= _CORE_MM)

    def window(self, place: tuple[int, int]) -> tuple[slice, slice]:
        """The part of a picture where the patch lies if its centre lies at a place (row, column)."""
        reach = len(self.pattern) // 2
        rows, columns = (slice(at - reach, at + reach + 1) for at in place)
        return rows, columns

    def amplitude_in(self, changes: Sequence[tuple[Floats, Mask]]) -> float:
        """Amplitude of the pattern in what a method changed within windows [n, n], on the pixels that count there.

        One amplitude for all windows by least squares; each has its own brightness and its own wave a quarter of a
        period off. So a window counts by how well its pixels tell the three apart.
        """
        found = wanted = 0.0
        for change, counts in changes:
            here = self.core & counts
            wave, others = self.waves[here][:, 0], self.waves[here][:, 1:]
            alone = wave - others @ np.linalg.lstsq(others, wave, rcond=None)[0]
            found, wanted = found + float(alone @ change[here]), wanted + float(alone @ wave)
        return found / wanted


def _places(inside: Mask, clear: Mask, *, spacing_mm: float) -> list[tuple[int, int]]:
    """Centres of patches that lie inside a mask and do not overlap.

    First go those with most clear pixels in the core, and of equal ones the roomiest.
    """
    radius_px, reach = int(_RIM_MM / spacing_mm) + 1, int(_CORE_MM / spacing_mm)
    core = np.hypot(*np.mgrid[-reach : reach + 1, -reach : reach + 1]) * spacing_mm <= _CORE_MM
    room = ndimage.distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1]
    share = fftconvolve(clear.astype(float), core / core.sum(), mode="same")
    worth = np.where((room >= radius_px) & (share >= _CLEAR), share + 1e-3 * room / max(room.max(), 1), 0)
    rows, columns = np.indices(inside.shape)
    places = []
    while worth.max() > 0:
        row, column = (int(at) for at in np.unravel_index(worth.argmax(), worth.shape))
        places.append((row, column))
        worth[np.hypot(rows - row, columns - column) < 2 * radius_px] = 0
    if not places:
        raise DataError(f"no patch of {2 * _RIM_MM:.0f} mm fits into the mask", remedy="check mask and pixel spacing")
    return places
