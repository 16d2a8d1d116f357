"""Cross-validation: every case is predicted once, by a model that did not train on its subject."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import astuple, fields
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from xprism.card import Card, Score, TrainingRecord
from xprism.data.manifest import Case, read_manifest
from xprism.errors import DataError
from xprism.evaluation.cases import CaseScore, score_cases
from xprism.evaluation.class_planes import class_masks
from xprism.grid import prepare
from xprism.inference.predictor import Predictor
from xprism.readers import read
from xprism.training.cases import folds_of, held_out_cases, training_cases
from xprism.training.export import export_model
from xprism.training.loop import train
from xprism.training.recipe import Recipe
from xprism.training.runs import Run, total_minutes


def crossval(
    recipe: Recipe,
    folder: Path | str,
    *,
    licence: Path | None = None,
    folds: Sequence[int] | None = None,
    jobs: int = 1,
) -> list[CaseScore]:
    """Train and score the folds of ``recipe`` under ``folder``; what is finished there is not done again.

    Fold k lies in ``fold-k/`` (run) and ``fold-k/model/`` (model folder); ``scores.csv`` has one row a
    case and structure of all folds that are done. Scores are taken on the film's own grid, by the
    exported model as shipped. ``folds`` picks some, ``jobs`` trains so many side by side, each on its
    share of the CPU's threads.
    """
    folder = Path(folder)
    every = sorted(set(folds_of(recipe).values()))
    wanted = every if folds is None else sorted(set(folds))
    if unknown := sorted(set(wanted) - set(every)):
        raise DataError(f"there is no fold {unknown[0]}", remedy=f"folds go from 0 to {every[-1]}")
    open_folds = [fold for fold in wanted if not (folder / f"fold-{fold}" / "scores.csv").is_file()]
    if jobs == 1 or len(open_folds) < 2:
        for fold in open_folds:
            _run_fold(recipe, folder, fold, licence)
    else:
        _side_by_side(recipe, folder, open_folds, licence=licence, jobs=min(jobs, len(open_folds)))
    tables = (folder / f"fold-{fold}" / "scores.csv" for fold in every)
    scores = [score for table in tables if table.is_file() for score in read_scores(table)]
    write_scores(folder / "scores.csv", scores)
    return scores


def _run_fold(recipe: Recipe, folder: Path, fold: int, licence: Path | None) -> None:
    where = folder / f"fold-{fold}"
    run = train(holding_out(recipe, fold), where, resume=True)
    write_scores(where / "scores.csv", score_run(run, licence=licence))


def _side_by_side(recipe: Recipe, folder: Path, folds: Sequence[int], *, licence: Path | None, jobs: int) -> None:
    threads = max(1, (recipe.schedule.threads or os.cpu_count() or 1) // jobs)
    shared = recipe.model_copy(update={"schedule": recipe.schedule.model_copy(update={"threads": threads})})
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        waiting = [pool.submit(_run_fold, shared, folder, fold, licence) for fold in folds]
        try:
            for done in as_completed(waiting):
                done.result()
        finally:
            pool.shutdown(cancel_futures=True)


def holding_out(recipe: Recipe, fold: int) -> Recipe:
    """The recipe with a fold held out."""
    return recipe.model_copy(update={"data": recipe.data.model_copy(update={"hold_out": fold})})


def score_run(run: Run, *, licence: Path | None = None) -> list[CaseScore]:
    """Export a run as ``model/`` in its folder and score its held-out cases."""
    export_model(run, run.folder / "model", licence=licence, card=draft_card(run), check=check_films(run.recipe))
    model = Predictor.load(run.folder / "model")

    def predict(case: Case) -> dict[str, NDArray[np.bool_]]:
        film = read(case.film, polarity=case.attributes.get("polarity", "auto"))
        result = model(film, force=True, clean=True)
        return result.masks | class_masks(run.recipe.targets, result.classes, film.shape)

    return score_cases(held_out_cases(run.recipe), run.recipe.targets, predict)


def draft_card(run: Run) -> Card:
    """A card that holds what the run itself knows; a released model says more."""
    recipe = run.recipe
    record = TrainingRecord(
        data=tuple(path.stem for path in recipe.data.manifests),
        films=len(training_cases(recipe)),
        minutes=round(total_minutes(run), 1),
        hardware="",
        recipe=recipe.name,
        seed=recipe.schedule.seed,
    )
    return Card(
        name=recipe.name,
        version="draft",
        summary=f"made by the recipe {recipe.name}",
        intended_use="research",
        targets=recipe.targets,
        input=recipe.input,
        parameters=sum(p.numel() for p in run.network.parameters()),
        network=recipe.network.model_dump(mode="json"),
        licence="not stated",
        licence_file="LICENSE",
        training=record,
    )


def check_films(recipe: Recipe, *, count: int = 4) -> torch.Tensor:
    """A few prepared films [B, 1, h, w] of the recipe's first manifest, to hold two runtimes against each other."""
    cases = read_manifest(recipe.data.manifests[0])[:count]
    return torch.from_numpy(np.concatenate([prepare(case.load_film(), recipe.input)[0] for case in cases]))


def summarise(scores: Sequence[CaseScore], cases: Sequence[Case], *, protocol: str) -> tuple[Score, ...]:
    """Mean, 5th percentile and worst Jaccard of every structure, apart for each ``source`` of the cases."""
    source = {case.case: case.attributes.get("source", "all") for case in cases}
    groups: dict[tuple[str, str], list[float]] = {}
    for score in scores:
        groups.setdefault((source[score.case], score.structure), []).append(score.jaccard)
    return tuple(
        Score(
            measure="jaccard",
            structure=structure,
            mean=round(float(np.mean(values)), 4),
            low_5_percent=round(float(np.percentile(values, 5)), 4),
            worst=round(min(values), 4),
            films=len(values),
            protocol=f"{protocol}, {name}",
        )
        for (name, structure), values in sorted(groups.items())
        if structure != "heart_lung_overlap"
    )


def write_scores(path: Path, scores: Sequence[CaseScore]) -> None:
    """Write one row a case and structure; the file appears whole."""
    partial = path.with_name(path.name + ".partial")
    with partial.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow([field.name for field in fields(CaseScore)])
        writer.writerows(astuple(score) for score in scores)
    partial.replace(path)


def read_scores(path: Path) -> list[CaseScore]:
    """Read what ``write_scores`` wrote."""
    with path.open(newline="", encoding="utf-8") as stream:
        rows: list[dict[str, Any]] = list(csv.DictReader(stream))
    return [
        CaseScore(r["case"], r["structure"], float(r["jaccard"]), int(r["predicted_px"]), int(r["reference_px"]))
        for r in rows
    ]
