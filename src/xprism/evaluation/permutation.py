"""Tests by relabelling: whether one set of cases differs from another by more than sets of their cases mixed do."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.float64]


def relabelled(first: int, second: int, *, draws: int, generator: np.random.Generator) -> Labels:
    """Who belongs to the first of two sets: 1 and 0, [1 + draws, first + second], the truth first, then by chance."""
    truth = np.zeros(first + second)
    truth[:first] = 1
    return np.concatenate([truth[None], generator.permuted(np.tile(truth, (draws, 1)), axis=1)])


def p_of(statistics: NDArray[Any]) -> float:
    """The p-value of the first of some statistics [1 + draws]: the share of all that are at least as large.

    Where cases of both sets are exchangeable, p is at most x with a probability of at most x, for any statistic.
    """
    # What differs by rounding alone counts as equal.
    slack = 1e-9 * max(1.0, float(np.abs(statistics).max()))
    return float(np.mean(statistics >= statistics[0] - slack))


def differences(values: NDArray[Any], labels: Labels) -> NDArray[np.float64]:
    """How far the means of the two sets lie apart, of values [n, k] under labels [m, n]: [m, k].

    First minus second, in standard errors as the spread of all cases gives them; 0 where all values are equal.
    """
    values = np.asarray(values, np.float64) - np.mean(values, axis=0)
    spread = values.std(axis=0, ddof=1)
    first = labels.sum(axis=1)
    second = labels.shape[1] - first
    # Of centred values the second set's sum is minus the first one's.
    apart = labels @ values * (1 / first + 1 / second)[:, None]
    error = spread * np.sqrt(1 / first + 1 / second)[:, None]
    flat = spread <= 1e-12
    return np.where(flat, 0.0, apart / np.where(flat, 1.0, error))


def paired_means(pairs: NDArray[Any], members: Labels) -> NDArray[np.float64]:
    """Mean of pairs [n, n], symmetric, over two different members of each of some sets [m, n] (1 or 0): [m]."""
    without = np.array(pairs, np.float64)
    np.fill_diagonal(without, 0)
    count = members.sum(axis=1)
    return np.asarray(((members @ without) * members).sum(axis=1) / (count * (count - 1)))
