"""Phantom films: reproducible, the right way round, and true to the geometry that made them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import binary_dilation, binary_erosion, label

from xprism.errors import DataError
from xprism.simulate import simulate_chest
from xprism.simulate.film import primary
from xprism.simulate.phantom import ChestCase, rays_of
from xprism.simulate.ribs import RibCage
from xprism.simulate.thorax import Cage

SEEDS = range(6)
ORGANS = ("right_lung", "left_lung", "heart", "right_clavicle", "left_clavicle")


@pytest.fixture(scope="module")
def cases() -> list[ChestCase]:
    return [simulate_chest(seed, 160) for seed in SEEDS]


def test_equal_seeds_give_equal_films_and_other_seeds_others(cases: list[ChestCase]) -> None:
    again = simulate_chest(3, 160)
    assert np.array_equal(again.film, cases[3].film)
    assert np.array_equal(again.film_without_bone, cases[3].film_without_bone)
    assert all(np.array_equal(again.masks[name], cases[3].masks[name]) for name in again.masks)
    assert again.parameters == cases[3].parameters
    assert np.abs(cases[3].film - cases[4].film).mean() > 0.01


def test_a_generator_gives_the_same_film_as_its_seed(cases: list[ChestCase]) -> None:
    assert np.array_equal(simulate_chest(np.random.default_rng(5), 160).film, cases[5].film)


def test_film_is_display_polarity_float32_in_unit_range(cases: list[ChestCase]) -> None:
    for case in cases:
        for film in (case.film, case.film_without_bone):
            assert film.dtype == np.float32
            assert film.shape == (160, 160)
            assert film.min() >= 0
            assert film.max() <= 1
        lungs = case.masks["right_lung"] | case.masks["left_lung"]
        between = case.masks["mediastinum"] | case.masks["heart"]
        assert np.median(case.film[lungs]) < np.median(case.film[between]) - 0.08


def test_rectangular_film_keeps_the_field_of_the_longer_side() -> None:
    case = simulate_chest(2, (96, 128))
    assert case.film.shape == (96, 128)
    assert case.spacing_mm == pytest.approx(358.4 / 128)


def test_right_is_on_the_left_and_the_heart_points_left(cases: list[ChestCase]) -> None:
    for case in cases:
        middle = {name: np.argwhere(case.masks[name]).mean(0) for name in ORGANS}
        assert middle["right_lung"][1] < 70 < 90 < middle["left_lung"][1]
        assert middle["right_clavicle"][1] < middle["left_clavicle"][1]
        spine = case.parameters.pose.centre[0]
        midline = 79.5 - spine / (case.spacing_mm / case.parameters.pose.magnification)
        assert middle["heart"][1] > midline + 2
        assert middle["right_clavicle"][0] < middle["right_lung"][0]


def test_organs_do_not_overlap_and_each_is_one_piece(cases: list[ChestCase]) -> None:
    for case in cases:
        right, left, heart = (case.masks[name] for name in ORGANS[:3])
        assert not (right & left).any()
        assert not ((right | left) & heart).any()
        assert not ((right | left) & case.masks["mediastinum"]).any()
        for name in ORGANS[:3]:
            pieces, count = label(case.masks[name])
            largest = np.bincount(pieces.ravel())[1:].max()
            assert largest > 0.97 * case.masks[name].sum(), (name, count)


def test_cardiothoracic_ratios_are_those_of_people(cases: list[ChestCase]) -> None:
    ratios = []
    for case in [*cases, *(simulate_chest(seed, 96) for seed in range(20, 24))]:
        masks = case.masks
        lungs, heart = (np.flatnonzero(m.any(0)) for m in (masks["right_lung"] | masks["left_lung"], masks["heart"]))
        ratios.append((heart[-1] - heart[0] + 1) / (lungs[-1] - lungs[0] + 1))
    assert min(ratios) > 0.34
    assert max(ratios) < 0.60
    assert np.std(ratios) > 0.02


def test_drawn_heart_width_is_the_width_seen(cases: list[ChestCase]) -> None:
    for case in cases:
        columns = np.flatnonzero(case.masks["heart"].any(0))
        seen = (columns[-1] - columns[0] + 1) * case.spacing_mm / case.parameters.pose.magnification
        assert seen == pytest.approx(case.parameters.build.heart_width, abs=8)


def test_body_does_not_depend_on_the_size_of_the_film(cases: list[ChestCase]) -> None:
    large = simulate_chest(1, 320)
    for name in ORGANS:
        small = cases[1].masks[name]
        pooled = large.masks[name].reshape(160, 2, 160, 2).mean((1, 3)) >= 0.5
        assert (small & pooled).sum() / (small | pooled).sum() > 0.9, name


def test_films_differ_only_where_bones_project(cases: list[ChestCase]) -> None:
    """Before scatter, blur and noise the bones' shadow is where films differ, save bone thinner than a pixel."""
    for case in cases[:4]:
        exposure = case.parameters.exposure
        with_bone = primary(case.projection.with_bone, exposure)
        without = primary(case.projection.without_bone, exposure)
        assert (with_bone[case.masks["bones"]] <= without[case.masks["bones"]]).mean() > 0.999
        far = ~binary_dilation(case.masks["bones"], np.ones((3, 3)))
        assert (with_bone[far] == without[far]).mean() > 0.998
        core = binary_erosion(case.masks["ribs"] | case.masks["spine"])
        assert (with_bone[core] < without[core]).all()


def test_bones_are_seen_in_the_lungs_and_gone_without_them(cases: list[ChestCase]) -> None:
    for case in cases[:4]:
        lungs = binary_erosion(case.masks["right_lung"] | case.masks["left_lung"], iterations=3)
        ribs = lungs & case.masks["ribs"]
        difference = case.film - case.film_without_bone
        assert difference[ribs].mean() > 0.015
        assert difference[ribs].mean() > 4 * abs(difference[lungs & ~case.masks["bones"]].mean())


def test_path_lengths_add_up_to_the_same_body_with_and_without_bones(cases: list[ChestCase]) -> None:
    """Bone takes the place of soft tissue and fat; spared are a few rays where an acromion leaves the skin."""
    for case in cases[:3]:
        full, bare = case.projection.with_bone, case.projection.without_bone
        assert set(full) - set(bare) == {"cortical_bone", "spongiosa"}
        for name in ("lung", "air"):
            assert np.array_equal(full[name], bare[name])
        bone = full["cortical_bone"] + full["spongiosa"]
        inside = bone <= bare["soft_tissue"] + bare["adipose"]
        total = full["soft_tissue"] + full["adipose"] + bone
        np.testing.assert_allclose(total[inside], (bare["soft_tissue"] + bare["adipose"])[inside], atol=1e-9)
        assert inside.mean() > 0.997
        assert (full["soft_tissue"] < bare["soft_tissue"]).mean() > 0.2
        assert all((lengths >= 0).all() for lengths in full.values())


def test_lung_tissue_lies_in_every_pixel_of_the_lung_masks(cases: list[ChestCase]) -> None:
    for case in cases:
        lungs = case.masks["right_lung"] | case.masks["left_lung"]
        assert (case.projection.with_bone["lung"][lungs] > 0).mean() > 0.98
        above = np.arange(160)[:, None] < np.flatnonzero(lungs.any(1))[0] - 2
        assert case.projection.with_bone["lung"][np.broadcast_to(above, lungs.shape)].sum() == 0


def test_ribs_run_outside_the_lungs(cases: list[ChestCase]) -> None:
    for case in cases[:3]:
        build = case.parameters.build
        cage, found = Cage(build), RibCage(build, case.parameters.bones, case.parameters.pose, case.parameters.detail)
        for number in range(3, 11):
            line = found.rib(number, 1).tube.points
            x, y, z = line[3:-3].T
            yaw = case.parameters.pose.yaw
            x, z = np.cos(yaw) * x - np.sin(yaw) * z, np.cos(yaw) * z + np.sin(yaw) * x
            out = np.hypot(x / cage.half_width(y), (z - cage.middle(y)) / cage.half_depth(y))
            assert out.min() > 1.0


def test_nodules_add_attenuation_where_stated_and_change_nothing_else() -> None:
    for seed in range(2):
        plain, spotted = simulate_chest(seed, 192), simulate_chest(seed, 192, nodules=2)
        assert len(spotted.nodules) == 2
        exposure = plain.parameters.exposure
        ratio = np.log(primary(plain.projection.with_bone, exposure) / primary(spotted.projection.with_bone, exposure))
        mask = spotted.masks["nodules"]
        assert np.abs(ratio[~mask]).max() == 0
        assert ratio.min() >= -1e-12
        lungs = plain.masks["right_lung"] | plain.masks["left_lung"]
        for nodule in spotted.nodules:
            row, column = round(nodule.row), round(nodule.column)
            assert mask[row, column]
            assert lungs[row, column]
            assert ratio[row, column] > 0.004 * nodule.diameter_mm
            assert spotted.masks[f"{nodule.side}_lung"][row, column]


def test_nodule_mask_has_the_area_of_its_discs() -> None:
    case = simulate_chest(4, 512, nodules=1)
    pixel = case.spacing_mm / case.parameters.pose.magnification
    radius = case.nodules[0].diameter_mm / 2
    assert case.masks["nodules"].sum() * pixel**2 == pytest.approx(np.pi * radius**2, rel=0.06)


def test_trachea_is_darker_than_what_flanks_it() -> None:
    case = simulate_chest(6, 256)
    rays = rays_of(case.parameters, (256, 256))
    level = np.abs(rays.y - 0.1 * case.parameters.build.lung_height) < 4
    airway = case.masks["trachea"] & level
    flank = case.masks["mediastinum"] & level & ~case.masks["trachea"]
    exposure = case.parameters.exposure
    passed = primary(case.projection.without_bone, exposure)
    assert passed[airway].mean() > 1.15 * passed[flank].mean()


@pytest.mark.parametrize(
    ("seed", "size", "nodules", "said"),
    [(-1, 128, 0, "seed"), (1, 8, 0, "pixels a side"), (1, (64, 9000), 0, "pixels a side"), (1, 64, -2, "nodules")],
)
def test_nonsense_is_refused_with_a_reason(seed: int, size: int, nodules: int, said: str) -> None:
    with pytest.raises(DataError, match=said):
        simulate_chest(seed, size, nodules=nodules)
