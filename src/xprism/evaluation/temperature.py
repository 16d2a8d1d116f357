"""One temperature that makes the probabilities of a class map say how often they are right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xprism.errors import DataError

LIMIT = 100.0
"""Temperatures lie between 1 / LIMIT and LIMIT: where every pixel is right, or none, the best one is at an end."""


@dataclass(frozen=True)
class Temperature:
    """By what raw outputs are to be divided, and the mean negative log-likelihood of a pixel before and after."""

    value: float
    nll_before: float
    nll_after: float
    films: int
    pixels: int


def fit_temperature(raw: Sequence[NDArray[Any]], truth: Sequence[NDArray[Any]], *, now: float = 1.0) -> Temperature:
    """The temperature that minimises the mean negative log-likelihood of the true classes; ``now`` is that before.

    ``raw`` has the raw outputs [K, n] and ``truth`` the class numbers [n] of some pixels of every film. The
    likelihood is convex in 1 / temperature, so that its slope has one zero, which is found to 1e-10. One film is
    worked on at a time. Raises ``DataError`` where there is no pixel.
    """
    from scipy.optimize import brentq

    pixels = sum(one.size for one in truth)
    if not pixels:
        raise DataError("there are no pixels to fit a temperature to")

    def slope(log_beta: float) -> float:
        beta = float(np.exp(log_beta))
        return sum(_slope(one, true, beta) for one, true in zip(raw, truth, strict=True)) / pixels

    def mean_nll(beta: float) -> float:
        return sum(_nll(one, true, beta) for one, true in zip(raw, truth, strict=True)) / pixels

    low, high = -np.log(LIMIT), np.log(LIMIT)
    if slope(low) >= 0:
        best = low
    elif slope(high) <= 0:
        best = high
    else:
        best = float(brentq(slope, low, high, xtol=1e-10))
    beta = float(np.exp(best))
    return Temperature(1 / beta, mean_nll(1 / now), mean_nll(beta), len(truth), pixels)


def _nll(raw: NDArray[Any], truth: NDArray[Any], beta: float) -> float:
    scaled = beta * _centred(raw)
    return float((np.log(np.exp(scaled).sum(0)) - _of(scaled, truth)).sum())


def _slope(raw: NDArray[Any], truth: NDArray[Any], beta: float) -> float:
    """Derivative of the summed negative log-likelihood by 1 / temperature: the mean output less the true one."""
    centred = _centred(raw)
    shares = np.exp(beta * centred)
    shares /= shares.sum(0)
    return float(((shares * centred).sum(0) - _of(centred, truth)).sum())


def _centred(raw: NDArray[Any]) -> NDArray[np.float64]:
    wide = raw.astype(np.float64)
    return np.asarray(wide - wide.max(0))


def _of(values: NDArray[Any], truth: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(np.take_along_axis(values, truth.astype(np.intp)[None], 0)[0])
