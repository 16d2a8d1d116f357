"""Class maps of many films as rows of tables: film by film and summed up, with bootstrap intervals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xprism.evaluation.class_measures import PER_CLASS, counts_of, measures_of
from xprism.evaluation.class_tally import Tally, summed
from xprism.evaluation.froc import percentiles
from xprism.evaluation.interval import draws_by_subject

Floats = NDArray[np.float64]
Key = tuple[int | str, str]

TEST, VALIDATION, POOL = "test", "validation", "authors_pool"
BY_TEMPERATURE = ("auc", "confidence", "calibration_gap", "ece")
"""Measures that another temperature changes: the class that is found does not depend on it."""

_AT_ONCE = 100


@dataclass(frozen=True)
class ClassFilm:
    """One film whose true class map is known: what it counts, by temperature, the model's own first.

    ``films`` says which it belongs to: those of the ``test``, or those of the ``validation``, which chose the weights.
    ``part`` is the part of the body, empty where it is not known.
    """

    case: str
    subject: str
    films: str
    part: str
    matched_by: str
    tallies: Mapping[float, Tally]


@dataclass(frozen=True)
class ClassRow:
    """One class of one film; the class ``all`` has what is of the whole map. Counts are pixels."""

    case: str
    subject: str
    films: str
    target: str
    body_part: str
    label: str
    tp: int | None = None
    fp: int | None = None
    fn: int | None = None
    tn: int | None = None
    accuracy: float | None = None
    precision: float | None = None
    recall: float | None = None
    f1: float | None = None
    fdr: float | None = None
    fpr: float | None = None
    auc: float | None = None
    confidence: float | None = None
    calibration_gap: float | None = None
    ece: float | None = None
    matched_by: str = ""


@dataclass(frozen=True)
class ClassSummaryRow:
    """One measure of one class over the pixels of many films together.

    ``label`` is a class, ``weighted`` for the mean over classes by their true shares, or ``all`` for the whole map.
    The 95 % interval draws subjects; ``mean_over_films`` is the mean of those ``n`` of the films where it is defined.
    """

    films: str
    target: str
    label: str
    measure: str
    temperature: float
    pooled: float
    interval_low: float
    interval_high: float
    mean_over_films: float
    n: int


def views_of(films: Sequence[ClassFilm]) -> dict[str, list[ClassFilm]]:
    """The films of the test, those of the validation, and both together as XNet's authors score them."""
    views = {view: [film for film in films if film.films == view] for view in (TEST, VALIDATION)}
    known = {view: own for view, own in views.items() if own}
    return known | ({POOL: [*views[TEST], *views[VALIDATION]]} if len(known) == 2 else {})


def film_rows(target: str, labels: Sequence[str], films: Sequence[ClassFilm]) -> Iterator[ClassRow]:
    """A row for every film and class, then one for its whole map, at the model's own temperature."""
    for film in films:
        one = next(iter(film.tallies.values()))
        values, counts = measures_of(one), counts_of(one.confusion)
        about: dict[str, Any] = {"case": film.case, "subject": film.subject, "films": film.films, "target": target}
        about |= {"body_part": film.part, "matched_by": film.matched_by}
        for k, label in enumerate(labels):
            cells: dict[str, Any] = {name: int(count[k]) for name, count in counts.items()}
            cells |= {name: float(values[k, name]) for name in PER_CLASS if (k, name) in values}
            yield ClassRow(label=label, **about, **cells)
        whole: dict[str, Any] = {name: float(value) for (which, name), value in values.items() if which == "all"}
        yield ClassRow(label="all", **about, **whole)


def summarise_classes(
    target: str, labels: Sequence[str], films: Sequence[ClassFilm], *, seed: int = 0
) -> Iterator[ClassSummaryRow]:
    """Every measure of every class at the model's own temperature, and at others what changes with it.

    The intervals of all are drawn from the same ``seed``.
    """
    for view, own in views_of(films).items():
        drawn = draws_by_subject([film.subject for film in own], np.random.default_rng(seed))
        for number, temperature in enumerate(own[0].tallies):
            tallies = [film.tallies[temperature] for film in own]
            keys, pooled = _table(tallies, np.ones((1, len(own))))
            _, each = _table(tallies, np.eye(len(own)))
            _, resampled = _table(tallies, drawn)
            for place, (which, measure) in enumerate(keys):
                if number and measure not in BY_TEMPERATURE:
                    continue
                finite = each[np.isfinite(each[:, place]), place]
                interval = percentiles(resampled[:, place])
                yield ClassSummaryRow(
                    films=view,
                    target=target,
                    label=labels[which] if isinstance(which, int) else which,
                    measure=measure,
                    temperature=temperature,
                    pooled=float(pooled[0, place]),
                    interval_low=interval.low,
                    interval_high=interval.high,
                    mean_over_films=float(finite.mean()) if finite.size else float("nan"),
                    n=int(finite.size),
                )


def _table(tallies: Sequence[Tally], weights: Floats) -> tuple[list[Key], Floats]:
    """Every measure [R, M] of R weighted sums of films, with its class or kind and its name."""
    keys, parts = list(measures_of(summed(tallies, weights[:0]))), []
    for start in range(0, len(weights), _AT_ONCE):
        found = measures_of(summed(tallies, weights[start : start + _AT_ONCE]))
        parts.append(np.stack(list(found.values()), axis=-1))
    return keys, np.concatenate(parts) if parts else np.zeros((0, len(keys)))
