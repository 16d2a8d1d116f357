"""Free-response curves: how many lesions are found at how many false findings a film, with bootstrap intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xprism.evaluation.interval import RESAMPLES, Interval

Floats = NDArray[np.float64]

RATES = (1 / 8, 1 / 4, 1 / 2, 1.0, 2.0, 4.0, 8.0)
"""False findings a film at which a curve is read off."""

_CELLS = 4_000_000


@dataclass(frozen=True)
class FilmFindings:
    """What one film adds to a curve: scores of the findings that hit a lesion and of the false ones, and ``lesions``.

    A film that is not ``counted`` adds its lesions only: its false findings count nowhere.
    """

    subject: str
    hits: tuple[float, ...]
    false: tuple[float, ...]
    lesions: int
    counted: bool = True


@dataclass(frozen=True)
class Curve:
    """Score thresholds, falling, with the false findings a film and the sensitivity of findings from there on."""

    thresholds: Floats
    false_per_film: Floats
    sensitivity: Floats


@dataclass(frozen=True)
class Point:
    """A curve read off at a ``rate`` of false findings a film; no rate is the mean over all rates.

    ``sensitivity`` is the highest that is reached with no more false findings than that, with its 95 % interval;
    ``threshold`` is the score from which findings count there, and ``false_per_film`` what they then are. Where no
    finding can be kept at all there is no threshold.
    """

    rate: float | None
    sensitivity: float
    interval: Interval
    threshold: float | None = None
    false_per_film: float | None = None


@dataclass(frozen=True)
class _Sums:
    """Findings summed by subject [S] and falling threshold [T]: from each threshold on."""

    thresholds: Floats
    hits: Floats
    false: Floats
    lesions: Floats
    films: Floats


def froc(films: Sequence[FilmFindings]) -> Curve:
    """The curve over all thresholds; findings of equal score come and go together.

    Sensitivities are NaN where there are no lesions, false findings a film where no film is counted.
    """
    sums = _summed(films)
    with np.errstate(invalid="ignore", divide="ignore"):
        per_film = sums.false.sum(0) / sums.films.sum()
        sensitivity = sums.hits.sum(0) / sums.lesions.sum()
    return Curve(sums.thresholds, per_film, sensitivity)


def points(
    films: Sequence[FilmFindings], *, generator: np.random.Generator, rates: Sequence[float] = RATES
) -> list[Point]:
    """The curve read off at ``rates``, then the mean of these sensitivities.

    Nothing is interpolated. A curve that ends early keeps its last sensitivity. The percentile intervals draw subjects
    with all of their films, and read each draw's own curve off; they are NaN for fewer than two subjects.
    """
    sums = _summed(films)
    drawn = _draws(len(sums.lesions), generator)
    whole = np.ones((1, len(sums.lesions)))
    places, found = _read_off(sums, whole, rates)
    _, resampled = _read_off(sums, drawn, rates)
    per_film = froc(films).false_per_film
    made = []
    for k, rate in enumerate(rates):
        place = int(places[0, k])
        kept = (float(sums.thresholds[place - 1]), float(per_film[place - 1])) if place else (None, 0.0)
        made.append(Point(rate, float(found[0, k]), percentiles(resampled[:, k]), *kept))
    return [*made, Point(None, float(found[0].mean()), percentiles(resampled.mean(1)))]


def ratio_interval(
    above: Sequence[float], below: Sequence[float], *, subjects: Sequence[str], generator: np.random.Generator
) -> Interval:
    """Bootstrap interval of the sum of ``above`` over the sum of ``below``, one entry a film, drawing subjects.

    Draws in which the ratio is not defined are left out; NaN for fewer than two subjects.
    """
    names, place = np.unique(np.asarray(subjects, str), return_inverse=True)
    sums = [np.bincount(place, weights=np.asarray(one, float), minlength=len(names)) for one in (above, below)]
    drawn = _draws(len(names), generator)
    with np.errstate(invalid="ignore", divide="ignore"):
        return percentiles((drawn @ sums[0]) / (drawn @ sums[1]))


def percentiles(values: NDArray[Any], *, confidence: float = 0.95) -> Interval:
    """The middle ``confidence`` of values that are finite; NaN where there are none."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        return Interval(float("nan"), float("nan"))
    low, high = np.quantile(finite, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(float(low), float(high))


def _draws(subjects: int, generator: np.random.Generator) -> Floats:
    """How often each subject is drawn [B, S]; no draws where there are fewer than two."""
    if subjects < 2:
        return np.zeros((0, subjects))
    return generator.multinomial(subjects, np.full(subjects, 1 / subjects), RESAMPLES).astype(np.float64)


def _summed(films: Sequence[FilmFindings]) -> _Sums:
    names, place = np.unique([film.subject for film in films], return_inverse=True)
    every = [score for film in films for score in (*film.hits, *(film.false if film.counted else ()))]
    thresholds = np.unique(np.asarray(every, np.float64))[::-1]
    hits, false = np.zeros((2, len(names), len(thresholds)))
    lesions, counted = np.zeros((2, len(names)))
    for subject, film in zip(place, films, strict=True):
        _count(hits[subject], thresholds, film.hits)
        lesions[subject] += film.lesions
        if film.counted:
            _count(false[subject], thresholds, film.false)
            counted[subject] += 1
    return _Sums(thresholds, hits.cumsum(1), false.cumsum(1), lesions, counted)


def _count(row: Floats, thresholds: Floats, scores: Sequence[float]) -> None:
    """Add one to the ``row`` [T] at each score's place among the falling thresholds."""
    np.add.at(row, np.searchsorted(-thresholds, -np.asarray(scores, np.float64)), 1)


def _read_off(sums: _Sums, weights: Floats, rates: Sequence[float]) -> tuple[NDArray[np.int64], Floats]:
    """How many thresholds [B, R] may be used at each rate with ``weights`` [B, S], and the sensitivity [B, R] there."""
    places = np.zeros((len(weights), len(rates)), np.int64)
    found = np.full((len(weights), len(rates)), np.nan)
    step = max(1, _CELLS // max(1, len(sums.thresholds)))
    for start in range(0, len(weights), step):
        some = slice(start, start + step)
        false, films = weights[some] @ sums.false, weights[some] @ sums.films
        hits = np.pad(weights[some] @ sums.hits, ((0, 0), (1, 0)))
        lesions = weights[some] @ sums.lesions
        for k, rate in enumerate(rates):
            # A little room, as 3 / 24 and 1 / 8 need not be the same to a computer.
            usable = (false <= rate * films[:, None] + 1e-9).sum(1)
            places[some, k] = usable
            with np.errstate(invalid="ignore", divide="ignore"):
                found[some, k] = np.where(films > 0, hits[np.arange(len(hits)), usable] / lesions, np.nan)
    return places, found
