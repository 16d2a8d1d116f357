"""Computed tomography at a low dose: project a slice, count photons, reconstruct it by filtered back projection."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, hypot, pi
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len, rfft, rfftfreq

from xprism.errors import DataError

Floats = NDArray[np.floating[Any]]

WATER = 0.0192
"""Attenuation of water per mm at about 70 keV."""
PHOTONS = 1e5
WINDOW = (-160.0, 240.0)
"""Hounsfield units that are shown black and white: soft tissue of the abdomen."""

_FINE = 16  # bins a detector element, between which pixels are shared by where they project to


@dataclass(frozen=True)
class ParallelBeam:
    """Parallel rays through slices of one shape: ``views`` over half a turn, detector elements as wide as a pixel.

    ``shape`` is (rows, columns) in pixels, ``spacing_mm`` (row, column) the distance of their centres. Where
    pixels are not square, elements are as wide as the shorter side.
    """

    shape: tuple[int, int]
    spacing_mm: tuple[float, float]
    views: int

    def __post_init__(self) -> None:
        if min(self.shape) < 1 or self.views < 1 or not all(0 < side < np.inf for side in self.spacing_mm):
            raise DataError(
                f"a slice of {list(self.shape)} pixels of {list(self.spacing_mm)} mm cannot be seen in "
                f"{self.views} views",
                remedy="sides, spacing and views are positive",
            )

    @classmethod
    def around(cls, shape: tuple[int, int], spacing_mm: tuple[float, float]) -> ParallelBeam:
        """As many views as sample the rim of the slice as finely as its pixels: pi / 2 of its longer side."""
        longest = max(side * step for side, step in zip(shape, spacing_mm, strict=True))
        return cls(shape, spacing_mm, ceil(pi / 2 * longest / min(spacing_mm)))

    @property
    def pitch(self) -> float:
        """Width of a detector element in mm."""
        return min(self.spacing_mm)

    @property
    def elements(self) -> int:
        """How many detector elements see the whole slice from any side."""
        diagonal = hypot(*(side * step for side, step in zip(self.shape, self.spacing_mm, strict=True)))
        return ceil(diagonal / self.pitch) + 3

    def project(self, attenuation: NDArray[Any]) -> Floats:
        """Line integrals [views, elements] of attenuation per mm [H, W]: the Radon transform of its pixels.

        A square pixel of constant attenuation casts a trapezoid: the convolution of two boxes, one a side.
        """
        box = _filled(attenuation)
        length = next_fast_len(self._fine, real=True)
        cast = np.zeros((self.views, length))
        weights = np.ravel(attenuation[box].astype(np.float64)) * (self.spacing_mm[0] * self.spacing_mm[1])
        for view, place in enumerate(self._places(box)):
            left = place.astype(np.intp)
            whole = np.bincount(left, weights, minlength=length)
            moved = np.bincount(left, weights * (place - left), minlength=length)
            cast[view] = whole - moved + np.roll(moved, 1)
        width = self.pitch / _FINE
        frequency, angle = rfftfreq(length, width), self._angles[:, None]
        boxes = np.sinc(frequency * self.spacing_mm[1] * np.cos(angle))
        boxes *= np.sinc(frequency * self.spacing_mm[0] * np.sin(angle))
        smooth = irfft(rfft(cast, axis=1) * boxes, length, axis=1) / width
        return np.asarray(smooth[:, _FINE // 2 : self._fine : _FINE])

    def reconstruct(self, line_integrals: NDArray[Any]) -> Floats:
        """Attenuation per mm [H, W] of line integrals [views, elements] by filtered back projection.

        The filter is the plain ramp (Kak and Slaney 1988, equation 61 of chapter 3), interpolation is linear.
        """
        filtered = _ramp(line_integrals) / self.pitch
        share = (np.arange(self._fine) - _FINE // 2) / _FINE
        left = np.clip(np.floor(share).astype(int), 0, self.elements - 2)
        right = share - left
        fine = filtered[:, left] * (1 - right) + filtered[:, left + 1] * right
        found = np.zeros(self.shape[0] * self.shape[1])
        for view, place in zip(fine, self._places((slice(None), slice(None))), strict=True):
            found += view.take((place + 0.5).astype(np.intp))
        return found.reshape(self.shape) * (pi / self.views)

    @property
    def _angles(self) -> Floats:
        return np.arange(self.views) * (pi / self.views)

    @property
    def _fine(self) -> int:
        return self.elements * _FINE

    def _places(self, box: tuple[slice, slice]) -> Iterator[Floats]:
        """View by view where the centre of each pixel of a part of the slice projects to, in fine bins from zero."""
        rows, columns = (
            (np.arange(side) - (side - 1) / 2)[part] * (step / self.pitch * _FINE)
            for side, step, part in zip(self.shape, self.spacing_mm, box, strict=True)
        )
        middle = (self.elements - 1) / 2 * _FINE + _FINE // 2
        for angle in self._angles:
            yield np.ravel((columns * np.cos(angle) + middle) - (rows * np.sin(angle))[:, None])


def low_dose(
    hounsfield: NDArray[Any], spacing_mm: tuple[float, float], *, photons: float = PHOTONS, rng: np.random.Generator
) -> Floats:
    """A slice [H, W] in Hounsfield units as a scan with ``photons`` a ray would have shown it; same units.

    ``spacing_mm`` is (row, column). Noise comes from ``rng`` alone.
    """
    beam = ParallelBeam.around((int(hounsfield.shape[0]), int(hounsfield.shape[1])), spacing_mm)
    rays = beam.project(attenuation_of(hounsfield))
    return hounsfield_of(beam.reconstruct(counted(rays, photons=photons, rng=rng)))


@dataclass(frozen=True)
class LowDose:
    """Makes films of a low dose from the slices of a volume; equal ``name`` and slice number give equal noise."""

    photons: float
    name: str

    def __post_init__(self) -> None:
        check_photons(self.photons)

    def __call__(self, hounsfield: NDArray[Any], spacing_mm: tuple[float, float], number: int) -> Floats:
        rng = np.random.default_rng([crc32(self.name.encode()), number])
        return low_dose(hounsfield, spacing_mm, photons=self.photons, rng=rng)


def counted(line_integrals: NDArray[Any], *, photons: float, rng: np.random.Generator) -> Floats:
    """Line integrals as they are measured by counting: Poisson about ``photons`` times exp(-p), one at least."""
    check_photons(photons)
    counts = rng.poisson(photons * np.exp(-line_integrals))
    return np.asarray(-np.log(np.maximum(counts, 1) / photons))


def check_photons(photons: float) -> None:
    """Raise ``DataError`` for a number of photons a ray that cannot be counted."""
    if not 1 <= photons <= 1e12:
        raise DataError(f"a ray has 1 to 1e12 photons, not {photons:g}")


def attenuation_of(hounsfield: NDArray[Any]) -> Floats:
    """Attenuation per mm of Hounsfield units; none below -1000."""
    return np.maximum(WATER * (1 + hounsfield.astype(np.float64) / 1000), 0)


def hounsfield_of(attenuation: NDArray[Any]) -> Floats:
    """Hounsfield units of attenuation per mm."""
    return np.asarray(1000 * (attenuation / WATER - 1))


def shown(hounsfield: NDArray[Any], window: tuple[float, float] = WINDOW) -> NDArray[np.float32]:
    """Hounsfield units as display values in [0, 1], clipped to a window."""
    low, high = window
    return np.clip((hounsfield - low) / (high - low), 0, 1).astype(np.float32)


def _filled(values: NDArray[Any]) -> tuple[slice, slice]:
    """The smallest part of a plane outside of which it is zero."""
    sides = [np.flatnonzero(values.any(axis=axis)) for axis in (1, 0)]
    top, left = (slice(int(side[0]), int(side[-1]) + 1) if side.size else slice(0, 0) for side in sides)
    return top, left


def _ramp(line_integrals: NDArray[Any]) -> Floats:
    """Views [V, D] convolved with the band-limited ramp, in units of one over the element's width."""
    elements = line_integrals.shape[1]
    length = next_fast_len(2 * elements, real=True)
    kernel, steps = np.zeros(length), np.arange(1, elements, 2)
    kernel[0] = 0.25
    kernel[steps] = kernel[-steps] = -1 / (pi * steps) ** 2
    spectrum = rfft(line_integrals, length, axis=1) * rfft(kernel).real
    return np.asarray(irfft(spectrum, length, axis=1)[:, :elements])
