"""Class maps of a source held against true ones, film by film, and what they come to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xprism.data.manifest import Case
from xprism.evaluation.class_cleanup import OPENING_PX, tidied_bones
from xprism.evaluation.class_curves import (
    CalibrationRow,
    ConfusionRow,
    RocRow,
    ThresholdRow,
    calibration_rows,
    confusion_rows,
    roc_rows,
    threshold_rows,
)
from xprism.evaluation.class_rows import (
    TEST,
    VALIDATION,
    ClassFilm,
    ClassRow,
    ClassSummaryRow,
    film_rows,
    summarise_classes,
)
from xprism.evaluation.class_search import ALL, SearchRow, search_rows
from xprism.evaluation.class_tally import tally
from xprism.evaluation.temperature import Temperature, fit_temperature
from xprism.protocols.class_maps import ClassMap, refuse_unknown_numbers
from xprism.protocols.scoring import Pair
from xprism.targets import plain_name

FILES = (
    "classes.csv",
    "class_summary.csv",
    "confusion.csv",
    "roc.csv",
    "calibration.csv",
    "thresholds.csv",
    "threshold_search.csv",
    "classes.png",
    "class_panels.png",
)
"""What an evaluation of class maps may leave in its folder."""

Sample = tuple[NDArray[Any], NDArray[np.uint8]]


class ClassScores:
    """Counts the class maps of films one by one.

    ``validation`` are the films that chose the model's weights, where they are known: a temperature and thresholds
    are chosen on them, and they are scored beside the test. ``doubted`` is the class that thresholds are about, of
    which no more than ``wanted`` shall be false. ``dilation_px`` has bones tidied before anything is counted.
    """

    def __init__(
        self,
        *,
        validation: Sequence[Case] = (),
        doubted: str = "soft_tissue",
        wanted: float = 0.03,
        dilation_px: int | None = None,
    ) -> None:
        self.validation = tuple(validation)
        self.doubted, self.wanted, self.dilation_px = doubted, wanted, dilation_px
        self.films: dict[str, list[ClassFilm]] = {}
        self.labels: dict[str, tuple[str, ...]] = {}
        self.temperatures: dict[str, Temperature] = {}
        self._watched = {case.film.resolve() for case in self.validation}

    def fit(self, go_through: Callable[[Callable[[Pair], object]], None]) -> None:
        """Fit a temperature to the films of the validation, then count them.

        ``go_through`` hands them over one by one to what it is given, and is called twice, so that only one film is
        held at a time.
        """
        if not self.validation:
            return
        samples: dict[str, list[Sample]] = {}
        now: dict[str, float] = {}

        def take_sample(both: Pair) -> None:
            for name, made in self._known(both):
                if (sample := made.sample(both.truth[name])) is not None:
                    samples.setdefault(name, []).append(sample)
                    now[name] = made.target.temperature

        go_through(take_sample)
        for name, some in samples.items():
            raw, truth = zip(*some, strict=True)
            self.temperatures[name] = fit_temperature(raw, truth, now=now[name])
        go_through(partial(self._count, view=VALIDATION))

    def add(self, both: Pair) -> bool:
        """Count a film of the test; False where no class map is both known and predicted.

        A film that chose the weights is counted already, as one of the validation. Raises ``DataError`` where the
        true map holds a number of no class.
        """
        if both.case.film.resolve() in self._watched:
            return bool(list(self._known(both)))
        return self._count(both, view=TEST)

    def index_of(self, made: ClassMap) -> NDArray[np.uint8]:
        """The class numbers [H, W] that are counted: those of the map, its bones tidied where that was asked for."""
        if self.dilation_px is None:
            return made.index
        return tidied_bones(made.index, made.target.labels, dilation_px=self.dilation_px)

    @property
    def every(self) -> list[ClassFilm]:
        """The films of all targets."""
        return [film for films in self.films.values() for film in films]

    @cached_property
    def summary(self) -> list[ClassSummaryRow]:
        """Every measure; asked for when all films are added."""
        return [row for name, films in self.films.items() for row in summarise_classes(name, self.labels[name], films)]

    @cached_property
    def searched(self) -> list[SearchRow]:
        """The thresholds that the films of the validation chose; asked for when all films are added."""
        found: list[SearchRow] = []
        for name, films, of in self._doubts():
            found += search_rows(name, self.labels[name], films, of, wanted=self.wanted)
        return found

    @cached_property
    def thresholds(self) -> list[ThresholdRow]:
        """What every threshold would make of the maps; asked for when all films are added."""
        return [row for name, films, of in self._doubts() for row in threshold_rows(name, self.labels[name], films, of)]

    @property
    def tables(self) -> list[tuple[str, type, Sequence[Any]]]:
        """File name, kind of record and records of every table that has some; none where no film was scored."""
        of_all = [(name, self.labels[name], films) for name, films in self.films.items()]
        made: list[tuple[str, type, Sequence[Any]]] = [
            ("classes.csv", ClassRow, [row for one in of_all for row in film_rows(*one)]),
            ("class_summary.csv", ClassSummaryRow, self.summary),
            ("confusion.csv", ConfusionRow, [row for one in of_all for row in confusion_rows(*one)]),
            ("roc.csv", RocRow, [row for one in of_all for row in roc_rows(*one)]),
            ("calibration.csv", CalibrationRow, [row for one in of_all for row in calibration_rows(*one)]),
            ("thresholds.csv", ThresholdRow, self.thresholds),
            ("threshold_search.csv", SearchRow, self.searched),
        ]
        return [table for table in made if table[2]]

    @property
    def record(self) -> dict[str, Any]:
        """How many films, how bones were tidied, and what a model's card would have to say, by target."""
        return {name: self._record(name) for name in self.films}

    def for_card(self, name: str) -> dict[str, Any]:
        """The settings of a target in ``card.json`` by what the films of the validation chose; empty without them.

        Thresholds are those for probabilities at the new temperature.
        """
        fitted = self.temperatures.get(name)
        if fitted is None:
            return {}
        rows = [row for row in self.searched if (row.target, row.temperature) == (name, fitted.value)]
        parts = {row.body_part: {row.label: row.threshold} for row in rows if row.threshold is not None}
        pooled = parts.pop(ALL, {})
        return {"temperature": fitted.value, "thresholds": pooled, "part_thresholds": parts}

    def _record(self, name: str) -> dict[str, Any]:
        films = self.films[name]
        counts = {view: sum(film.films == view for film in films) for view in (TEST, VALIDATION)}
        found: dict[str, Any] = {"labels": list(self.labels[name]), "films": counts}
        if self.dilation_px is not None:
            found["bones_tidied"] = {"opening_px": OPENING_PX, "dilation_px": self.dilation_px}
        fitted = self.temperatures.get(name)
        if fitted is not None:
            found["temperature"] = {
                "value": fitted.value,
                "nll_before": fitted.nll_before,
                "nll_after": fitted.nll_after,
                "films": fitted.films,
                "pixels": fitted.pixels,
            }
            found["for_card"] = self.for_card(name)
        return found

    def _count(self, both: Pair, *, view: str) -> bool:
        """Count a film's class maps; whether it has any."""
        known = list(self._known(both))
        for name, made in known:
            labels, truth, index = made.target.labels, both.truth[name], self.index_of(made)
            fitted = self.temperatures.get(name)
            degrees = dict.fromkeys([made.target.temperature, *([fitted.value] if fitted else [])])
            of = labels.index(self.doubted) if self.doubted in labels else None
            tallies = {
                degree: tally(truth, index, made.probabilities(degree), classes=len(labels), doubted=of)
                for degree in degrees
            }
            case = both.case
            part, how = plain_name(case.attributes.get("body_part", "")), both.prediction.matched_by
            self.labels[name] = labels
            self.films.setdefault(name, []).append(ClassFilm(case.case, case.subject, view, part, how, tallies))
        return bool(known)

    def _doubts(self) -> Iterator[tuple[str, list[ClassFilm], int]]:
        """Target, films and number of the class that thresholds are about, of every target that has it."""
        for name, films in self.films.items():
            if self.doubted in self.labels[name]:
                yield name, films, self.labels[name].index(self.doubted)

    @staticmethod
    def _known(both: Pair) -> Iterator[tuple[str, ClassMap]]:
        """The class maps of a film that are both known and predicted."""
        for name, made in both.prediction.classes.items():
            if name in both.truth:
                refuse_unknown_numbers(name, both.truth[name], made.target.labels)
                yield name, made
