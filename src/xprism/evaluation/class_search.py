"""Thresholds that the films of the validation choose, and how they hold on those of the test."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xprism.evaluation.class_measures import accuracy, counts_of, over
from xprism.evaluation.class_rows import TEST, VALIDATION, ClassFilm
from xprism.evaluation.class_thresholds import Choice, Choices, confusion_at, search
from xprism.evaluation.froc import ratio_interval

ALL, BY_PART = "all", "by_part"

RATES = {"tpr": ("tp", "fn"), "fpr": ("fp", "tn"), "fdr": ("fp", "tp")}
"""Counts above the line, and those that stand below it beside them."""


@dataclass(frozen=True)
class SearchRow:
    """A threshold chosen on the films of the validation so that no more than ``wanted_fdr`` of what is found is false.

    ``body_part`` is ``all`` for one threshold of all films, ``by_part`` for all films, each by that of its part, or
    else a part. ``keeps`` says whether the share is kept on the films that it was ``chosen_on``. Rates of the test
    have 95 % intervals over subjects; ``tpr`` is recall, ``fdr`` 1 - precision, ``fpr`` FP / (FP + TN).
    """

    target: str
    label: str
    temperature: float
    body_part: str
    wanted_fdr: float
    threshold: float | None
    chosen_on: int
    keeps: bool
    validation_tpr: float
    validation_fdr: float
    test_films: int
    tpr: float
    tpr_low: float
    tpr_high: float
    fpr: float
    fpr_low: float
    fpr_high: float
    fdr: float
    fdr_low: float
    fdr_high: float
    accuracy: float


def choices_of(films: Sequence[ClassFilm], of: int, *, wanted: float) -> dict[float, Choices]:
    """By temperature, the thresholds of class ``of`` that the films of the validation choose; none without any."""
    own = [film for film in films if film.films == VALIDATION]
    found = {}
    for temperature in own[0].tallies if own else ():
        doubts = [doubt for film in own if (doubt := film.tallies[temperature].doubt) is not None]
        if len(doubts) == len(own):
            found[temperature] = search(doubts, [film.part for film in own], of, wanted=wanted)
    return found


def search_rows(
    target: str, labels: Sequence[str], films: Sequence[ClassFilm], of: int, *, wanted: float, seed: int = 0
) -> Iterator[SearchRow]:
    """The chosen thresholds and what they make of the films; every interval is drawn from the same ``seed``."""
    for temperature, choices in choices_of(films, of, wanted=wanted).items():
        sets: list[tuple[str, Choices, Choice | None]] = [(ALL, Choices(choices.pooled, {}), choices.pooled)]
        sets += [(part, choices, choice) for part, choice in choices.by_part.items()]
        sets += [(BY_PART, choices, None)] if choices.by_part else []
        for part, used, choice in sets:
            own = [film for film in films if part in (ALL, BY_PART, film.part)]
            made = [_confusion(film, used, temperature, of) for film in own]
            chose, test = (_of_view(own, made, view, len(labels)) for view in (VALIDATION, TEST))
            rates = _rates(chose.sum(0), of)
            subjects = [film.subject for film in own if film.films == TEST]
            yield SearchRow(
                target=target,
                label=labels[of],
                temperature=temperature,
                body_part=part,
                wanted_fdr=wanted,
                threshold=choice.threshold if choice else None,
                chosen_on=len(chose),
                keeps=choice.keeps if choice else not rates["fdr"] > wanted,
                validation_tpr=rates["tpr"],
                validation_fdr=rates["fdr"],
                test_films=len(test),
                accuracy=float(accuracy(test.sum(0))),
                **_with_intervals(test, subjects, of, seed),
            )


def _confusion(film: ClassFilm, choices: Choices, temperature: float, of: int) -> NDArray[Any] | None:
    """The matrix of true and found classes of a film by the threshold of its part of the body."""
    doubt = film.tallies[temperature].doubt
    return None if doubt is None else confusion_at(doubt, of, choices.for_part(film.part).threshold)


def _of_view(
    films: Sequence[ClassFilm], made: Sequence[NDArray[Any] | None], view: str, classes: int
) -> NDArray[np.float64]:
    """The matrices [N, K, K] of the films of a view."""
    some = [one for film, one in zip(films, made, strict=True) if film.films == view and one is not None]
    return np.array(some, np.float64).reshape(-1, classes, classes)


def _rates(confusion: NDArray[Any], of: int) -> dict[str, float]:
    counts = {name: float(count[of]) for name, count in counts_of(confusion).items()}
    return {
        name: float(over(np.array(counts[above]), np.array(counts[above] + counts[beside])))
        for name, (above, beside) in RATES.items()
    }


def _with_intervals(made: NDArray[Any], subjects: Sequence[str], of: int, seed: int) -> dict[str, float]:
    counts, found = {name: count[:, of] for name, count in counts_of(made).items()}, _rates(made.sum(0), of)
    for name, (above, beside) in RATES.items():
        below = counts[above] + counts[beside]
        numbers = counts[above].tolist(), below.tolist()
        interval = ratio_interval(*numbers, subjects=subjects, generator=np.random.default_rng(seed))
        found |= {f"{name}_low": interval.low, f"{name}_high": interval.high}
    return found
