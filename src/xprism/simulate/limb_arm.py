"""The upper limb, a right one seen from the front with the palm forwards: x to the body, y to the fingers, in mm.

The elbow's joint line is at y = 0. Numbers are those of a plain adult: rows are (x, y, z, half-width, half-depth) and
for bones wall and filling.
"""

from __future__ import annotations

import numpy as np

from xprism.simulate.limb_body import Body, Build
from xprism.simulate.limb_hand import hand
from xprism.simulate.limb_leg import flesh_of, varied
from xprism.simulate.limb_solids import Bone, Piece, ball, rod, rotation, shaft

_HUMERUS = [
    (-6, -300, 0, 18, 18, 1.0, 1.0),
    (-6, -285, 0, 20, 19, 1.0, 0.9),
    (-6, -258, 0, 14, 14, 2.4, 0.5),
    (-5, -200, 0, 11, 11.5, 4.0, 0.15),
    (-2, -100, 0, 10.5, 10.5, 4.0, 0.05),
    (0, -52, 0, 13, 9.5, 3.0, 0.2),
    (0, -32, 0, 19, 7.5, 1.8, 0.6),
    (1, -18, 1, 26, 7, 1.0, 1.0),
    (1, -9, 2, 26, 7.5, 0.9, 1.0),
]
_ULNA = [
    (8, -20, -13, 9, 7, 1.4, 1.0),
    (8, -8, -16, 10.5, 8.5, 1.6, 0.9),
    (8, 6, -11, 11, 11, 1.4, 0.8),
    (8, 18, -4, 10.5, 12, 1.6, 0.7),
    (6, 42, -2, 8, 8.5, 2.2, 0.3),
    (5, 120, -2, 6.5, 7, 2.6, 0.1),
    (13, 200, -2, 5.5, 6, 2.0, 0.2),
    (18, 230, 0, 6.5, 6.5, 1.0, 0.9),
    (20, 241, 0, 8, 7.5, 0.8, 1.0),
]
_RADIUS = [
    (-15, 5, 3, 11, 11, 0.9, 1.0),
    (-15, 14, 3, 10.5, 10.5, 1.0, 0.9),
    (-13, 26, 3, 7, 7, 1.7, 0.3),
    (-13, 40, 2, 8, 8, 2.0, 0.3),
    (-17, 70, 2, 7, 7, 2.5, 0.1),
    (-22, 130, 0, 7.5, 7, 2.7, 0.05),
    (-15, 200, 0, 8.5, 7.5, 2.0, 0.3),
    (-11, 226, 0, 13, 10, 1.2, 0.9),
    (-9, 243, 0, 17, 11, 0.8, 1.0),
]
_UPPER = [
    (0, -470, 0, 68, 66),
    (0, -340, 0, 62, 60),
    (-2, -220, 2, 52, 54),
    (-1, -110, 2, 45, 47),
    (0, -40, 0, 45, 44),
    (0, 15, -2, 46, 41),
]
_FORE = [
    (-1, -20, -2, 45, 42),
    (-3, 45, 0, 46, 42),
    (-3, 120, 0, 39, 36),
    (-2, 190, 0, 31, 26),
    (0, 235, 0, 28, 20),
    (-2, 262, 0, 31, 18),
]
WRIST = (-3.0, 247.0, 0.0)


def arm(rng: np.random.Generator, build: Build, *, flexion: float = 0.0, curl: float = 0.1, fan: float = 1.0) -> Body:
    """A whole upper limb; the elbow bends by ``flexion`` degrees. ``curl`` and ``fan`` are as of ``hand``.

    Places: shoulder, humerus, elbow, forearm, wrist, hand, fingers.
    """
    thick = build.girth * float(np.exp(rng.normal(0, 0.06)))
    over, under = (
        rod(flesh_of(rows, girth), count=16, caps=(0.6, 0.6)) for rows, girth in ((_UPPER, thick), (_FORE, thick**0.7))
    )
    upper = Body(
        skin=(over,),
        flesh=(over.thinned(np.minimum(0.8 * build.fat, 0.35 * over.tube.radii.min(1))),),
        bones={"humerus": _humerus(rng)},
        places={"shoulder": np.array([0, -290, 0.0]), "humerus": np.array([-3, -150, 0.0]), "elbow": np.zeros(3)},
    )
    lower = Body(
        skin=(under,),
        flesh=(under.thinned(np.minimum(0.5 * build.fat, 0.3 * under.tube.radii.min(1))),),
        bones={"ulna": _ulna(rng), "radius": _radius(rng)},
        places={"forearm": np.array([-3, 130, 0.0]), "wrist": np.array([-3, 246, 0.0])},
    )
    lower = lower.joined(hand(rng, build, curl=curl, fan=fan).moved(np.eye(3), np.array(WRIST)))
    axis = np.array([0.0, -4.0, 4.0])
    turn = rotation(flexion, 0, 0)
    return upper.joined(lower.moved(turn, axis - turn @ axis))


def _humerus(rng: np.random.Generator) -> Bone:
    return (
        shaft(varied(rng, _HUMERUS, 0.04), caps=(0.7, 0.3), count=44),
        Piece(ball((10, -303, 0), 23), 1.0, 1.0),
        Piece(ball((-19, -297, 2), (10, 15, 12)), 1.0, 0.9),
        Piece(
            rod(
                [(20, -5, 4, 10, 10), (4, -6, 5, 7.5, 7.5), (-4, -7, 5, 8.5, 8.5), (-21, -6, 6, 10, 10)],
                count=12,
                caps=(0.4, 0.5),
                across=(0, 1, 0),
            ),
            0.9,
            1.0,
        ),
        Piece(ball((29, -17, -1), (7, 10, 7)), 0.9, 1.0),
        Piece(ball((-25, -16, 0), (6, 9, 6)), 0.9, 1.0),
    )


def _ulna(rng: np.random.Generator) -> Bone:
    styloid = Piece(ball((25, 247, -3), (2.8, 6, 3)), 0.7, 1.0)
    return (shaft(varied(rng, _ULNA, 0.05), caps=(0.7, 0.4), count=20), styloid)


def _radius(rng: np.random.Generator) -> Bone:
    styloid = Piece(ball((-20, 247, 0), (5, 9, 7), turn=(0, 0, 10)), 0.8, 1.0)
    return (shaft(varied(rng, _RADIUS, 0.05), caps=(0.15, 0.1), count=20), styloid)
