"""How much more films would help: scores against the number of films to learn from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from xprism.errors import DataError, MissingExtra, RecipeError
from xprism.evaluation.cases import CaseScore
from xprism.evaluation.interval import mean_interval
from xprism.evaluation.power_law import FEWEST, look_ahead
from xprism.evaluation.tables import write_csv
from xprism.protocols.crossval import read_scores, score_run, write_scores
from xprism.training.cases import held_out_cases, training_cases, validation_cases
from xprism.training.loop import train
from xprism.training.recipe import Recipe

SEED = 0
_AHEAD = (1.5, 2)
"""How many times the subjects that there are a curve looks ahead."""

Films = dict[str, float]


@dataclass(frozen=True)
class Point:
    """Mean Jaccard of one structure over the held-out films, learnt from so many subjects, validation included.

    ``low`` and ``high`` are the ends of the 95 % bootstrap interval over held-out subjects;
    with several repeats each film counts with its mean over them.
    """

    subjects: int
    repeats: int
    structure: str
    jaccard: float
    low: float
    high: float
    films: int


@dataclass(frozen=True)
class Forecast:
    """Mean Jaccard to expect of one structure with so many ``subjects``, by a power law through its points.

    ``low`` and ``high`` are the ends of its 95 % interval. ``gain`` is what the law says is won over all subjects that
    there are, with an interval of its own.
    """

    subjects: int
    structure: str
    jaccard: float
    low: float
    high: float
    gain: float
    gain_low: float
    gain_high: float


@dataclass(frozen=True)
class Curve:
    """The points of a learning curve, and what more films should bring; nothing where there are too few points."""

    points: tuple[Point, ...]
    forecasts: tuple[Forecast, ...] = ()


def learning_curve(recipe: Recipe, folder: Path, *, fractions: Sequence[float], repeats: int = 1) -> Curve:
    """Train on a share of the training subjects at a time and score the held-out fold (fold 0 where none is named).

    Subjects are drawn at random, smaller shares within larger ones; ``repeats`` draws anew so many
    times. Those that choose the weights are among them, as they have to be labelled, too. Runs lie in
    ``subjects-N-draw-K/``; what is finished there is not done again. Writes ``curve.csv``, ``forecast.csv`` where
    there are four shares or more and, with matplotlib, ``curve.png``.
    """
    if not fractions or not all(0 < share <= 1 for share in fractions):
        raise DataError(f"fractions lie between 0 and 1, not {list(fractions)}", remedy="write such as 0.1,0.3,1")
    if recipe.data.hold_out is None:
        recipe = _with_data(recipe, hold_out=0)
    every = len({case.subject for case in training_cases(_with_data(recipe, take=None).model_copy(update=_ALL))})
    draws = {count: 1 if count == every else repeats for count in {max(1, round(share * every)) for share in fractions}}
    _refuse_too_few(recipe, draws)
    subjects = {case.case: case.subject for case in held_out_cases(recipe)}
    points: list[Point] = []
    scores: dict[int, dict[str, Films]] = {}
    for count in sorted(draws):
        scores[count] = _by_structure([_scored(recipe, folder, count, draw) for draw in range(draws[count])])
        points += _points(scores[count], count, draws[count], subjects)
        write_csv(folder / "curve.csv", Point, points)
    forecasts = _forecasts(scores, subjects)
    if forecasts:
        write_csv(folder / "forecast.csv", Forecast, forecasts)
    curve = Curve(tuple(points), tuple(forecasts))
    draw_curve(curve, folder / "curve.png")
    return curve


_ALL = {"validation": None}
"""What makes of a recipe one whose films of the validation count among those that train."""


def _refuse_too_few(recipe: Recipe, draws: dict[int, int]) -> None:
    """Raise ``DataError`` before anything is trained where a share is too small to choose weights by."""
    for count, times in draws.items():
        for draw in range(times):
            try:
                validation_cases(_with_data(recipe, take=count, draw=draw))
            except RecipeError as error:
                what = f"{count} subjects are too few to learn from: {error.what}"
                raise DataError(what, remedy="leave small --fractions out") from None


def _scored(recipe: Recipe, folder: Path, count: int, draw: int) -> list[CaseScore]:
    where = folder / f"subjects-{count:04d}-draw-{draw}"
    table = where / "scores.csv"
    if not table.is_file():
        write_scores(table, score_run(train(_with_data(recipe, take=count, draw=draw), where, resume=True)))
    return read_scores(table)


def _by_structure(draws: Sequence[Sequence[CaseScore]]) -> dict[str, Films]:
    """The mean Jaccard over draws of each structure and case."""
    found: dict[str, dict[str, list[float]]] = {}
    for score in (score for draw in draws for score in draw):
        found.setdefault(score.structure, {}).setdefault(score.case, []).append(score.jaccard)
    return {name: {case: float(np.mean(each)) for case, each in cases.items()} for name, cases in found.items()}


def _points(scores: dict[str, Films], count: int, draws: int, subjects: dict[str, str]) -> list[Point]:
    points = []
    for structure, films in scores.items():
        values, generator = list(films.values()), np.random.default_rng(SEED)
        ends = mean_interval(values, subjects=[subjects[case] for case in films], generator=generator)
        points.append(Point(count, draws, structure, float(np.mean(values)), ends.low, ends.high, len(values)))
    return points


def _forecasts(scores: dict[int, dict[str, Films]], subjects: dict[str, str]) -> list[Forecast]:
    counts = sorted(scores)
    if len(counts) < FEWEST:
        return []
    found = []
    for structure, films in scores[counts[-1]].items():
        table = np.array([[scores[count][structure][case] for count in counts] for case in films])
        ahead = look_ahead(
            counts,
            table,
            subjects=[subjects[case] for case in films],
            wanted=[round(times * counts[-1]) for times in _AHEAD],
            generator=np.random.default_rng(SEED),
        )
        for one in ahead:
            gain = (one.gain, one.gain_low, one.gain_high)
            found.append(Forecast(one.subjects, structure, one.score, one.low, one.high, *gain))
    return found


def _with_data(recipe: Recipe, **changes: Any) -> Recipe:
    return recipe.model_copy(update={"data": recipe.data.model_copy(update=changes)})


def draw_curve(curve: Curve, path: Path) -> None:
    """Draw Jaccard against the number of subjects, one line a structure, with intervals, as PNG.

    What more films should bring is dashed. Raises ``MissingExtra`` without matplotlib.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtra("figures need matplotlib", remedy="pip install 'xprism[evaluate]'") from None
    figure = Figure(figsize=(6.4, 4.4), dpi=150, layout="constrained")
    axes: Any = figure.subplots()
    points = curve.points
    for structure in dict.fromkeys(point.structure for point in points):
        own = [point for point in points if point.structure == structure]
        counts, means = [point.subjects for point in own], np.array([point.jaccard for point in own])
        spread = np.array([[p.jaccard - p.low for p in own], [p.high - p.jaccard for p in own]]).clip(min=0)
        drawn = axes.errorbar(counts, means, yerr=spread, marker="o", capsize=3, label=structure.replace("_", " "))
        ahead = [one for one in curve.forecasts if one.structure == structure]
        if ahead:
            colour, ends = drawn[0].get_color(), [one.subjects for one in ahead]
            low, high = [one.low for one in ahead], [one.high for one in ahead]
            more = [own[-1].jaccard, *(one.jaccard for one in ahead)]
            axes.plot([counts[-1], *ends], more, "--", color=colour)
            axes.fill_between(ends, low, high, color=colour, alpha=0.15, linewidth=0)
    axes.set_xscale("log")
    ticks = sorted({point.subjects for point in points} | {one.subjects for one in curve.forecasts})
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.minorticks_off()
    axes.set_xlabel("subjects to learn from")
    axes.set_ylabel("mean Jaccard on held-out films, with 95 % interval")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    figure.savefig(path, metadata={"Software": None})
