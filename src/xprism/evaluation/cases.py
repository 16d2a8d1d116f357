"""Predictions held against the truth of a manifest, case by case."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xprism.data.manifest import Case
from xprism.evaluation.overlap import jaccard
from xprism.targets import TargetSet

Predict = Callable[[Case], dict[str, NDArray[np.bool_]]]


@dataclass(frozen=True)
class CaseScore:
    """One structure of one case: Jaccard, and areas in px of prediction and reference."""

    case: str
    structure: str
    jaccard: float
    predicted_px: int
    reference_px: int


def score_cases(cases: Iterable[Case], targets: TargetSet, predict: Predict) -> list[CaseScore]:
    """Score every known mask of every case, unions of labels included.

    ``predict`` takes a case and returns bool [H, W] by label at the film's size. Where the
    truth knows heart and lungs, their overlap is scored too, as structure ``heart_lung_overlap``.
    """
    members = {name: [targets.channel_labels[k] for k in parts] for name, parts in targets.unions.items()}
    scores = []
    for case in cases:
        truth, found = case.load_truth(), predict(case)
        for union, labels in members.items():
            found = {**found, union: np.logical_or.reduce([found[label] for label in labels])}
            if all(label in truth for label in labels):
                truth = {**truth, union: np.logical_or.reduce([truth[label] for label in labels])}
        if {"heart", "lungs"} <= truth.keys() and {"heart", "lungs"} <= found.keys():
            truth = {**truth, "heart_lung_overlap": truth["heart"] & truth["lungs"]}
            found = {**found, "heart_lung_overlap": found["heart"] & found["lungs"]}
        scores += [_score(case.case, label, found[label], truth[label]) for label in truth if label in found]
    return scores


def _score(case: str, structure: str, found: NDArray[Any], truth: NDArray[Any]) -> CaseScore:
    return CaseScore(case, structure, jaccard(found, truth), int(found.sum()), int(truth.sum()))
