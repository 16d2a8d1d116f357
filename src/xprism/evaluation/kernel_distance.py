"""How far apart two sets of cases lie as wholes: the kernel distance, an unbiased squared MMD.

Bińkowski et al. 2018 (KID) use the same polynomial kernel on features of a network for photographs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xprism.errors import DataError
from xprism.evaluation.permutation import Labels, paired_means

HALVES = 200


@dataclass(frozen=True)
class KernelDistance:
    """A kernel distance and its 95 % interval. Around 0, and also below it, where both sets are of one kind."""

    value: float
    low: float
    high: float


def polynomial_kernel(features: NDArray[Any]) -> NDArray[np.float64]:
    """(x y + 1)^3 of every two rows of features [n, d]: [n, n]."""
    features = np.asarray(features, np.float64)
    return np.asarray((features @ features.T + 1) ** 3)


def squared_mmd(kernel: NDArray[Any], first: Labels, second: Labels) -> NDArray[np.float64]:
    """The unbiased squared MMD of two sets of cases with kernel [n, n]; members are 1, others 0, [m, n] each: [m].

    Mean kernel of two different cases of the first set, plus that of the second, minus twice the mean across.
    Raises ``DataError`` where a set has fewer than two cases.
    """
    if min(first.sum(axis=1).min(), second.sum(axis=1).min()) < 2:
        raise DataError("a kernel distance needs two cases of either set")
    across = ((first @ kernel) * second).sum(axis=1) / (first.sum(axis=1) * second.sum(axis=1))
    return np.asarray(paired_means(kernel, first) + paired_means(kernel, second) - 2 * across)


def kernel_distance(
    first: NDArray[Any], second: NDArray[Any], *, generator: np.random.Generator, draws: int = HALVES
) -> KernelDistance:
    """The kernel distance of two sets of features [n, d] and [m, d], with an interval from random halves of both.

    The spread over halves is the standard error of the whole (the jackknife that leaves half of the cases out); NaN
    with fewer than four cases in a set.
    """
    kernel = polynomial_kernel(np.concatenate([first, second]))
    sides = [np.zeros((1, len(kernel))) for _ in range(2)]
    sides[0][:, : len(first)], sides[1][:, len(first) :] = 1, 1
    value = float(squared_mmd(kernel, *sides)[0])
    if min(len(first), len(second)) < 4:
        return KernelDistance(value, float("nan"), float("nan"))
    ones, others = _halves(len(first), draws, generator), _halves(len(second), draws, generator)
    nobody = [np.zeros((draws, len(other))) for other in (first, second)]
    spread = squared_mmd(kernel, np.hstack([ones, nobody[1]]), np.hstack([nobody[0], others])).std(ddof=1)
    return KernelDistance(value, value - 1.96 * float(spread), value + 1.96 * float(spread))


def distances_of_halves(
    features: NDArray[Any], *, generator: np.random.Generator, draws: int = HALVES
) -> NDArray[np.float64]:
    """Kernel distances between two random halves of one set [n, d], [draws]; raises ``DataError`` below four cases."""
    one = _halves(len(features), draws, generator)
    return squared_mmd(polynomial_kernel(features), one, 1 - one)


def _halves(count: int, draws: int, generator: np.random.Generator) -> Labels:
    """Half of the cases, by chance: 1 and 0, [draws, count]."""
    half = np.zeros(count)
    half[: count // 2] = 1
    return np.asarray(generator.permuted(np.tile(half, (draws, 1)), axis=1))
