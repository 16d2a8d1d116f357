"""What more films would bring: an inverse power law through a learning curve, and how far it can be trusted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xprism.errors import DataError

FEWEST = 4
"""Points of a curve from which one may look ahead: the law has three numbers."""

_RATES = np.geomspace(0.1, 2, 40)
_RESAMPLES = 1000

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Law:
    """Scores of n subjects are ``limit - loss * n ** -rate``; one entry a curve."""

    limit: Floats
    loss: Floats
    rate: Floats

    def at(self, count: float) -> Floats:
        """Scores of ``count`` subjects."""
        return np.asarray(self.limit - self.loss * count**-self.rate)


def power_law(counts: Sequence[int], scores: Floats) -> Law:
    """The law of least squares for each curve of ``scores`` [..., N] over ``counts`` subjects.

    It never falls and stays below a score of 1; rates go from 0.1 to 2.
    """
    x = np.asarray(counts, float) ** -_RATES[:, None]
    y = np.asarray(scores, float)[..., None, :]
    mean_x, mean_y = x.mean(1), y.mean(-1)
    spread = ((x - mean_x[:, None]) ** 2).sum(1)
    loss = np.maximum(-((x - mean_x[:, None]) * (y - mean_y[..., None])).sum(-1) / spread, 0)
    limit = mean_y + loss * mean_x
    over = limit > 1  # the best law of those that end at 1
    loss = np.where(over, np.maximum((x * (1 - y)).sum(-1) / (x**2).sum(1), 0), loss)
    limit = np.minimum(limit, 1)
    best = ((limit[..., None] - loss[..., None] * x - y) ** 2).sum(-1).argmin(-1)
    taken = [np.take_along_axis(values, best[..., None], -1)[..., 0] for values in (limit, loss)]
    return Law(taken[0], taken[1], _RATES[best])


@dataclass(frozen=True)
class Ahead:
    """The score that a training with so many subjects should reach, and its gain over the most there were.

    Both with the ends of their 95 % intervals; that of the gain is narrower, as it is of the same films.
    """

    subjects: int
    score: float
    low: float
    high: float
    gain: float
    gain_low: float
    gain_high: float


def look_ahead(
    counts: Sequence[int],
    scores: Floats,
    *,
    subjects: Sequence[str],
    wanted: Sequence[int],
    generator: np.random.Generator,
) -> tuple[Ahead, ...]:
    """Scores to expect of ``wanted`` numbers of subjects, from ``scores`` [films, N] of N trainings.

    ``subjects`` are those of the films. The interval comes from a bootstrap: subjects are drawn anew, each training's
    mean is moved by chance as far as trainings lie off the law, and so is the training that is foretold. Raises
    ``DataError`` for fewer than four different counts.
    """
    if len(set(counts)) < FEWEST:
        raise DataError(
            f"{len(set(counts))} points of a curve say nothing of what follows", remedy="train four or more"
        )
    law = power_law(counts, scores.mean(0))
    off = np.array([law.at(count) for count in counts]) - scores.mean(0)
    noise = float(np.sqrt((off**2).sum() / max(1, len(counts) - 3)))
    weights = _drawn(subjects, generator)
    means = weights @ scores / weights.sum(1, keepdims=True)
    drawn = power_law(counts, means + generator.normal(0, noise, means.shape))
    found = []
    for count in wanted:
        reached = np.minimum(drawn.at(count) + generator.normal(0, noise, len(means)), 1)
        won = drawn.at(count) - drawn.at(max(counts))
        (low, won_low), (high, won_high) = np.percentile([reached, won], [2.5, 97.5], axis=1).tolist()
        gain = float(law.at(count) - law.at(max(counts)))
        found.append(Ahead(count, float(law.at(count)), low, high, gain, won_low, won_high))
    return tuple(found)


def _drawn(subjects: Sequence[str], generator: np.random.Generator) -> Floats:
    """How often each film counts [resamples, films] where subjects are drawn with all of their films."""
    _, place = np.unique(np.asarray(subjects, str), return_inverse=True)
    groups = int(place.max()) + 1
    times = generator.multinomial(groups, np.full(groups, 1 / groups), size=_RESAMPLES)
    return np.asarray(times[:, place], np.float64)
