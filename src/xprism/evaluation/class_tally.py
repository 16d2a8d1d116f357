"""What one film adds to the measures of a class map: counts of pixels that may be summed over films."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

THRESHOLDS = (*(round(0.01 * k, 2) for k in range(1, 100)), 0.995, 0.999)
"""Probabilities that a threshold may be set to."""

CONFIDENCE_RANGES = 15
"""Ranges of equal width in which confidence is held against how often it is right."""


def _edges() -> NDArray[np.float32]:
    """Ends of the ranges of probability: steps of its logit, narrow about one half, and every threshold.

    Networks are sure of most pixels, so that equal steps of the probability itself would throw them together.
    """
    steps = (np.arange(-88, -16, 1 / 8), np.arange(-16, -8, 1 / 16), np.arange(-8, 8, 1 / 64), np.arange(8, 17, 1 / 16))
    return np.unique(np.array([0, *(1 / (1 + np.exp(-np.concatenate(steps)))), *THRESHOLDS, 1], np.float32))


EDGES = _edges()
"""Ends of the ranges (low, high] in which probabilities are counted, as float32, the precision that they have."""

RANGES = len(EDGES) - 1


@dataclass(frozen=True)
class Tally:
    """Pixels of one film or of many, of K classes; every field may have further axes in front.

    ``confusion`` [..., K, K] is by true and by found class. Where probabilities are known, ``ranks`` [..., K, 2, R]
    counts for every class the pixels of the others, then its own, by the range of its probability. ``trust``
    [..., 3, K, 15] counts by found class and by range of the probability of that class: pixels, the sum of these
    probabilities, and pixels that are right. ``doubt`` [..., K, K, R] is about one class: by true class, by the
    likeliest of the other classes and by range of the one's probability.
    """

    confusion: NDArray[Any]
    ranks: NDArray[Any] | None = None
    trust: NDArray[Any] | None = None
    doubt: NDArray[Any] | None = None


def tally(
    truth: NDArray[np.uint8],
    found: NDArray[np.uint8],
    probabilities: NDArray[Any] | None,
    *,
    classes: int,
    doubted: int | None = None,
) -> Tally:
    """Count true and found classes [H, W], numbers below ``classes``, and probabilities [K, H, W] where known.

    ``doubted`` is the class that ``doubt`` is about; without one there is none.
    """
    true, given = truth.ravel().astype(np.intp), found.ravel().astype(np.intp)
    confusion = np.bincount(true * classes + given, minlength=classes**2).reshape(classes, classes)
    if probabilities is None:
        return Tally(confusion)
    planes = probabilities.reshape(classes, -1).astype(np.float32, copy=False)
    ranges = [range_of(plane) for plane in planes]
    ranks = [np.bincount((true == k) * RANGES + where, minlength=2 * RANGES) for k, where in enumerate(ranges)]
    doubt = None
    if doubted is not None:
        others = planes.copy()
        others[doubted] = -1
        key = (true * classes + others.argmax(0)) * RANGES + ranges[doubted]
        doubt = np.bincount(key, minlength=classes**2 * RANGES).reshape(classes, classes, RANGES).astype(np.uint32)
    return Tally(
        confusion,
        np.stack(ranks).reshape(classes, 2, RANGES).astype(np.uint32),
        _trust(true, given, np.take_along_axis(planes, given[None], 0)[0], classes=classes),
        doubt,
    )


def summed(tallies: Sequence[Tally], weights: NDArray[Any]) -> Tally:
    """Tallies of N films summed with ``weights`` [R, N]: R sums at once. What some film lacks no sum has."""
    made: dict[str, Any] = {}
    for name in (field.name for field in fields(Tally)):
        parts = [getattr(one, name) for one in tallies]
        known = bool(parts) and all(part is not None for part in parts)
        made[name] = np.tensordot(weights, np.stack(parts).astype(np.float64), 1) if known else None
    return Tally(**made)


def range_of(probabilities: NDArray[Any]) -> NDArray[np.intp]:
    """The number of the range that each probability lies in."""
    return np.clip(np.searchsorted(EDGES, probabilities, side="left") - 1, 0, RANGES - 1)


def place_of(threshold: float) -> int:
    """The first range above one of the ``THRESHOLDS``."""
    return int(np.searchsorted(EDGES, np.float32(threshold), side="left"))


def _trust(true: NDArray[np.intp], given: NDArray[np.intp], confidence: NDArray[np.float32], *, classes: int) -> Floats:
    where = np.clip(np.ceil(confidence * CONFIDENCE_RANGES).astype(np.intp) - 1, 0, CONFIDENCE_RANGES - 1)
    key, size = given * CONFIDENCE_RANGES + where, classes * CONFIDENCE_RANGES
    counts = [np.bincount(key, weights, size) for weights in (None, confidence, true == given)]
    return np.stack(counts).reshape(3, classes, CONFIDENCE_RANGES).astype(np.float64)
