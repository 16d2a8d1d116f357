"""What a class map's counts say beyond single numbers: who is taken for whom, ROC curves, calibration, thresholds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from xprism.evaluation.class_measures import accuracy, over, ratios_of, roc
from xprism.evaluation.class_rows import ClassFilm, views_of
from xprism.evaluation.class_tally import CONFIDENCE_RANGES, THRESHOLDS, Tally, summed
from xprism.evaluation.class_thresholds import confusion_at

_STEP = 0.002


@dataclass(frozen=True)
class ConfusionRow:
    """Pixels of a true class that were found to be a class; ``share`` is of all pixels of the true one."""

    films: str
    target: str
    true: str
    found: str
    pixels: int
    share: float


@dataclass(frozen=True)
class RocRow:
    """A point of the ROC curve of a class against the rest: pixels whose probability is above the threshold."""

    films: str
    target: str
    label: str
    threshold: float
    fpr: float
    tpr: float


@dataclass(frozen=True)
class CalibrationRow:
    """Pixels found to be a class, ``all`` for any, with a confidence in (low, high], and the share that is right."""

    films: str
    target: str
    temperature: float
    label: str
    low: float
    high: float
    pixels: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class ThresholdRow:
    """What a threshold of one class makes of the map: ``tpr`` and ``fpr`` of it, ``fdr`` = 1 - precision, accuracy."""

    films: str
    target: str
    label: str
    temperature: float
    threshold: float
    tpr: float
    fpr: float
    fdr: float
    accuracy: float


def confusion_rows(target: str, labels: Sequence[str], films: Sequence[ClassFilm]) -> Iterator[ConfusionRow]:
    """The matrix of true and found classes, row by row."""
    for view, own in views_of(films).items():
        counts = pooled(own).confusion
        shares = over(counts, counts.sum(1, keepdims=True))
        for k, true in enumerate(labels):
            for j, found in enumerate(labels):
                yield ConfusionRow(view, target, true, found, int(counts[k, j]), float(shares[k, j]))


def roc_rows(target: str, labels: Sequence[str], films: Sequence[ClassFilm]) -> Iterator[RocRow]:
    """The curves of all classes, without points that lie next to each other."""
    for view, own in views_of(films).items():
        ranks = pooled(own).ranks
        if ranks is None:
            continue
        for k, label in enumerate(labels):
            last = (np.inf, np.inf)
            for threshold, fpr, tpr in zip(*roc(ranks[k]), strict=True):
                if abs(fpr - last[0]) + abs(tpr - last[1]) >= _STEP:
                    last = (fpr, tpr)
                    yield RocRow(view, target, label, float(threshold), float(fpr), float(tpr))


def calibration_rows(target: str, labels: Sequence[str], films: Sequence[ClassFilm]) -> Iterator[CalibrationRow]:
    """Confidence held against the share that is right, in ranges of equal width, of all pixels and by found class."""
    ends = np.arange(CONFIDENCE_RANGES + 1) / CONFIDENCE_RANGES
    for view, own in views_of(films).items():
        for temperature in own[0].tallies:
            trust = pooled(own, temperature).trust
            if trust is None:
                continue
            every = {"all": trust.sum(1)} | {label: trust[:, k] for k, label in enumerate(labels)}
            for label, (pixels, sure, right) in every.items():
                means = zip(ends, ends[1:], pixels, over(sure, pixels), over(right, pixels), strict=False)
                for low, high, count, confidence, share in means:
                    cells = float(low), float(high), int(count), float(confidence), float(share)
                    yield CalibrationRow(view, target, temperature, label, *cells)


def threshold_rows(target: str, labels: Sequence[str], films: Sequence[ClassFilm], of: int) -> Iterator[ThresholdRow]:
    """What every threshold of class ``of`` makes of the map."""
    for view, own in views_of(films).items():
        for temperature in own[0].tallies:
            doubt = pooled(own, temperature).doubt
            if doubt is None:
                continue
            for threshold in THRESHOLDS:
                confusion = confusion_at(doubt, of, threshold)
                rates = ratios_of(confusion)
                tpr, fpr, fdr = (float(rates[name][of]) for name in ("recall", "fpr", "fdr"))
                right = float(accuracy(confusion))
                yield ThresholdRow(view, target, labels[of], temperature, threshold, tpr, fpr, fdr, right)


def pooled(films: Sequence[ClassFilm], temperature: float | None = None) -> Tally:
    """What films count together, at the model's own temperature where none is named."""
    first = next(iter(films[0].tallies)) if temperature is None else temperature
    together = summed([film.tallies[first] for film in films], np.ones((1, len(films))))
    parts = (together.confusion, together.ranks, together.trust, together.doubt)
    return Tally(*(None if part is None else part[0] for part in parts))  # type: ignore[arg-type]
