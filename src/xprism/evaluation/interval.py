"""How sure a mean is: bootstrap intervals whose unit is the subject."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from xprism.errors import DataError

Method = Literal["BCa", "percentile"]

RESAMPLES = 2000
_CELLS = 4_000_000


@dataclass(frozen=True)
class Interval:
    """The ends of a confidence interval; NaN where the data allow none."""

    low: float
    high: float


def draws_by_subject(subjects: Sequence[str], generator: np.random.Generator) -> NDArray[np.float64]:
    """How often each film counts [B, N] in draws of subjects with all of their films; none for a single subject."""
    names, place = np.unique(np.asarray(subjects, str), return_inverse=True)
    if len(names) < 2:
        return np.zeros((0, len(subjects)))
    often = generator.multinomial(len(names), np.full(len(names), 1 / len(names)), RESAMPLES)
    return often[:, place].astype(np.float64)


def mean_interval(
    values: Sequence[float] | NDArray[Any],
    *,
    subjects: Sequence[str],
    generator: np.random.Generator,
    confidence: float = 0.95,
    method: Method = "BCa",
) -> Interval:
    """Bootstrap interval of the mean over images, by drawing subjects with all of their images.

    ``values`` and ``subjects`` have one entry an image. Where BCa is not defined the percentile
    interval stands in. NaN for fewer than two subjects or values that are not finite.
    Raises ``DataError`` where the two differ in length.
    """
    numbers = np.asarray(values, np.float64)
    if len(numbers) != len(subjects):
        raise DataError(f"{len(numbers)} values of {len(subjects)} images")
    _, place = np.unique(np.asarray(subjects, str), return_inverse=True)
    images = np.asarray(np.bincount(place), np.float64)
    if len(images) < 2 or not np.isfinite(numbers).all():
        return Interval(float("nan"), float("nan"))
    if np.ptp(numbers) == 0:
        return Interval(float(numbers[0]), float(numbers[0]))
    sums = np.asarray(np.bincount(place, weights=numbers), np.float64)
    return _bootstrap(sums, images, generator, confidence, method)


def paired_difference_interval(
    first: Sequence[float] | NDArray[Any],
    second: Sequence[float] | NDArray[Any],
    *,
    subjects: Sequence[str],
    generator: np.random.Generator,
    confidence: float = 0.95,
    method: Method = "BCa",
) -> Interval:
    """Bootstrap interval of the mean of ``first`` minus ``second``, two measurements of the same images.

    Arguments and empty cases as in ``mean_interval``.
    """
    if len(first) != len(second):
        raise DataError(f"pairs need equal lengths, not {len(first)} and {len(second)}")
    differences = np.asarray(first, np.float64) - np.asarray(second, np.float64)
    return mean_interval(differences, subjects=subjects, generator=generator, confidence=confidence, method=method)


def _bootstrap(
    sums: NDArray[np.float64],
    images: NDArray[np.float64],
    generator: np.random.Generator,
    confidence: float,
    method: Method,
) -> Interval:
    from scipy.stats import bootstrap

    def mean(total: NDArray[Any], count: NDArray[Any], axis: int = -1) -> Any:
        return total.sum(axis=axis) / count.sum(axis=axis)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # BCa warns where it is not defined; the ends are NaN then
        found = bootstrap(
            (sums, images),
            mean,
            paired=True,
            vectorized=True,
            n_resamples=RESAMPLES,
            batch=max(1, _CELLS // len(sums)),
            confidence_level=confidence,
            method=method,
            random_state=generator,  # SciPy before 1.15 knows no ``rng``
        ).confidence_interval
    low, high = float(found.low), float(found.high)
    if method == "BCa" and not (np.isfinite(low) and np.isfinite(high)):
        return _bootstrap(sums, images, generator, confidence, "percentile")
    return Interval(low, high)
