"""Pelvis, hips and lumbar spine seen from the front: the middle between the hip joints is the origin, in mm.

Numbers are those of a plain adult: rows are (x, y, z, half-width, half-depth) and for bones wall and filling.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from xprism.simulate.limb_body import Body, Build
from xprism.simulate.limb_leg import HIP, leg
from xprism.simulate.limb_solids import Ball, Bone, Piece, Rod, Solid, ball, rod, rotation, shaft

HALF = 88.0
"""Distance of a hip joint from the midline."""
_MIRROR = np.diag([-1.0, 1.0, 1.0])
_PITCH = 36.5
_TOP = -134.0
"""Level of the middle of L5."""


def pelvis(rng: np.random.Generator, build: Build, *, spread: float = 4.0, raised: float = 0.0) -> Body:
    """A trunk from the lowest ribs to the knees; the thighs are spread by degrees, one ``raised`` to the front.

    Places: pelvis, hip, neck (of the femur), lumbar, sacrum.
    """
    bones: dict[str, Bone] = {"sacrum": _sacrum()}
    for side, name in ((1.0, "left"), (-1.0, "right")):
        for part, bone in _hip_bone().items():
            bones[f"{name} {part}"] = _mirrored(bone, side)
    bones |= _spine(rng)
    skin, flesh = _trunk(build)
    body = Body(
        skin,
        flesh,
        bones,
        {
            "pelvis": np.array([0, -25, 0.0]),
            "hip": np.array([-HALF, 5, 0.0]),
            "neck": np.array([-HALF - 15, 18, 0.0]),
            "lumbar": np.array([0, -200, -30.0]),
            "sacrum": np.array([0, -90, -40.0]),
        },
        gas=_gas(rng),
    )
    for side in (-1.0, 1.0):
        thigh = leg(rng, build, rows=6)
        lift = raised if side < 0 else 0.0
        outwards, inwards = spread + float(rng.normal(0, 2)), float(rng.normal(5, 8))
        turn = rotation(lift, 0, 0) @ rotation(0, 0, outwards) @ rotation(0, inwards, 0)
        thigh = thigh.moved(turn, -turn @ np.array(HIP))
        if side > 0:
            thigh = thigh.moved(_MIRROR)
        thigh = thigh.moved(np.eye(3), np.array([side * HALF, 0.0, 0.0]))
        body = body.joined(thigh, prefix="right " if side < 0 else "left ")
    return body


def _mirrored(bone: Bone, side: float) -> Bone:
    if side > 0:
        return bone
    return tuple(Piece(p.solid.moved(_MIRROR, np.zeros(3)), p.wall, p.filling) for p in bone)


def _hip_bone() -> dict[str, Bone]:
    """The left hip bone: iliac wing, body with the socket, pubis and ischium."""
    wing = ball((92, -88, -10), (50, 60, 5.5), turn=(-14, -32, -12))
    crest = [
        (46, -122, -48, 5, 6),
        (66, -141, -30, 5, 7),
        (92, -147, 2, 5, 7),
        (118, -134, 26, 5, 8),
        (132, -108, 40, 5, 7),
        (132, -84, 40, 4, 6),
    ]
    neck = [(52, -78, -40, 12, 16), (68, -56, -22, 16, 14), (86, -38, -6, 22, 15), (98, -22, 0, 22, 17)]
    rim = [
        (120, -2, 2, 7, 12),
        (113, -20, 2, 8, 15),
        (98, -30, 1, 9, 18),
        (82, -30, 0, 8, 18),
        (68, -18, 2, 7, 16),
        (62, 2, 4, 7, 14),
        (66, 18, 2, 7, 12),
    ]
    upper = [(70, 10, 18, 13, 12), (50, 22, 36, 8, 8), (28, 30, 45, 8, 7), (10, 36, 48, 7, 8)]
    body = [(9, 34, 48, 6, 8), (9, 48, 46, 7, 7), (14, 60, 38, 7, 6)]
    lower = [(14, 58, 38, 6, 5), (30, 72, 18, 6, 5), (46, 82, -2, 9, 8)]
    ischium = [(80, 14, -16, 15, 16), (74, 40, -24, 13, 14), (64, 66, -24, 15, 14), (54, 82, -14, 13, 12)]
    return {
        "ilium": (
            Piece(wing, 1.2, 0.7),
            Piece(rod(crest, count=14, caps=(0.8, 0.8)), 1.0, 0.8),
            Piece(rod(neck, count=10), 2.0, 0.9),
            Piece(rod(rim, count=14), 1.8, 0.9),
            Piece(ball((84, -2, -16), (27, 28, 13)), 1.0, 0.7),
            Piece(rod(ischium, count=12), 1.4, 0.8),
            Piece(rod(upper, count=10), 1.2, 0.8),
            Piece(rod(body, count=8, caps=(0.8, 0.4)), 1.0, 0.8),
            Piece(rod(lower, count=10, caps=(0.3, 0.5)), 1.1, 0.8),
        )
    }


def _sacrum() -> Bone:
    rows = [
        (0, -118, -38, 44, 16, 0.9, 0.75),
        (0, -102, -48, 50, 18, 0.9, 0.7),
        (0, -78, -62, 40, 14, 0.9, 0.7),
        (0, -52, -70, 26, 10, 0.9, 0.8),
        (0, -30, -64, 15, 7, 0.9, 0.9),
        (0, -10, -50, 7, 5, 0.8, 1.0),
    ]
    wings = [Piece(ball((side * 36, -106, -42), (20, 14, 14), turn=(0, 0, side * 20)), 1.0, 0.8) for side in (-1, 1)]
    crest = Piece(rod([(0, -110, -66, 4, 6), (0, -80, -78, 4, 6), (0, -50, -80, 3, 4)], count=8), 1.2, 0.8)
    return (shaft(rows, count=20, caps=(0.1, 0.8)), *wings, crest)


def _spine(rng: np.random.Generator) -> dict[str, Bone]:
    """Vertebrae from L5 up to T10 with their processes, and the lowest ribs."""
    bones: dict[str, Bone] = {}
    bend = float(rng.normal(0, 4))
    for number in range(8):
        y = _TOP - _PITCH * number
        x = bend * np.sin(0.5 * number)
        z = -30 + 16 * np.sin(np.pi * (number + 0.5) / 6.0)
        lean = 12 - 4 * number
        size = 1 - 0.03 * number
        bones[f"vertebra {number}"] = vertebra((x, y, z), half=(24 * size, 13.6, 17.5 * size), lean=lean)
        if number in (5, 6, 7):
            for side in (-1, 1):
                rows = [
                    (x + side * 20, y, z - 22, 5, 5),
                    (x + side * 62, y + 18, z - 30, 5, 6),
                    (x + side * 105, y + 52, z - 10, 4.5, 6),
                ]
                rows += [(x + side * 128, y + 92, z + 30, 4, 6)] if number > 5 else []
                bones[f"rib {number} {side}"] = (
                    Piece(rod(rows, count=12, across=(0, 0.5, 1), caps=(0.3, 0.8)), 1.0, 0.7),
                )
    return bones


def vertebra(centre: Sequence[float], *, half: Sequence[float], lean: float, reach: float = 1.0) -> Bone:
    """A vertebra: its body (``half`` its width, height and depth) with hard end plates, pedicles and processes.

    It leans to the front by ``lean`` degrees; ``reach`` is the size of the processes, 1 in a lumbar vertebra.
    """
    wide, high, deep = half
    waist = [
        (0, -high, 0, wide, deep),
        (0, -0.45 * high, 0, 0.86 * wide, 0.9 * deep),
        (0, 0.45 * high, 0, 0.86 * wide, 0.9 * deep),
        (0, high, 0, wide, deep),
    ]
    parts: list[tuple[Solid, float, float]] = [(rod(waist, count=8, caps=(0, 0)), 1.4, 0.9)]
    back = -deep
    r = reach
    for side in (-1, 1):
        x = side * 0.62 * wide
        parts += [
            (rod([(x, -0.3 * high, back + 2, 5, 6), (x, -0.25 * high, back - 12 * r, 5, 6)], count=4), 1.6, 0.8),
            (ball((x, -0.75 * high, back - 15 * r), (6 * r, 9 * r, 6 * r)), 1.3, 0.9),
            (ball((x, 0.95 * high, back - 17 * r), (5.5 * r, 9 * r, 6 * r)), 1.3, 0.9),
            (
                rod(
                    [
                        (x, -0.1 * high, back - 10 * r, 4.5, 4),
                        (side * (wide + 20 * r), -0.3 * high, back - 12 * r, 5 * r, 3),
                    ],
                    count=6,
                    across=(0, 1, 0),
                ),
                0.9,
                0.7,
            ),
        ]
    spine = [(0, 0.15 * high, back - 18 * r, 3, 9 * r), (0, 0.5 * high, back - 40 * r, 4, 11 * r)]
    parts.append((rod(spine, count=6, caps=(0.5, 1.0)), 1.0, 0.7))
    turn, shift = rotation(lean, 0, 0), np.asarray(centre, float)
    return tuple(Piece(solid.moved(turn, shift), wall, filling) for solid, wall, filling in parts)


def _trunk(build: Build) -> tuple[tuple[Rod, ...], tuple[Rod, ...]]:
    """The trunk's skin, and what lies within its fat."""
    girth, fat = build.girth, 1.6 * build.fat
    rows = [
        (0, -560, -5, 150, 108),
        (0, -330, -5, 142, 104),
        (0, -235, -5, 142, 102),
        (0, -150, -8, 156, 104),
        (0, -70, -12, 168, 106),
        (0, 0, -14, 174, 104),
        (0, 45, -14, 165, 92),
    ]
    skin = rod([(x, y, z, a * girth, b * girth) for x, y, z, a, b in rows], count=20, caps=(0, 0.45))
    return (skin,), (skin.thinned(np.minimum(fat, 40)),)


def _gas(rng: np.random.Generator) -> tuple[Ball, ...]:
    """Bubbles in the bowel."""
    bubbles = []
    for _ in range(int(rng.poisson(9))):
        centre = (rng.uniform(-115, 115), rng.uniform(-300, -30), rng.uniform(0, 50))
        size = rng.uniform(5, 20)
        radii = (size * rng.uniform(0.8, 2.2), size * rng.uniform(0.7, 1.3), 0.8 * size)
        bubbles.append(ball(centre, radii, turn=(0, 0, float(rng.uniform(0, 180)))))
    return tuple(bubbles)
