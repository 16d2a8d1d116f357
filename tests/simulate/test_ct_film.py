"""Films from CT volumes: materials, geometry, bones and lungs that are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from xprism.errors import DataError
from xprism.simulate.attenuation import attenuation_table
from xprism.simulate.ct_film import CtCase, Geometry, film_of_volume, project_volume
from xprism.simulate.ct_volume import CtVolume, Materials, bone_mask, materials_of, read_volume
from xprism.simulate.parameters import draw_parameters

SPACING = (4.0, 3.0, 3.0)
SHAPE = (40, 100, 70)


def places() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """y, x and z in mm of every voxel, from the middle of the volume."""
    axes = [(np.arange(n) - (n - 1) / 2) * step for n, step in zip(SHAPE, SPACING, strict=True)]
    y, x, z = np.meshgrid(*axes, indexing="ij")
    return y, x, z


def patient() -> tuple[CtVolume, dict[str, np.ndarray]]:
    """An elliptic trunk on a table: two lungs, a rib before the right one, a spine with marrow, a grain of calcium."""
    y, x, z = places()
    parts = {
        "body": (x / 130) ** 2 + (z / 85) ** 2 < 1,
        "right": ((x + 60) / 45) ** 2 + (z / 60) ** 2 + (y / 60) ** 2 < 1,
        "left": ((x - 60) / 40) ** 2 + (z / 60) ** 2 + (y / 55) ** 2 < 1,
        "rib": (np.abs(y) < 7) & (np.abs(z - 68) < 5) & (np.abs(x + 40) < 30),
        "shell": (np.abs(x) < 15) & (np.abs(z + 55) < 15),
        "marrow": (np.abs(x) < 5) & (np.abs(z + 55) < 5),
        "grain": (np.abs(x - 20) < 2) & (np.abs(z - 30) < 2) & (np.abs(y) < 3),
        "table": (np.abs(z + 98) < 4) & (np.abs(x) < 140),
    }
    hu = np.full(SHAPE, -1000.0)
    values = {"body": 45, "right": -850, "left": -850, "rib": 700, "shell": 500, "marrow": 100, "grain": 900,
              "table": 300}  # fmt: skip
    for name, value in values.items():
        hu[parts[name]] = value
    return CtVolume(hu.astype(np.float32), SPACING), parts


@pytest.fixture(scope="module")
def made() -> tuple[CtVolume, dict[str, np.ndarray], Materials]:
    volume, parts = patient()
    return volume, parts, materials_of(volume)


@pytest.fixture(scope="module")
def film() -> CtCase:
    exposure = draw_parameters(np.random.default_rng(2)).exposure
    return film_of_volume(patient()[0], exposure, np.random.default_rng(0), geometry=Geometry(spacing_mm=3.0))


def test_the_table_is_left_out_and_the_patient_kept(made) -> None:
    _, parts, materials = made
    assert not materials.body[parts["table"]].any()
    assert materials.body[parts["body"]].mean() > 0.99
    assert all(not share[parts["table"]].any() for share in materials.shares.values())


def test_bones_are_found_with_their_marrow_and_calcium_is_left(made) -> None:
    volume, parts, materials = made
    for name in ("rib", "shell", "marrow"):
        assert materials.bone[parts[name]].all(), name
    assert not materials.bone[parts["grain"]].any()
    bone = parts["rib"] | parts["shell"]
    assert not (materials.bone & ~bone).any()
    assert np.array_equal(bone_mask(volume, materials.body), materials.bone)


def test_labels_take_the_place_of_the_threshold(made) -> None:
    volume, parts, _ = made
    materials = materials_of(volume, bone=parts["rib"])
    assert np.array_equal(materials.bone, parts["rib"])
    assert not materials.shares["cortical_bone"][parts["shell"]].any()


def test_lungs_are_parted_and_named_by_the_patients_side(made) -> None:
    _, parts, materials = made
    for mask, name in ((materials.right_lung, "right"), (materials.left_lung, "left")):
        assert (mask & parts[name]).sum() / (mask | parts[name]).sum() > 0.95


@pytest.mark.parametrize(("hu", "material"), [(-850.0, "lung"), (-100.0, "adipose"), (45.0, "soft_tissue")])
def test_mass_of_a_voxel_follows_its_hounsfield_units(hu: float, material: str) -> None:
    """What is neither bone nor mixed weighs (1 + HU / 1000) that of water: density times share, within 6 %."""
    values = np.full((6, 40, 40), 45.0, np.float32)
    values[:, 12:28, 12:28] = hu
    shares = materials_of(CtVolume(values, (3.0, 3.0, 3.0))).shares
    weight = sum(attenuation_table().density[name] * share[3, 20, 20] for name, share in shares.items())
    assert weight == pytest.approx(1 + hu / 1000, rel=0.06)
    assert shares[material][3, 20, 20] > 0.9 * sum(share[3, 20, 20] for share in shares.values())


def test_a_voxel_between_fat_and_muscle_is_a_mixture() -> None:
    values = np.full((6, 40, 40), -27.5, np.float32)
    shares = materials_of(CtVolume(values, (3.0, 3.0, 3.0))).shares
    assert shares["adipose"][3, 20, 20] == pytest.approx(0.5)
    assert shares["soft_tissue"][3, 20, 20] == pytest.approx(0.5)


def sphere(radius: float, *, depth: float) -> np.ndarray:
    """Shares of voxels of 2 mm that lie in a sphere, counted at 27 points each; depth in mm from the middle."""
    fine = (np.arange(180) - 89.5) * (2 / 3)
    y, x, z = np.meshgrid(fine, fine, fine, indexing="ij")
    inside = (y**2 + x**2 + (z - depth) ** 2 < radius**2).astype(np.float32)
    return inside.reshape(60, 3, 60, 3, 60, 3).mean((1, 3, 5))


def test_parallel_rays_through_a_sphere_have_its_chords() -> None:
    length = project_volume(sphere(30, depth=8), (2.0, 2.0, 2.0), Geometry(spacing_mm=2.0))
    at = (np.arange(60) - 29.5) * 2
    distance = np.hypot(at[:, None], at[None, :])
    inner = distance < 26
    np.testing.assert_allclose(length[inner], 2 * np.sqrt(900 - distance[inner] ** 2), atol=0.8)
    assert (length[distance > 33] == 0).all()


@pytest.mark.parametrize("depth", [-25.0, 20.0])
def test_cone_rays_magnify_by_the_distance_from_the_source(depth: float) -> None:
    """A sphere d mm before a detector, S mm from the source, casts a shadow of r S / sqrt((S - d)^2 - r^2)."""
    source, radius = 400.0, 25.0
    geometry = Geometry(source_mm=source, spacing_mm=1.0, shape=(160, 160))
    length = project_volume(sphere(radius, depth=depth), (2.0, 2.0, 2.0), geometry)
    before = 60 - depth
    shadow = radius * source / np.sqrt((source - before) ** 2 - radius**2)
    assert np.sqrt((length > 2.0).sum() / np.pi) == pytest.approx(shadow, abs=1.2)
    assert length.max() == pytest.approx(2 * radius, abs=0.8)


def test_a_distant_source_sees_as_parallel_rays_do() -> None:
    share = sphere(25, depth=0)
    far = project_volume(share, (2.0, 2.0, 2.0), Geometry(source_mm=1e7, spacing_mm=2.0, shape=(60, 60)))
    near = project_volume(share, (2.0, 2.0, 2.0), Geometry(spacing_mm=2.0))
    np.testing.assert_allclose(far, near, atol=0.02)


def test_finer_detectors_see_the_same_mass() -> None:
    share = sphere(25, depth=0)
    masses = [
        project_volume(share, (2.0, 2.0, 2.0), Geometry(spacing_mm=step)).sum() * step**2 for step in (2.0, 1.0, 0.7)
    ]
    np.testing.assert_allclose(masses, 4 / 3 * np.pi * 25**3, rtol=0.01)


def test_films_differ_where_bones_project_and_only_there(film: CtCase) -> None:
    assert film.film.shape == film.film_without_bone.shape == film.masks["bones"].shape
    difference = film.film - film.film_without_bone
    far = ~film.masks["bones"]
    assert difference[film.masks["bones"]].mean() > 0.03
    assert np.abs(difference[far]).mean() < 0.1 * difference[film.masks["bones"]].mean()
    assert film.bone_layer[film.masks["bones"]].mean() > 0.1


def test_masks_follow_the_lungs_onto_the_film(film: CtCase) -> None:
    right, left = (np.nonzero(film.masks[name])[1].mean() for name in ("right_lung", "left_lung"))
    assert right < film.film.shape[1] / 2 < left
    assert np.median(film.film[film.masks["right_lung"]]) < np.median(film.film[:, film.film.shape[1] // 2])


def test_a_nifti_file_is_turned_to_the_patients_sides(tmp_path: Path) -> None:
    nibabel = pytest.importorskip("nibabel")
    values = np.full((5, 6, 7), -1000, np.int16)
    values[0, 4, 6] = 500  # the first axis below runs to the left: the right-most, front, uppermost corner
    affine = np.diag([-2.0, 3.0, 4.0, 1.0])
    nibabel.save(nibabel.Nifti1Image(values, affine), tmp_path / "ct.nii.gz")
    volume = read_volume(tmp_path / "ct.nii.gz")
    assert volume.hu.shape == (7, 5, 6)
    assert volume.spacing_mm == (4.0, 2.0, 3.0)
    assert np.argwhere(volume.hu > 0).tolist() == [[0, 0, 4]]


def test_a_volume_that_is_not_there_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("nibabel")
    with pytest.raises(DataError, match="no such volume"):
        read_volume(tmp_path / "none.nii")


def test_what_is_no_volume_is_refused() -> None:
    with pytest.raises(DataError, match="three sides"):
        CtVolume(np.zeros((4, 4), np.float32), (1.0, 1.0, 1.0))
    with pytest.raises(DataError, match="no body"):
        materials_of(CtVolume(np.full((4, 9, 9), -1000, np.float32), (1.0, 1.0, 1.0)))
    with pytest.raises(DataError, match="inside the patient"):
        project_volume(sphere(10, depth=0), (2.0, 2.0, 2.0), Geometry(source_mm=50.0, shape=(10, 10)))
