"""Single bones against closed forms, and what ribs must look like."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from xprism.simulate.bone import Bone, BoneSum
from xprism.simulate.detail import KNOTS, BoneDetail, along, draw_detail
from xprism.simulate.parameters import draw_parameters
from xprism.simulate.projection import Rays, Tube
from xprism.simulate.ribs import RibCage
from xprism.simulate.shoulder import Shoulder
from xprism.simulate.spine import Spine


def chord(radius: float, x: np.ndarray) -> np.ndarray:
    return 2 * np.sqrt(np.maximum(radius**2 - x**2, 0))


def test_a_hollow_bone_has_the_chords_of_its_two_cylinders() -> None:
    """Cortex is what the outer chord has over the inner; so a bone is brightest just inside its edges."""
    rays = Rays.parallel((1, 161), step=0.1)
    total = BoneSum.empty(rays.shape)
    tube = Tube.round([[0, -40, 0], [0, 7, 0], [0, 40, 0]], 6.0)
    total.add(rays, Bone.even(tube, 1.2, filling=0.5))
    outer, inner = chord(6.0, rays.x), chord(4.8, rays.x)
    np.testing.assert_allclose(total.cortical, outer - inner, atol=1e-9)
    np.testing.assert_allclose(total.spongiosa, 0.5 * inner, atol=1e-9)
    np.testing.assert_allclose(total.alone, outer, atol=1e-9)
    profile = total.cortical[0]
    assert abs(rays.x[0, profile.argmax()]) == pytest.approx(4.8, abs=0.11)
    assert profile.max() > 2.5 * profile[80]


def test_bones_add_up() -> None:
    rays = Rays.parallel((9, 41), step=0.5)
    one = Bone.even(Tube.round([[-2, -40, 0], [-2, 40, 0]], 4.0), 1.0)
    two = Bone.even(Tube.round([[3, -40, 9], [3, 40, 9]], 3.0), 0.5)
    both, parts = BoneSum.empty(rays.shape), [BoneSum.empty(rays.shape) for _ in range(2)]
    for bone, part in zip((one, two), parts, strict=True):
        both.add(rays, bone)
        part.add(rays, bone)
    np.testing.assert_allclose(both.cortical, parts[0].cortical + parts[1].cortical, atol=1e-12)
    np.testing.assert_allclose(both.spongiosa, parts[0].spongiosa + parts[1].spongiosa, atol=1e-12)


def test_knots_are_met_and_never_exceeded() -> None:
    knots = (0.0, 2.0, -1.0, 0.5)
    read = along(knots, np.linspace(0, 1, 301))
    np.testing.assert_allclose(read[::100], knots, atol=1e-12)
    assert read.max() <= 2.0
    assert read.min() >= -1.0


@pytest.fixture(scope="module")
def cage() -> RibCage:
    drawn = draw_parameters(np.random.default_rng(3))
    return RibCage(drawn.build, drawn.bones, drawn.pose, BoneDetail(front=0.4))


def mass(bone: Bone, rays: Rays, where: np.ndarray) -> float:
    total = BoneSum.empty(rays.shape)
    total.add(rays, bone)
    return float((total.cortical + 0.2 * total.spongiosa)[where].mean())


def test_a_rib_fades_towards_its_front_end(cage: RibCage) -> None:
    """Cortex and spongiosa thin out, so that front ends are fainter than the hind ribs that they cross."""
    rib = cage.rib(5, 1)
    rays = Rays.parallel((200, 200), step=1.0, origin=(70, 130))
    hind, front = rib.tube.points[12], rib.tube.points[-4]
    near = [np.hypot(rays.x - point[0], rays.y - point[1]) < 3 for point in (hind, front)]
    assert 0 < mass(rib, rays, near[1]) < 0.6 * mass(rib, rays, near[0])


def test_ribs_rise_beside_the_spine_then_fall_and_turn_at_the_side(cage: RibCage) -> None:
    strong = replace(cage, detail=replace(cage.detail, arch=1.0))
    for number in range(3, 8):
        y = strong.rib(number, 1).tube.points[:, 1]
        top = int(y.argmin())
        assert 2 < top < 20
        assert (np.diff(y[top:]) > -1.0).all()
        x = strong.rib(number, 1).tube.points[:, 0]
        assert 10 < int(x.argmax()) < len(x) - 3


def test_ribs_lie_under_one_another(cage: RibCage) -> None:
    for side in (-1, 1):
        heads = [cage.rib(number, side).tube.points[0, 1] for number in range(1, 14)]
        assert (np.diff(heads) > 10).all()


def test_the_first_rib_is_inside_the_others(cage: RibCage) -> None:
    widest = [np.abs(cage.rib(number, 1).tube.points[:, 0]).max() for number in (1, 2, 3, 5)]
    assert widest == sorted(widest)
    assert widest[0] < 0.75 * widest[1]


def test_a_groove_runs_along_its_ribs_lower_edge(cage: RibCage) -> None:
    rib, edge = cage.rib(6, -1), cage.groove(6, -1)
    for point in edge.tube.points[3:-3]:
        nearest = rib.tube.points[np.argmin(np.linalg.norm(rib.tube.points[:, [0, 2]] - point[[0, 2]], axis=1))]
        assert 3 < point[1] - nearest[1] < 9


def test_cartilage_shows_only_as_far_as_it_has_calcified(cage: RibCage) -> None:
    none = replace(cage, detail=replace(cage.detail, cartilage=0.0, first_cartilage=0.0))
    assert none.cartilages() == []
    first = replace(cage, detail=replace(cage.detail, cartilage=0.0, first_cartilage=0.6)).cartilages()
    assert len(first) == 2
    every = replace(cage, detail=replace(cage.detail, cartilage=0.8)).cartilages()
    assert len(every) == 14
    front = cage.rib(1, -1).tube.points[-1]
    np.testing.assert_allclose(first[0].tube.points[0], front, atol=1e-9)


def test_vertebrae_are_taller_below_and_hold_their_marrow() -> None:
    drawn = draw_parameters(np.random.default_rng(8))
    spine = Spine(drawn.build, drawn.bones, drawn.pose, drawn.detail)
    steps = np.diff([spine.level(number) for number in range(-4, 17)])
    assert (steps > 10).all()
    assert steps[13] > steps[5]
    rays = Rays.parallel((240, 80), step=1.0, origin=(0, 120))
    body, marrow = spine.bodies(rays.x, rays.y)
    assert body.hit.mean() > 0.2
    assert (marrow.length <= body.length + 1e-9).all()
    assert (body.length - marrow.length)[body.hit].min() > 0


def test_clavicles_have_thick_shafts_and_broad_inner_ends() -> None:
    drawn = draw_parameters(np.random.default_rng(8))
    clavicle = Shoulder(drawn.build, drawn.bones, drawn.pose, drawn.detail, 1).clavicle()
    middle = len(clavicle.wall) // 2
    assert clavicle.wall[middle] > 1.5 * clavicle.wall[1]
    assert clavicle.tube.radii[2, 0] > 1.4 * clavicle.tube.radii[middle, 0]
    assert clavicle.tube.points[0, 0] < 35 < 110 < clavicle.tube.points[-1, 0]


def test_drawn_details_stay_in_their_ranges() -> None:
    counts = set()
    for seed in range(300):
        drawn = draw_detail(np.random.default_rng(seed), seed / 300)
        counts.add(drawn.rib_count)
        assert len(drawn.wobble) == 26
        assert all(len(knots) == 3 * KNOTS for knots in drawn.wobble)
        assert 0 <= drawn.cartilage <= 1
        assert 0 < drawn.front < 1
        assert 0 < drawn.filling <= 1
    assert counts == {11, 12, 13}
