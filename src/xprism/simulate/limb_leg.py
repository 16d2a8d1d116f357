"""The lower limb, a right one seen from the front: thigh, knee and lower leg; the knee's joint line is at y = 0.

Numbers are in mm of a plain adult: rows are (x, y, z, half-width, half-depth) and for bones wall and filling.
"""

from __future__ import annotations

import numpy as np

from xprism.simulate.limb_body import Body, Build
from xprism.simulate.limb_foot import foot
from xprism.simulate.limb_solids import Bone, Floats, Piece, Rod, Rows, ball, rod, rotation, shaft

HIP = (0.0, -412.0, 2.0)
"""Centre of the femoral head."""
ANKLE = (4.0, 374.0, -2.0)

_FEMUR = [
    (-50, -392, -6, 11, 12, 1.0, 0.9),
    (-49, -378, -4, 17, 18, 1.2, 0.9),
    (-42, -352, -1, 19, 18, 2.2, 0.8),
    (-37, -322, 1, 15.5, 16, 4.5, 0.4),
    (-30, -260, 6, 13.5, 14, 6.5, 0.1),
    (-20, -180, 9, 13.5, 14.5, 6.5, 0.05),
    (-10, -110, 6, 15, 15, 4.0, 0.3),
    (-4, -75, 2, 20, 17, 2.0, 0.7),
    (-1, -50, -2, 30, 21, 1.2, 0.9),
    (0, -32, -6, 37, 25, 1.0, 1.0),
    (0, -22, -8, 38, 27, 0.9, 1.0),
]
_TIBIA = [
    (1, 5, -6, 37, 23, 1.0, 1.0),
    (1, 14, -5, 36, 23, 1.0, 1.0),
    (0, 30, -3, 28, 20, 1.5, 0.9),
    (0, 52, 0, 19, 17, 2.5, 0.6),
    (0, 90, 3, 14.5, 16, 4.0, 0.2),
    (0, 180, 2, 12.5, 14.5, 5.0, 0.1),
    (2, 260, -1, 11.5, 12.5, 4.0, 0.15),
    (3, 315, -2, 13, 13, 2.5, 0.5),
    (4, 342, -2, 18, 16, 1.3, 0.9),
    (5, 362, -2, 23, 20, 1.0, 1.0),
    (5, 371, -2, 24, 20, 0.9, 1.0),
]
_FIBULA = [
    (-32, 20, -18, 8, 8, 1.0, 1.0),
    (-31, 28, -18, 9, 9, 1.0, 1.0),
    (-30, 44, -18, 6.5, 7, 1.6, 0.6),
    (-27, 90, -16, 5.8, 6.5, 2.4, 0.15),
    (-26, 200, -14, 5.8, 6.5, 2.6, 0.1),
    (-23, 320, -9, 6.5, 8, 1.8, 0.4),
    (-24, 358, -6, 9, 11, 1.2, 0.9),
    (-26, 386, -5, 7.5, 10, 1.0, 1.0),
    (-26, 396, -5, 5, 7, 0.8, 1.0),
]
_THIGH = [
    (-8, -620, -12, 92, 105),
    (-14, -470, -10, 92, 102),
    (-18, -390, -5, 86, 95),
    (-18, -300, 0, 76, 84),
    (-10, -180, 0, 66, 70),
    (-3, -90, 2, 57, 60),
    (0, -30, 2, 54, 57),
    (0, 15, -3, 53, 54),
]
_CALF = [
    (0, -25, 0, 53, 55),
    (0, 20, -5, 52, 53),
    (-2, 60, -12, 51, 54),
    (-5, 130, -19, 55, 59),
    (-6, 190, -16, 49, 53),
    (-5, 265, -9, 37, 42),
    (-2, 330, -6, 31, 38),
    (0, 372, -5, 34, 42),
    (0, 398, 0, 34, 44),
]


def varied(rng: np.random.Generator, rows: Rows, spread: float = 0.05) -> list[list[float]]:
    """Rows of one bone or one limb with radii, and walls where there are any, as another person has them."""
    wide, deep, wall = np.exp(rng.normal(0, spread, 3).clip(-2 * spread, 2 * spread))
    factors = [1, 1, 1, wide, deep, wall, 1][: len(rows[0])]
    return [[float(v) for v in np.multiply(row, factors)] for row in rows]


def flesh_of(rows: Rows, girth: float) -> list[tuple[float, ...]]:
    """Rows of a limb's skin with radii times ``girth``."""
    return [(x, y, z, a * girth, b * girth) for x, y, z, a, b in rows]


def femur(rng: np.random.Generator) -> Bone:
    """The femur: shaft, neck, head, lesser trochanter and condyles."""
    spongy = float(rng.uniform(0.85, 1.0))
    head = float(rng.normal(23.5, 1.0))
    neck = rod([(-43, -368, -2, 18, 16), (-24, -388, 1, 15, 13), (-8, -404, 2, 15.5, 14)], caps=(0.2, 0.2), count=12)
    return (
        shaft(varied(rng, _FEMUR, 0.04), caps=(0.8, 0.3), count=20),
        Piece(neck, 2.0, spongy),
        Piece(ball(HIP, head), 1.0, 1.0),
        Piece(ball((-27, -338, -13), (9, 14, 9)), 1.2, 0.9),
        Piece(ball((22, -20, -11), (16.5, 19, 30), turn=(-8, 0, 0)), 1.0, spongy),
        Piece(ball((-22, -19, -9), (16.5, 18.5, 29), turn=(-8, 0, 0)), 1.0, spongy),
    )


def tibia(rng: np.random.Generator) -> Bone:
    """The tibia: shaft, spines of the plateau, tuberosity and inner malleolus."""
    return (
        shaft(varied(rng, _TIBIA, 0.04), caps=(0.25, 0.2), count=24),
        Piece(ball((6, 3, -6), (4, 6, 6)), 1.0, 1.0),
        Piece(ball((-5, 3, -4), (4, 5, 6)), 1.0, 1.0),
        Piece(ball((-1, 42, 15), (11, 15, 7)), 1.4, 0.9),
        Piece(ball((23, 376, 0), (7, 15, 12), turn=(0, 0, 6)), 1.0, 1.0),
    )


def leg(
    rng: np.random.Generator, build: Build, *, flexion: float = 0.0, pointing: float = 0.0, rows: int = len(_THIGH)
) -> Body:
    """A whole lower limb; the knee bends by ``flexion`` degrees, the foot points down by ``pointing`` degrees.

    Of the thigh's flesh only the lowest ``rows`` are there: 6 of a limb that hangs on a trunk.

    Places: hip, trochanter, femur, thigh, knee, leg, tibia (its lower half), ankle, foot, toes.
    """
    thick = build.girth * float(np.exp(rng.normal(0, 0.06)))
    thigh, calf = rod(flesh_of(_THIGH[-rows:], thick), count=18), rod(flesh_of(_CALF, thick), count=18)
    rise = float(rng.normal(-34, 4))
    patella = ball((float(rng.normal(0, 2)), rise + 0.25 * flexion, 33), (21, 21, 10), turn=(-0.4 * flexion, 0, 0))
    upper = Body(
        skin=(thigh,),
        flesh=_muscles(thigh, build.fat),
        bones={"femur": femur(rng), "patella": (Piece(patella, 1.0, 1.0),)},
        places=_places(hip=HIP, trochanter=(-30, -375, 0), femur=(-18, -200, 5), thigh=(-14, -260, 0), knee=(0, -8, 0)),
    )
    fibula = (shaft(varied(rng, _FIBULA, 0.07), caps=(0.6, 0.7), count=18),)
    lower = Body(
        skin=(calf,),
        flesh=_muscles(calf, 0.6 * build.fat),
        bones={"tibia": tibia(rng), "fibula": fibula},
        places=_places(leg=(-4, 185, -5), tibia=(-2, 250, -5), ankle=(0, 376, 0)),
    )
    sole = foot(rng, build).moved(rotation(pointing, 0, 0), np.array(ANKLE))
    return upper.joined(_bent(lower.joined(sole), flexion))


def _bent(lower: Body, flexion: float) -> Body:
    """What lies below the knee, turned about the axis of the femoral condyles."""
    axis = np.array([0.0, -19.0, -11.0])
    turn = rotation(-flexion, 0, 0)
    return lower.moved(turn, axis - turn @ axis)


def _muscles(skin: Rod, fat: float) -> tuple[Rod, ...]:
    """The inside of a limb's layer of fat."""
    return (skin.thinned(np.minimum(fat, 0.35 * skin.tube.radii.min(1))),)


def _places(**points: tuple[float, float, float]) -> dict[str, Floats]:
    return {name: np.array(point, float) for name, point in points.items()}


def foot_alone(rng: np.random.Generator, build: Build) -> Body:
    """A foot with the end of its leg, which leans back or forwards, as on films from above; places as of ``foot``."""
    up = np.array([0.0, -ANKLE[1], 0.0])
    calf = rod(flesh_of(_CALF[-4:], build.girth), count=8)
    stub = Body(
        skin=(calf,),
        flesh=_muscles(calf, 0.6 * build.fat),
        bones={
            "tibia": (shaft(varied(rng, _TIBIA[-5:]), count=10),),
            "fibula": (shaft(varied(rng, _FIBULA[-4:]), count=8),),
        },
        places={},
    ).moved(np.eye(3), up)
    return stub.moved(rotation(float(rng.uniform(5, 40)), 0, 0)).joined(foot(rng, build))
