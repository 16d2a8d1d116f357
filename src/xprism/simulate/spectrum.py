"""The spectrum of an X-ray tube, by its voltage and filtration, as a detector weighs it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from xprism.errors import DataError
from xprism.simulate.attenuation import attenuation_table
from xprism.simulate.parameters import Exposure

Floats = NDArray[np.float64]

LOWEST, HIGHEST = 40.0, 150.0
_SOFTEST = 20.0  # keV; what is softer does not leave the tube's own 2.5 mm of aluminium

# Mass energy-absorption coefficients of dry air in cm2/g (NISTIR 5632, table 4), which weigh photons to air kerma.
_AIR_ENERGIES = (20.0, 30.0, 40.0, 50.0, 60.0, 80.0, 100.0, 150.0)
_AIR_ABSORBED = (0.5389, 0.1537, 0.06833, 0.04098, 0.03041, 0.02407, 0.02325, 0.02496)


# Mass attenuation of tungsten in cm2/g (NISTIR 5632, table 3) on both sides of its K edge; its density in g/cm3.
_TUNGSTEN_ENERGIES = (20.0, 30.0, 40.0, 50.0, 60.0, 69.52, 69.53, 80.0, 100.0, 150.0)
_TUNGSTEN = (65.73, 22.73, 10.67, 5.949, 3.713, 2.552, 11.23, 7.810, 4.438, 1.581)
_TUNGSTEN_DENSITY = 19.3
# Photons rise from about 2 um deep in the target at an angle of 12 degrees to its face.
_TARGET_MM = 0.002 / np.sin(np.deg2rad(12))


@dataclass(frozen=True)
class Beam:
    """An X-ray beam: tube voltage in kV, total filtration in mm of aluminium, and copper in mm beside it.

    The tungsten target's continuum follows Kramers' law (as many photons at energy E as (voltage - E) / E),
    less what the target itself absorbs. Characteristic lines are left out, and the voltage does not ripple.
    """

    kilovolt: float
    aluminium_mm: float = 2.5
    copper_mm: float = 0.0

    def __post_init__(self) -> None:
        if not LOWEST <= self.kilovolt <= HIGHEST:
            raise DataError(f"a beam has {LOWEST:g} to {HIGHEST:g} kV, not {self.kilovolt:g}")
        if not (1.0 <= self.aluminium_mm <= 60 and 0 <= self.copper_mm <= 3):
            raise DataError(
                f"a beam is filtered by 1 to 60 mm of aluminium and 0 to 3 mm of copper, not by "
                f"{self.aluminium_mm:g} and {self.copper_mm:g}"
            )

    def photons(self) -> tuple[Floats, Floats]:
        """Energies in keV, every half keV, and how many photons leave the filters there (they sum to 1)."""
        energies = np.arange(_SOFTEST + 0.25, self.kilovolt, 0.5)
        table = attenuation_table()
        filtered = table.linear("aluminium", energies) * self.aluminium_mm
        filtered = filtered + table.linear("copper", energies) * self.copper_mm
        target = np.exp(np.interp(np.log(energies), np.log(_TUNGSTEN_ENERGIES), np.log(_TUNGSTEN)))
        filtered = filtered + target * _TUNGSTEN_DENSITY * _TARGET_MM / 10
        found = (self.kilovolt - energies) / energies * np.exp(-filtered)
        return energies, np.asarray(found / found.sum())

    def bins(self, count: int = 8) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """``count`` energies in keV and their shares of the detected signal in open field.

        The detector stops every photon and adds up their energies. Bins hold equal parts of the signal.
        """
        if count < 1:
            raise DataError(f"a spectrum is cut into 1 bin or more, not {count}")
        energies, photons = self.photons()
        signal = energies * photons / (energies @ photons)
        part = np.minimum((np.cumsum(signal) - signal / 2) * count, count - 1e-9).astype(int)
        shares = np.bincount(part, signal, count)
        means = np.bincount(part, signal * energies, count) / shares
        return tuple(float(v) for v in means), tuple(float(v) for v in shares)

    def half_value_layer(self) -> float:
        """The thickness of aluminium in mm that halves the beam's air kerma."""
        energies, photons = self.photons()
        kerma = energies * photons * np.exp(np.interp(np.log(energies), np.log(_AIR_ENERGIES), np.log(_AIR_ABSORBED)))
        stopped = attenuation_table().linear("aluminium", energies)
        return float(brentq(lambda mm: kerma @ np.exp(-stopped * mm) / kerma.sum() - 0.5, 0.01, 60))


def with_beam(exposure: Exposure, beam: Beam, *, bins: int = 8) -> Exposure:
    """The same exposure (scatter, quanta, detector) with another beam."""
    energies, shares = beam.bins(bins)
    return replace(exposure, energies=energies, shares=shares)
