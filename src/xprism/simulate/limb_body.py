"""A limb, trunk or head as solids: skin, flesh, bones, gas and metal, and the paths of rays through them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from xprism.grid import resize
from xprism.simulate.limb_solids import Bone, Floats, Piece, Solid, bone_length, solids_length
from xprism.simulate.projection import Rays

Mask = NDArray[np.bool_]

_COARSE_MM = 0.75


@dataclass(frozen=True)
class Build:
    """What makes one patient differ from another, all 1 in a plain adult but ``fat`` (mm under the skin).

    ``size`` scales everything, ``girth`` the flesh, ``cortex`` the walls of bones, ``mineral`` what they hold,
    ``filling`` the spongiosa in them.
    """

    size: float = 1.0
    girth: float = 1.0
    fat: float = 6.0
    cortex: float = 1.0
    mineral: float = 1.0
    filling: float = 1.0


def draw_build(rng: np.random.Generator) -> Build:
    """Draw a patient: men and women, lean and stout, firm and thin bones."""
    porous = float(np.clip(rng.normal(0, 0.5), 0, 1))
    return Build(
        size=float(rng.uniform(0.9, 1.1)),
        girth=float(np.exp(np.clip(rng.normal(0, 0.13), -0.26, 0.3))),
        fat=float(np.clip(rng.gamma(3.0, 2.3), 2, 22)),
        cortex=float(rng.uniform(0.85, 1.15) * (1 - 0.4 * porous)),
        mineral=float(rng.uniform(0.85, 1.05) * (1 - 0.2 * porous)),
        filling=float(rng.uniform(0.8, 1.05) * (1 - 0.4 * porous)),
    )


@dataclass(frozen=True)
class Body:
    """Solids in mm: everything within ``skin`` is patient, of which what is not ``flesh`` is fat.

    Bones by name take the place of flesh, and of fat where a ray meets too little of it; ``gas`` is air within the
    body; ``metal`` are solids by what they are made of, titanium or iron, and take the place of whatever lies there,
    outside the body of air. ``places`` are points [3] that a film may be centred on.
    """

    skin: tuple[Solid, ...]
    flesh: tuple[Solid, ...]
    bones: Mapping[str, Bone]
    places: Mapping[str, Floats]
    gas: tuple[Solid, ...] = ()
    metal: tuple[tuple[str, Solid], ...] = ()

    def moved(self, turn: Floats, shift: Floats | None = None) -> Body:
        """The body turned by a matrix [3, 3] about the origin, then shifted."""
        to = np.zeros(3) if shift is None else shift
        return Body(
            tuple(solid.moved(turn, to) for solid in self.skin),
            tuple(solid.moved(turn, to) for solid in self.flesh),
            {name: tuple(_moved(piece, turn, to) for piece in bone) for name, bone in self.bones.items()},
            {name: turn @ place + to for name, place in self.places.items()},
            tuple(solid.moved(turn, to) for solid in self.gas),
            tuple((kind, solid.moved(turn, to)) for kind, solid in self.metal),
        )

    def joined(self, other: Body, *, prefix: str = "") -> Body:
        """Both bodies as one; bones and places of the other get a prefix."""
        return Body(
            self.skin + other.skin,
            self.flesh + other.flesh,
            {**self.bones, **{prefix + name: bone for name, bone in other.bones.items()}},
            {**self.places, **{prefix + name: place for name, place in other.places.items()}},
            self.gas + other.gas,
            self.metal + other.metal,
        )


def _moved(piece: Piece, turn: Floats, shift: Floats) -> Piece:
    return Piece(piece.solid.moved(turn, shift), piece.wall, piece.filling)


@dataclass(frozen=True)
class Shadow:
    """Path lengths in mm [H, W] by material, and what each pixel shows: ``body`` and ``bone`` (metal included)."""

    thickness: Mapping[str, Floats]
    body: Mask
    bone: Mask
    metal: Mask = field(default_factory=lambda: np.zeros((0, 0), bool))


def cast(body: Body, rays: Rays, build: Build, *, grain: Floats, texture: Floats) -> Shadow:
    """Path lengths through every material of a body, and the exact shadow of body and bone.

    ``grain`` (within bone) and ``texture`` (within flesh) are random fields of unit deviation over the film; they
    move no outline. Where pixels are wider than cortex is thick, bone and metal are sampled by four or nine rays a
    pixel, and a pixel is bone where at least half of them meet it.
    """
    times = int(np.clip(np.ceil(rays.step / _COARSE_MM), 1, 3))
    fine = rays.finer(times) if times > 1 else rays
    cortical, spongiosa, bone = _bones(body, fine, build, grain)
    metal = {kind: solids_length(fine, [s for k, s in body.metal if k == kind]) for kind in ("titanium", "iron")}
    metal_hit = (metal["titanium"] > 0) | (metal["iron"] > 0)
    free = ~metal_hit
    cortical, spongiosa = _pooled(cortical * free, times), _pooled(spongiosa * free, times)
    shown = {kind: _pooled(length, times) for kind, length in metal.items() if length.any()}
    skin = solids_length(rays, body.skin)
    flesh = np.minimum(solids_length(rays, body.flesh), skin)
    flesh = np.clip(flesh * (1 + 0.025 * resize(texture, rays.shape).astype(float)), 0, skin)
    gas = np.minimum(solids_length(rays, body.gas), flesh) if body.gas else np.zeros(rays.shape)
    fat, flesh = skin - flesh, flesh - gas
    hard = cortical + spongiosa + sum(shown.values(), np.zeros(rays.shape))
    thickness = {
        "adipose": np.maximum(fat - np.maximum(hard - flesh, 0), 0),
        "soft_tissue": np.maximum(flesh - hard, 0),
        "cortical_bone": cortical * build.mineral,
        "spongiosa": spongiosa,
        **shown,
    }
    is_metal = _pooled(metal_hit.astype(float), times) >= 0.5
    is_bone = (_pooled(bone.astype(float), times) >= 0.5) | is_metal
    return Shadow(MappingProxyType(thickness), (skin > 0) | is_bone, is_bone, is_metal)


def _bones(body: Body, rays: Rays, build: Build, grain: Floats) -> tuple[Floats, Floats, Mask]:
    """Path lengths in mm through cortex and spongiosa, and which rays meet bone."""
    cortical, spongiosa = np.zeros(rays.shape), np.zeros(rays.shape)
    hit = np.zeros(rays.shape, bool)
    for bone in body.bones.values():
        thick = tuple(Piece(p.solid, np.asarray(p.wall) * build.cortex, p.filling) for p in bone)
        block, wall, marrow = bone_length(rays, thick)
        cortical[block] += wall
        spongiosa[block] += marrow * min(build.filling, 1.0)
        hit[block] |= wall > 0
    uneven = 0.1 * np.clip(resize(grain, rays.shape).astype(float), -3, 3)
    return cortical * (1 + 0.5 * uneven), spongiosa * (1 + uneven), hit


def _pooled(lengths: Floats, times: int) -> Floats:
    """Means over ``times`` x ``times`` rays a pixel."""
    if times == 1:
        return lengths
    height, width = lengths.shape[0] // times, lengths.shape[1] // times
    return np.asarray(lengths.reshape(height, times, width, times).mean((1, 3)))
