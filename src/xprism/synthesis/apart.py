"""Chests whose structures are moved each on its own, which teach a network that structures follow their dots.

In a few films hearts lie where their lungs say: a network that knows no others takes the heart's place from the dots of
the lungs as well as from its own.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from xprism.errors import DataError
from xprism.synthesis.dots import STRUCTURES
from xprism.synthesis.label_map import label_map_of, masks_of
from xprism.synthesis.sources import Source

_SMOOTH = 1 / 40
"""Deviation of the smoothing of displacements, in parts of the side."""
_FIRM = {"right_lung": 1.0, "left_lung": 1.0, "heart": 30.0}
"""How much a structure keeps its shape where two meet: lungs give way."""

Vector = NDArray[np.int64]


def moved_apart(source: Source, rng: np.random.Generator, *, furthest: int) -> Source:
    """The source with every structure moved by a vector of its own, on the label map and as a dot.

    Vectors are whole pixels of the dot map, up to ``furthest`` along either axis. Heart and clavicles move as a whole;
    lungs and what lies between give way smoothly, while dots move by the vector alone: no other dot tells where the
    heart went. The film stays as it was, and so do the dots of structures that label maps do not show, and the whole
    source where a dot would leave the map.
    """
    assert source.dots is not None
    masks = masks_of(source.labels)
    shown = [name for name in STRUCTURES if masks[name].any()]
    vectors = {name: rng.integers(-furthest, furthest, 2, endpoint=True) for name in shown}
    dots = source.dots
    try:
        for name, (down, right) in vectors.items():
            dots = dots.moved(name, down=int(down), right=int(right))
    except DataError:
        return source
    pixel = len(source.labels) // dots.size
    labels = _moved(masks, {name: pixel * vector for name, vector in vectors.items()})
    return replace(source, labels=labels, dots=dots)


def _moved(masks: dict[str, NDArray[np.bool_]], vectors: dict[str, Vector]) -> NDArray[np.uint8]:
    """The label map [H, W] of masks [H, W], those that are not empty moved by pixels of it."""
    moved = {name: _shifted(masks[name], vector) for name, vector in vectors.items()}
    places = np.indices(masks["heart"].shape) - _displacement(moved, vectors)
    warped = ndimage.map_coordinates(label_map_of(masks, clavicles=False), places, order=0, mode="nearest")
    lungs = {name: mask for name, mask in masks_of(warped).items() if name.endswith("lung")}
    return label_map_of({**masks, **moved, **lungs})


def _displacement(moved: dict[str, NDArray[np.bool_]], vectors: dict[str, Vector]) -> NDArray[np.float64]:
    """How far what is to lie at a pixel [2, H, W] has come: as the structure that went there, or those about it."""
    names = [name for name in moved if name in _FIRM]
    weights = np.stack([_FIRM[name] * (1 + ndimage.distance_transform_edt(~moved[name])) ** -3.0 for name in names])
    steps = np.array([vectors[name] for name in names], float)
    field = np.tensordot(steps.T, weights / weights.sum(0), 1)
    side = field.shape[1]
    return np.stack([ndimage.gaussian_filter(axis, _SMOOTH * side, mode="nearest") for axis in field])


def _shifted(mask: NDArray[np.bool_], vector: Vector) -> NDArray[np.bool_]:
    return np.asarray(ndimage.shift(mask, vector, order=0))
