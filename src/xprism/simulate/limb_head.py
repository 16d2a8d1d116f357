"""Head and neck, seen from the front: x to the patient's left, y to the feet, z to the face; in mm.

The middle of the skull is the origin.
"""

from __future__ import annotations

import numpy as np

from xprism.simulate.limb_body import Body, Build
from xprism.simulate.limb_pelvis import vertebra
from xprism.simulate.limb_solids import Bone, Piece, Solid, ball, rod

_VAULT = ((0.0, -22.0, -8.0), (71.0, 78.0, 92.0))


def head(rng: np.random.Generator, build: Build, *, nod: float = 0.0) -> Body:
    """A head with its neck and shoulders; the neck bends by ``nod`` mm to the front over its length.

    Places: skull, face, neck.
    """
    wall = float(rng.normal(4.6, 0.6))  # the diploe counts as so much less of compact bone
    bones: dict[str, Bone] = {
        "vault": (Piece(ball(*_VAULT), wall, 0.0),),
        **_base(),
        **_face(rng),
        **_neck(nod),
    }
    skin, flesh = _soft(build, nod)
    places = {"skull": (0, 8, -4), "face": (0, 40, 30), "neck": (0, 118, -14)}
    return Body(
        skin, flesh, bones, {name: np.array(place, float) for name, place in places.items()}, gas=_air(rng, nod)
    )


def _base() -> dict[str, Bone]:
    """The base of the skull: petrous ridges, sphenoid, occiput, mastoids."""
    found: dict[str, Bone] = {
        "clivus": (
            Piece(rod([(0, 22, 26, 22, 8), (0, 30, 10, 16, 9), (0, 44, -8, 15, 6)], count=8), 1.5, 0.6),
            Piece(rod([(0, 8, 60, 40, 3), (0, 18, 34, 52, 3), (0, 30, 16, 50, 4)], count=8), 1.2, 0.5),
        ),
        "occiput": (Piece(rod([(0, 46, -20, 30, 4), (0, 44, -46, 40, 4), (0, 28, -70, 34, 4)], count=8), 1.6, 0.6),),
    }
    for side in (-1, 1):
        ridge = [(side * 10, 30, 8, 7, 8), (side * 34, 30, -6, 9, 9), (side * 60, 32, -22, 11, 12)]
        found[f"petrous {side}"] = (
            Piece(rod(ridge, count=10, across=(0, 1, 0)), 3.5, 0.9),
            Piece(ball((side * 60, 48, -24), (9, 18, 12)), 1.2, 0.5),
        )
    return found


def _face(rng: np.random.Generator) -> dict[str, Bone]:
    """Rims of the orbits, cheekbones, upper and lower jaw with teeth, nose."""
    found: dict[str, Bone] = {}
    missing = float(rng.choice([0.0, 0.1, 0.5], p=[0.5, 0.3, 0.2]))
    for side in (-1, 1):
        rim = [
            (14, 22, 84),
            (20, 4, 84),
            (34, -2, 80),
            (48, 6, 72),
            (52, 22, 68),
            (42, 36, 74),
            (26, 38, 80),
            (15, 26, 82),
        ]
        found[f"orbit {side}"] = (
            Piece(rod([(side * x, y, z, 3, 3) for x, y, z in rim[:5]], count=12), 1.4, 0.6),
            Piece(rod([(side * x, y, z, 3, 3) for x, y, z in rim[4:]], count=10), 1.2, 0.6),
            Piece(
                rod([(side * 50, 34, 64, 8, 5), (side * 62, 38, 40, 5, 2.5), (side * 66, 36, 8, 4, 2.5)], count=12),
                1.2,
                0.6,
            ),
        )
        found[f"maxilla {side}"] = (
            Piece(
                rod([(side * 13, 42, 76, 6, 6), (side * 15, 62, 74, 9, 10), (side * 20, 74, 64, 10, 12)], count=8),
                1.1,
                0.6,
            ),
            Piece(rod([(side * 32, 48, 66, 9, 8), (side * 26, 70, 58, 8, 10)], count=6), 1.1, 0.4),
            Piece(rod([(side * 22, 40, 36, 4, 4), (side * 22, 74, 34, 5, 5)], count=5), 1.2, 0.5),
        )
        ramus = [(52, 42, 6, 5, 8), (51, 60, 10, 4.5, 13), (49, 82, 14, 5, 14), (46, 96, 24, 6, 10)]
        jaw = [
            (46, 95, 22, 5.5, 11),
            (38, 102, 44, 6, 13),
            (24, 106, 62, 6, 14),
            (9, 108, 72, 7, 14),
            (0, 108, 74, 7, 14),
        ]
        found[f"jaw {side}"] = (
            Piece(rod([(side * x, y, z, a, b) for x, y, z, a, b in ramus], count=10, caps=(1, 0.3)), 1.6, 0.7),
            Piece(
                rod([(side * x, y, z, a, b) for x, y, z, a, b in jaw], count=16, caps=(0.3, 0), across=(1, 0, -1)),
                2.2,
                0.7,
            ),
        )
        found[f"teeth {side}"] = tuple(
            Piece(ball((side * x, y, z), (3.2, 9.5, 3.6)), 3.0, 1.0)
            for row in (80.0, 94.0)
            for x, z, y in (
                (4, 78, row),
                (11, 76, row),
                (17, 71, row),
                (21, 64, row),
                (25, 56, row),
                (28, 47, row),
                (30, 38, row),
            )
            if rng.random() >= missing
        )
    found["nose"] = (
        Piece(rod([(0, 12, 86, 4, 3), (0, 34, 94, 3, 3)], count=5), 1.2, 0.5),
        Piece(rod([(0, 22, 80, 1, 4), (0, 62, 76, 1, 4)], count=4), 0.8, 0.3),
    )
    return {name: bone for name, bone in found.items() if bone}


def _neck(nod: float) -> dict[str, Bone]:
    """The cervical vertebrae and the two first thoracic ones, first ribs, hyoid and clavicles."""
    found: dict[str, Bone] = {}
    for number in range(9):
        y = 52 + 17.5 * number
        z = -14 + 10 * np.sin(np.pi * (number + 1) / 9) + nod * (1 - number / 8) - 1.2 * number
        size = 0.92 + 0.03 * number
        lean = 12 - 4 * number - 0.3 * nod
        bone = vertebra((0, y, z), half=(11.5 * size, 6.6, 8.2 * size), lean=lean, reach=0.62 + 0.03 * number)
        found[f"vertebra {number}"] = bone
    found["dens"] = (Piece(rod([(0, 38, -10 + nod, 5, 5), (0, 56, -9 + nod, 5, 5)], count=4), 1.2, 0.8),)
    for side in (-1, 1):
        found[f"clavicle {side}"] = (
            Piece(
                rod([(side * 14, 222, 32, 9, 9), (side * 60, 206, 26, 6, 6), (side * 120, 194, -8, 6, 7)], count=12),
                2.0,
                0.5,
            ),
        )
        found[f"rib {side}"] = (
            Piece(
                rod(
                    [
                        (side * 20, 178, -34, 4, 5),
                        (side * 48, 182, -28, 4, 6),
                        (side * 62, 204, 2, 4, 7),
                        (side * 30, 226, 30, 4, 7),
                    ],
                    count=14,
                    across=(0, 1, 0),
                ),
                1.0,
                0.6,
            ),
        )
        found[f"hyoid {side}"] = (Piece(rod([(0, 132, 34, 2, 3), (side * 18, 128, 14, 1.5, 2)], count=5), 0.8, 0.6),)
    return found


def _soft(build: Build, nod: float) -> tuple[tuple[Solid, ...], tuple[Solid, ...]]:
    girth = 0.4 + 0.6 * build.girth
    scalp = 4.0 + 0.25 * build.fat
    (x, y, z), (a, b, c) = _VAULT
    neck = [
        (0, 50, -16, 50, 58),
        (0, 95, -14, 52, 56),
        (0, 150, -12, 55, 55),
        (0, 185, -14, 62, 58),
        (0, 230, -16, 88, 64),
        (0, 300, -18, 130, 82),
        (0, 430, -18, 150, 92),
    ]
    across = [
        (side * x, y, -18, a, b)
        for side, x, y, a, b in (
            (-1, 195, 268, 54, 54),
            (-1, 105, 240, 50, 56),
            (1, 0, 232, 50, 60),
            (1, 105, 240, 50, 56),
            (1, 195, 268, 54, 54),
        )
    ]
    shoulders = rod([(x, y, z, p * girth, q * girth) for x, y, z, p, q in across], count=20, across=(0, 1, 0))
    trunk = rod(
        [(u, v, w + 0.4 * nod * (v < 120), p * girth, q * girth) for u, v, w, p, q in neck], count=20, caps=(0.5, 0)
    )
    face = rod(
        [(0, 10, 34, 66, 62), (0, 50, 36, 63, 65), (0, 90, 38, 56, 60), (0, 114, 46, 40, 46)], count=14, caps=(0.5, 0.3)
    )
    skin: tuple[Solid, ...] = (
        ball((x, y, z), (a + scalp, b + scalp, c + scalp)),
        face,
        ball((0, 40, 98), (12, 20, 16), turn=(14, 0, 0)),
        ball((0, 88, 90), (20, 14, 10)),
        *(ball((side * 78, 28, -12), (5, 26, 15)) for side in (-1, 1)),
        trunk,
        shoulders,
    )
    fat = min(build.fat, 10.0)
    flesh: tuple[Solid, ...] = (
        ball((x, y, z), (a + 1, b + 1, c + 1)),
        face.thinned(0.7 * fat),
        trunk.thinned(fat),
        shoulders.thinned(fat),
        ball((0, 40, 98), (9, 17, 13), turn=(14, 0, 0)),
    )
    return skin, flesh


def _air(rng: np.random.Generator, nod: float) -> tuple[Solid, ...]:
    """Sinuses, nose, mouth and the airway down to the chest, with the tops of the lungs."""
    sinus = float(rng.uniform(0.6, 1.2))
    found: list[Solid] = [
        ball((0, 46, 72), (9, 20, 22)),
        ball((0, 24, 22), 9 * sinus),
        rod(
            [(0, 60, 22, 8, 7), (0, 100, 12 + 0.4 * nod, 9, 8), (0, 140, 6 + 0.2 * nod, 8, 7), (0, 240, -4, 8, 8)],
            count=12,
        ),
    ]
    for side in (-1, 1):
        found += [
            ball((side * 28, 46, 64), (12 * sinus, 15 * sinus, 14 * sinus)),
            ball((side * 12, -6, 78), (11 * sinus, 9 * sinus, 5)),
            ball((side * 60, 46, -24), (6, 10, 8)),
            ball((side * 62, 290, -20), (44, 85, 52)),
        ]
    return tuple(found)
