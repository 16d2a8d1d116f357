"""How much more films would help: scores against the number of films to learn from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from xprism.errors import DataError, MissingExtra
from xprism.evaluation.cases import CaseScore
from xprism.evaluation.interval import mean_interval
from xprism.evaluation.tables import write_csv
from xprism.protocols.crossval import read_scores, score_run, write_scores
from xprism.training.cases import held_out_cases, training_cases
from xprism.training.loop import train
from xprism.training.recipe import Recipe

SEED = 0


@dataclass(frozen=True)
class Point:
    """Mean Jaccard of one structure over the held-out films, learnt from so many subjects.

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


def learning_curve(recipe: Recipe, folder: Path, *, fractions: Sequence[float], repeats: int = 1) -> list[Point]:
    """Train on a share of the training subjects at a time and score the held-out fold (fold 0 where none is named).

    Subjects are drawn at random, smaller shares within larger ones; ``repeats`` draws anew so many
    times. Runs lie in ``subjects-N-draw-K/``; what is finished there is not done again. Writes
    ``curve.csv`` and, with matplotlib, ``curve.png``.
    """
    if not fractions or not all(0 < share <= 1 for share in fractions):
        raise DataError(f"fractions lie between 0 and 1, not {list(fractions)}", remedy="write such as 0.1,0.3,1")
    if recipe.data.hold_out is None:
        recipe = _with_data(recipe, hold_out=0)
    every = len({case.subject for case in training_cases(_with_data(recipe, take=None))})
    points = []
    for count in sorted({max(1, round(share * every)) for share in fractions}):
        scores = [_scored(recipe, folder, count, draw) for draw in range(1 if count == every else repeats)]
        points += _points(scores, count, {case.case: case.subject for case in held_out_cases(recipe)})
        write_csv(folder / "curve.csv", Point, points)
    draw_curve(points, folder / "curve.png")
    return points


def _scored(recipe: Recipe, folder: Path, count: int, draw: int) -> list[CaseScore]:
    where = folder / f"subjects-{count:04d}-draw-{draw}"
    table = where / "scores.csv"
    if not table.is_file():
        write_scores(table, score_run(train(_with_data(recipe, take=count, draw=draw), where, resume=True)))
    return read_scores(table)


def _points(draws: Sequence[Sequence[CaseScore]], count: int, subjects: dict[str, str]) -> list[Point]:
    found: dict[str, dict[str, list[float]]] = {}
    for score in (score for draw in draws for score in draw):
        found.setdefault(score.structure, {}).setdefault(score.case, []).append(score.jaccard)
    points = []
    for structure, cases in found.items():
        values = [float(np.mean(each)) for each in cases.values()]
        generator = np.random.default_rng(SEED)
        ends = mean_interval(values, subjects=[subjects[case] for case in cases], generator=generator)
        mean = float(np.mean(values))
        points.append(Point(count, len(draws), structure, mean, ends.low, ends.high, len(values)))
    return points


def _with_data(recipe: Recipe, **changes: Any) -> Recipe:
    return recipe.model_copy(update={"data": recipe.data.model_copy(update=changes)})


def draw_curve(points: Sequence[Point], path: Path) -> None:
    """Draw Jaccard against the number of subjects, one line a structure, with intervals, as PNG.

    Raises ``MissingExtra`` without matplotlib.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtra("figures need matplotlib", remedy="pip install 'xprism[evaluate]'") from None
    figure = Figure(figsize=(6.4, 4.4), dpi=150, layout="constrained")
    axes: Any = figure.subplots()
    for structure in dict.fromkeys(point.structure for point in points):
        own = [point for point in points if point.structure == structure]
        counts, means = [point.subjects for point in own], np.array([point.jaccard for point in own])
        spread = np.array([[p.jaccard - p.low for p in own], [p.high - p.jaccard for p in own]]).clip(min=0)
        axes.errorbar(counts, means, yerr=spread, marker="o", capsize=3, label=structure.replace("_", " "))
    axes.set_xscale("log")
    ticks = sorted({point.subjects for point in points})
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.minorticks_off()
    axes.set_xlabel("subjects to learn from")
    axes.set_ylabel("mean Jaccard on held-out films, with 95 % interval")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    figure.savefig(path, metadata={"Software": None})
