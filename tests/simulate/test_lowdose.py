"""Low-dose CT: projections against closed forms and scikit-image, counting noise against Poisson's law."""

import numpy as np
import pytest

from xprism.errors import DataError
from xprism.simulate.lowdose import (
    LowDose,
    ParallelBeam,
    attenuation_of,
    counted,
    hounsfield_of,
    low_dose,
    shown,
)

Spacing = tuple[float, float]


def _disc(shape: tuple[int, int], spacing: Spacing, *, centre: tuple[float, float], radius: float) -> np.ndarray:
    """A disc by how much of each pixel it covers; ``centre`` (x, y) in mm from the middle, y downwards."""
    fine = 8
    rows, columns = (
        (np.arange(n * fine) + 0.5) / fine * step - n * step / 2 for n, step in zip(shape, spacing, strict=True)
    )
    inside = (columns[None] - centre[0]) ** 2 + (rows[:, None] - centre[1]) ** 2 < radius**2
    return inside.reshape(shape[0], fine, shape[1], fine).mean(axis=(1, 3))


def _body() -> np.ndarray:
    """Hounsfield units of a soft-edged body with a bone and a pocket of gas."""
    shape, spacing = (96, 120), (3.0, 3.0)
    body = _disc(shape, spacing, centre=(0, 0), radius=120)
    bone, gas = (_disc(shape, spacing, centre=(x, 20), radius=25) for x in (-50, 60))
    return -1000 + 1040 * body + 600 * bone - 900 * gas


@pytest.mark.parametrize("spacing", [(1.0, 1.0), (0.8, 0.8), (2.0, 1.0), (0.7, 1.3)])
def test_the_shadow_of_a_disc_is_twice_the_root_of_radius_and_distance(spacing: Spacing) -> None:
    shape = (round(150 / spacing[0]), round(130 / spacing[1]))
    centre, radius = (12.0, -9.0), 40.0
    beam = ParallelBeam(shape, spacing, views=24)
    found = beam.project(0.02 * _disc(shape, spacing, centre=centre, radius=radius))
    s = (np.arange(beam.elements) - (beam.elements - 1) / 2) * beam.pitch
    angle = np.arange(24)[:, None] * np.pi / 24
    off = s - (centre[0] * np.cos(angle) - centre[1] * np.sin(angle))
    expected = 0.02 * 2 * np.sqrt(np.maximum(radius**2 - off**2, 0))
    beside_rim = np.abs(np.abs(off) - radius) < 2 * max(spacing)  # where the chord falls steeply
    difference = np.abs(found - expected)[~beside_rim] / (0.02 * 2 * radius)
    assert np.sqrt(np.mean(difference**2)) < 0.007
    assert difference.max() < 0.09


def test_every_view_sees_all_that_attenuates() -> None:
    beam = ParallelBeam((20, 31), (1.5, 1.0), views=17)
    slice_ = np.random.default_rng(0).random((20, 31))
    np.testing.assert_allclose(beam.project(slice_).sum(axis=1) * beam.pitch, slice_.sum() * 1.5, rtol=0.01)
    assert not beam.project(np.zeros((20, 31))).any()


@pytest.mark.parametrize(
    ("shape", "spacing"), [((90, 90), (2.0, 2.0)), ((60, 110), (3.0, 1.5)), ((75, 64), (2.0, 2.5))]
)
def test_filtered_back_projection_returns_the_slice(shape: tuple[int, int], spacing: Spacing) -> None:
    y, x = ((np.arange(n) - (n - 1) / 2) * step for n, step in zip(shape, spacing, strict=True))
    bumps = ((0.02, 10, -15, 16), (-0.008, -20, 5, 12), (0.015, 25, 25, 11))
    slice_ = sum(h * np.exp(-((x[None] - a) ** 2 + (y[:, None] - b) ** 2) / (2 * w**2)) for h, a, b, w in bumps)
    beam = ParallelBeam.around(shape, spacing)
    found = beam.reconstruct(beam.project(slice_))
    assert np.abs(found - slice_).max() < 0.02 * np.abs(slice_).max()


def test_projections_and_slices_are_those_of_scikit_image() -> None:
    transform = pytest.importorskip("skimage.transform")
    n, views = 127, 120
    y, x = np.mgrid[:n, :n] - (n - 1) / 2
    slice_ = np.exp(-((x - 14) ** 2 + (y + 9) ** 2) / 300) - 0.5 * np.exp(-((x + 20) ** 2 + (y - 15) ** 2) / 80)
    slice_ *= np.hypot(x, y) < n // 2
    beam = ParallelBeam((n, n), (1.0, 1.0), views)
    found, angles = beam.project(slice_), np.arange(views) * 180 / views
    theirs = transform.radon(slice_, angles, circle=True)
    more = (beam.elements - n) // 2
    np.testing.assert_allclose(found[:, more : more + n], theirs.T, atol=0.015 * theirs.max())
    again = transform.iradon(theirs, angles, circle=True, filter_name="ramp")
    middle = np.hypot(x, y) < 55
    np.testing.assert_allclose(beam.reconstruct(found)[middle], again[middle], atol=0.01)


def test_the_variance_of_a_line_integral_is_one_over_its_photons() -> None:
    for photons, length in ((1e5, 1.0), (1e5, 4.0), (3e3, 2.0)):
        found = counted(np.full(60_000, length), photons=photons, rng=np.random.default_rng(1))
        expected = photons * np.exp(-length)
        assert found.mean() == pytest.approx(length, abs=0.02)
        assert found.var() * expected == pytest.approx(1, rel=0.05)


def test_a_ray_that_no_photon_survives_counts_one() -> None:
    found = counted(np.full(9, 60.0), photons=1e4, rng=np.random.default_rng(0))
    np.testing.assert_allclose(found, np.log(1e4))


def test_four_times_the_dose_halves_the_noise() -> None:
    body = _body()
    clean = low_dose(body, (3.0, 3.0), photons=1e12, rng=np.random.default_rng(0))
    noise = [
        np.std(low_dose(body, (3.0, 3.0), photons=photons, rng=np.random.default_rng(3)) - clean)
        for photons in (1e6, 4e6, 16e6)
    ]
    assert noise[0] / noise[1] == pytest.approx(2, rel=0.1)
    assert noise[1] / noise[2] == pytest.approx(2, rel=0.1)


def test_a_higher_dose_shows_the_slice_better_and_an_endless_one_nearly_the_slice_itself() -> None:
    body = _body()
    error = [
        np.sqrt(np.mean((low_dose(body, (3.0, 3.0), photons=p, rng=np.random.default_rng(2)) - body) ** 2))
        for p in (3e3, 3e4, 3e5, 1e12)
    ]
    assert error == sorted(error, reverse=True)
    assert error[0] > 3 * error[-1]
    inside = _disc(body.shape, (3.0, 3.0), centre=(0, -60), radius=30) == 1
    endless = low_dose(body, (3.0, 3.0), photons=1e12, rng=np.random.default_rng(2))
    assert endless[inside].mean() == pytest.approx(40, abs=5)


def test_equal_seeds_give_equal_bytes_and_slices_their_own_noise() -> None:
    body = _body()
    first, again = (low_dose(body, (3.0, 3.0), rng=np.random.default_rng(4)) for _ in range(2))
    assert first.tobytes() == again.tobytes()
    film_of = LowDose(1e5, "ct.nii.gz")
    assert film_of(body, (3.0, 3.0), 5).tobytes() == LowDose(1e5, "ct.nii.gz")(body, (3.0, 3.0), 5).tobytes()
    others = [LowDose(1e5, "other.nii.gz")(body, (3.0, 3.0), 5), film_of(body, (3.0, 3.0), 6)]
    assert all(np.abs(film_of(body, (3.0, 3.0), 5) - other).max() > 1 for other in others)


def test_water_attenuates_as_water_and_less_than_air_is_nothing() -> None:
    np.testing.assert_allclose(attenuation_of(np.array([0, 1000, -1000, -1024])), [0.0192, 0.0384, 0, 0])
    np.testing.assert_allclose(hounsfield_of(attenuation_of(np.array([-500, 40, 2000]))), [-500, 40, 2000])
    np.testing.assert_allclose(shown(np.array([-1000, -160, 40, 240, 900])), [0, 0, 0.5, 1, 1])


@pytest.mark.parametrize("photons", [0, -5, float("nan"), 1e13])
def test_doses_that_cannot_be_are_refused(photons: float) -> None:
    with pytest.raises(DataError, match="photons"):
        LowDose(photons, "ct")


def test_slices_that_cannot_be_are_refused() -> None:
    with pytest.raises(DataError, match="cannot be seen"):
        ParallelBeam((4, 4), (0.0, 1.0), views=4)
