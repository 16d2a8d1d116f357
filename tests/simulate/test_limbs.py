"""Films of limbs: path lengths against closed forms, exact labels, the paper's table, and that grey is not enough."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from xprism.data.manifest import Case, read_manifest
from xprism.errors import DataError
from xprism.simulate.attenuation import attenuation_table
from xprism.simulate.dataset import DatasetRequest
from xprism.simulate.film import primary
from xprism.simulate.limb import LABELS, simulate_limb
from xprism.simulate.limb_body import Body, Build, cast
from xprism.simulate.limb_files import limb_of
from xprism.simulate.limb_film import Field
from xprism.simulate.limb_leg import leg
from xprism.simulate.limb_parts import COUNTS, part_of
from xprism.simulate.limb_solids import Ball, Piece, Rod, ball, bone_length, rod, rotation, solids_length
from xprism.simulate.parameters import Exposure
from xprism.simulate.projection import Rays, Tube

STILL = np.zeros((16, 16))
PLAIN = Build()


def tube(radius: float, *, half: float = 200.0) -> Rod:
    return Rod(Tube.round([[0, -half, 0], [0, half, 0]], radius))


def body_of(radius: float, flesh: float, bones: dict[str, tuple[Piece, ...]]) -> Body:
    return Body((tube(radius),), (tube(flesh),), bones, {})


def test_a_long_bone_in_a_limb_has_the_chords_of_four_circles() -> None:
    """Skin 40, flesh 35, bone 12 with a wall of 4 around marrow that is half spongiosa: seen across, by hand."""
    rays = Rays.parallel((5, 161), step=0.6)
    bones = {"shaft": (Piece(tube(12.0), 4.0, 0.5),)}
    found = cast(body_of(40.0, 35.0, bones), rays, PLAIN, grain=STILL, texture=STILL)
    skin, flesh, bone, marrow = (2 * np.sqrt(np.maximum(r**2 - rays.x**2, 0)) for r in (40, 35, 12, 8))
    np.testing.assert_allclose(found.thickness["cortical_bone"], bone - marrow, atol=1e-9)
    np.testing.assert_allclose(found.thickness["spongiosa"], 0.5 * marrow, atol=1e-9)
    np.testing.assert_allclose(found.thickness["adipose"], skin - flesh, atol=1e-9)
    np.testing.assert_allclose(found.thickness["soft_tissue"], flesh - bone + 0.5 * marrow, atol=1e-9)
    assert np.array_equal(found.body, np.abs(rays.x) < 40)
    assert np.array_equal(found.bone, np.abs(rays.x) < 12)


def test_a_skull_has_the_chord_of_its_shell() -> None:
    rays = Rays.parallel((41, 41), step=4.3)
    block, wall, marrow = bone_length(rays, (Piece(ball((0, 0, 0), 80.0), 6.0, 0.0),))
    reach = rays.x**2 + rays.y**2
    shell = 2 * (np.sqrt(np.maximum(80**2 - reach, 0)) - np.sqrt(np.maximum(74**2 - reach, 0)))
    np.testing.assert_allclose(wall, shell[block], atol=1e-9)
    assert not marrow.any()


def test_pieces_of_one_bone_count_once_where_they_overlap() -> None:
    rays = Rays.parallel((1, 61), step=0.5)
    total = solids_length(rays, [ball((0, 0, 0), 10.0), ball((4, 0, 0), 10.0), ball((0, 0, 30), 3.0)])
    first, second = (np.sqrt(np.maximum(100 - (rays.x - x) ** 2, 0)) for x in (0, 4))
    apart = 2 * np.sqrt(np.maximum(9 - rays.x**2, 0))
    np.testing.assert_allclose(total, 2 * np.maximum(first, second) + apart, atol=1e-9)


@pytest.mark.parametrize("turn", [(0, 0, 0), (0, 0, 35), (20, 0, 10)])
def test_a_tapered_rod_with_round_ends_agrees_with_counted_points(turn: tuple[float, float, float]) -> None:
    """A cone from radius 8 to 14 over 40 mm, with half ellipsoids at its ends: asked point by point."""
    solid = rod([(0, -20, 0, 8, 8), (0, 20, 0, 14, 14)], caps=(0.5, 1.0), count=6).moved(
        rotation(*turn), np.array([1.0, -2.0, 3.0])
    )
    rays = Rays.parallel((37, 37), step=1.9)
    depth = np.arange(-45, 45, 0.05) + 0.025
    points = np.stack(np.broadcast_arrays(rays.x[..., None], rays.y[..., None], depth), -1) - [1.0, -2.0, 3.0]
    x, y, z = np.moveaxis(points @ rotation(*turn), -1, 0)
    out = np.hypot(x, z)
    inside = (np.abs(y) <= 20) & (out <= 11 + 6 * y / 40)
    inside |= (y < -20) & ((out / 8) ** 2 + ((y + 20) / 4) ** 2 <= 1)
    inside |= (y > 20) & ((out / 14) ** 2 + ((y - 20) / 14) ** 2 <= 1)
    np.testing.assert_allclose(solids_length(rays, [solid]), inside.sum(-1) * 0.05, atol=0.11)


def test_metal_takes_the_place_of_bone_and_is_bone() -> None:
    rays = Rays.parallel((3, 81), step=0.5)
    limb = body_of(30.0, 30.0, {"shaft": (Piece(tube(12.0), 4.0, 0.0),)})
    nail = Body(limb.skin, limb.flesh, limb.bones, {}, metal=(("iron", tube(5.0)), ("iron", ball((0, 0, 40), 3.0))))
    found = cast(nail, rays, PLAIN, grain=STILL, texture=STILL)
    steel = 2 * np.sqrt(np.maximum(25 - rays.x**2, 0)) + 2 * np.sqrt(np.maximum(9 - rays.x**2 - rays.y**2, 0))
    np.testing.assert_allclose(found.thickness["iron"], steel, atol=1e-9)
    assert not found.thickness["cortical_bone"][np.abs(rays.x) < 5].any()
    assert np.array_equal(found.metal, np.abs(rays.x) < 5)
    assert np.array_equal(found.bone, np.abs(rays.x) < 12)


def test_implants_have_the_attenuation_of_their_metals() -> None:
    """Half-value thickness at 60 keV by hand: titanium 0.7661 cm2/g of 4.54, iron 1.205 of 7.874."""
    exposure = Exposure((60.0,), (1.0,), 0.0, 20.0, 1e6, 0.0, 1.0, 1.0, 1.0)
    for metal, per_mm in (("titanium", 0.7661 * 0.454), ("iron", 1.205 * 0.7874)):
        passed = primary({metal: np.array([np.log(2) / per_mm]), "adipose": np.zeros(1)}, exposure)
        assert passed[0] == pytest.approx(0.5, rel=1e-9)


def test_the_primary_of_a_film_is_beer_and_lamberts_law_of_its_paths() -> None:
    made = simulate_limb(4, "knee", 64)
    table, expected = attenuation_table(), np.zeros((64, 64))
    for energy, share in zip(made.exposure.energies, made.exposure.shares, strict=True):
        lines = [float(table.linear(name, energy)) * plane for name, plane in made.thickness.items()]
        expected += share * np.exp(-np.sum(lines, axis=0))
    np.testing.assert_allclose(primary(made.thickness, made.exposure), expected, rtol=1e-9)


def test_labels_are_where_paths_are() -> None:
    """Counted again from every solid by itself: bone where half the rays of a pixel meet one, body where any does."""
    body = leg(np.random.default_rng(3), PLAIN, flexion=25)
    rays = Rays.parallel((60, 60), step=4.0, origin=(0.0, 0.0))
    found = cast(body.moved(rotation(0, 70, 0)), rays, PLAIN, grain=STILL, texture=STILL)
    turned = body.moved(rotation(0, 70, 0))
    hits = np.zeros((180, 180), bool)
    for bone in turned.bones.values():
        for piece in bone:
            hits |= solids_length(rays.finer(3), [piece.solid]) > 0
    assert np.array_equal(found.bone, hits.reshape(60, 3, 60, 3).sum((1, 3)) >= 5)
    paths = found.thickness["cortical_bone"] + found.thickness["spongiosa"]
    assert (paths[found.bone] > 0).all()
    skin = np.any([solids_length(rays, [solid]) > 0 for solid in turned.skin], axis=0)
    assert np.array_equal(found.body, skin | found.bone)
    total = sum(found.thickness.values())
    assert np.array_equal(total > 0, found.body)


@pytest.mark.parametrize("part", COUNTS)
def test_every_part_is_drawn_with_all_classes_and_by_its_seed(part: str) -> None:
    made, again = simulate_limb(7, part, 32), simulate_limb(np.random.default_rng(7), part, 32)
    assert np.array_equal(made.film, again.film)
    assert np.array_equal(made.tissue, again.tissue)
    assert made.film.dtype == np.float32
    assert made.film.min() >= 0
    assert made.film.max() <= 1
    assert made.film.std() > 0.05
    shares = np.bincount(made.tissue.ravel(), minlength=3) / made.tissue.size
    assert len(shares) == len(LABELS)
    assert (shares[1:] > 0.01).all()


def test_another_seed_is_another_film() -> None:
    one, other = (simulate_limb(seed, "hand", 32) for seed in (1, 2))
    assert not np.array_equal(one.film, other.film)
    assert not np.array_equal(one.tissue, other.tissue)


def test_the_body_and_its_classes_do_not_depend_on_the_size() -> None:
    small, large = (simulate_limb(11, "ankle", size) for size in (64, 192))
    assert small.spacing_mm == pytest.approx(3 * large.spacing_mm)
    assert (small.tissue == large.tissue[1::3, 1::3]).mean() > 0.96


def test_what_the_beam_does_not_reach_is_open_beam() -> None:
    field = Field("blades", (0.25, 1.0, 0.1, 0.4))
    lit = field.lit((100, 100))
    assert np.array_equal(np.flatnonzero(lit.any(1)), np.arange(40, 90))
    assert np.array_equal(np.flatnonzero(lit.any(0)), np.arange(25, 100))
    collimated = next(
        made for made in (simulate_limb(seed, "knee", 64) for seed in range(30))
        if "copper" in made.thickness and (made.thickness["copper"] > 8).mean() > 0.1
    )  # fmt: skip
    dark = collimated.thickness["copper"] > 8
    assert not collimated.tissue[dark].any()


def test_films_are_dealt_out_as_in_the_papers_table() -> None:
    assert sum(COUNTS.values()) == 149
    assert Counter(part_of(number) for number in range(149)) == COUNTS
    assert {part_of(number) for number in range(19)} == set(COUNTS)
    doubled = Counter(part_of(number) for number in range(298))
    assert doubled == {part: 2 * count for part, count in COUNTS.items()}


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> tuple[Case, ...]:
    """Forty films that the command has written."""
    folder = tmp_path_factory.mktemp("limbs") / "set"
    words = ["data", "simulate", "--kind", "limbs", "-o", str(folder), "--count", "40", "--size", "64", "--seed", "5"]
    start = [sys.executable, "-c", "import xprism.cli as c; c.main()"]
    done = subprocess.run([*start, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return read_manifest(folder / "manifest.csv")


def test_a_data_set_of_limbs_is_read_back(cases: tuple[Case, ...]) -> None:
    parts = Counter(case.attributes["body_part"] for case in cases)
    # 4.3 is a divisor that makes shares, rounded and at least one, add up to 40.
    assert parts == {part: max(1, round(count / 4.3)) for part, count in COUNTS.items()}
    assert len({case.subject for case in cases}) == 40
    for number in (0, 1, 39):
        case, made = cases[number], limb_of(5, number, size=64)
        np.testing.assert_allclose(case.load_film(), made.film, atol=1e-5)
        assert np.array_equal(case.load_truth()["tissue"], made.tissue)
        assert float(case.attributes["spacing_mm"]) == pytest.approx(made.spacing_mm, abs=1e-6)
        assert (case.attributes["view"], case.attributes["source"]) == (made.view, "phantom")


def test_a_few_films_are_stored_bone_dark_and_read_bone_bright(cases: tuple[Case, ...]) -> None:
    inverted = [number for number, case in enumerate(cases) if case.attributes["polarity"] == "inverted"]
    assert 0 < len(inverted) < 10
    stored = np.asarray(Image.open(cases[inverted[0]].film)) / 65535
    made = limb_of(5, inverted[0], size=64).film
    np.testing.assert_allclose(stored, 1 - made, atol=1e-5)
    np.testing.assert_allclose(cases[inverted[0]].load_film(), made, atol=1e-5)


def test_a_table_of_grey_values_stays_below_a_weighted_f1_of_four_fifths(cases: tuple[Case, ...]) -> None:
    """The class that each of 64 grey levels most often is, learnt on half of the films and tested on the others."""
    counts = np.zeros((2, 3, 64))
    for number, case in enumerate(cases):
        film, tissue = case.load_film(), case.load_truth()["tissue"]
        level = np.minimum((film - film.min()) / np.ptp(film) * 64, 63).astype(int)
        for k in range(3):
            counts[number % 2, k] += np.bincount(level[tissue == k], minlength=64)
    found = counts[0].argmax(0)
    confusion = np.stack([counts[1][:, found == k].sum(1) for k in range(3)], axis=1)
    each = 2 * np.diag(confusion) / (confusion.sum(0) + confusion.sum(1))
    assert 0.5 < each @ confusion.sum(1) / confusion.sum() < 0.8


def test_unknown_parts_and_options_of_chests_are_refused() -> None:
    with pytest.raises(DataError, match="no body part 'tail'"):
        simulate_limb(0, "tail")
    for wrong, said in (({"slices": 2}, "a limb has one film"), ({"nodules": 1}, "limbs has no nodules")):
        with pytest.raises(DataError, match=said):
            DatasetRequest(1, 64, kind="limbs", **wrong)


def test_a_mirrored_ball_is_the_mirrored_shadow() -> None:
    rays = Rays.parallel((31, 31), step=1.0)
    one = ball((6, 2, 0), (8, 4, 5), turn=(10, 30, 40))
    other = one.moved(np.diag([-1.0, 1.0, 1.0]), np.zeros(3))
    assert isinstance(other, Ball)
    np.testing.assert_allclose(solids_length(rays, [other]), solids_length(rays, [one])[:, ::-1], atol=1e-9)
