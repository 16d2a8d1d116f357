"""Path lengths against closed forms and against counting voxels."""

from __future__ import annotations

import numpy as np
import pytest

from xprism.simulate.projection import (
    Rays,
    Span,
    Tube,
    add_tube,
    ellipsoid,
    half_space,
    pillow,
    quadric,
    tubes_length,
    union_length,
)

DEPTHS = np.arange(-60, 60, 0.05) + 0.025


def counted(inside, rays: Rays) -> np.ndarray:
    """Path length by asking at every depth whether the point is inside: an independent integration."""
    return sum(inside(rays.x, rays.y, z) for z in DEPTHS) * 0.05


def test_sphere_chord_is_the_closed_form() -> None:
    x = np.linspace(-12, 12, 97)
    length = ellipsoid(x, 0 * x + 3, centre=(0, 3, 40), radii=(10, 10, 10)).length
    np.testing.assert_allclose(length, 2 * np.sqrt(np.maximum(100 - x**2, 0)), atol=1e-9)


def test_tilted_ellipsoid_agrees_with_counted_voxels() -> None:
    rays = Rays.parallel((23, 25), step=2.1)
    cos, sin = np.cos(0.6), np.sin(0.6)

    def inside(x, y, z):
        u, v = cos * (x - 1) + sin * (y + 2), -sin * (x - 1) + cos * (y + 2)
        return (u / 20) ** 2 + (v / 9) ** 2 + ((z - 5) / 14) ** 2 <= 1

    span = ellipsoid(rays.x, rays.y, centre=(1, -2, 5), radii=(20, 9, 14), tilt=0.6)
    assert span.length.max() > 25
    np.testing.assert_allclose(span.length, counted(inside, rays), atol=0.11)


@pytest.mark.parametrize("tilt", [0.0, 0.4, 1.2])
def test_cylinder_across_the_beam_has_its_slanted_chord(tilt: float) -> None:
    """Through the axis of a cylinder that leans by ``tilt`` out of the film's plane: 2 r / cos(tilt)."""
    ends = np.array([[0, -50 * np.cos(tilt), -50 * np.sin(tilt)], [0, 50 * np.cos(tilt), 50 * np.sin(tilt)]])
    rays = Rays.parallel((1, 41), step=0.41)
    total = tubes_length(rays, [Tube.round(ends, 6.0)])
    expected = 2 * np.sqrt(np.maximum(36 - rays.x**2, 0)) / np.cos(tilt)
    np.testing.assert_allclose(total, expected, atol=1e-9)


def test_tube_along_the_beam_is_as_long_as_it_is() -> None:
    rays = Rays.parallel((9, 9), step=1.0)
    total = tubes_length(rays, [Tube.round([[0, 0, -7], [0, 0, 4], [0, 0, 13]], 3.0)])
    np.testing.assert_allclose(total, np.where(np.hypot(rays.x, rays.y) < 3, 20.0, 0.0), atol=1e-9)


def test_bent_elliptic_tube_agrees_with_counted_voxels() -> None:
    """Mitred joints neither lose nor double anything: each point belongs to one piece at most."""
    turn = np.linspace(0, 2.2, 15)
    points = np.stack([30 * np.sin(turn), 8 * turn - 9, 30 * np.cos(turn) - 10], 1)
    normals = np.stack([np.sin(turn), 0 * turn, np.cos(turn)], 1)
    tube = Tube(points, np.tile([3.0, 6.0], (15, 1)), normals)
    rays = Rays.parallel((31, 37), step=1.3, origin=(16, 0))
    total = tubes_length(rays, [tube])

    steps = np.diff(points, axis=0)
    along = steps / np.linalg.norm(steps, axis=1, keepdims=True)
    planes = np.concatenate([along[:1], along[1:] + along[:-1], along[-1:]])

    def inside(x, y, z):
        p = np.stack([x, y, np.full_like(x, z)], -1)
        hit = np.zeros(x.shape, bool)
        for k in range(14):
            q = p - points[k]
            n = normals[k] - (normals[k] @ along[k]) * along[k]
            n /= np.linalg.norm(n)
            m = np.cross(along[k], n)
            round_ = (q @ n / 3) ** 2 + (q @ m / 6) ** 2 <= 1
            hit |= round_ & (q @ planes[k] >= 0) & ((p - points[k + 1]) @ planes[k + 1] <= 0)
        return hit

    expected = counted(inside, rays)
    assert expected.max() > 15
    np.testing.assert_allclose(total, expected, atol=0.31)
    assert abs(total.sum() / expected.sum() - 1) < 2e-3


def test_tube_volume_is_section_times_length() -> None:
    rays = Rays.parallel((200, 200), step=0.25)
    tube = Tube.round([[-12, -9, -5], [14, 11, 20]], 4.0)
    length = np.linalg.norm(tube.points[1] - tube.points[0])
    assert tubes_length(rays, [tube]).sum() * 0.25**2 == pytest.approx(np.pi * 16 * length, rel=2e-3)


def test_tube_within_a_span_is_cut_by_it() -> None:
    rays = Rays.parallel((5, 5), step=1.0)
    tube = Tube.round([[0, -50, 0], [0, 50, 0]], 10.0)
    front = Span(np.zeros(rays.shape), np.full(rays.shape, np.inf))
    total = np.zeros(rays.shape)
    add_tube(total, rays, tube, within=front)
    np.testing.assert_allclose(total, np.sqrt(100 - rays.x**2), atol=1e-9)


def test_slab_and_half_space_meet_their_planes() -> None:
    x, y = np.meshgrid(np.linspace(-3, 3, 7), np.linspace(-2, 2, 5))
    slab = quadric(x, y, centre=np.array([0.0, 0, 2]), rows=np.array([[0, 0, 1 / 4.0]]))
    np.testing.assert_allclose(slab.length, 8.0)
    cut = slab.within(half_space(x, y, point=np.array([0.0, 0, 2]), normal=np.array([1.0, 0, 1])))
    np.testing.assert_allclose(cut.length, 4 + x)
    beside = slab.within(half_space(x, y, point=np.zeros(3), normal=np.array([1.0, 0, 0])))
    np.testing.assert_allclose(beside.length, np.where(x >= 0, 8.0, 0.0))


def test_pillow_of_power_two_is_an_ellipse() -> None:
    x = np.linspace(-6, 6, 49)
    length = pillow(x / 5, middle=1.0, half_depth=3.0).length
    np.testing.assert_allclose(length, 6 * np.sqrt(np.maximum(1 - (x / 5) ** 2, 0)), atol=1e-12)


def test_union_counts_overlaps_once() -> None:
    rng = np.random.default_rng(3)
    spans = [Span(near, near + rng.uniform(-4, 9, 400)) for near in rng.uniform(-20, 20, (6, 400))]
    fine = np.arange(-30, 40, 0.01) + 0.005
    covered = np.zeros((fine.size, 400), bool)
    for span in spans:
        covered |= (fine[:, None] > span.near) & (fine[:, None] < span.far)
    np.testing.assert_allclose(union_length(spans), covered.sum(0) * 0.01, atol=0.07)


def test_rolled_rays_and_pixels_are_inverse() -> None:
    rays = Rays.parallel((40, 60), step=0.7, origin=(5, -3), roll=0.3)
    rows, columns = rays.pixel(rays.x, rays.y)
    np.testing.assert_allclose(rows, np.indices((40, 60))[0], atol=1e-9)
    np.testing.assert_allclose(columns, np.indices((40, 60))[1], atol=1e-9)


def test_window_holds_every_ray_of_a_box_under_roll() -> None:
    rays = Rays.parallel((80, 90), step=1.0, origin=(4, 6), roll=-0.25)
    inside = (rays.x > -3) & (rays.x < 20) & (rays.y > 0) & (rays.y < 11)
    block = np.zeros(rays.shape, bool)
    block[rays.window((-3, 20), (0, 11))] = True
    assert inside.sum() > 200
    assert block[inside].all()
    assert block.mean() < 0.2
