"""The nearest real case of every sample, after it has been laid on it: what a network learnt by heart lies near one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from xprism.grid import resize

SIDE = 48
"""Pictures are compared on this many pixels a side."""
_BLUR_PX = 1.0
_REACH_PX, _RIM = 2, 4
_TURNS = (-2.0, 0.0, 2.0)
# Real cases a sample is laid on finely: those that are nearest by whole pixels.
_CANDIDATES, _STEPS = 4, 4
_FARTHEST = 3.0

Pictures = NDArray[np.float32]
_INSIDE = slice(_RIM, -_RIM)


@dataclass(frozen=True)
class Nearest:
    """Of every query [n] the number of the nearest case, and its distance: 0 for equal pictures, up to 2.

    A distance is sqrt(2 - 2 r), r the correlation after the two have been laid on each other.
    """

    case: NDArray[np.int64]
    distance: NDArray[np.float64]


def coarse(pictures: NDArray[Any]) -> Pictures:
    """Pictures [n, h, h] as they are compared, [n, 48, 48]: shrunk and a little blurred."""
    small = np.stack([resize(picture, (SIDE, SIDE)) for picture in np.asarray(pictures, np.float32)])
    return np.asarray(ndimage.gaussian_filter(small, (0, _BLUR_PX, _BLUR_PX)))


def nearest(queries: Pictures, cases: Pictures, *, leave_out: bool = False) -> Nearest:
    """The nearest of the cases [m, 48, 48] to every query [n, 48, 48] under shifts of 4 % and turns of 2 degrees.

    Correlation takes no notice of brightness and contrast. ``leave_out`` is for queries that are the cases
    themselves: each is compared with the others only.
    """
    rough, starts = _by_whole_pixels(queries, cases)
    if leave_out:
        np.fill_diagonal(rough, -np.inf)
    found, best = np.zeros(len(queries), np.int64), np.full(len(queries), -1.0)
    for number, query in enumerate(queries):
        usable = min(_CANDIDATES, len(cases) - leave_out)
        for case in np.argsort(-rough[number])[:usable]:
            alike = _laid(query, cases[case], starts[number, case])
            if alike > best[number]:
                found[number], best[number] = case, alike
    return Nearest(found, np.sqrt(np.maximum(2 - 2 * best, 0)))


def distances(pictures: Pictures) -> NDArray[np.float64]:
    """Distances [n, n] of pictures [n, 48, 48] to each other as they lie."""
    rows = _unit(pictures)
    return np.sqrt(np.maximum(2 - 2 * (rows @ rows.T).astype(np.float64), 0))


def _unit(pictures: Pictures) -> NDArray[np.float32]:
    """Pictures [n, ...] as rows of mean 0 and length 1; flat ones stay 0."""
    rows = pictures.reshape(len(pictures), -1)
    rows = rows - rows.mean(axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6), np.float32)


def _by_whole_pixels(queries: Pictures, cases: Pictures) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The best correlation [n, m] over turns and whole-pixel shifts, and where it is: degrees, down, right."""
    rows = _unit(queries[:, _INSIDE, _INSIDE])
    best = np.full((len(queries), len(cases)), -np.inf, np.float32)
    where = np.zeros((*best.shape, 3), np.float32)
    reach = range(-_REACH_PX, _REACH_PX + 1)
    for turn in _TURNS:
        turned = np.stack([_moved(case, (turn, 0.0, 0.0)) for case in cases])
        for down in reach:
            for right in reach:
                cut = turned[:, _RIM + down : SIDE - _RIM + down, _RIM + right : SIDE - _RIM + right]
                alike = rows @ _unit(cut).T
                better = alike > best
                best[better], where[better] = alike[better], (turn, down, right)
    return best, where


def _moved(picture: Pictures, at: tuple[float, ...] | NDArray[Any]) -> Pictures:
    """A picture as seen from a grid that is turned by degrees and moved by pixels down and right."""
    angle, centre = np.deg2rad(at[0]), (SIDE - 1) / 2
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    offset = centre + np.array(at[1:], float) - turn @ np.full(2, centre)
    return np.asarray(ndimage.affine_transform(picture, turn, offset, order=1, mode="nearest"), np.float32)


_DOWN, _RIGHT = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2


def _laid(query: Pictures, case: Pictures, start: NDArray[np.float32]) -> float:
    """The best correlation of two pictures while the case is turned and moved by least squares (Gauss-Newton)."""
    target = query[_INSIDE, _INSIDE].ravel().astype(np.float64)
    row = _unit(query[None, _INSIDE, _INSIDE])[0]
    at, best = start.astype(np.float64), -1.0
    for _ in range(_STEPS):
        seen = _moved(case, at)
        best = max(best, float(row @ _unit(seen[None, _INSIDE, _INSIDE])[0]))
        slope = np.gradient(seen)
        turning = np.deg2rad(1) * (slope[0] * _RIGHT - slope[1] * _DOWN)
        unknown = (seen, np.ones_like(seen), turning, *slope)
        matrix = np.stack([one[_INSIDE, _INSIDE].ravel() for one in unknown]).astype(np.float64)
        gain, _, *step = np.linalg.lstsq(matrix @ matrix.T, matrix @ target, rcond=None)[0]
        if abs(gain) < 1e-3:
            break
        at = np.clip(at + np.clip(np.array(step) / gain, -1, 1), -_FARTHEST, _FARTHEST)
    return best
