"""Class maps of runs beside each other: their figures, the published ones, and differences on films of both tests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from xprism.evaluation.class_measures import over
from xprism.evaluation.class_rows import TEST, ClassRow
from xprism.evaluation.froc import percentiles
from xprism.evaluation.interval import draws_by_subject
from xprism.protocols.comparison.runs import RunFolder, shared_cases
from xprism.protocols.comparison.tables import Beside, counterparts, remark_of

MEASURES = {"f1": "F1", "auc": "AUC", "precision": "precision", "recall": "recall", "accuracy": "accuracy"}
"""What is compared, and its name."""

WEIGHTED = "weighted"
_SEED = 0


@dataclass(frozen=True)
class ClassDifference:
    """F1 of a class, or of all weighted by their true shares, of two runs on the films that both tested.

    Pixels of all films count together; ``difference`` is first minus second, with its 95 % interval over draws of
    subjects.
    """

    first: str
    second: str
    target: str
    label: str
    subjects: int
    f1_first: float
    f1_second: float
    difference: float
    interval_low: float
    interval_high: float


def class_table(runs: Sequence[RunFolder]) -> list[Beside]:
    """Every run's figures of every class over the films of its test, beside what is published of it."""
    return [row for run in runs for row in _of_run(run)]


def _of_run(run: RunFolder) -> Iterator[Beside]:
    theirs = {(one.structure, one.measure): one for one in reversed(counterparts(run))}
    own = [row for row in run.class_summary if row.films == TEST and row.measure in MEASURES]
    for row in (one for one in own if one.temperature == own[0].temperature):
        label = WEIGHTED if row.label == "all" else row.label  # accuracy is of the whole map
        same = theirs.get((label, row.measure))
        yield Beside(
            run=run.label,
            system=run.facts.system or "",
            structure=label,
            printed=same.printed if same is not None else "",
            region="",
            measure=row.measure,
            unit="",
            ours=row.pooled,
            interval_low=row.interval_low,
            interval_high=row.interval_high,
            n=row.n,
            published=None if same is None else same.value,
            difference=None if same is None else row.pooled - same.value,
            paper="" if same is None else same.paper,
            resolution="x".join(map(str, run.facts.input)),
            dataset="simulated films" if run.facts.data == "simulated" else "films given",
            remark="" if same is None else remark_of(same),
        )


def class_differences(runs: Sequence[RunFolder]) -> list[ClassDifference]:
    """The differences of every pair of runs whose class maps have the same classes."""
    return [one for first, second in combinations(runs, 2) for one in _between(first, second)]


def _between(first: RunFolder, second: RunFolder) -> Iterator[ClassDifference]:
    shared = shared_cases(first, second)
    ours, others = (_counts(run.class_films, shared) for run in (first, second))
    for target in ours.keys() & others.keys():
        (subjects, labels, mine), (_, called, theirs) = ours[target], others[target]
        if labels != called or len(mine) != len(theirs) or not len(mine):
            continue
        weights = draws_by_subject(subjects, np.random.default_rng(_SEED))
        whole = np.ones((1, len(mine)))
        (one,), (two,) = _f1(mine, whole), _f1(theirs, whole)
        drawn = _f1(mine, weights) - _f1(theirs, weights)
        for place, label in enumerate((*labels, WEIGHTED)):
            interval = percentiles(drawn[:, place])
            yield ClassDifference(
                *(first.label, second.label, target, label, len(set(subjects))),
                *(float(one[place]), float(two[place]), float(one[place] - two[place]), interval.low, interval.high),
            )


def _counts(
    rows: Sequence[ClassRow], cases: frozenset[str]
) -> dict[str, tuple[list[str], tuple[str, ...], NDArray[np.float64]]]:
    """By target: the subject of every shared film of the test, by name, the classes, and tp, fp, fn [films, K, 3]."""
    films: dict[str, dict[str, list[ClassRow]]] = {}
    for row in rows:
        if row.films == TEST and row.case in cases and row.tp is not None:
            films.setdefault(row.target, {}).setdefault(row.case, []).append(row)
    found = {}
    for target, own in films.items():
        ordered = [own[case] for case in sorted(own)]
        counts = np.array([[(row.tp, row.fp, row.fn) for row in film] for film in ordered], np.float64)
        found[target] = ([film[0].subject for film in ordered], tuple(row.label for row in ordered[0]), counts)
    return found


def _f1(counts: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """F1 of each class, and weighted by their true shares, [R, K + 1] of R weighted sums of films [films, K, 3]."""
    tp, fp, fn = np.moveaxis(np.tensordot(weights, counts, axes=1), -1, 0)
    each = over(2 * tp, 2 * tp + fp + fn)
    shares = over(tp + fn, (tp + fn).sum(-1, keepdims=True))
    return np.concatenate([each, np.where(shares > 0, shares * each, 0).sum(-1, keepdims=True)], axis=-1)
