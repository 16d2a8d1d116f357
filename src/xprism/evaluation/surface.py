"""Distances between the outlines of two masks, in mm where the spacing is known."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from xprism.errors import DataError

Mask = NDArray[Any]


def surface_distances(
    predicted: Mask, reference: Mask, *, spacing: tuple[float, float] = (1.0, 1.0)
) -> tuple[float, float]:
    """``hd95`` and ``assd`` of two bool [H, W] at the cost of one of them."""
    there, back = _distances(predicted, reference, spacing)
    if not (there.size and back.size):
        neither = 0.0 if there.size == back.size == 0 else float("nan")
        return neither, neither
    farthest = max(np.percentile(there, 95), np.percentile(back, 95))
    return float(farthest), float((there.sum() + back.sum()) / (there.size + back.size))


def hd95(predicted: Mask, reference: Mask, *, spacing: tuple[float, float] = (1.0, 1.0)) -> float:
    """95th percentile Hausdorff distance: the larger of the two directions' 95th percentiles.

    ``spacing`` is (row, column); the result has its unit. 0 where both bool [H, W] are empty, NaN
    where only one is.
    """
    return surface_distances(predicted, reference, spacing=spacing)[0]


def assd(predicted: Mask, reference: Mask, *, spacing: tuple[float, float] = (1.0, 1.0)) -> float:
    """Average symmetric surface distance: mean over the outline pixels of both masks.

    Unit and empty cases as in ``hd95``.
    """
    return surface_distances(predicted, reference, spacing=spacing)[1]


def outline(mask: Mask) -> NDArray[np.bool_]:
    """Pixels of a bool [H, W] that touch its outside, or the film's edge, along a side."""
    mask = mask.astype(bool)
    edge: NDArray[np.bool_] = mask & ~ndimage.binary_erosion(mask)
    return edge


def _distances(predicted: Mask, reference: Mask, spacing: tuple[float, float]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Distance of each outline pixel of either mask to the other's outline."""
    if predicted.shape != reference.shape:
        raise DataError(f"masks differ in size: {list(predicted.shape)} and {list(reference.shape)}")
    # Nothing outside the box that holds both masks bears on their outlines, and the box is far smaller than the film.
    box = _joint_box(predicted, reference)
    first, second = outline(predicted[box]), outline(reference[box])
    if not (first.any() and second.any()):
        return np.zeros(int(first.sum())), np.zeros(int(second.sum()))
    to_second = ndimage.distance_transform_edt(~second, sampling=spacing)
    to_first = ndimage.distance_transform_edt(~first, sampling=spacing)
    return to_second[first], to_first[second]


def _joint_box(first: Mask, second: Mask) -> tuple[slice, slice]:
    """The smallest box that holds both masks."""
    either = first.astype(bool) | second.astype(bool)
    rows, columns = np.flatnonzero(either.any(axis=1)), np.flatnonzero(either.any(axis=0))
    if not rows.size:
        return slice(0, 0), slice(0, 0)
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
