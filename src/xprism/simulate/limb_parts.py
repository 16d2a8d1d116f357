"""The 19 body parts of XNet's films (table 1 of the paper): how many of each, and how each lies on a film."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from xprism.simulate.limb_arm import arm
from xprism.simulate.limb_body import Body, Build
from xprism.simulate.limb_head import head
from xprism.simulate.limb_leg import foot_alone, leg
from xprism.simulate.limb_pelvis import pelvis

COUNTS = {
    "ankle": 10,
    "arm": 3,
    "cervical": 1,
    "chest": 1,
    "elbow": 1,
    "femur": 3,
    "foot": 29,
    "hand": 4,
    "head": 11,
    "knee": 36,
    "leg": 1,
    "lumbar_spine": 6,
    "neck_of_femur": 15,
    "pelvis": 2,
    "shoulder": 2,
    "thigh": 8,
    "thorax": 1,
    "tibia": 4,
    "wrist": 11,
}
"""Films of each part in the paper's table 1; they add up to 149."""

TRUNK = ("chest", "thorax", "shoulder")
"""Parts that are films of the chest phantom's body."""

Range = tuple[float, float]


@dataclass(frozen=True)
class Technique:
    """How a part is taken: tube voltage in kV, scatter-to-primary ratio, and the side of the field in mm.

    ``detail`` is how much stronger than broad tones a digital system shows what is narrower than some 30 mm.
    """

    kilovolt: Range
    scatter: Range
    field_mm: Range
    detail: Range = (0.0, 1.2)


TECHNIQUES = {
    "ankle": Technique((50, 62), (0.15, 0.6), (150, 270)),
    "arm": Technique((50, 65), (0.15, 0.6), (270, 400)),
    "cervical": Technique((62, 75), (0.3, 1.0), (200, 270)),
    "chest": Technique((70, 120), (0.5, 1.6), (340, 400)),
    "elbow": Technique((48, 60), (0.15, 0.5), (140, 240)),
    "femur": Technique((60, 75), (0.3, 1.1), (300, 430)),
    "foot": Technique((48, 60), (0.15, 0.5), (225, 320)),
    "hand": Technique((45, 55), (0.1, 0.4), (180, 260)),
    "head": Technique((65, 80), (0.4, 1.1), (225, 310)),
    "knee": Technique((55, 70), (0.2, 0.9), (165, 330)),
    "leg": Technique((55, 66), (0.2, 0.7), (440, 560)),
    "lumbar_spine": Technique((72, 90), (0.2, 0.7), (250, 380), (1.5, 4.0)),
    "neck_of_femur": Technique((65, 80), (0.2, 0.8), (230, 430), (0.6, 2.5)),
    "pelvis": Technique((68, 82), (0.2, 0.8), (380, 450), (0.8, 3.0)),
    "shoulder": Technique((62, 75), (0.3, 1.0), (200, 300)),
    "thigh": Technique((60, 75), (0.3, 1.1), (280, 400)),
    "thorax": Technique((62, 80), (0.3, 1.0), (280, 400), (0.5, 2.5)),
    "tibia": Technique((55, 66), (0.2, 0.7), (330, 450)),
    "wrist": Technique((45, 55), (0.1, 0.4), (110, 190)),
}


def part_of(number: int) -> str:
    """The body part of film ``number`` (from 0) of any data set.

    Films are dealt out as seats are: after one of each part, commonest first, the next goes to the part whose share
    of the table is furthest ahead of its films (Webster's divisors). So a longer data set begins with the shorter
    one, 19 films or more hold every part, and 149 are the table itself.
    """
    return _order(number + 1)[number]


def _order(count: int) -> list[str]:
    dealt = sorted(COUNTS, key=lambda part: -COUNTS[part])
    films = dict.fromkeys(COUNTS, 1)
    while len(dealt) < count:
        part = max(COUNTS, key=lambda name: COUNTS[name] / (films[name] + 0.5))
        films[part] += 1
        dealt.append(part)
    return dealt[:count]


@dataclass(frozen=True)
class Stance:
    """A body as it lies before the tube: where the film is centred, the view's name, and turns in degrees.

    ``turn`` is about x and y before ``roll`` in the film's plane.
    """

    body: Body
    place: str
    view: str
    turn: tuple[float, float]
    roll: float = 0.0


def draw_stance(rng: np.random.Generator, part: str, build: Build) -> Stance:
    """Draw a body and its pose for a part; not for those of the trunk."""
    return _STANCES[part](rng, build)


def _view(rng: np.random.Generator, **shares: float) -> str:
    return str(rng.choice(list(shares), p=list(shares.values())))


_ANGLES = {"AP": 0.0, "PA": 0.0, "lateral": 90.0, "oblique": 45.0, "mortise": 17.0, "frog": 0.0, "DP": 0.0}


def _knee(rng: np.random.Generator, build: Build) -> Stance:
    view = _view(rng, AP=0.55, lateral=0.35, oblique=0.1)
    flexion = float(rng.uniform(5, 60)) if view == "lateral" else float(rng.uniform(0, 12))
    return Stance(leg(rng, build, flexion=flexion), "knee", view, (0.0, _ANGLES[view]))


def _ankle(rng: np.random.Generator, build: Build) -> Stance:
    view = _view(rng, AP=0.35, mortise=0.2, lateral=0.45)
    body = leg(rng, build, pointing=float(rng.uniform(0, 35)))
    return Stance(body, "ankle", view, (0.0, _ANGLES[view]))


def _foot(rng: np.random.Generator, build: Build) -> Stance:
    view = _view(rng, DP=0.5, oblique=0.25, lateral=0.25)
    if view == "lateral":
        return Stance(leg(rng, build, pointing=float(rng.uniform(-5, 30))), "foot", view, (0.0, 90.0))
    place = "foot" if rng.random() < 0.7 else "toes"
    sideways = 0.0 if view == "DP" else float(rng.uniform(25, 45))
    return Stance(foot_alone(rng, build), place, view, (-90.0, sideways))


def _shin(place: str) -> Callable[[np.random.Generator, Build], Stance]:
    def draw(rng: np.random.Generator, build: Build) -> Stance:
        view = _view(rng, AP=0.6, lateral=0.4)
        body = leg(rng, build, flexion=float(rng.uniform(0, 8)), pointing=float(rng.uniform(5, 50)))
        return Stance(body, place, view, (0.0, _ANGLES[view]))

    return draw


def _thigh(place: str) -> Callable[[np.random.Generator, Build], Stance]:
    def draw(rng: np.random.Generator, build: Build) -> Stance:
        view = _view(rng, AP=0.6, lateral=0.4)
        if view == "lateral":
            return Stance(leg(rng, build, flexion=float(rng.uniform(5, 50))), "femur", view, (0.0, 90.0))
        return Stance(pelvis(rng, build, spread=float(rng.uniform(3, 15))), f"right {place}", view, (0.0, 0.0))

    return draw


def _hip(rng: np.random.Generator, build: Build) -> Stance:
    view = _view(rng, AP=0.65, frog=0.35)
    spread = float(rng.uniform(30, 60)) if view == "frog" else float(rng.uniform(0, 10))
    place = "neck" if rng.random() < 0.6 else "hip"
    raised = float(rng.uniform(0, 25)) if view == "frog" else 0.0
    return Stance(pelvis(rng, build, spread=spread, raised=raised), place, view, (0.0, 0.0))


def _pelvis(rng: np.random.Generator, build: Build) -> Stance:
    return Stance(pelvis(rng, build, spread=float(rng.uniform(2, 8))), "pelvis", "AP", (0.0, 0.0))


def _lumbar(rng: np.random.Generator, build: Build) -> Stance:
    view = _view(rng, AP=0.55, lateral=0.45)
    return Stance(pelvis(rng, build), "lumbar", view, (0.0, _ANGLES[view]))


def _hand(rng: np.random.Generator, build: Build) -> Stance:
    view = _view(rng, PA=0.55, oblique=0.3, lateral=0.15)
    curl = {"PA": rng.uniform(0, 0.15), "oblique": rng.uniform(0.05, 0.3), "lateral": rng.uniform(-0.25, -0.08)}[view]
    body = arm(rng, build, curl=float(curl), fan=float(rng.uniform(0.7, 2.0)))
    return Stance(body, "hand", view, (0.0, _ANGLES[view]), 180.0)


def _wrist(rng: np.random.Generator, build: Build) -> Stance:
    view = _view(rng, PA=0.5, lateral=0.35, oblique=0.15)
    return Stance(arm(rng, build, curl=float(rng.uniform(0, 0.3))), "wrist", view, (0.0, _ANGLES[view]), 180.0)


def _elbow(rng: np.random.Generator, build: Build) -> Stance:
    view = _view(rng, AP=0.5, lateral=0.5)
    flexion = float(rng.uniform(70, 100)) if view == "lateral" else float(rng.uniform(0, 15))
    return Stance(arm(rng, build, flexion=flexion), "elbow", view, (0.0, _ANGLES[view]))


def _arm(rng: np.random.Generator, build: Build) -> Stance:
    view = _view(rng, AP=0.6, lateral=0.4)
    place = "forearm" if rng.random() < 0.6 else "humerus"
    flexion = float(rng.uniform(60, 100)) if view == "lateral" and place == "humerus" else float(rng.uniform(0, 15))
    return Stance(arm(rng, build, flexion=flexion), place, view, (0.0, _ANGLES[view]))


def _head(rng: np.random.Generator, build: Build) -> Stance:
    view = _view(rng, AP=0.4, lateral=0.45, oblique=0.15)
    place = "skull" if rng.random() < 0.75 else "face"
    return Stance(head(rng, build, nod=float(rng.normal(0, 6))), place, view, (float(rng.normal(0, 8)), _ANGLES[view]))


def _cervical(rng: np.random.Generator, build: Build) -> Stance:
    view = _view(rng, AP=0.35, lateral=0.65)
    return Stance(head(rng, build, nod=float(rng.normal(0, 8))), "neck", view, (0.0, _ANGLES[view]))


_STANCES: dict[str, Callable[[np.random.Generator, Build], Stance]] = {
    "ankle": _ankle,
    "arm": _arm,
    "cervical": _cervical,
    "elbow": _elbow,
    "femur": _thigh("femur"),
    "foot": _foot,
    "hand": _hand,
    "head": _head,
    "knee": _knee,
    "leg": _shin("leg"),
    "lumbar_spine": _lumbar,
    "neck_of_femur": _hip,
    "pelvis": _pelvis,
    "thigh": _thigh("thigh"),
    "tibia": _shin("tibia"),
    "wrist": _wrist,
}
