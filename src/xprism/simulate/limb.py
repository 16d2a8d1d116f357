"""Simulated films of limbs, trunk and head with an exact map of open beam, soft tissue and bone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from xprism.errors import DataError
from xprism.simulate.body import draw_anatomy, project
from xprism.simulate.detail import bone_grain
from xprism.simulate.film import Floats
from xprism.simulate.limb_body import Build, Shadow, cast, draw_build
from xprism.simulate.limb_film import draw_exposure, draw_field, draw_look, finish, log_signal_of, obstacles
from xprism.simulate.limb_metal import draw_metal
from xprism.simulate.limb_parts import COUNTS, TECHNIQUES, TRUNK, Stance, draw_stance
from xprism.simulate.limb_solids import rotation
from xprism.simulate.parameters import Exposure
from xprism.simulate.phantom import check_request
from xprism.simulate.projection import Rays

OPEN_BEAM, SOFT_TISSUE, BONE = 0, 1, 2
LABELS = ("open_beam", "soft_tissue", "bone")
"""The classes by their number, in the order of the paper's code."""


@dataclass(frozen=True)
class LimbCase:
    """A simulated film of a body part.

    ``film`` float32 [H, W] holds display values in [0, 1], bone bright; ``tissue`` uint8 [H, W] the class of every
    pixel (0 open beam, 1 soft tissue, 2 bone, metal included). What lies beyond the edges of the beam is open beam.
    ``thickness`` are path lengths in mm [H, W] by material, with all that lies in the beam; ``spacing_mm`` is at the
    detector; ``metal`` says whether an implant is seen.
    """

    film: NDArray[np.float32]
    tissue: NDArray[np.uint8]
    spacing_mm: float
    body_part: str
    view: str
    metal: bool
    thickness: Mapping[str, Floats]
    exposure: Exposure


def simulate_limb(seed: int | np.random.Generator, body_part: str, size: int = 200) -> LimbCase:
    """Simulate one film of a body part with the exact class of every pixel.

    ``body_part`` is one of the 19 of ``COUNTS``, ``size`` the film's side in pixels. Equal seeds give equal films;
    the body and its pose do not depend on ``size``. Raises DataError for a part or a size that there is not.
    """
    shape = check_request(0 if isinstance(seed, np.random.Generator) else seed, size, 0)
    if body_part not in COUNTS:
        raise DataError(f"no body part {body_part!r}", remedy=f"there are {', '.join(COUNTS)}")
    rng = seed if isinstance(seed, np.random.Generator) else np.random.default_rng(seed)
    body_rng, view_rng, film_rng, noise_rng = rng.spawn(4)
    technique = TECHNIQUES[body_part]
    field_mm = float(view_rng.uniform(*technique.field_mm))
    spacing = field_mm / size
    cover = _trunk if body_part in TRUNK else _limb
    shadow, view = cover(body_rng, view_rng, body_part, shape, field_mm)
    field, exposure = draw_field(film_rng), draw_exposure(film_rng, technique)
    thickness = dict(shadow.thickness)
    for name, plane in obstacles(film_rng, field, shape, spacing_mm=spacing).items():
        thickness[name] = thickness.get(name, np.zeros(shape)) + plane
    lit = field.lit(shape)
    tissue = np.where(lit, np.where(shadow.bone, BONE, np.where(shadow.body, SOFT_TISSUE, OPEN_BEAM)), OPEN_BEAM)
    signal = log_signal_of(noise_rng, thickness, exposure, spacing_mm=spacing)
    seen = lit & ~shadow.metal
    parts = {"tissue": seen & (tissue == SOFT_TISSUE), "bone": seen & (tissue == BONE)}
    look = draw_look(film_rng, signal, exposure, detail=technique.detail, **parts)
    film = finish(film_rng, look(signal, spacing_mm=spacing), field)
    metal = bool((shadow.metal & lit).any())
    return LimbCase(film, tissue.astype(np.uint8), spacing, body_part, view, metal, thickness, look.exposure)


def _limb(
    body_rng: np.random.Generator, view_rng: np.random.Generator, part: str, shape: tuple[int, int], field_mm: float
) -> tuple[Shadow, str]:
    """The shadow of a limb, pelvis or head, and the name of its view."""
    build = draw_build(body_rng)
    stance = draw_stance(body_rng, part, build)
    body = stance.body
    metal = draw_metal(body_rng, part, body, place=stance.place)
    grain = bone_grain(body_rng.spawn(1)[0])
    body = replace(body, metal=metal).moved(_turn(view_rng, stance))
    rays = _rays(view_rng, build, body.places[stance.place], shape, field_mm)
    shadow = cast(body, rays, build, grain=grain, texture=grain.T)
    # Solids are those of a plain adult: the patient's size scales the rays' distances and what they pass.
    thickness = {name: length * build.size for name, length in shadow.thickness.items()}
    return Shadow(thickness, shadow.body, shadow.bone, shadow.metal), stance.view


def _turn(rng: np.random.Generator, stance: Stance) -> Floats:
    """The matrix from a body to the film: the view, a pose that is never quite right, the way the film lies."""
    off = np.clip(rng.normal(0, 6, 2), -12, 12)
    lying = float(rng.choice([0.0, 90.0, -90.0, 180.0], p=[0.82, 0.07, 0.07, 0.04])) + float(rng.normal(0, 8))
    side = np.diag([-1.0 if rng.random() < 0.5 else 1.0, 1.0, 1.0])
    pose = rotation(stance.turn[0] + float(off[0]), 0, 0)
    return np.asarray(
        rotation(0, 0, stance.roll + lying) @ side @ rotation(0, stance.turn[1] + float(off[1]), 0) @ pose
    )


def _rays(rng: np.random.Generator, build: Build, place: Floats, shape: tuple[int, int], field_mm: float) -> Rays:
    step = field_mm / max(shape) / (float(rng.uniform(1.02, 1.15)) * build.size)
    aside = rng.uniform(-0.1, 0.1, 2) * step * max(shape)
    return Rays.parallel(shape, step=step, origin=(float(place[0] + aside[0]), float(place[1] + aside[1])))


def _trunk(
    body_rng: np.random.Generator, view_rng: np.random.Generator, part: str, shape: tuple[int, int], field_mm: float
) -> tuple[Shadow, str]:
    """The shadow of the chest phantom's body, or of one of its shoulders."""
    anatomy = draw_anatomy(*body_rng.spawn(2), vessels=part != "shoulder")
    build, pose = anatomy.parameters.build, anatomy.parameters.pose
    side = -1.0 if view_rng.random() < 0.5 else 1.0
    origin = {
        "chest": pose.centre,
        "thorax": (pose.centre[0], pose.centre[1] + float(view_rng.uniform(-30, 50))),
        "shoulder": (
            side * build.half_width * float(view_rng.uniform(1.02, 1.18)),
            55 + float(view_rng.uniform(-15, 25)),
        ),
    }[part]
    rays = Rays.parallel(shape, step=field_mm / max(shape) / pose.magnification, origin=origin, roll=pose.roll)
    projection = project(anatomy, rays)
    bone = projection.masks["bones"]
    body = np.sum(list(projection.with_bone.values()), axis=0) > 0
    return Shadow(projection.with_bone, body | bone, bone, np.zeros(shape, bool)), "AP"
