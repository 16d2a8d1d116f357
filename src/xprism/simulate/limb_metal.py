"""Implants in the bones of a posed body: nails, plates, screws, wires, prostheses, fillings of teeth."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from xprism.simulate.limb_body import Body
from xprism.simulate.limb_solids import Ball, Bone, Floats, Rod, Solid, ball, rod
from xprism.simulate.projection import Tube

Metal = tuple[tuple[str, Solid], ...]

_LONG = {
    "knee": ("femur", "tibia"),
    "femur": ("femur", "right femur"),
    "thigh": ("femur", "right femur"),
    "tibia": ("tibia",),
    "leg": ("tibia",),
    "ankle": ("tibia", "fibula"),
    "arm": ("humerus", "radius", "ulna"),
    "elbow": ("humerus", "ulna"),
    "wrist": ("radius",),
    "neck_of_femur": ("right femur",),
    "pelvis": ("left femur", "right femur"),
}
_SHARE = {"neck_of_femur": 0.35, "ankle": 0.3, "femur": 0.25, "knee": 0.22, "tibia": 0.2, "wrist": 0.15}
_ELSEWHERE = 0.12


def draw_metal(rng: np.random.Generator, part: str, body: Body, *, place: str) -> Metal:
    """Implants as films of a body part have them, mostly none; wires lie near the ``place`` of the film."""
    if rng.random() >= _SHARE.get(part, _ELSEWHERE):
        return ()
    kind = "titanium" if rng.random() < 0.5 else "iron"
    if part == "head":
        return tuple(("iron", filling) for filling in _fillings(rng, body))
    if part == "lumbar_spine":
        return tuple((kind, solid) for solid in _spinal(rng, body))
    if part not in _LONG:
        return tuple(("iron", wire) for wire in _wires(rng, body, body.places[place]))
    name = str(rng.choice([bone for bone in _LONG[part] if bone in body.bones]))
    bone, drawn = body.bones[name], rng.random()
    if part == "knee" and drawn < 0.45:
        return tuple(("iron", solid) for solid in _new_knee(body))
    if name.endswith("femur") and part != "knee" and drawn < 0.5:
        return tuple((kind, solid) for solid in _new_hip(bone))
    if drawn < 0.75:
        return tuple((kind, solid) for solid in _plate(rng, bone))
    return tuple((kind, solid) for solid in _nail(rng, bone))


def _rod(solid: Solid) -> Rod:
    """A solid that is a rod, as the first piece of every long bone is."""
    if not isinstance(solid, Rod):
        raise TypeError("this bone does not begin with a rod")
    return solid


def _centre(solid: Solid) -> Floats:
    """The middle of a solid."""
    return solid.centre if isinstance(solid, Ball) else np.asarray(solid.tube.points.mean(0))


def _line(bone: Bone, start: float, stop: float, count: int) -> tuple[Floats, Floats, Floats]:
    """Points, radii and directions across [N, ...] of a long bone between two shares of its way."""
    tube = _rod(bone[0].solid).tube
    at = np.linspace(start, stop, count) * (len(tube.points) - 1)
    places = np.arange(len(tube.points))

    def read(table: Floats) -> Floats:
        return np.stack([np.interp(at, places, column) for column in table.T], 1)

    return read(tube.points), read(tube.radii), read(tube.normals)


def _wire(points: Sequence[Floats] | Floats, radius: float) -> Rod:
    return Rod(Tube.round(np.asarray(points), radius))


def _nail(rng: np.random.Generator, bone: Bone) -> list[Solid]:
    """A nail in the marrow with screws across its ends."""
    points, radii, across = _line(bone, rng.uniform(0.05, 0.15), rng.uniform(0.8, 0.92), 16)
    thick = float(np.clip(0.42 * radii.min(), 1.2, 5.5))
    found: list[Solid] = [_wire(points, thick)]
    for place in (1, 2, -3, -2):
        reach = (radii[place, 0] + 3) * across[place]
        found.append(_wire([points[place] - reach, points[place] + reach], 0.45 * thick))
    return found


def _plate(rng: np.random.Generator, bone: Bone) -> list[Solid]:
    """A plate beside the shaft with screws through the bone."""
    middle, half = rng.uniform(0.3, 0.7), rng.uniform(0.14, 0.28)
    points, radii, across = _line(bone, middle - half, middle + half, 12)
    side = 1.0 if rng.random() < 0.5 else -1.0
    broad = float(np.clip(0.45 * radii.min(), 2.5, 7))
    beside = points + side * (radii[:, :1] + 1.6) * across
    found: list[Solid] = [Rod(Tube(beside, np.tile([1.7, broad], (12, 1)), across))]
    for place in range(0, 12, 2):
        if rng.random() < 0.85:
            end = points[place] - side * (radii[place, 0] + 1) * across[place]
            found.append(_wire([beside[place], end], 0.35 * broad))
    return found


def _frame(bone: Bone, end: int) -> tuple[Floats, Floats, Floats, Floats]:
    """An end of a long bone: its point, the way outwards, across, and the third direction."""
    tube = _rod(bone[0].solid).tube
    points, across = tube.points, tube.normals[end]
    out = points[end] - points[1 if end == 0 else -2]
    out = out / np.linalg.norm(out)
    across = across - across @ out * out
    across = across / np.linalg.norm(across)
    return points[end], out, across, np.cross(across, out)


def _new_knee(body: Body) -> list[Solid]:
    """A knee prosthesis: a runner round each condyle, a tray and its stem."""
    found: list[Solid] = []
    _, out, across, front = _frame(body.bones["femur"], -1)
    for condyle in body.bones["femur"][-2:]:
        angles = np.deg2rad(np.linspace(-100, 100, 14))
        arc = _centre(condyle.solid) + 19 * np.cos(angles)[:, None] * out + 28 * np.sin(angles)[:, None] * front
        found.append(Rod(Tube(arc, np.tile([13.0, 3.2], (14, 1)), np.tile(across, (14, 1)))))
    top, out, across, front = _frame(body.bones["tibia"], 0)
    tray = np.stack([top - 35 * across, top, top + 35 * across])
    found.append(Rod(Tube(tray, np.array([[2.5, 15], [2.5, 23], [2.5, 15]]), np.tile(out, (3, 1)))))
    found.append(_wire([top, top - 22 * out, top - 45 * out], 6.0))
    return found


def _new_hip(bone: Bone) -> list[Solid]:
    """A hip prosthesis: a ball in a cup, and a stem down the shaft."""
    centre = _centre(bone[2].solid)
    points, radii, _ = _line(bone, 0.12, 0.42, 6)
    line = np.concatenate([[centre, (centre + points[0]) / 2], points])
    sizes = np.concatenate([[6.5, 7.0], np.linspace(0.62, 0.42, 6) * radii.min(1)])
    return [ball(centre.tolist(), 17.0), Rod(Tube.round(line, sizes))]


def _wires(rng: np.random.Generator, body: Body, centre: Floats) -> list[Solid]:
    """Thin wires and short screws through the small bones around the place of a film."""
    middles = {name: _centre(bone[0].solid) for name, bone in body.bones.items() if "sesamoid" not in name}
    near = sorted(middles, key=lambda name: float(np.linalg.norm(middles[name] - centre)))[:8]
    found: list[Solid] = []
    for _ in range(int(rng.integers(1, 4))):
        middle = middles[near[int(rng.integers(len(near)))]]
        way = rng.standard_normal(3)
        way = way / np.linalg.norm(way) * rng.uniform(12, 40)
        found.append(_wire([middle - way, middle + way], float(rng.choice([0.8, 1.6]))))
    return found


def _fillings(rng: np.random.Generator, body: Body) -> list[Solid]:
    """Fillings and crowns of a few teeth."""
    teeth = [piece.solid for name, bone in body.bones.items() if name.startswith("teeth") for piece in bone]
    chosen = rng.permutation(len(teeth))[: int(rng.integers(1, 6))]
    return [ball(_centre(teeth[k]).tolist(), (2.6, 3.8, 2.9)) for k in chosen]


def _spinal(rng: np.random.Generator, body: Body) -> list[Solid]:
    """Pedicle screws of a few vertebrae and the rods that join them."""
    first, count = int(rng.integers(0, 3)), int(rng.integers(2, 4))
    found: list[Solid] = []
    heads: dict[int, list[Floats]] = {0: [], 1: []}
    for number in range(first, first + count):
        for side, piece in enumerate((1, 5)):
            points = _rod(body.bones[f"vertebra {number}"][piece].solid).tube.points
            back = points[-1] - points[0]
            tip, tail = points[0] - 1.6 * back, points[-1] + 0.4 * back
            found.append(_wire([tip, tail], 2.6))
            heads[side].append(tail)
    found += [rod([(*point.tolist(), 2.8, 2.8) for point in line], count=6) for line in heads.values()]
    return found
