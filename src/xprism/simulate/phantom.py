"""The phantom chest: a drawn body, its path lengths, its exact masks and its films."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from xprism.errors import DataError
from xprism.grid import resize
from xprism.simulate.film import Noise, develop, expose
from xprism.simulate.mediastinum import Mediastinum
from xprism.simulate.parameters import ChestParameters, draw_parameters
from xprism.simulate.projection import Rays, Span, Tube, ellipsoid, tubes_length, union_length
from xprism.simulate.skeleton import Skeleton, bone_lengths
from xprism.simulate.thorax import Cage, Lungs, Trunk, arms_length, domes_span
from xprism.simulate.vessels import Nodule, grow_vessels, place_nodules

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

# Fine structure of the lungs: widths in 1/256 of the film and their shares.
_TEXTURE = ((0.8, 0.9), (1.6, 1.0), (4.0, 0.8), (12.0, 0.4))

FIELD_MM = 358.4
SMALLEST, LARGEST, MOST_NODULES = 32, 4096, 8


@dataclass(frozen=True)
class NoduleTruth:
    """Where a nodule projects: row and column of its centre in pixels, diameter in mm in the body."""

    row: float
    column: float
    diameter_mm: float
    density: float
    side: str


@dataclass(frozen=True)
class Anatomy:
    """One drawn body: its parameters, vessel trees, nodules and the fine structure of its tissues.

    ``texture`` is a smooth random field on a fixed grid, so that the body does not depend on the film's size.
    """

    parameters: ChestParameters
    vessels: tuple[Tube, ...]
    nodules: tuple[Nodule, ...]
    texture: Floats


@dataclass(frozen=True)
class Projection:
    """Path lengths in mm [H, W] by tissue, with and without bones, and the exact mask of every structure."""

    with_bone: Mapping[str, Floats]
    without_bone: Mapping[str, Floats]
    masks: Mapping[str, Mask]


@dataclass(frozen=True)
class ChestCase:
    """A simulated frontal chest film with everything that is true of it.

    ``film`` and ``film_without_bone`` are float32 [H, W] display values in [0, 1] (bone bright, lungs
    dark); ``masks`` holds bool [H, W] by label; ``spacing_mm`` is at the detector. The patient's right
    is on the image's left.
    """

    film: NDArray[np.float32]
    film_without_bone: NDArray[np.float32]
    masks: Mapping[str, Mask]
    nodules: tuple[NoduleTruth, ...]
    spacing_mm: float
    parameters: ChestParameters
    projection: Projection


def simulate_chest(
    seed: int | np.random.Generator, size: int | tuple[int, int] = 512, *, nodules: int = 0
) -> ChestCase:
    """Simulate one frontal chest film with exact masks and its twin without bones.

    ``size`` is the film's side in pixels, or (H, W); the longer side covers 358.4 mm. ``nodules``
    round nodules are put into the lungs. Equal seeds give equal films; the body does not depend on
    ``size`` nor on ``nodules``. Raises DataError for a size or count that cannot be.
    """
    shape = check_request(0 if isinstance(seed, np.random.Generator) else seed, size, nodules)
    rng = seed if isinstance(seed, np.random.Generator) else np.random.default_rng(seed)
    body_rng, nodule_rng, noise_rng = rng.spawn(3)
    anatomy = draw_anatomy(body_rng, nodule_rng, nodules=nodules)
    noise = Noise.draw(noise_rng, shape)
    return film_of(anatomy, shape, noise=noise)


def check_request(seed: int, size: int | tuple[int, int], nodules: int) -> tuple[int, int]:
    """The film's shape (H, W), after a check of what was asked; raises DataError where it cannot be."""
    if seed < 0:
        raise DataError(f"a seed is a whole number from 0, not {seed}")
    if not 0 <= nodules <= MOST_NODULES:
        raise DataError(f"a phantom has 0 to {MOST_NODULES} nodules, not {nodules}")
    height, width = size if isinstance(size, tuple) else (size, size)
    if not all(SMALLEST <= side <= LARGEST for side in (height, width)):
        raise DataError(f"a film has {SMALLEST} to {LARGEST} pixels a side, not {size}")
    return height, width


def draw_anatomy(rng: np.random.Generator, nodule_rng: np.random.Generator, *, nodules: int = 0) -> Anatomy:
    """Draw a body; nodules have a generator of their own so that they change nothing else."""
    parameters = draw_parameters(rng)
    vessels = tuple(tube for side in (-1, 1) for tube in grow_vessels(rng, parameters.build, side=side))
    grain = rng.standard_normal((256, 256))
    texture = np.zeros_like(grain)
    for width, share in _TEXTURE:
        texture += share * width * gaussian_filter(grain, width, mode="wrap")
    texture = np.asarray(texture / texture.std())
    return Anatomy(parameters, vessels, place_nodules(nodule_rng, parameters.build, nodules), texture)


def rays_of(parameters: ChestParameters, shape: tuple[int, int]) -> Rays:
    """The rays of a film of ``shape`` (H, W) in the body's frame."""
    pose = parameters.pose
    step = FIELD_MM / max(shape) / pose.magnification
    return Rays.parallel(shape, step=step, origin=pose.centre, roll=pose.roll)


def film_of(anatomy: Anatomy, shape: tuple[int, int], *, noise: Noise) -> ChestCase:
    """Expose a drawn body to a film of ``shape`` (H, W), with bones and without."""
    parameters, spacing = anatomy.parameters, FIELD_MM / max(shape)
    rays = rays_of(parameters, shape)
    projection = project(anatomy, rays)
    films = [
        develop(expose(lengths, parameters.exposure, spacing_mm=spacing, noise=noise), parameters.exposure)
        for lengths in (projection.with_bone, projection.without_bone)
    ]
    truths = tuple(_nodule_truth(rays, nodule) for nodule in anatomy.nodules)
    return ChestCase(films[0], films[1], projection.masks, truths, spacing, parameters, projection)


def _nodule_truth(rays: Rays, nodule: Nodule) -> NoduleTruth:
    row, column = rays.pixel(nodule.centre[0], nodule.centre[1])
    side = "right" if nodule.centre[0] < 0 else "left"
    return NoduleTruth(float(row), float(column), nodule.diameter_mm, nodule.density, side)


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
    skeleton = Skeleton(parameters.build, parameters.bones, parameters.pose)
    bones = bone_lengths(rays, skeleton)
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
    body, inside = _trunk(rays, Trunk(cage))
    inside = inside * (1 + 0.004 * field)
    lungs, below = Lungs(cage).span(x, y), domes_span(cage, x, y)
    spans = {"lungs": lungs, "heart": between.heart(x, y), "below": below, "mediastinum": between.middle(x, y)}
    others = [spans["mediastinum"], *between.bulges(x, y)]
    skeleton = Skeleton(build, anatomy.parameters.bones, pose)
    solid = [below, spans["heart"], skeleton.vertebrae(x, y)[0], *others]
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
        **{name: bones[name] for name in ("ribs", "spine", "scapulae", "humeri")},
    }
    for nodule in anatomy.nodules:
        radius = nodule.diameter_mm / 2
        masks["nodules"] |= ellipsoid(x, y, centre=nodule.centre, radii=(radius,) * 3).hit
    return masks


def summary(case: ChestCase) -> dict[str, Any]:
    """A few facts of a case for a table: sex, widths in mm, the true cardiothoracic ratio."""
    heart, lungs = case.masks["heart"], case.masks["right_lung"] | case.masks["left_lung"]
    wide = [np.flatnonzero(mask.any(0)) for mask in (heart, lungs)]
    ratio = (wide[0][-1] - wide[0][0] + 1) / (wide[1][-1] - wide[1][0] + 1)
    return {"sex": case.parameters.build.sex, "ctr": round(float(ratio), 4)}
