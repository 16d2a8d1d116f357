"""The attenuation table and Beer-Lambert's law."""

from __future__ import annotations

import numpy as np
import pytest

from xprism.errors import DataError
from xprism.simulate.attenuation import attenuation_table, transmission


def test_attenuation_falls_with_energy_in_every_tissue() -> None:
    table = attenuation_table()
    energies = np.linspace(20, 150, 200)
    for tissue in table.tissues:
        assert (np.diff(table.linear(tissue, energies)) < 0).all(), tissue


def test_tissues_stand_in_the_known_order_at_every_energy() -> None:
    table = attenuation_table()
    order = ["cortical_bone", "spongiosa", "soft_tissue", "adipose", "lung", "air"]
    for energy in (20, 40, 60, 80, 100, 120, 150):
        values = [float(table.linear(tissue, energy)) for tissue in order]
        assert values == sorted(values, reverse=True)
        assert len(set(values)) == len(values)


def test_soft_tissue_is_near_water() -> None:
    """Water at 60 keV: 0.2059 cm2/g (NISTIR 5632, table 4), density 1."""
    assert float(attenuation_table().linear("soft_tissue", 60)) * 10 == pytest.approx(0.2059 * 1.06, rel=0.01)


@pytest.mark.parametrize(
    ("metal", "density", "known"),
    [
        ("titanium", 4.54, {20: 15.85, 40: 2.214, 60: 0.7661, 100: 0.2721, 150: 0.1649}),
        ("iron", 7.874, {20: 25.68, 40: 3.629, 60: 1.205, 100: 0.3717, 150: 0.1964}),
    ],
)
def test_metals_of_implants_are_as_nist_has_them(metal: str, density: float, known: dict[int, float]) -> None:
    """NISTIR 5632, tables 1 and 3, in cm2/g; four digits are printed, so that the last one is half in doubt: 0.05 %."""
    for energy, mass in known.items():
        assert float(attenuation_table().linear(metal, energy)) * 10 == pytest.approx(mass * density, rel=5e-4)


def test_elements_follow_a_power_of_the_atomic_number() -> None:
    """At one energy, ln mass attenuation is nearly straight over ln Z between neighbours: a wrong row would stand out.

    3 %: what the number of nucleons a proton, and the change from absorption to scattering, bend the line by.
    """
    table = attenuation_table()
    numbers = {"aluminium": 13, "titanium": 22, "iron": 26, "copper": 29}
    for k, energy in enumerate(table.energies):
        titanium, iron, copper = (np.log(table.mass[name][k]) for name in ("titanium", "iron", "copper"))
        between = np.interp(np.log(26), np.log([22, 29]), [titanium, copper])
        assert iron == pytest.approx(between, abs=0.03), energy
    at_20 = [np.log(table.mass[name][0]) for name in numbers]
    slopes = np.diff(at_20) / np.diff(np.log(list(numbers.values())))
    assert ((slopes > 2.4) & (slopes < 3.2)).all()  # photoelectric absorption a gram: about Z to the third


def test_spongiosa_is_the_stated_mixture() -> None:
    table = attenuation_table()
    for k, _ in enumerate(table.energies):
        parts = [(0.35, "cortical_bone"), (0.40, "soft_tissue"), (0.25, "adipose")]
        assert table.mass["spongiosa"][k] == pytest.approx(sum(w * table.mass[t][k] for w, t in parts), abs=6e-5)


def test_slabs_of_one_energy_pass_the_closed_form() -> None:
    """20 cm of soft tissue and 1 cm of bone at 60 keV, by hand from the table's own numbers."""
    thickness = {"soft_tissue": np.array([0.0, 200.0, 200.0]), "cortical_bone": np.array([0.0, 0.0, 10.0])}
    passed = transmission(thickness, energies=(60.0,), shares=(1.0,))
    by_hand = [1.0, np.exp(-0.2048 * 1.06 * 20), np.exp(-0.2048 * 1.06 * 20 - 0.3148 * 1.92 * 1)]
    np.testing.assert_allclose(passed, by_hand, rtol=1e-12)


def test_a_mixed_beam_hardens() -> None:
    """Doubling a slab squares the transmission of one energy, but leaves more of a mixed beam."""
    slab = {"soft_tissue": np.array([100.0, 200.0])}
    one = transmission(slab, energies=(60.0,), shares=(1.0,))
    two = transmission(slab, energies=(40.0, 100.0), shares=(0.5, 0.5))
    assert one[1] == pytest.approx(one[0] ** 2, rel=1e-9)
    assert two[1] > 1.05 * two[0] ** 2


def test_unknown_tissue_and_energy_are_refused() -> None:
    with pytest.raises(DataError, match="no tissue 'gold'"):
        attenuation_table().linear("gold", 60)
    with pytest.raises(DataError, match="20 to 150 keV"):
        attenuation_table().linear("air", 200)
