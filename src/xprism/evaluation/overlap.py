"""Overlap of two masks. TP, FP, FN count pixels; |.| is an area."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from xprism.errors import DataError

Mask = NDArray[Any]


def _counts(predicted: Mask, reference: Mask) -> tuple[int, int, int]:
    if predicted.shape != reference.shape:
        raise DataError(f"masks differ in size: {list(predicted.shape)} and {list(reference.shape)}")
    predicted, reference = predicted.astype(bool), reference.astype(bool)
    both = int(np.count_nonzero(predicted & reference))
    return both, int(np.count_nonzero(predicted)) - both, int(np.count_nonzero(reference)) - both


def jaccard(predicted: Mask, reference: Mask) -> float:
    """TP / (TP + FP + FN) of two bool [H, W]; 1 where both are empty."""
    tp, fp, fn = _counts(predicted, reference)
    return tp / (tp + fp + fn) if tp + fp + fn else 1.0


def dice(predicted: Mask, reference: Mask) -> float:
    """2 TP / (2 TP + FP + FN) of two bool [H, W]; 1 where both are empty."""
    tp, fp, fn = _counts(predicted, reference)
    return 2 * tp / (2 * tp + fp + fn) if tp + fp + fn else 1.0


def fnr(predicted: Mask, reference: Mask) -> float:
    """FN / |reference|; 0 where both are empty."""
    tp, _, fn = _counts(predicted, reference)
    return fn / (tp + fn) if tp + fn else 0.0


def fpr_gt(predicted: Mask, reference: Mask) -> float:
    """FP / |reference|, which may exceed 1; 0 where both are empty, NaN where only the reference is."""
    tp, fp, fn = _counts(predicted, reference)
    if tp + fn:
        return fp / (tp + fn)
    return float("nan") if fp else 0.0
