"""Path lengths of parallel rays through analytic shapes.

A ray is one pixel: it stands at (x, y) in the body's frame and runs along z. Every shape answers
with its span, the depths where the ray enters and leaves; spans are then cut, joined and measured.
x grows to the patient's left, y to the feet, z to the front; all in mm.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_PARALLEL = 1e-12


class Span(NamedTuple):
    """Depths in mm where each ray enters (``near``) and leaves (``far``) a shape; empty where far <= near."""

    near: Floats
    far: Floats

    @property
    def hit(self) -> NDArray[np.bool_]:
        """Where rays pass through the shape: bool, the rays' shape. This is the shape's exact mask."""
        return self.far > self.near

    @property
    def length(self) -> Floats:
        """Path length in mm, zero where the ray misses."""
        with np.errstate(invalid="ignore"):
            return np.where(self.hit, self.far - self.near, 0.0)

    def within(self, other: Span) -> Span:
        """The part of this span that lies inside ``other``."""
        return Span(np.maximum(self.near, other.near), np.minimum(self.far, other.far))

    def where(self, condition: NDArray[np.bool_]) -> Span:
        """This span where the condition holds, empty elsewhere."""
        return Span(self.near, np.where(condition, self.far, self.near))


@dataclass(frozen=True)
class Rays:
    """The rays of a film: ``x`` and ``y`` [H, W] in mm in the body's frame, one ray a pixel.

    ``origin`` is the body point seen at the film's centre, ``step`` the distance of two rays in the
    body in mm (detector spacing over magnification), ``roll`` the patient's tilt in radians
    (positive: head towards the right of the image).
    """

    x: Floats
    y: Floats
    origin: tuple[float, float]
    step: float
    roll: float

    @classmethod
    def parallel(
        cls, shape: tuple[int, int], *, step: float, origin: tuple[float, float] = (0.0, 0.0), roll: float = 0.0
    ) -> Rays:
        """Parallel rays through the pixel centres of a film of ``shape`` (H, W)."""
        rows = (np.arange(shape[0]) - (shape[0] - 1) / 2) * step
        columns = (np.arange(shape[1]) - (shape[1] - 1) / 2) * step
        v, u = np.meshgrid(rows, columns, indexing="ij")
        cos, sin = np.cos(roll), np.sin(roll)
        return cls(origin[0] + cos * u + sin * v, origin[1] - sin * u + cos * v, origin, step, roll)

    def finer(self, times: int) -> Rays:
        """The rays of the same film with ``times`` as many pixels along each side."""
        shape = (self.shape[0] * times, self.shape[1] * times)
        return Rays.parallel(shape, step=self.step / times, origin=self.origin, roll=self.roll)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the film in pixels."""
        return int(self.x.shape[0]), int(self.x.shape[1])

    def pixel(self, x: Any, y: Any) -> tuple[Any, Any]:
        """Row and column (floats, pixel centres at whole numbers) where body points x, y in mm project."""
        cos, sin = np.cos(self.roll), np.sin(self.roll)
        dx, dy = x - self.origin[0], y - self.origin[1]
        height, width = self.shape
        row = (sin * dx + cos * dy) / self.step + (height - 1) / 2
        return row, (cos * dx - sin * dy) / self.step + (width - 1) / 2

    def window(self, x: tuple[float, float], y: tuple[float, float]) -> tuple[slice, slice]:
        """The smallest block of pixels that holds every ray inside the body box x, y."""
        return next(self.windows(np.array([[[x[0], y[0]], [x[1], y[1]]]])))

    def windows(self, boxes: Floats) -> Iterator[tuple[slice, slice]]:
        """The block of pixels of each of several boxes [N, 2, 2]: lowest and highest x, y in mm."""
        x, y = boxes[:, [0, 0, 1, 1], 0], boxes[:, [0, 1, 0, 1], 1]
        rows, columns = self.pixel(x, y)
        ends = [np.stack([np.floor(v.min(1)), np.ceil(v.max(1)) + 1], 1) for v in (rows, columns)]
        sides = [np.clip(end, 0, count).astype(int).tolist() for end, count in zip(ends, self.shape, strict=True)]
        for (top, bottom), (left, right) in zip(*sides, strict=True):
            yield slice(top, bottom), slice(left, right)

    def at(self, block: tuple[slice, slice]) -> tuple[Floats, Floats]:
        """x and y of a block of pixels."""
        return self.x[block], self.y[block]


def quadric(x: Floats, y: Floats, *, centre: Floats, rows: Floats, taper: Floats | None = None) -> Span:
    """Span of the points p with ``|rows @ (p - centre)| <= 1``; rows [K, 3] in 1/mm.

    Three rows (unit axis over radius each) make an ellipsoid, two an endless elliptic cylinder,
    one a slab. With a ``taper`` [3] in 1/mm the bound is ``1 + taper @ (p - centre)``: a cylinder becomes a cone,
    unless rays run so near to its axis that they may stay within it for ever.
    """
    dx, dy = x - centre[0], y - centre[1]
    along = rows[:, 2]
    a = float(along @ along)
    sides = [row[0] * dx + row[1] * dy for row in rows]
    c = sum(side * side for side in sides) - 1.0
    if a < _PARALLEL:
        reach = np.where(c < 0, np.inf, -np.inf)
        return Span(-reach, reach)
    b = sum(side * depth for side, depth in zip(sides, along, strict=True))
    if taper is not None and a > 2 * taper[2] ** 2:
        bound = taper[0] * dx + taper[1] * dy + 1.0
        c, b, a = c + 1.0 - bound * bound, b - bound * taper[2], a - float(taper[2] ** 2)
    half = np.sqrt(np.maximum(b * b - a * c, 0.0)) / a
    middle = centre[2] - b / a
    return Span(middle - half, middle + half)


def ellipsoid(x: Floats, y: Floats, *, centre: Sequence[float], radii: Sequence[float], tilt: float = 0.0) -> Span:
    """Span of an ellipsoid with radii in mm along x, y, z, turned by ``tilt`` radians in the film's plane."""
    cos, sin = np.cos(tilt), np.sin(tilt)
    axes = np.array([[cos, sin, 0.0], [-sin, cos, 0.0], [0.0, 0.0, 1.0]])
    return quadric(x, y, centre=np.asarray(centre, float), rows=axes / np.asarray(radii, float)[:, None])


def half_space(x: Floats, y: Floats, *, point: Floats, normal: Floats) -> Span:
    """Span of the side of a plane that ``normal`` points to."""
    side = normal[0] * (x - point[0]) + normal[1] * (y - point[1])
    if abs(normal[2]) < _PARALLEL:
        reach = np.where(side >= 0, np.inf, -np.inf)
        return Span(-reach, reach)
    cut = point[2] - side / normal[2]
    endless = np.full_like(cut, np.inf)
    return Span(cut, endless) if normal[2] > 0 else Span(-endless, cut)


def pillow(across: Floats, *, middle: Floats | float, half_depth: Floats | float, power: float = 2.0) -> Span:
    """Span of a body whose half-thickness is ``half_depth * (1 - |across|^power)^(1/power)``, a superellipse.

    ``across`` is 0 on the body's axis and +-1 on its outline; outside the outline the span is empty.
    """
    inside = np.maximum(1.0 - np.abs(across) ** power, 0.0)
    half = half_depth * (np.sqrt(inside) if power == 2.0 else inside ** (1.0 / power))
    return Span(middle - half, middle + half)


def union_length(spans: Iterable[Span]) -> Floats:
    """Path length in mm through the union of shapes: overlaps count once."""
    hits = [(np.where(s.hit, s.near, np.inf), np.where(s.hit, s.far, -np.inf)) for s in spans]
    near, far = np.stack([h[0] for h in hits]), np.stack([h[1] for h in hits])
    order = np.argsort(near, axis=0, kind="stable")
    near, far = np.take_along_axis(near, order, 0), np.take_along_axis(far, order, 0)
    total, reached = np.zeros(near.shape[1:]), np.full(near.shape[1:], -np.inf)
    for start, stop in zip(near, far, strict=True):
        start = np.maximum(start, reached)
        with np.errstate(invalid="ignore"):
            total += np.where(stop > start, stop - start, 0.0)
        reached = np.maximum(reached, stop)
    return total


@dataclass(frozen=True)
class Tube:
    """A bent tube with an elliptic section: a chain of cylinders that meet in mitred joints.

    ``points`` [N, 3] is its centre line in mm; ``radii`` [N, 2] the half-thickness along ``normals``
    [N, 3] (the first) and across them (the second). Ends are flat.
    """

    points: Floats
    radii: Floats
    normals: Floats

    @classmethod
    def round(cls, points: Any, radii: Any) -> Tube:
        """A tube with a circular section; radii [N] or one number, in mm."""
        line = np.asarray(points, float)
        size = np.broadcast_to(np.asarray(radii, float), line.shape[:1])
        return cls(line, np.stack([size, size], 1), np.broadcast_to([0.36, 0.48, 0.8], line.shape))

    def thinned(self, wall: Any) -> Tube:
        """The tube's inside, ``wall`` mm (one number, or [N]) within its surface."""
        within = np.broadcast_to(np.asarray(wall, float), self.points.shape[:1])
        return Tube(self.points, np.maximum(self.radii - within[:, None], 1e-3), self.normals)


@dataclass(frozen=True)
class _Pieces:
    """The straight pieces of a tube: quadric rows [N, 2, 3], joint normals [N + 1, 3], boxes [N, 2, 2] in x, y.

    ``tapers`` [N, 3] say how radii change along a piece, with ``starts`` [N, 2, 3] for rows at its first point.
    """

    rows: Floats
    joints: Floats
    boxes: Floats
    tapers: Floats
    starts: Floats


def _pieces(tube: Tube) -> _Pieces:
    steps = np.diff(tube.points, axis=0)
    along = steps / np.linalg.norm(steps, axis=1, keepdims=True)
    joints = np.concatenate([along[:1], along[1:] + along[:-1], along[-1:]])
    joints /= np.linalg.norm(joints, axis=1, keepdims=True)
    radii = (tube.radii[1:] + tube.radii[:-1]) / 2
    across = _across(tube.normals[:-1], along)
    rows = np.stack([across / radii[:, :1], np.cross(along, across) / radii[:, 1:]], 1)
    margin = np.maximum(1.5 * radii.max(1), 1.1 * np.maximum(tube.radii[1:], tube.radii[:-1]).max(1))[:, None]
    ends = np.stack([tube.points[:-1, :2], tube.points[1:, :2]])
    boxes = np.stack([ends.min(0) - margin, ends.max(0) + margin], 1)
    # Both radii change alike within a piece, by the mean of their slopes, and are right in its middle.
    slope = np.mean(np.diff(tube.radii, axis=0) / radii, axis=1, keepdims=True)
    tapers = along * slope / (1 - slope / 2) / np.linalg.norm(steps, axis=1, keepdims=True)
    return _Pieces(rows, joints, boxes, tapers, rows / (1 - slope / 2)[:, None])


def _across(normals: Floats, along: Floats) -> Floats:
    """Unit vectors across ``along`` nearest to ``normals``; any where the two are parallel."""
    across = normals - np.sum(normals * along, axis=1, keepdims=True) * along
    lost = np.linalg.norm(across, axis=1) < 1e-6
    if lost.any():
        across[lost] = np.cross(along[lost], np.eye(3)[np.argmin(np.abs(along[lost]), axis=1)])
    return np.asarray(across / np.linalg.norm(across, axis=1, keepdims=True))


def tube_spans(rays: Rays, tube: Tube, *, tapered: bool = False) -> Iterator[tuple[int, tuple[slice, slice], Span]]:
    """Each straight piece of a tube that the film shows: its number, a block of pixels, its span there.

    Pieces are cylinders with the mean of the radii of their ends, or ``tapered`` from one to the other.
    """
    pieces = _pieces(tube)
    for k, block in enumerate(rays.windows(pieces.boxes)):
        x, y = rays.at(block)
        if not x.size:
            continue
        rows, taper = (pieces.starts[k], pieces.tapers[k]) if tapered else (pieces.rows[k], None)
        near, far = quadric(x, y, centre=tube.points[k], rows=rows, taper=taper)
        near, far = _cut(x, y, near, far, point=tube.points[k], normal=pieces.joints[k])
        near, far = _cut(x, y, near, far, point=tube.points[k + 1], normal=-pieces.joints[k + 1])
        yield k, block, Span(near, far)


def tube_lengths(
    rays: Rays, tube: Tube, *, within: Span | None = None
) -> Iterator[tuple[int, tuple[slice, slice], Floats]]:
    """Each straight piece of a tube that the film shows: its number, a block of pixels, path lengths in mm there."""
    for k, block, (near, far) in tube_spans(rays, tube):
        if within is not None:
            near, far = np.maximum(near, within.near[block]), np.minimum(far, within.far[block])
        yield k, block, np.maximum(far - near, 0.0)


def _cut(x: Floats, y: Floats, near: Floats, far: Floats, *, point: Floats, normal: Floats) -> tuple[Floats, Floats]:
    """What is left of a span on the side of a plane that ``normal`` points to; as ``half_space``, but quicker."""
    side = normal[0] * (x - point[0]) + normal[1] * (y - point[1])
    if abs(normal[2]) < _PARALLEL:
        return near, np.where(side >= 0, far, near)
    cut = point[2] - side / normal[2]
    return (np.maximum(near, cut), far) if normal[2] > 0 else (near, np.minimum(far, cut))


def add_tube(total: Floats, rays: Rays, tube: Tube, *, within: Span | None = None) -> None:
    """Add the path length in mm through a tube to ``total`` [H, W], in place."""
    for _, block, length in tube_lengths(rays, tube, within=within):
        total[block] += length


def tubes_length(rays: Rays, tubes: Iterable[Tube], *, within: Span | None = None) -> Floats:
    """Summed path length in mm [H, W] through several tubes."""
    total = np.zeros(rays.shape)
    for tube in tubes:
        add_tube(total, rays, tube, within=within)
    return total
