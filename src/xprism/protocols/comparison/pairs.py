"""Tests between runs: every pair, on the films that both held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations

import numpy as np

from xprism.evaluation.statistics import Comparison, compare_scores, holm, p_text
from xprism.protocols.comparison.runs import RunFolder, shared_cases
from xprism.targets import UNIONS

_SEED = 0


@dataclass(frozen=True)
class _Pair:
    first: str
    second: str


@dataclass(frozen=True)
class RunComparison(Comparison, _Pair):
    """A comparison of two runs; one row of ``statistics.csv``.

    ``log10_p_holm_all`` is corrected over the structures of all pairs of runs, ``log10_p_holm`` over those of
    this pair. ``p`` is the paired p-value as text, which no number of digits makes zero.
    """

    log10_p_holm_all: float
    p: str


def pairwise(runs: Sequence[RunFolder]) -> tuple[list[RunComparison], list[tuple[str, str]]]:
    """The tests of every pair of runs, and the labels of pairs without a film in common."""
    tests, strangers = [], []
    for first, second in combinations(runs, 2):
        if shared_cases(first, second):
            tests += compare_runs(first, second)
        else:
            strangers.append((first.label, second.label))
    return _corrected(tests), strangers


def compare_runs(first: RunFolder, second: RunFolder) -> list[RunComparison]:
    """Test two runs on the films that both held out; cases of one name but two films are no part of it."""
    alike = (first.films.keys() & second.films.keys()) - shared_cases(first, second)
    mine, theirs = ([score for score in run.scores if score.case not in alike] for run in (first, second))
    found = compare_scores(mine, theirs, unions=UNIONS, generator=np.random.default_rng(_SEED))
    return [
        RunComparison(
            first=first.label,
            second=second.label,
            **asdict(one),
            log10_p_holm_all=one.log10_p_holm,
            p=p_text(one.log10_p),
        )
        for one in found
    ]


def _corrected(tests: Sequence[RunComparison]) -> list[RunComparison]:
    """Holm over all structures and pairs of runs that share measure, region and unit."""
    families: dict[tuple[str, str, str], list[int]] = {}
    for place, test in enumerate(tests):
        families.setdefault((test.measure, test.region, test.unit), []).append(place)
    corrected = list(tests)
    for places in families.values():
        for place, value in zip(places, holm([tests[place].log10_p for place in places]), strict=True):
            corrected[place] = replace(tests[place], log10_p_holm_all=value)
    return corrected
