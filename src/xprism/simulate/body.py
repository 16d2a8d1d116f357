"""The phantom's body: what is drawn, the path lengths of rays through it, and its exact masks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from xprism.grid import resize
from xprism.simulate.detail import bone_grain
from xprism.simulate.mediastinum import Mediastinum
from xprism.simulate.parameters import ChestParameters, draw_parameters
from xprism.simulate.projection import Rays, Span, Tube, ellipsoid, tubes_length, union_length
from xprism.simulate.skeleton import Skeleton, bone_lengths
from xprism.simulate.spine import Spine
from xprism.simulate.thorax import Cage, Lungs, Trunk, arms_length, domes_span
from xprism.simulate.vessels import Nodule, grow_vessels, place_nodules

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

# Fine structure of the lungs: widths in 1/256 of the film and their shares.
_TEXTURE = ((0.8, 0.9), (1.6, 1.0), (4.0, 0.8), (12.0, 0.4))


@dataclass(frozen=True)
class Anatomy:
    """One drawn body: its parameters, vessel trees, nodules and the fine structure of its tissues.

    ``texture`` (lungs and soft tissue) and ``grain`` (bones) are random fields on fixed grids, so that the body
    does not depend on the film's size.
    """

    parameters: ChestParameters
    vessels: tuple[Tube, ...]
    nodules: tuple[Nodule, ...]
    texture: Floats
    grain: Floats


@dataclass(frozen=True)
class Projection:
    """Path lengths in mm [H, W] by tissue, with and without bones, and the exact mask of every structure."""

    with_bone: Mapping[str, Floats]
    without_bone: Mapping[str, Floats]
    masks: Mapping[str, Mask]


def draw_anatomy(
    rng: np.random.Generator,
    nodule_rng: np.random.Generator,
    *,
    nodules: int | Sequence[tuple[float, float]] = 0,
    vessels: bool = True,
) -> Anatomy:
    """Draw a body; nodules have a generator of their own so that they change nothing else.

    Without ``vessels`` the lungs have none, which saves time where only bones matter.
    """
    parameters = draw_parameters(rng)
    sides = (-1, 1) if vessels else ()
    grown = tuple(tube for side in sides for tube in grow_vessels(rng, parameters.build, side=side))
    grain = rng.standard_normal((256, 256))
    texture = np.zeros_like(grain)
    for width, share in _TEXTURE:
        texture += share * width * gaussian_filter(grain, width, mode="wrap")
    texture = np.asarray(texture / texture.std())
    spots = place_nodules(nodule_rng, parameters.build, nodules)
    return Anatomy(parameters, grown, spots, texture, bone_grain(rng.spawn(1)[0]))


@dataclass(frozen=True)
class _Soft:
    """Path lengths in mm of the soft body and the spans that its masks come from."""

    fat: Floats
    inside: Floats
    lung: Floats
    air: Floats
    spans: dict[str, Span]
    others: list[Span]


def project(anatomy: Anatomy, rays: Rays) -> Projection:
    """Path lengths through every tissue of a body, and the exact shadow of every structure."""
    parameters = anatomy.parameters
    soft = _soft(anatomy, rays)
    skeleton = Skeleton(parameters.build, parameters.bones, parameters.pose, parameters.detail)
    bones = bone_lengths(rays, skeleton, anatomy.grain)
    muscle = np.maximum(soft.inside - soft.lung - soft.air, 0)
    bone = bones.cortical + bones.spongiosa
    # Bone takes the place of muscle, and of fat where there is less muscle than bone.
    from_fat = np.maximum(bone - muscle, 0)
    common = {"lung": soft.lung, "air": soft.air}
    without_bone = {**common, "adipose": soft.fat, "soft_tissue": muscle}
    with_bone = {
        **common,
        "adipose": np.maximum(soft.fat - from_fat, 0),
        "soft_tissue": np.maximum(muscle - bone, 0),
        "cortical_bone": bones.cortical,
        "spongiosa": bones.spongiosa,
    }
    masks = _masks(anatomy, rays, soft, bones.masks)
    return Projection(MappingProxyType(with_bone), MappingProxyType(without_bone), MappingProxyType(masks))


def _soft(anatomy: Anatomy, rays: Rays) -> _Soft:
    build, pose = anatomy.parameters.build, anatomy.parameters.pose
    x, y = rays.x, rays.y
    cage, between = Cage(build), Mediastinum(build, pose)
    field = resize(anatomy.texture, rays.shape).astype(float) * anatomy.parameters.exposure.texture
    body, inside = _trunk(rays, Trunk(cage, anatomy.parameters.detail.shoulder_lift + 6))
    inside = inside * (1 + 0.004 * field)
    lungs, below = Lungs(cage).span(x, y), domes_span(cage, x, y)
    spans = {"lungs": lungs, "heart": between.heart(x, y), "below": below, "mediastinum": between.middle(x, y)}
    others = [spans["mediastinum"], *between.bulges(x, y)]
    spine = Spine(build, anatomy.parameters.bones, pose, anatomy.parameters.detail)
    solid = [below, spans["heart"], spine.bodies(x, y)[0], *others]
    lung = _lung(anatomy, rays, lungs, solid, between) * (1 + 0.02 * field)
    air = tubes_length(rays, between.airways()) + _gas(anatomy, x, y, below)
    return _Soft(np.maximum(body - inside, 0), inside, lung, air, spans, others)


def _trunk(rays: Rays, trunk: Trunk) -> tuple[Floats, Floats]:
    """Path lengths in mm through the whole body, and through what lies inside its layer of fat."""
    fat = trunk.cage.build.fat
    skin, wall = trunk.span(rays.x, rays.y), trunk.span(rays.x, rays.y, inset=fat)
    bust = np.where(skin.hit, trunk.breasts(rays.x, rays.y), 0)
    chest = np.where(skin.hit, union_length([skin, *trunk.pectorals(rays.x, rays.y)]) - skin.length, 0)
    body = skin.length + bust + chest + arms_length(rays, trunk.arms(), outside=skin)
    inside = wall.length + 0.35 * bust + chest + arms_length(rays, trunk.arms(inset=0.7 * fat + 4), outside=wall)
    return body, np.minimum(inside, body)


def _lung(anatomy: Anatomy, rays: Rays, lungs: Span, solid: list[Span], between: Mediastinum) -> Floats:
    """Path length in mm through lung tissue: the lungs less all that displaces them."""
    cut = union_length([span.within(lungs) for span in solid])
    apart = lungs.within(between.middle(rays.x, rays.y))
    aorta = [between.aorta()]
    cut += tubes_length(rays, aorta, within=lungs) - tubes_length(rays, aorta, within=apart)
    lung = np.maximum(lungs.length - cut, 0)
    lung = np.maximum(lung - tubes_length(rays, anatomy.vessels, within=lungs), 0)
    return _with_nodules(lung, anatomy.nodules, rays.x, rays.y, lungs)


def _with_nodules(lung: Floats, nodules: tuple[Nodule, ...], x: Floats, y: Floats, lungs: Span) -> Floats:
    for nodule in nodules:
        radius = nodule.diameter_mm / 2
        solid = ellipsoid(x, y, centre=nodule.centre, radii=(radius, radius, radius)).within(lungs).length
        lung = np.maximum(lung - nodule.density * solid, 0)
    return lung


def _gas(anatomy: Anatomy, x: Floats, y: Floats, below: Span) -> Floats:
    """Path length in mm through the gas under the left dome."""
    build = anatomy.parameters.build
    if not build.gas:
        return np.zeros(x.shape)
    h, g = build.lung_height, build.gas
    centre = (0.48 * build.half_width, (build.dome_right + build.dome_left) * h + 10 + 14 * g, 15.0)
    bubble = ellipsoid(x, y, centre=centre, radii=(27 * g, 12 * g, 20 * g), tilt=0.15)
    return bubble.within(below).length


def _masks(anatomy: Anatomy, rays: Rays, soft: _Soft, bones: dict[str, Mask]) -> dict[str, Mask]:
    build, pose = anatomy.parameters.build, anatomy.parameters.pose
    spans, x, y = soft.spans, rays.x, rays.y
    between = Mediastinum(build, pose)
    centre = spans["mediastinum"].hit & (y < 1.1 * build.lung_height)
    for span in soft.others[1:]:
        centre |= span.hit
    centre |= tubes_length(rays, [between.aorta()]) > 0
    heart = spans["heart"].hit
    field = spans["lungs"].hit & ~spans["below"].hit & ~heart & ~centre
    cage = Cage(build)
    ribcage = (np.abs(x) < cage.half_width(y) + 2 * anatomy.parameters.bones.rib_depth + 3) & (y > -12)
    masks = {
        "right_lung": field & (x < 0),
        "left_lung": field & (x > 0),
        "heart": heart,
        "right_clavicle": bones["right_clavicle"] & ribcage,
        "left_clavicle": bones["left_clavicle"] & ribcage,
        "mediastinum": centre,
        "trachea": tubes_length(rays, between.airways()[:1]) > 0,
        "nodules": np.zeros(rays.shape, bool),
        "bones": np.logical_or.reduce(list(bones.values())),
        **{name: bones[name] for name in ("ribs", "cartilage", "sternum", "spine", "scapulae", "humeri")},
    }
    for nodule in anatomy.nodules:
        radius = nodule.diameter_mm / 2
        masks["nodules"] |= ellipsoid(x, y, centre=nodule.centre, radii=(radius,) * 3).hit
    return masks
