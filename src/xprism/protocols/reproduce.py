"""A paper's experiment by its name: data, training, scores on what was held out, and the floors beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xprism.data.manifest import Case, write_manifest
from xprism.evaluation.cases import with_derived
from xprism.evaluation.floors import copied_frames, copied_pictures
from xprism.evaluation.scores import Score, picture_measures, true_levels
from xprism.evaluation.summary import SummaryRow, summarise
from xprism.evaluation.tables import write_csv
from xprism.protocols.crossval import check_films, draft_card, holding_out
from xprism.protocols.evaluate import Evaluation, evaluate, write_evaluation
from xprism.protocols.fold_models import FoldsSource, with_folds
from xprism.protocols.record import describe, write_description
from xprism.protocols.scoring import truth_on
from xprism.targets import UNIONS, Picture
from xprism.training.cases import folds_of, held_out_cases
from xprism.training.export import export_model
from xprism.training.loop import train
from xprism.training.recipe import Recipe
from xprism.training.runs import Run

SEED = 0


@dataclass(frozen=True)
class Reproduction:
    """What came out: scores of every held-out case, the floors of pictures, the runs and facts behind them."""

    evaluation: Evaluation
    floors: list[SummaryRow]
    runs: tuple[Run, ...]
    folder: Path
    facts: dict[str, Any]


def reproduce(
    recipe: Recipe,
    folder: Path,
    *,
    name: str,
    profile: str,
    on_case: Callable[[str], None] = lambda case: None,
) -> Reproduction:
    """Train the held-out fold of ``recipe``, or every fold where none is named, and score what was held out.

    Trainings that are finished in ``folder`` are not run again. Writes ``fold-k/`` (run and model), ``held-out.csv``,
    ``evaluation/``, ``experiment.json`` and, where pictures are made, ``floors.csv``. ``name`` and ``profile``
    say in ``experiment.json`` what was run.
    """
    chosen = recipe.data.hold_out
    folds = sorted(set(folds_of(recipe).values())) if chosen is None else [chosen]
    runs: dict[int, Run] = {}
    cases: list[Case] = []
    for fold in folds:
        part = holding_out(recipe, fold)
        runs[fold] = run = train(part, folder / f"fold-{fold}", resume=True)
        export_model(run, run.folder / "model", licence=None, card=draft_card(run), check=check_films(part))
        cases += held_out_cases(part)
    folders = {fold: run.folder for fold, run in runs.items()}
    source = FoldsSource(folders, runtime="onnx", clean=False, force=True)
    found = evaluate(with_folds(cases, folders), source, on_case=on_case)
    manifest = folder / "held-out.csv"
    write_manifest(manifest, found.cases)
    write_evaluation(found, folder / "evaluation", manifest=manifest, overwrite=True)
    floors = floors_of(recipe, found.cases)
    if floors:
        write_csv(folder / "floors.csv", SummaryRow, floors)
    facts = describe(name, recipe, tuple(runs.values()), profile=profile, held_out=len(found.cases))
    write_description(folder, facts)
    return Reproduction(found, floors, tuple(runs.values()), folder, facts)


def floors_of(recipe: Recipe, cases: Sequence[Case]) -> list[SummaryRow]:
    """Scores of the film itself in place of each picture; ``structure`` names the picture and the way."""
    scores = [
        score
        for target in recipe.targets
        if isinstance(target, Picture)
        for case in cases
        for score in _floors_of_case(target, case)
    ]
    return summarise(scores, unions={}, expected={}, generator=np.random.default_rng(SEED))


def _floors_of_case(target: Picture, case: Case) -> Iterator[Score]:
    shown = case.load_film()
    truth = with_derived(truth_on((int(shown.shape[0]), int(shown.shape[1])), case.load_truth()), UNIONS)
    real = true_levels(target, truth)
    film = true_levels(target.model_copy(update={"within": ()}), {target.name: shown})
    if real is None or film is None:
        return
    lungs: NDArray[Any] | None = truth.get("lungs")
    made_by = copied_frames(film, real)
    if target.within:
        inside: NDArray[Any] = np.logical_or.reduce([truth[label] for label in target.within])
        lungs, made_by = inside, copied_pictures(film, real, inside)
    about: dict[str, Any] = {"case": case.case, "subject": case.subject, "matched_by": "floor"}
    for way, made in made_by.items():
        for region, measures in picture_measures(made, real, lungs=lungs, cut=bool(target.within)):
            yield Score(structure=f"{target.name}:{way}", region=region, **about, **measures)
