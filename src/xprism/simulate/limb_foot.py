"""The foot, a right one: x to the inner side, y to the sole, z to the toes; the ankle joint is the origin, in mm."""

from __future__ import annotations

import numpy as np

from xprism.simulate.limb_body import Body, Build
from xprism.simulate.limb_solids import Bone, Floats, Piece, Rod, ball, rod, shaft

_TARSALS = {
    "navicular": ((9, 24, 55), (19, 14, 7), (0, 12, 0)),
    "cuboid": ((-17, 38, 50), (12, 12, 17), (0, 0, 0)),
    "inner cuneiform": ((18, 32, 69), (8.5, 14, 11), (0, 0, 0)),
    "middle cuneiform": ((5, 27, 67), (7, 11, 9), (0, 0, 0)),
    "outer cuneiform": ((-6, 30, 66), (7, 11, 11), (0, 0, 0)),
}
# Base and head of the metatarsals, radii of base, shaft and head.
_METATARSALS = (
    ((19, 38, 82), (26, 57, 136), (11, 6.5, 10)),
    ((7, 30, 78), (8, 56, 146), (7.5, 4.0, 6)),
    ((-4, 32, 78), (-7, 57, 141), (7.5, 3.8, 6)),
    ((-15, 38, 74), (-22, 58, 131), (7.5, 3.8, 5.8)),
    ((-27, 46, 66), (-36, 59, 121), (8, 4.0, 5.8)),
)
_TOES = ((30, 22), (24, 12, 9), (22, 11, 9), (20, 9, 9), (18, 8, 9))
"""Lengths of the phalanges of each toe."""


def foot(rng: np.random.Generator, build: Build) -> Body:
    """A foot with its tarsal bones, metatarsals and phalanges; places: foot (its middle), toes and heel."""
    bones: dict[str, Bone] = {"talus": _talus(), "calcaneus": _calcaneus()}
    for name, (centre, radii, turn) in _TARSALS.items():
        size = float(rng.normal(1, 0.04))
        bones[name] = (Piece(ball(centre, np.multiply(radii, size).tolist(), turn=turn), 0.9, 1.0),)
    girth = 0.5 + 0.5 * build.girth
    skin = _skin(girth)
    spread, curl = float(rng.normal(0, 0.03)), float(rng.uniform(-0.1, 0.35))
    for number, (base, head, thickness) in enumerate(_METATARSALS):
        bones[f"metatarsal {number + 1}"] = long_bone(np.array(base, float), np.array(head, float), thickness)
        toe = _toe(rng, number, np.array(base, float), np.array(head, float), (spread, curl))
        for place, phalanx in enumerate(toe[0]):
            bones[f"toe {number + 1} phalanx {place + 1}"] = phalanx
        skin.append(toe[1])
    for place, x in enumerate((21, 31)):
        bones[f"sesamoid {place}"] = (Piece(ball((x, 69, 132), (4, 4, 5)), 1.0, 1.0),)
    fat = min(0.3 * build.fat, 4.0)
    places = {"foot": (0, 42, 65), "toes": (-2, 58, 130), "heel": (-4, 36, -20)}
    return Body(
        tuple(skin),
        tuple(solid.thinned(np.minimum(fat, 0.3 * solid.tube.radii.min(1))) for solid in skin),
        bones,
        {name: np.array(place, float) for name, place in places.items()},
    )


def _skin(girth: float) -> list[Rod]:
    """The foot without toes: heel to instep, and the ball."""
    heel = [
        (-4, 36, -58, 22, 28),
        (-4, 34, -40, 29, 34),
        (-2, 26, -5, 34, 42),
        (-1, 30, 25, 35, 37),
        (0, 36, 55, 38, 31),
        (-1, 44, 85, 42, 25),
        (-3, 52, 112, 46, 19),
        (-4, 57, 134, 45, 15),
    ]
    return [rod([(x, y, z, a * girth, b * girth) for x, y, z, a, b in heel], count=16, caps=(0.5, 0.3))]


def _talus() -> Bone:
    neck = rod([(2, 17, 8, 14, 12), (6, 20, 28, 12, 11), (9, 22, 42, 13, 11)], count=12, caps=(0.2, 0.4))
    return (
        Piece(ball((0, 16, -2), (18, 14, 23)), 1.1, 1.0),
        Piece(neck, 1.0, 1.0),
        Piece(ball((-3, 26, -14), (14, 9, 15)), 0.9, 1.0),
    )


def _calcaneus() -> Bone:
    rows = [
        (-4, 44, -56, 12, 17, 1.2, 1.0),
        (-4, 42, -42, 15, 20, 1.2, 0.9),
        (-5, 38, -20, 14, 18, 1.2, 0.7),
        (-5, 37, 0, 17, 15, 1.2, 0.7),
        (-10, 37, 20, 14, 13, 1.2, 0.9),
        (-13, 38, 31, 11, 12, 1.0, 1.0),
    ]
    return (shaft(rows, count=12, caps=(0.5, 0.3)), Piece(ball((10, 34, 2), (9, 6, 10)), 1.0, 0.9))


def long_bone(base: Floats, head: Floats, radii: tuple[float, float, float]) -> Bone:
    """A metatarsal or phalanx from base to head, radii of base, shaft and head."""
    wide, thin, end = radii
    rows = []
    for way, radius, wall, filling in (
        (0.0, wide, 0.7, 1.0),
        (0.12, wide * 0.95, 0.7, 1.0),
        (0.35, thin * 1.05, 0.35 * thin, 0.4),
        (0.65, thin, 0.4 * thin, 0.3),
        (0.88, end, 0.8, 0.9),
        (1.0, end * 0.95, 0.7, 1.0),
    ):
        point = base + way * (head - base)
        rows.append((*point.tolist(), radius, radius, wall, filling))
    return (shaft(rows, count=9, caps=(0.25, 0.7)),)


def _toe(
    rng: np.random.Generator, number: int, base: Floats, head: Floats, pose: tuple[float, float]
) -> tuple[list[Bone], Rod]:
    """The phalanges of a toe and its skin: it goes on from its metatarsal, spread and curled a little."""
    spread, curl = pose
    way = (head - base) / np.linalg.norm(head - base)
    radius = (9.0, 5.2, 4.9, 4.7, 4.6)[number]
    slope = np.array([spread * (2 - number) + float(rng.normal(0, 0.03)), 0.0, 0.0])
    at = head + way * (radius + 1.5)
    bones: list[Bone] = []
    line = [head + way * 4]
    way = way * np.array([1, 0.25, 1]) + slope
    for place, length in enumerate(_TOES[number]):
        way = way / np.linalg.norm(way)
        shrink = (1.0, 0.82, 0.72)[place]
        end = at + way * (length - 4)
        bones.append(long_bone(at, end, (radius * shrink, 0.6 * radius * shrink, 0.75 * radius * shrink)))
        line += [(at + end) / 2, end]
        at = end + way * 4.5
        way = way + np.array([0.0, curl, 0.0])
    thick = 1.75 * radius + 1.5
    rows = [(*point.tolist(), thick, 0.95 * thick) for point in line]
    return bones, rod(rows, count=8, caps=(0.5, 0.9))
