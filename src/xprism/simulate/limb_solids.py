"""What limbs are built of: ellipsoids and rods with rounded ends that can be turned, hollowed and joined.

x grows to the patient's left of a body seen from the front, y to the feet, z to the viewer; all in mm.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from xprism.simulate.projection import Rays, Span, Tube, half_space, quadric, tube_spans, union_length

Floats = NDArray[np.float64]
Block = tuple[slice, slice]
Rows = Sequence[Sequence[float]]

FRONT = (1.0, 0.0, 0.0)
"""What the first radius of a rod's section is measured along, where nothing else is said."""


@dataclass(frozen=True)
class Ball:
    """An ellipsoid: ``axes`` [3, 3] are unit rows, ``radii`` [3] go along them; ``cut`` keeps one side of a plane.

    The plane is a point and the direction of the side that stays.
    """

    centre: Floats
    axes: Floats
    radii: Floats
    cut: tuple[Floats, Floats] | None = None

    def thinned(self, wall: Any) -> Ball:
        """The ellipsoid ``wall`` mm within this one."""
        return replace(self, radii=np.maximum(self.radii - float(np.max(wall)), 1e-3))

    def moved(self, turn: Floats, shift: Floats) -> Ball:
        """Turned by a matrix [3, 3] about the origin, then shifted; a mirror is a turn as well."""
        cut = None if self.cut is None else (turn @ self.cut[0] + shift, turn @ self.cut[1])
        return Ball(turn @ self.centre + shift, self.axes @ turn.T, self.radii, cut)

    def span(self, rays: Rays) -> tuple[Block, Span]:
        """The block of pixels that may see it, and its span there."""
        reach = np.sqrt(((self.radii[:, None] * self.axes) ** 2).sum(0)) + rays.step
        low, high = self.centre - reach, self.centre + reach
        block = rays.window((low[0], high[0]), (low[1], high[1]))
        x, y = rays.at(block)
        span = quadric(x, y, centre=self.centre, rows=self.axes / self.radii[:, None])
        if self.cut is not None:
            span = span.within(half_space(x, y, point=self.cut[0], normal=self.cut[1]))
        return block, span


@dataclass(frozen=True)
class Rod:
    """A bent tube of changing section with rounded ends, ``caps`` mm long (0 is a flat end).

    A ray that meets a rod passes it from its first to its last point: bends that a ray would meet twice are
    made of several rods.
    """

    tube: Tube
    caps: tuple[float, float] = (0.0, 0.0)

    def thinned(self, wall: Any) -> Rod:
        """The rod ``wall`` mm within this one; one number, or one for every point."""
        walls = np.broadcast_to(np.asarray(wall, float), self.tube.points.shape[:1])
        caps = (max(self.caps[0] - walls[0], 0.0), max(self.caps[1] - walls[-1], 0.0))
        return Rod(self.tube.thinned(walls), caps)

    def moved(self, turn: Floats, shift: Floats) -> Rod:
        """Turned by a matrix [3, 3] about the origin, then shifted; a mirror is a turn as well."""
        tube = Tube(self.tube.points @ turn.T + shift, self.tube.radii, self.tube.normals @ turn.T)
        return Rod(tube, self.caps)

    def wider(self, times: float) -> Rod:
        """The rod with all its radii times a number."""
        tube = Tube(self.tube.points, self.tube.radii * times, self.tube.normals)
        return Rod(tube, (self.caps[0] * times, self.caps[1] * times))

    def ends(self) -> list[Ball]:
        """The rounded ends: half ellipsoids."""
        found = []
        for cap, end, inner in zip(self.caps, (0, -1), (1, -2), strict=True):
            if cap <= 0:
                continue
            outwards = self.tube.points[end] - self.tube.points[inner]
            outwards = outwards / np.linalg.norm(outwards)
            across = self.tube.normals[end] - self.tube.normals[end] @ outwards * outwards
            across = across / np.linalg.norm(across)
            axes = np.stack([across, np.cross(outwards, across), outwards])
            point = self.tube.points[end]
            found.append(Ball(point, axes, np.array([*self.tube.radii[end], cap]), (point, outwards)))
        return found

    def span(self, rays: Rays) -> tuple[Block, Span]:
        """The block of pixels that may see it, and its span there."""
        reach = 1.5 * float(self.tube.radii.max()) + max(self.caps) + rays.step
        low, high = self.tube.points.min(0) - reach, self.tube.points.max(0) + reach
        block = rays.window((low[0], high[0]), (low[1], high[1]))
        near, far = np.full(_shape(block), np.inf), np.full(_shape(block), -np.inf)
        if not near.size:
            return block, Span(near, far)
        parts = [(part, span) for _, part, span in tube_spans(rays, self.tube, tapered=True)]
        for part, span in [*parts, *(end.span(rays) for end in self.ends())]:
            hit, inside = span.hit, _within(part, block)
            near[inside] = np.where(hit, np.minimum(near[inside], span.near), near[inside])
            far[inside] = np.where(hit, np.maximum(far[inside], span.far), far[inside])
        return block, Span(near, far)


Solid = Ball | Rod


@dataclass(frozen=True)
class Piece:
    """A solid of bone: ``wall`` mm of cortex around marrow, of which the share ``filling`` is spongiosa.

    Both are one number, or of a rod one for every point; ``filling`` counts by its mean.
    """

    solid: Solid
    wall: Any = 1.0
    filling: Any = 1.0


Bone = tuple[Piece, ...]
"""Pieces that are one bone: where they overlap they count once."""


def ball(centre: Sequence[float], radii: Sequence[float] | float, *, turn: Sequence[float] = (0, 0, 0)) -> Ball:
    """An ellipsoid with radii along x, y, z, turned by degrees about x, then y, then z."""
    sizes = np.broadcast_to(np.asarray(radii, float), 3).copy()
    return Ball(np.asarray(centre, float), rotation(*turn).T, sizes)


def rod(
    rows: Rows,
    *,
    caps: tuple[float, float] = (1.0, 1.0),
    count: int = 24,
    across: Sequence[float] = FRONT,
) -> Rod:
    """A rod through rows (x, y, z, radius along ``across``, radius across it), smooth between them.

    ``caps`` are the lengths of the rounded ends in shares of the smaller radius there.
    """
    table = smooth_rows(rows, count)
    tube = Tube(table[:, :3], table[:, 3:5], np.tile(np.asarray(across, float), (count, 1)))
    return Rod(tube, (caps[0] * float(table[0, 3:5].min()), caps[1] * float(table[-1, 3:5].min())))


def shaft(
    rows: Rows,
    *,
    caps: tuple[float, float] = (0.5, 0.5),
    count: int = 24,
    across: Sequence[float] = FRONT,
) -> Piece:
    """A long bone through rows (x, y, z, radius, radius, wall, filling)."""
    table = smooth_rows(rows, count)
    return Piece(rod(rows, caps=caps, count=count, across=across), table[:, 5], table[:, 6])


def smooth_rows(rows: Rows, count: int) -> Floats:
    """Rows read at ``count`` places, evenly along the way through their first three numbers, without overshoot."""
    table = np.asarray(rows, float)
    way = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(table[:, :3], axis=0), axis=1))])
    if len(table) == 2:
        return np.asarray(table[0] + (table[1] - table[0]) * np.linspace(0, 1, count)[:, None])
    return np.asarray(PchipInterpolator(way, table)(np.linspace(0, way[-1], count)))


def rotation(x: float, y: float, z: float) -> Floats:
    """The matrix that turns by degrees about x, then y, then z."""
    a, b, c = np.deg2rad([x, y, z])
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    about_z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return np.asarray(about_z @ about_y @ about_x)


def solids_length(rays: Rays, solids: Iterable[Solid]) -> Floats:
    """Path length in mm [H, W] through the union of solids."""
    total = np.zeros(rays.shape)
    found = [(block, span) for block, span in (solid.span(rays) for solid in solids) if span.near.size]
    if found:
        common = _around([block for block, _ in found])
        total[common] = _union(found, common)
    return total


def bone_length(rays: Rays, bone: Bone) -> tuple[Block, Floats, Floats]:
    """Path lengths in mm through cortex and through spongiosa of one bone, and the block of pixels that holds them."""
    outer, inner, shares = [], [], []
    for piece in bone:
        block, span = piece.solid.span(rays)
        if span.near.size:
            outer.append((block, span))
            inner.append(piece.solid.thinned(piece.wall).span(rays))
            shares.append(_filling(rays, piece, inner[-1][0]))
    if not outer:
        nothing = slice(0, 0)
        return (nothing, nothing), np.zeros((0, 0)), np.zeros((0, 0))
    common = _around([block for block, _ in outer])
    whole = _union(outer, common)
    marrow = np.minimum(_union(inner, common), whole)
    weighted, weight = np.zeros(whole.shape), np.full(whole.shape, 1e-9)
    for (block, span), share in zip(inner, shares, strict=True):
        inside, length = _within(block, common), span.length
        weighted[inside] += length * share
        weight[inside] += length
    return common, whole - marrow, marrow * (weighted / weight)


def _union(found: Sequence[tuple[Block, Span]], common: Block) -> Floats:
    """Path length in mm through the union of spans, each of its own block, on the block that holds them."""
    total, count = np.zeros(_shape(common)), np.zeros(_shape(common), np.uint8)
    for block, span in found:
        inside = _within(block, common)
        total[inside] += span.length
        count[inside] += span.hit
    # Only where a ray meets several of them can they overlap.
    rows, columns = np.nonzero(count > 1)
    if rows.size:
        several = []
        for block, span in found:
            down, along = (at + c.start - b.start for at, c, b in zip((rows, columns), common, block, strict=True))
            height, width = _shape(block)
            there = (down >= 0) & (down < height) & (along >= 0) & (along < width)
            near, far = np.full(rows.shape, np.inf), np.full(rows.shape, -np.inf)
            near[there], far[there] = (side[down[there], along[there]] for side in span)
            several.append(Span(near, far))
        total[rows, columns] = union_length(several)
    return total


def _filling(rays: Rays, piece: Piece, block: Block) -> Floats:
    """The share of spongiosa in the marrow of one piece, for each ray of a block: that of the nearest point."""
    if not isinstance(piece.solid, Rod) or np.ndim(piece.filling) == 0:
        return np.full(_shape(block), float(np.mean(piece.filling)))
    points = piece.solid.tube.points
    way = points[-1] - points[0]
    length = float(np.hypot(way[0], way[1]))
    if length < 1.0:
        return np.full(_shape(block), float(np.mean(piece.filling)))
    x, y = rays.at(block)
    along = ((x - points[0, 0]) * way[0] + (y - points[0, 1]) * way[1]) / length
    places = ((points - points[0])[:, :2] @ way[:2]) / length
    return np.asarray(np.interp(along, np.maximum.accumulate(places), piece.filling))


def _around(blocks: Sequence[Block]) -> Block:
    """The smallest block that holds several."""
    rows = slice(min(b[0].start for b in blocks), max(b[0].stop for b in blocks))
    return rows, slice(min(b[1].start for b in blocks), max(b[1].stop for b in blocks))


def _shape(block: Block) -> tuple[int, int]:
    return block[0].stop - block[0].start, block[1].stop - block[1].start


def _within(block: Block, common: Block) -> Block:
    """A block in the coordinates of one that holds it."""
    rows, columns = (slice(b.start - c.start, b.stop - c.start) for b, c in zip(block, common, strict=True))
    return rows, columns
