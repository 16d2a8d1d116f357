"""Thresholds of one class: what each would make of a class map, and which one keeps false positives rare."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xprism.evaluation.class_measures import counts_of
from xprism.evaluation.class_tally import THRESHOLDS, place_of

SEARCHED = tuple(threshold for threshold in THRESHOLDS if threshold >= 0.5)
"""From one half on a threshold only takes pixels away; below, it would give the class pixels that look more like
another."""

FEWEST_FILMS = 3
"""A part of the body with fewer films gets the threshold of all of them."""


@dataclass(frozen=True)
class Choice:
    """A threshold, the films that it was chosen on, and whether it keeps the wanted rate there."""

    threshold: float
    films: int
    keeps: bool


@dataclass(frozen=True)
class Choices:
    """The threshold of all films together, and those of the parts of the body that have films enough."""

    pooled: Choice
    by_part: dict[str, Choice]

    def for_part(self, part: str) -> Choice:
        """The choice that counts for films of a part."""
        return self.by_part.get(part, self.pooled)


def confusion_at(doubt: NDArray[Any], of: int, threshold: float) -> NDArray[Any]:
    """The matrix [..., K, K] by true and found class where class ``of`` is given wherever its probability is above.

    Elsewhere the likeliest other class is given, as the authors' code has it: also a threshold below one half gives
    the class all pixels above it. ``doubt`` [..., K, K, R] is a tally's, ``threshold`` one of its ``THRESHOLDS``.
    """
    first = place_of(threshold)
    found = doubt[..., :first].sum(-1)
    found[..., of] += doubt[..., first:].sum((-1, -2))
    return np.asarray(found)


def lowest_threshold(doubt: NDArray[Any], of: int, *, wanted: float, films: int) -> Choice:
    """The lowest threshold from one half on at which no more than ``wanted`` of what is found is something else.

    That is 1 - precision, the authors' false positive rate; of all thresholds that keep it the lowest misses least.
    A threshold that finds nothing of the class keeps nothing. Where none keeps it, the highest is taken. ``doubt``
    [K, K, R] is that of ``films`` together.
    """
    there = doubt[of].any()
    for threshold in SEARCHED:
        one = counts_of(confusion_at(doubt, of, threshold))
        tp, fp = (int(one[name][of]) for name in ("tp", "fp"))
        if fp <= wanted * (tp + fp) and (tp or not there):
            return Choice(threshold, films, keeps=True)
    return Choice(SEARCHED[-1], films, keeps=False)


def search(doubts: Sequence[NDArray[Any]], parts: Sequence[str], of: int, *, wanted: float) -> Choices:
    """The lowest thresholds that keep the wanted rate, for all films and for every part of the body with films enough.

    ``doubts`` [K, K, R] and ``parts`` have one entry a film; a film of no known part has an empty one.
    """
    pooled = lowest_threshold(np.sum(doubts, axis=0), of, wanted=wanted, films=len(doubts))
    by_part = {}
    for part in sorted(set(parts) - {""}):
        own = [doubt for doubt, name in zip(doubts, parts, strict=True) if name == part]
        if len(own) >= FEWEST_FILMS:
            by_part[part] = lowest_threshold(np.sum(own, axis=0), of, wanted=wanted, films=len(own))
    return Choices(pooled, by_part)
