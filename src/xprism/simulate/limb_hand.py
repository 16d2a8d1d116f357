"""The hand, a right one with the palm forwards: x to the little finger, y to the fingertips, z to the palm, in mm.

The middle of the wrist's joint line is the origin.
"""

from __future__ import annotations

import numpy as np

from xprism.simulate.limb_body import Body, Build
from xprism.simulate.limb_foot import long_bone
from xprism.simulate.limb_solids import Bone, Piece, Rod, ball, rod, rotation

_CARPALS = {
    "scaphoid": ((-11, 11, 2), (7, 10, 6), (0, 0, 25)),
    "lunate": ((1, 8, 0), (7.5, 7, 8), (0, 0, 0)),
    "triquetrum": ((13, 11, -2), (6.5, 7.5, 6), (0, 0, -25)),
    "pisiform": ((15, 14, 8), (4.5, 5.5, 4.5), (0, 0, 0)),
    "trapezium": ((-19, 24, 4), (8, 7, 7), (0, 0, 20)),
    "trapezoid": ((-9, 26, 0), (5.5, 5.5, 7), (0, 0, 0)),
    "capitate": ((1, 23, -1), (6.5, 10.5, 8), (0, 0, 0)),
    "hamate": ((12, 25, 0), (7, 9, 8), (0, 0, -15)),
}
# Base and head of the metacarpals, radii of base, shaft and head; lengths and radius of the phalanges beyond.
_RAYS = (
    ((-27, 32, 8), (-46, 70, 18), (7.5, 4.5, 7.0), (30, 23), 6.2),
    ((-11, 36, 0), (-20, 98, 0), (8.0, 4.2, 7.2), (41, 24, 17), 6.2),
    ((1, 37, -1), (0, 99, 0), (7.2, 4.2, 7.4), (46, 29, 18), 6.4),
    ((10, 36, 0), (17, 91, 0), (6.5, 3.7, 6.6), (42, 27, 18), 6.0),
    ((18, 35, 1), (31, 84, 2), (6.8, 3.7, 6.4), (33, 19, 16), 5.2),
)


def hand(rng: np.random.Generator, build: Build, *, curl: float = 0.1, fan: float = 1.0) -> Body:
    """A hand; fingers bend by ``curl`` radians a joint and are spread ``fan`` times as far as they lie by themselves.

    With a ``curl`` below 0 the fingers are fanned out to the palm instead, as in a side view. Places: hand, fingers.
    """
    bones: dict[str, Bone] = {}
    for name, (centre, radii, turn) in _CARPALS.items():
        size = float(rng.normal(1.1, 0.04))
        bones[name] = (Piece(ball(centre, np.multiply(radii, size).tolist(), turn=turn), 0.8, 1.0),)
    girth = 0.6 + 0.4 * build.girth
    skin = [rod([(0, -8, 0, 29, 19), (-1, 30, 1, 36, 16), (-1, 60, 1, 40, 15), (0, 90, 0, 41, 13)], count=12)]
    for number, (base, head, radii, _, _) in enumerate(_RAYS):
        start, end = np.array(base, float), np.array(head, float)
        bones[f"metacarpal {number + 1}"] = long_bone(start, end, radii)
        bend = curl if curl >= 0 else -curl * (4 - number) / 2
        found, cover = _finger(rng, number, fan=fan, bend=bend + float(rng.normal(0, 0.03)))
        bones |= {f"finger {number + 1} phalanx {place + 1}": bone for place, bone in enumerate(found)}
        skin.append(cover)
    skin = [solid.wider(girth) for solid in skin]
    fat = min(0.25 * build.fat, 3.0)
    return Body(
        tuple(skin),
        tuple(solid.thinned(np.minimum(fat, 0.25 * solid.tube.radii.min(1))) for solid in skin),
        bones,
        {"hand": np.array([-2, 82, 2.0]), "fingers": np.array([0, 125, 2.0])},
    )


def _finger(rng: np.random.Generator, number: int, *, fan: float, bend: float) -> tuple[list[Bone], Rod]:
    """The phalanges of a finger and its skin, which for the thumb begins at the wrist."""
    base, head, _, lengths, radius = _RAYS[number]
    start, end = np.array(base, float), np.array(head, float)
    way = (end - start) / np.linalg.norm(end - start)
    spread = 2.0 * (number - 2) * (fan - 1) + float(rng.normal(0, 1.5))
    way = rotation(0, 0, -spread) @ way
    thumb = number == 0
    thick = 1.42 * radius
    line = [start, end] if thumb else [start + 0.6 * (end - start)]
    at = end + way * (radius + 0.5)
    bones: list[Bone] = []
    for place, length in enumerate(lengths):
        way = rotation(np.rad2deg(bend) * (0.6 if thumb else 1.0), 0, 0) @ way
        shrink = (1.0, 0.86, 0.7)[place]
        far = at + way * (length - 3)
        wide = radius * shrink
        bones.append(long_bone(at, far, (1.1 * wide, 0.62 * wide, 0.85 * wide)))
        line += [at, (at + far) / 2, far]
        at = far + way * 3.8
    sizes = np.linspace(1.15, 0.8, len(line)) * thick
    if thumb:
        sizes[:2] = (17, 14)
    rows = [(*point.tolist(), size, 0.95 * size) for point, size in zip(line, sizes, strict=True)]
    return bones, rod(rows, count=14, caps=(0.5, 1.0))
