"""How strongly each tissue attenuates X-rays: the table beside this file, and its interpolation."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xprism.errors import DataError

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Attenuation:
    """Mass attenuation in cm2/g by tissue over ``energies`` in keV, and densities in g/cm3."""

    energies: tuple[float, ...]
    mass: Mapping[str, tuple[float, ...]]
    density: Mapping[str, float]

    @property
    def tissues(self) -> tuple[str, ...]:
        """Names of the tissues in the table."""
        return tuple(self.mass)

    def linear(self, tissue: str, energy_kev: Any) -> Floats:
        """Linear attenuation in 1/mm at energies in keV, log-log between the table's rows.

        Raises DataError for a tissue that the table lacks or an energy outside it.
        """
        if tissue not in self.mass:
            raise DataError(f"no tissue {tissue!r}", remedy=f"there are {', '.join(self.tissues)}")
        energy = np.asarray(energy_kev, float)
        low, high = self.energies[0], self.energies[-1]
        if not np.all((energy >= low) & (energy <= high)):
            raise DataError(f"the attenuation table covers {low:g} to {high:g} keV, not {energy_kev}")
        mass = np.exp(np.interp(np.log(energy), np.log(self.energies), np.log(self.mass[tissue])))
        return np.asarray(mass * self.density[tissue] / 10.0)


@cache
def attenuation_table() -> Attenuation:
    """The attenuation table of the package (ICRU-44 tissues, NISTIR 5632 values, 20 to 150 keV)."""
    text = resources.files("xprism.simulate").joinpath("attenuation.csv").read_text("utf-8")
    rows = list(csv.reader(line for line in text.splitlines() if not line.startswith("#")))
    tissues, density, values = rows[0][1:], rows[1][1:], np.array(rows[2:], float)
    return Attenuation(
        energies=tuple(float(e) for e in values[:, 0]),
        mass=MappingProxyType({name: tuple(map(float, values[:, k + 1])) for k, name in enumerate(tissues)}),
        density=MappingProxyType(dict(zip(tissues, map(float, density), strict=True))),
    )


def transmission(
    thickness_mm: Mapping[str, NDArray[Any]], *, energies: Sequence[float], shares: Sequence[float]
) -> Floats:
    """The share of a beam's signal that passes tissues of given thickness: float64, in (0, 1].

    Beer and Lambert: sum over energies (keV) of share * exp(-sum over tissues of mu * thickness in mm).
    ``shares`` are of the detected signal in open field and sum to 1.
    """
    table = attenuation_table()
    shape = np.broadcast_shapes(*(np.shape(value) for value in thickness_mm.values()))
    passed = np.zeros(shape)
    for energy, share in zip(energies, shares, strict=True):
        exponent = np.zeros(shape)
        for tissue, thickness in thickness_mm.items():
            exponent -= float(table.linear(tissue, energy)) * thickness
        passed += share * np.exp(exponent)
    return passed
