"""Overlap of two masks. TP, FP, FN count pixels; |.| is an area."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xprism.errors import DataError

Mask = NDArray[Any]


@dataclass(frozen=True)
class Counts:
    """Pixels that are in both masks (``tp``), in the prediction alone (``fp``), in the reference alone (``fn``).

    Counts add up, so that measures can also be pooled over the pixels of many films.
    """

    tp: int
    fp: int
    fn: int

    @classmethod
    def of(cls, predicted: Mask, reference: Mask) -> Counts:
        """Count two masks [H, W]. Raises ``DataError`` where they differ in size."""
        if predicted.shape != reference.shape:
            raise DataError(f"masks differ in size: {list(predicted.shape)} and {list(reference.shape)}")
        predicted, reference = predicted.astype(bool), reference.astype(bool)
        both = int(np.count_nonzero(predicted & reference))
        return cls(both, int(np.count_nonzero(predicted)) - both, int(np.count_nonzero(reference)) - both)

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.tp + other.tp, self.fp + other.fp, self.fn + other.fn)

    @property
    def jaccard(self) -> float:
        """TP / (TP + FP + FN); 1 where both masks are empty."""
        total = self.tp + self.fp + self.fn
        return self.tp / total if total else 1.0

    @property
    def dice(self) -> float:
        """2 TP / (2 TP + FP + FN); 1 where both masks are empty."""
        total = 2 * self.tp + self.fp + self.fn
        return 2 * self.tp / total if total else 1.0

    @property
    def fnr(self) -> float:
        """FN / |reference|; 0 where the reference is empty."""
        return self.fn / (self.tp + self.fn) if self.tp + self.fn else 0.0

    @property
    def fpr_gt(self) -> float:
        """FP / |reference|, which may exceed 1; 0 where both are empty, NaN where only the reference is."""
        if self.tp + self.fn:
            return self.fp / (self.tp + self.fn)
        return float("nan") if self.fp else 0.0


def jaccard(predicted: Mask, reference: Mask) -> float:
    """TP / (TP + FP + FN) of two bool [H, W]; 1 where both are empty."""
    return Counts.of(predicted, reference).jaccard


def dice(predicted: Mask, reference: Mask) -> float:
    """2 TP / (2 TP + FP + FN) of two bool [H, W]; 1 where both are empty."""
    return Counts.of(predicted, reference).dice


def fnr(predicted: Mask, reference: Mask) -> float:
    """FN / |reference|; 0 where the reference is empty."""
    return Counts.of(predicted, reference).fnr


def fpr_gt(predicted: Mask, reference: Mask) -> float:
    """FP / |reference|, which may exceed 1; 0 where both are empty, NaN where only the reference is."""
    return Counts.of(predicted, reference).fpr_gt
