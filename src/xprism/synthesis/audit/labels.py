"""What is measured of label maps: areas, places, overlaps, pieces and holes; and label maps as one picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

_EIGHT = np.ones((3, 3), bool)
_LUNGS, _CLAVICLES = ("right_lung", "left_lung"), ("right_clavicle", "left_clavicle")
_TONES = {"heart": -1.0, **dict.fromkeys(_LUNGS, 1.0), **dict.fromkeys(_CLAVICLES, 0.5)}


def label_pictures(masks: dict[str, NDArray[np.bool_]], labels: Sequence[str]) -> NDArray[np.float32]:
    """Masks [n, h, h] as one picture of tones each, [n, h, h]: lungs bright, heart dark, clavicles between."""
    return np.asarray(sum(_TONES[label] * masks[label].astype(np.float32) for label in labels), np.float32)


def measured(masks: dict[str, NDArray[np.bool_]], labels: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """Measures by name, [n] each, of masks [n, h, h].

    Areas, centroids and overlaps in parts of the film, its side, or the structure; pieces touch at corners, holes are
    background that is shut in. A centroid is NaN where a structure has no pixel.
    """
    return {name: np.asarray(values, np.float64) for name, values in _measures(masks, labels)}


def _measures(masks: dict[str, NDArray[np.bool_]], labels: Sequence[str]) -> Iterator[tuple[str, NDArray[Any]]]:
    for label in labels:
        planes = masks[label]
        yield f"{label} area", planes.mean(axis=(1, 2))
        for axis, word in ((1, "row"), (2, "column")):
            yield f"{label} {word}", _centroids(planes, axis)
        yield f"{label} pieces", np.array([ndimage.label(plane, _EIGHT)[1] for plane in planes])
        yield f"{label} holes", np.array([_holes(plane) for plane in planes])
    if {"heart", *_LUNGS} <= set(labels):
        yield "heart in lungs", _share(masks["heart"], masks["right_lung"] | masks["left_lung"])
        yield "right lung in left lung", _share(masks["right_lung"], masks["left_lung"])
    for clavicle in _CLAVICLES:
        if {clavicle, *_LUNGS} <= set(labels):
            yield f"{clavicle} in lungs", _share(masks[clavicle], masks["right_lung"] | masks["left_lung"])


def _centroids(planes: NDArray[np.bool_], axis: int) -> NDArray[np.float64]:
    """Mean place along one axis in parts of the side, [n]; NaN of empty masks."""
    along = planes.sum(axis=3 - axis)
    places = (np.arange(along.shape[1]) + 0.5) / along.shape[1]
    count = along.sum(axis=1)
    return np.where(count > 0, along @ places / np.maximum(count, 1), np.nan)


def _holes(plane: NDArray[np.bool_]) -> int:
    # The border joins all that lies outside to one piece.
    return int(ndimage.label(np.pad(~plane, 1, constant_values=True))[1]) - 1


def _share(part: NDArray[np.bool_], of: NDArray[np.bool_]) -> NDArray[np.float64]:
    return np.asarray((part & of).sum(axis=(1, 2)) / np.maximum(part.sum(axis=(1, 2)), 1))
