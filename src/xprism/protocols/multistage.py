"""The protocols FULL and TINY of Ciano et al. 2021: do films drawn by a few real ones teach a segmentation network?"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from xprism.data.manifest import Case, write_manifest
from xprism.evaluation.overlap import Counts
from xprism.evaluation.tables import read_csv, write_csv
from xprism.grid import prepare
from xprism.inference.decode import decode
from xprism.progress import Progress
from xprism.protocols.multistage_curves import LookRow, draw_looks, look_rows
from xprism.protocols.multistage_dots import Move, moved_hearts, share_followed
from xprism.protocols.multistage_films import drawn_films, facts_of, real_pairs, trained_pipelines
from xprism.protocols.multistage_plan import STAGES, Protocol, cases_of, note_plan, split_films
from xprism.protocols.multistage_scores import (
    COLUMNS,
    STRUCTURES,
    CaseCounts,
    DifferenceRow,
    PooledRow,
    pooled_tables,
)
from xprism.synthesis.runs import SynthRun, device
from xprism.training.loop import note_environment, train
from xprism.training.recipe import Recipe
from xprism.training.runs import Run, load_run
from xprism.training.validation import over_windows

SEED = 0


@dataclass(frozen=True)
class MultistageResult:
    """What came out: pooled scores of every column, their differences, the moved hearts, and facts behind them."""

    table: list[PooledRow]
    differences: list[DifferenceRow]
    moves: list[Move]
    facts: dict[str, Any]
    folder: Path


def run_protocol(protocol: Protocol, folder: Path, manifests: Sequence[Path]) -> MultistageResult:
    """Train the pipelines, draw films, train the network in seven ways, and score each on the test films.

    What is finished in ``folder`` is not done again, and what was interrupted goes on. Writes ``pairs/``,
    ``one-stage/``, ``two-stage/`` and ``three-stage/`` with ``samples/``, ``segmentation/COLUMN/`` and ``results/``.
    Raises ``DataError`` where films or masks are missing or a pipeline draws nothing usable, and ``RecipeError``
    where the folder holds another plan.
    """
    folder = folder.resolve()
    cases = cases_of(protocol, folder, manifests)
    taught, tested = split_films(protocol.plan, cases)
    note_plan(protocol, folder)
    note_environment(folder, threads=0)
    write_manifest(folder / "training.csv", taught)
    write_manifest(folder / "test.csv", tested)
    pairs = real_pairs(protocol, taught, folder)
    pipelines = trained_pipelines(protocol, taught, folder)
    drawn = {stages: drawn_films(protocol.plan, run) for stages, run in pipelines.items()}
    for column in _in_order():
        recipe = recipe_of(column, protocol.segmentation, folder, pairs=pairs, drawn=drawn)
        _score_column(column, recipe, folder, tested)
    return _conclude(protocol, folder, taught, tested, pipelines)


def recipe_of(column: str, recipe: Recipe, folder: Path, *, pairs: Path, drawn: dict[str, tuple[Path, Path]]) -> Recipe:
    """The segmentation's recipe for a column: what it learns from, begins with, and chooses its weights by.

    As in the paper, weights are chosen by drawn films, those of the column's own pipeline; where only real films
    teach, by those of three stages.
    """
    way, _, number = column.partition("-")
    train_on, look_at = drawn[STAGES[int(number) - 1] if number else "three"]
    data = recipe.data.model_copy(
        update={"manifests": (train_on if way == "synth" else pairs,), "simulate": None, "hold_out": None}
    )
    assert recipe.validation is not None
    validation = recipe.validation.model_copy(update={"manifests": (look_at,)})
    start = str(folder / "segmentation" / f"synth-{number}") if way == "finetune" else None
    changes = {"name": f"{recipe.name}-{column}", "data": data, "validation": validation, "start_from": start}
    return recipe.model_copy(update=changes)


def _in_order() -> list[str]:
    """The columns, each after the one that it begins with."""
    return ["real", *(f"{way}-{stages}" for stages in (3, 2, 1) for way in ("synth", "finetune"))]


def _score_column(column: str, recipe: Recipe, folder: Path, tested: Sequence[Case]) -> None:
    run_folder = folder / "segmentation" / column
    scores = run_folder / "test.csv"
    if not scores.is_file():
        run = train(recipe, run_folder, resume=True)
        write_csv(scores, CaseCounts, counts_on(column, run, tested))


def counts_on(column: str, run: Run, cases: Sequence[Case]) -> list[CaseCounts]:
    """Pixels of every structure of every case on the film's own grid, predicted by windows as a model in use does."""
    network, place = run.network.to(device()).eval(), device()
    counts = []
    with Progress(f"test films of {column}", len(cases)) as shown:
        for case in cases:
            predicted, truth = _predicted(run.recipe, network, case, place), case.load_truth()
            for structure in STRUCTURES:
                pixels = Counts.of(predicted[structure], truth[structure])
                counts.append(CaseCounts(column, case.case, case.subject, structure, pixels.tp, pixels.fp, pixels.fn))
            shown.step()
    return counts


@torch.no_grad()
def _predicted(
    recipe: Recipe, network: torch.nn.Module, case: Case, where: torch.device
) -> dict[str, NDArray[np.bool_]]:
    film = case.load_film()
    grid, place = prepare(film, recipe.input)
    raw = over_windows(network, torch.from_numpy(grid).to(where), recipe.input)[0].cpu().numpy()
    (target,) = recipe.targets
    numbers = decode(raw, recipe.targets, place, clean=False, film=film).classes[target.name]
    return {label: numbers == number for number, label in enumerate(target.channel_labels)}


def _conclude(
    protocol: Protocol,
    folder: Path,
    taught: Sequence[Case],
    tested: Sequence[Case],
    pipelines: dict[str, SynthRun],
) -> MultistageResult:
    """Write ``results/``: tables, differences, curves, moved hearts and facts."""
    results, runs = folder / "results", {column: folder / "segmentation" / column for column in COLUMNS}
    counts = [count for run in runs.values() for count in read_csv(run / "test.csv", CaseCounts)]
    table, differences = pooled_tables(counts, protocol=protocol.plan.published, generator=np.random.default_rng(SEED))
    moves = _moves(protocol, pipelines["three"], results)
    looks = {column: look_rows(column, run) for column, run in runs.items()}
    write_csv(results / "cases.csv", CaseCounts, counts)
    write_csv(results / "table.csv", PooledRow, table)
    write_csv(results / "differences.csv", DifferenceRow, differences)
    write_csv(results / "curves.csv", LookRow, [row for rows in looks.values() for row in rows])
    draw_looks(looks, results / "curves.png")
    facts = _facts(protocol, folder, pipelines, moves) | {"films": {"training": len(taught), "test": len(tested)}}
    partial = results / "protocol.json.partial"
    partial.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    partial.replace(results / "protocol.json")
    return MultistageResult(table, differences, moves, facts, folder)


def _moves(protocol: Protocol, run: SynthRun, results: Path) -> list[Move]:
    path = results / "moved-hearts.csv"
    if not path.is_file():
        with Progress("moved hearts", protocol.plan.moved) as shown:
            moves = moved_hearts(run, protocol.plan.moved, seed=protocol.plan.seed, on_sample=shown.step)
        write_csv(path, Move, moves)
    return read_csv(path, Move)


def _facts(protocol: Protocol, folder: Path, pipelines: dict[str, SynthRun], moves: Sequence[Move]) -> dict[str, Any]:
    plan, recipe = protocol.plan, protocol.segmentation
    share, interval = share_followed(moves)
    runs = {column: load_run(folder / "segmentation" / column) for column in COLUMNS}
    return {
        "schema": "xprism.multistage",
        "schema_version": 1,
        "protocol": plan.name,
        "profile": protocol.profile,
        "environment": json.loads((folder / "environment.json").read_text(encoding="utf-8")),
        "drawn": {"training": plan.samples, "validation": plan.validation},
        "pipelines": {stages: facts_of(run) for stages, run in pipelines.items()},
        "segmentation": {
            "pixels": recipe.input.size,
            "window": recipe.input.window,
            "network": recipe.network.model_dump(mode="json"),
            "parameters": sum(weight.numel() for weight in runs["real"].network.parameters()),
            "minutes": {column: round(run.minutes, 1) for column, run in runs.items()},
        },
        "moved_hearts": {"count": len(moves), "followed": share, "interval": [interval.low, interval.high]}
        if moves
        else None,
    }
