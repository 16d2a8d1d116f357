"""Chests whose structures are moved each on its own, which teach a network that structures follow their dots.

In a few films hearts lie where their lungs say: a network that knows no others takes the heart's place from the dots of
the lungs as well as from its own.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from xprism.synthesis.dots import STRUCTURES, dots_of
from xprism.synthesis.label_map import masks_of
from xprism.synthesis.sources import Source

_SMOOTH = 1 / 64
"""Deviation of the smoothing of displacements, in parts of the side."""
_FIRM = {"right_lung": 1.0, "left_lung": 1.0, "heart": 10.0, "right_clavicle": 10.0, "left_clavicle": 10.0}
"""How much a structure keeps its shape where two meet: lungs give way to the heart."""


def moved_apart(source: Source, rng: np.random.Generator, *, furthest: float) -> Source:
    """The source with a label map in which every structure is moved by a vector of its own, and the dots of that map.

    Vectors are up to ``furthest`` pixels of the dot map along either axis. A structure moves nearly as a whole; what
    lies between structures gives way smoothly, so that none tears off its neighbour. The film stays as it was, and so
    do the dots of structures that label maps do not show, and the whole source where a structure would be lost.
    """
    assert source.dots is not None
    masks = masks_of(source.labels)
    pixel = len(source.labels) / source.dots.size
    vectors = rng.uniform(-furthest, furthest, (len(STRUCTURES), 2)) * pixel
    moved = _warped(source.labels, _displacement([masks[name] for name in STRUCTURES], vectors))
    found = masks_of(moved)
    shown = [name for name in STRUCTURES if masks[name].any()]
    if not all(found[name].any() for name in shown):
        return source
    radius = next(iter(source.dots.dots.values())).radius
    dots = dots_of({name: found[name] for name in shown}, size=source.dots.size, radius=radius, of=shown)
    dots = dots.model_copy(update={"dots": {**source.dots.dots, **dots.dots}})
    return replace(source, labels=moved, dots=dots)


def _displacement(masks: list[NDArray[np.bool_]], vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far every pixel [2, H, W] is moved: as the structure it lies in, or between those about it."""
    firm = [_FIRM[name] for name in STRUCTURES]
    weights = np.stack(
        [much * (1 + ndimage.distance_transform_edt(~mask)) ** -2.0 for much, mask in zip(firm, masks, strict=True)]
    )
    field = np.tensordot(vectors.T, weights / weights.sum(0), 1)
    side = masks[0].shape[0]
    return np.stack([ndimage.gaussian_filter(axis, _SMOOTH * side, mode="nearest") for axis in field])


def _warped(labels: NDArray[np.uint8], field: NDArray[np.float64]) -> NDArray[np.uint8]:
    places = np.indices(labels.shape) - field
    return np.asarray(ndimage.map_coordinates(labels, places, order=0, mode="nearest"))
