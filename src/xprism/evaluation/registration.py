"""Bring two pictures of one chest onto each other where they differ by a small shift and by what they show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from xprism.errors import DataError

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

REACH_PX = 4
# What is compared is the band between these two blurs, in px: vessels, but neither shading nor much of the ribs.
_FINE_PX, _COARSE_PX = 0.7, 2.0
# The mask's rim is left out: where one of the two is cut to the lungs, the outline is an edge that the other lacks.
_RIM_PX = 4
_STEPS, _STILL_PX = 40, 1e-4
# Correlation of pictures of one chest is 0.5 and more in that band, of two chests below 0.1.
_ENOUGH = 0.2
# In standard deviations of what is left: beyond, a pixel does not count at all.
_TUKEY = 3.0


@dataclass(frozen=True)
class Shift:
    """How far, in px down the rows and along the columns, a picture has to move to lie on another."""

    rows: float
    columns: float

    def apply(self, picture: NDArray[Any]) -> tuple[Floats, Mask]:
        """The picture [H, W] moved, by cubic splines, and where it has data: bool [H, W], False where none came in."""
        levels = np.asarray(picture, np.float64)
        moved = ndimage.shift(levels, (self.rows, self.columns), order=3, mode="mirror")
        rows, columns = (np.arange(n) - by for n, by in zip(levels.shape, (self.rows, self.columns), strict=True))
        height, width = levels.shape
        known = ((rows >= 0) & (rows <= height - 1))[:, None] & ((columns >= 0) & (columns <= width - 1))[None, :]
        return np.asarray(moved, np.float64), known


def find_shift(fixed: NDArray[Any], moving: NDArray[Any], *, inside: Mask) -> Shift:
    """The shift of up to 4 px a direction that lays ``moving`` on ``fixed``, found to a tenth of a pixel or so.

    Grey pictures [H, W] on any two grey scales whose contrast has the same sign; ``inside`` is a mask bool [H, W]
    on ``fixed``, of which a rim of 4 px is left out. Compared is what lies between blurs of 0.7 and 2 px: the best
    whole-pixel shift by correlation, then least squares for shift and contrast in which pixels that fit badly
    count less (Tukey's weights). Edges of ribs that only one of the two shows are such pixels. Raises
    ``DataError`` for other sizes, for too small a mask or flat pictures, and for pictures that lie more than 4 px
    apart or show different things.
    """
    if not fixed.shape == moving.shape == inside.shape or fixed.ndim != 2:
        raise DataError("two pictures to be laid on each other, and the mask, must be [H, W] of one size")
    still, other = _band(fixed), _band(moving)
    area = ndimage.binary_erosion(inside, np.ones((3, 3)), iterations=_RIM_PX)
    if area.sum() < 100 or not still[area].any() or not other.any():
        raise DataError("there is too little in the mask to lay two pictures on each other", remedy="check the mask")
    return _refine(still, other, area, _whole_pixels(still, other, area))


def _band(picture: NDArray[Any]) -> Floats:
    levels = np.asarray(picture, np.float64)
    return np.asarray(ndimage.gaussian_filter(levels, _FINE_PX) - ndimage.gaussian_filter(levels, _COARSE_PX))


def _whole_pixels(still: Floats, other: Floats, area: Mask) -> Floats:
    """The shift in whole pixels at which two bands correlate best; raises ``DataError`` where they hardly do."""
    target = still[area] - still[area].mean()
    rows, columns = np.nonzero(area)
    best, found = 0.0, (0, 0)
    for down in range(-REACH_PX, REACH_PX + 1):
        for along in range(-REACH_PX, REACH_PX + 1):
            values = other[rows - down, columns - along]
            values = values - values.mean()
            agreement = float(values @ target) / (float(np.linalg.norm(values)) or 1.0)
            if agreement > best:
                best, found = agreement, (down, along)
    if best < _ENOUGH * np.linalg.norm(target):
        raise DataError(
            f"the pictures have too little in common within {REACH_PX} px of each other",
            remedy="lay them on each other first, and bring both to the same polarity",
        )
    return np.array(found, np.float64)


def _refine(still: Floats, other: Floats, area: Mask, start: Floats) -> Shift:
    """Gauss-Newton for shift, contrast and offset with Tukey's weights."""
    at, target = start, still[area]
    places = np.stack(np.nonzero(area)).astype(np.float64)
    splines = [ndimage.spline_filter(one, order=3) for one in (other, *np.gradient(other))]
    for _ in range(_STEPS):
        where = places - at[:, None]
        value, *slope = (
            ndimage.map_coordinates(one, where, order=3, mode="nearest", prefilter=False) for one in splines
        )
        gain, offset = _least_squares(value, np.ones_like(value), to=target)
        rest = target - gain * value - offset
        spread = 1.4826 * np.median(np.abs(rest)) + 1e-12 * np.abs(target).max()
        share = np.clip(1 - (rest / (_TUKEY * spread)) ** 2, 0, None)  # the root of Tukey's weight
        # A move by d changes the value by -slope d; gain and offset are solved for along with it.
        unknown = (-gain * slope[0], -gain * slope[1], value, np.ones_like(value))
        step = _least_squares(*(one * share for one in unknown), to=rest * share)[:2]
        at = at + np.clip(step, -0.5, 0.5)
        if np.abs(step).max() < _STILL_PX:
            break
    if np.abs(at).max() > REACH_PX + 0.5:
        raise DataError(
            f"the pictures lie {at[0]:+.1f} rows and {at[1]:+.1f} columns apart, beyond {REACH_PX} px",
            remedy="lay them on each other first",
        )
    return Shift(float(at[0]), float(at[1]))


def _least_squares(*columns: Floats, to: Floats) -> Floats:
    matrix = np.stack(columns)
    return np.asarray(np.linalg.lstsq(matrix @ matrix.T, matrix @ to, rcond=None)[0])
