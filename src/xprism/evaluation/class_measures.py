"""Measures of class maps, from counts of pixels: precision and recall, ROC curves, calibration.

Every function takes counts with any axes in front of those that it names, so that pooled films, single films and
bootstrap draws go through the same lines. A ratio over no pixels is NaN.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from xprism.evaluation.class_tally import EDGES, Tally

Floats = NDArray[np.float64]

PER_CLASS = ("precision", "recall", "f1", "fdr", "fpr", "auc", "confidence", "calibration_gap", "ece")
AVERAGED = ("precision", "recall", "f1", "auc", "confidence", "calibration_gap")
"""Measures of which the mean over classes, weighted by their true shares, is given too."""
OVERALL = ("accuracy", "confidence", "calibration_gap", "ece")


def counts_of(confusion: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """True and false positives and negatives [..., K] of each class of a matrix [..., K, K] by true and found class."""
    tp = np.diagonal(confusion, axis1=-2, axis2=-1)
    fp, fn = confusion.sum(-2) - tp, confusion.sum(-1) - tp
    return {"tp": tp, "fp": fp, "fn": fn, "tn": confusion.sum((-2, -1))[..., None] - tp - fp - fn}


def ratios_of(confusion: NDArray[Any]) -> dict[str, Floats]:
    """Precision, recall, F1, ``fdr`` and ``fpr`` [..., K] of a matrix [..., K, K] by true and found class.

    ``fdr`` is FP / (TP + FP), 1 - precision, what XNet's authors call the false positive rate of soft tissue; ``fpr``
    is FP / (FP + TN). Precision is what they print as the accuracy of a class.
    """
    one = counts_of(confusion)
    tp, fp, fn, tn = (one[name] for name in ("tp", "fp", "fn", "tn"))
    return {
        "precision": over(tp, tp + fp),
        "recall": over(tp, tp + fn),
        "f1": over(2 * tp, 2 * tp + fp + fn),
        "fdr": over(fp, tp + fp),
        "fpr": over(fp, fp + tn),
    }


def accuracy(confusion: NDArray[Any]) -> Floats:
    """The share [...] of pixels that are given their class, of a matrix [..., K, K] by true and found class."""
    return over(np.trace(confusion, axis1=-2, axis2=-1), confusion.sum((-2, -1)))


def weighted_mean(values: NDArray[Any], confusion: NDArray[Any]) -> Floats:
    """Mean over classes [..., K], weighted by the true shares; a class that no pixel has counts nothing."""
    shares = over(confusion.sum(-1), confusion.sum((-2, -1))[..., None])
    return np.asarray(np.where(shares > 0, shares * values, 0).sum(-1))


def auc(ranks: NDArray[Any]) -> Floats:
    """Area under the ROC curve [...] of pixels of the others and of a class, [..., 2, R] by rising probability.

    The share of pairs of a pixel of the class and one of another in which the first has the higher probability, one
    half where both lie in the same range.
    """
    others, own = ranks[..., 0, :], ranks[..., 1, :]
    below = np.cumsum(others, -1) - others / 2
    return over((own * below).sum(-1), own.sum(-1) * others.sum(-1))


def roc(ranks: NDArray[Any]) -> tuple[Floats, Floats, Floats]:
    """Thresholds, false and true positive rates [R + 1] of ranks [2, R]: pixels above the threshold are positive."""
    above = np.cumsum(ranks[:, ::-1].astype(np.float64), -1)[:, ::-1]
    above = np.concatenate([above, np.zeros((2, 1))], -1)
    fpr, tpr = over(above, above[:, :1])
    return EDGES.astype(np.float64), fpr, tpr


def confidence(trust: NDArray[Any]) -> Floats:
    """Mean probability of the class that was found, by found class: [..., K] of trust [..., 3, K, 15].

    The paper's equation 3 is a sum over these pixels; the values that it prints can only be means.
    """
    return over(trust[..., 1, :, :].sum(-1), trust[..., 0, :, :].sum(-1))


def calibration_error(trust: NDArray[Any]) -> Floats:
    """Expected calibration error [...] of trust [..., 3, 15]: mean distance of confidence from the share that is right.

    Ranges of confidence weigh as much as they have pixels.
    """
    return over(np.abs(trust[..., 2, :] - trust[..., 1, :]).sum(-1), trust[..., 0, :].sum(-1))


def measures_of(tally: Tally) -> dict[tuple[int | str, str], Floats]:
    """Every measure [...] by class number, ``weighted`` or ``all``, and name, as far as the tally knows enough."""
    per_class = ratios_of(tally.confusion)
    overall = {"accuracy": accuracy(tally.confusion)}
    if tally.ranks is not None and tally.trust is not None:
        sure, every = confidence(tally.trust), tally.trust.sum(-2, keepdims=True)
        per_class |= {
            "auc": auc(tally.ranks),
            "confidence": sure,
            "calibration_gap": np.abs(sure - per_class["precision"]),
            "ece": calibration_error(np.moveaxis(tally.trust, -2, -3)),
        }
        mean = confidence(every)[..., 0]
        overall |= {
            "confidence": mean,
            "calibration_gap": np.abs(mean - overall["accuracy"]),
            "ece": calibration_error(every[..., 0, :]),
        }
    found: dict[tuple[int | str, str], Floats] = {}
    for k in range(tally.confusion.shape[-1]):
        found |= {(k, name): values[..., k] for name, values in per_class.items()}
    for name in AVERAGED:
        if name in per_class:
            found["weighted", name] = weighted_mean(per_class[name], tally.confusion)
    return found | {("all", name): values for name, values in overall.items()}


def over(above: NDArray[Any], below: NDArray[Any]) -> Floats:
    """A ratio, NaN where nothing stands below."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(np.asarray(below) > 0, np.asarray(above, np.float64) / below, np.nan)
