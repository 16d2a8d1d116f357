"""An audit of a synthetic set against real films: all checks, and what they were made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xprism.evaluation.kernel_distance import KernelDistance
from xprism.synthesis.audit.checks import closeness, copies, films_apart, labels_belong, labels_like_real, variety
from xprism.synthesis.audit.findings import LEVEL, Closeness, Finding, MeasureRow, SampleRow, Verdict, judged
from xprism.synthesis.audit.labels import label_pictures
from xprism.synthesis.audit.nearest import Pictures, coarse
from xprism.synthesis.audit.sets import FilmSet

MOST = 500
"""Cases of a set, evenly spread, that are compared each with each; copies are looked for in all."""
STEPS = ("copied films", "variety", "films as a whole", "copied label maps", "labels")
_CHECKS = 7
_CHECKS_OF_FILMS = 3


@dataclass(frozen=True)
class Audit:
    """What an audit found.

    ``labels`` are the structures that all sets know; without any, films alone were looked at, and ``by_labels``,
    ``belonging`` (of samples and of real films, 1 what is usual in REAL) and ``measures`` are empty. ``halves`` are
    kernel distances of halves of the real films.
    """

    verdicts: tuple[Verdict, ...]
    labels: tuple[str, ...]
    by_films: Closeness
    by_labels: Closeness | None
    distance: KernelDistance
    halves: NDArray[np.float64]
    belonging: tuple[NDArray[np.float64], NDArray[np.float64]] | None
    measures: tuple[MeasureRow, ...]
    samples: tuple[SampleRow, ...]

    @property
    def flagged(self) -> tuple[str, ...]:
        """The checks that were flagged."""
        return tuple(verdict.check for verdict in self.verdicts if verdict.flagged)


def audit(
    synth: FilmSet,
    real: FilmSet,
    held_out: FilmSet | None = None,
    *,
    seed: int = 0,
    on_step: Callable[[str], object] = lambda _: None,
) -> Audit:
    """Set synthetic films against the real ones that they were learnt from.

    ``held_out`` are real films of the same kind that nothing was learnt from: they say how near to ``real`` honest
    films come. Without them every real film is set against the others. Equal seeds give equal results. All films lie
    on one grid.
    """
    generator = np.random.default_rng(seed)
    labels = tuple(label for label in real.masks if label in synth.masks and _known(held_out, label))
    level = LEVEL / (_CHECKS if labels else _CHECKS_OF_FILMS)
    few, few_real = _spread(synth), _spread(real)
    made, true, held = (None if one is None else coarse(one.films) for one in (synth, real, held_out))
    assert made is not None
    assert true is not None
    honest_are = "held-out films" if held_out else "real ones among themselves"
    by_films = closeness(made, true, held, level=level)
    on_step(STEPS[0])
    findings = [copies("copied films", by_films, honest_are=honest_are)]
    findings.append(variety("few films", _spread_of(made), _spread_of(true), generator))
    on_step(STEPS[1])
    apart, distance, halves = films_apart(few, few_real, generator)
    findings.append(apart)
    on_step(STEPS[2])
    by_labels, scores = None, None
    measures: list[MeasureRow] = []
    if labels:
        drawn = [None if one is None else coarse(label_pictures(one.masks, labels)) for one in (synth, real, held_out)]
        by_labels, more = _of_label_maps(drawn, honest_are, generator, level=level)
        on_step(STEPS[3])
        belong, both = labels_belong(few, few_real, labels, generator)
        scores = (both[: len(few)], both[len(few) :])
        strange, measures = labels_like_real(few, few_real, labels, generator)
        findings += [*more, belong, strange]
        on_step(STEPS[4])
    rows = _rows(synth, real, by_films, by_labels)
    return Audit(judged(findings), labels, by_films, by_labels, distance, halves, scores, tuple(measures), rows)


def _of_label_maps(
    drawn: list[Pictures | None], honest_are: str, generator: np.random.Generator, *, level: float
) -> tuple[Closeness, list[Finding]]:
    made, true, held = drawn
    assert made is not None
    assert true is not None
    found = closeness(made, true, held, level=level)
    copied = copies("copied label maps", found, honest_are=honest_are)
    return found, [copied, variety("few label maps", _spread_of(made), _spread_of(true), generator)]


def _known(films: FilmSet | None, label: str) -> bool:
    return films is None or label in films.masks


def _evenly(count: int) -> NDArray[np.int64]:
    return np.linspace(0, count - 1, min(count, MOST)).astype(np.int64)


def _spread(films: FilmSet) -> FilmSet:
    return films if len(films) <= MOST else films.take(_evenly(len(films)))


def _spread_of(pictures: Pictures) -> Pictures:
    return np.asarray(pictures[_evenly(len(pictures))])


def _rows(synth: FilmSet, real: FilmSet, films: Closeness, labels: Closeness | None) -> tuple[SampleRow, ...]:
    return tuple(
        SampleRow(
            sample=name,
            film_case=real.names[films.case[number]],
            film_distance=float(films.distance[number]),
            film_p=float(films.p[number]),
            film_copied=bool(films.distance[number] < films.limit),
            labels_case="" if labels is None else real.names[labels.case[number]],
            labels_distance=None if labels is None else float(labels.distance[number]),
            labels_p=None if labels is None else float(labels.p[number]),
            labels_copied=None if labels is None else bool(labels.distance[number] < labels.limit),
        )
        for number, name in enumerate(synth.names)
    )
