"""Predictions held against the truth of a manifest, case by case."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xprism.data.manifest import Case
from xprism.evaluation.class_planes import class_masks
from xprism.evaluation.overlap import jaccard
from xprism.targets import TargetSet

Predict = Callable[[Case], dict[str, NDArray[np.bool_]]]

OVERLAP = "heart_lung_overlap"
"""Structure where heart and lungs lie over each other; scored, but no part of any average."""


@dataclass(frozen=True)
class CaseScore:
    """One structure of one case: Jaccard, and areas in px of prediction and reference."""

    case: str
    structure: str
    jaccard: float
    predicted_px: int
    reference_px: int


def score_cases(cases: Iterable[Case], targets: TargetSet, predict: Predict) -> list[CaseScore]:
    """Score every known mask of every case, unions of labels and the classes of class maps included.

    ``predict`` takes a case and returns bool [H, W] by label at the film's size. Where the
    truth knows heart and lungs, their overlap is scored too, as structure ``heart_lung_overlap``.
    """
    unions = unions_of(targets)
    scores = []
    for case in cases:
        found = with_derived(predict(case), unions)
        film = next(iter(found.values())).shape if found else (0, 0)
        known = case.load_truth_for(targets, film) if found else {}
        truth = with_derived(known, unions) | class_masks(targets, known, film)
        scores += [_score(case.case, label, found[label], truth[label]) for label in truth if label in found]
    return scores


def unions_of(targets: TargetSet) -> dict[str, tuple[str, ...]]:
    """The labels that each union of a target set covers."""
    return {name: tuple(targets.channel_labels[k] for k in parts) for name, parts in targets.unions.items()}


def with_derived(masks: Mapping[str, NDArray[Any]], unions: Mapping[str, Sequence[str]]) -> dict[str, NDArray[Any]]:
    """Masks [H, W] by label, with the unions whose members are all there and the overlap of heart and lungs."""
    found = dict(masks)
    for union, labels in unions.items():
        if all(label in found for label in labels):
            found[union] = np.logical_or.reduce([found[label] for label in labels])
    if {"heart", "lungs"} <= found.keys():
        found[OVERLAP] = found["heart"] & found["lungs"]
    return found


def _score(case: str, structure: str, found: NDArray[Any], truth: NDArray[Any]) -> CaseScore:
    return CaseScore(case, structure, jaccard(found, truth), int(found.sum()), int(truth.sum()))
