"""A paper's experiment by its name: data, training, scores on what was held out, and the floors beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

import xprism
from xprism.data.manifest import Case, write_manifest
from xprism.errors import RecipeError
from xprism.evaluation.floors import copied_pictures
from xprism.evaluation.scores import Score, picture_measures, true_levels
from xprism.evaluation.summary import SummaryRow, summarise
from xprism.evaluation.tables import write_csv
from xprism.protocols.crossval import check_films, draft_card, holding_out
from xprism.protocols.evaluate import Evaluation, evaluate, write_evaluation
from xprism.protocols.predictions import ModelSource
from xprism.protocols.scoring import truth_on
from xprism.targets import Picture
from xprism.training.cases import folds_of, held_out_cases, with_films
from xprism.training.export import export_model
from xprism.training.loop import train
from xprism.training.recipe import Recipe
from xprism.training.recipe_file import load_recipe
from xprism.training.runs import Run

_PLACES = (Path(xprism.__file__).parent / "recipes", Path(xprism.__file__).parents[2] / "recipes")
SEED = 0


@dataclass(frozen=True)
class Reproduction:
    """What came out: scores of every held-out case, the floors of pictures, and the runs behind them."""

    evaluation: Evaluation
    floors: list[SummaryRow]
    runs: tuple[Run, ...]
    folder: Path


def experiments() -> dict[str, Path]:
    """The recipes of papers by name: ``mtdg/mt`` is a file, ``mtdg`` is short for ``mtdg/mtdg``."""
    home = next((place / "reproduce" for place in _PLACES if (place / "reproduce").is_dir()), None)
    if home is None:
        return {}
    found = {}
    for path in sorted(home.rglob("*.yaml")):
        name = path.relative_to(home).with_suffix("").as_posix()
        found[name] = path
        if path.stem == path.parent.name:
            found[path.stem] = path
    return found


def find_recipe(name: str) -> Path:
    """The recipe of an experiment. Raises ``RecipeError`` that lists them for an unknown name."""
    known = experiments()
    if name not in known:
        raise RecipeError(f"there is no experiment {name!r}", remedy=f"choose one of {', '.join(known)}")
    return known[name]


def experiment(
    name: str, folder: Path, *, profile: str | None, manifests: Sequence[Path] = (), changes: Sequence[str] = ()
) -> Recipe:
    """The recipe of an experiment, on ``manifests`` if given, else on films simulated in ``folder`` if it says so."""
    if manifests:
        listed = ", ".join(f"'{Path(one).resolve()}'" for one in manifests)
        changes = (*changes, f"data.manifests=[{listed}]")
    recipe = load_recipe(find_recipe(name), profile=None if profile == "full" else profile, changes=tuple(changes))
    return with_films(recipe, folder)


def reproduce(recipe: Recipe, folder: Path, *, on_case: Callable[[str], None] = lambda case: None) -> Reproduction:
    """Train the held-out fold of ``recipe``, or every fold where none is named, and score what was held out.

    Trainings that are finished in ``folder`` are not run again. Writes ``fold-k/`` (run and model), ``evaluation/``
    and, where pictures are made, ``floors.csv``.
    """
    chosen = recipe.data.hold_out
    folds = sorted(set(folds_of(recipe).values())) if chosen is None else [chosen]
    runs, parts = [], []
    for fold in folds:
        part = holding_out(recipe, fold)
        run = train(part, folder / f"fold-{fold}", resume=True)
        cases, model = held_out_cases(part), run.folder / "model"
        export_model(run, model, licence=None, card=draft_card(run), check=check_films(part))
        parts.append(evaluate(cases, ModelSource(str(model), runtime="onnx", clean=False, force=True), on_case=on_case))
        runs.append(run)
    found = _together(parts)
    manifest = folder / "held-out.csv"
    write_manifest(manifest, found.cases)
    write_evaluation(found, folder / "evaluation", manifest=manifest, overwrite=True)
    floors = floors_of(recipe, found.cases)
    if floors:
        write_csv(folder / "floors.csv", SummaryRow, floors)
    return Reproduction(found, floors, tuple(runs), folder)


def floors_of(recipe: Recipe, cases: Iterable[Case]) -> list[SummaryRow]:
    """Scores of the film itself in place of each picture that is cut to the lungs; ``structure`` names the way."""
    scores: list[Score] = []
    for target in recipe.targets:
        if not isinstance(target, Picture) or not target.within:
            continue
        for case in cases:
            shown = case.load_film()
            truth = truth_on((int(shown.shape[0]), int(shown.shape[1])), case.load_truth())
            real = true_levels(target, truth)
            film = true_levels(target.model_copy(update={"within": ()}), {target.name: shown})
            if real is None or film is None:
                continue
            lungs = np.logical_or.reduce([truth[label] for label in target.within])
            for way, made in copied_pictures(film, real, lungs).items():
                for region, measures in picture_measures(made, real, lungs=lungs):
                    about: dict[str, Any] = {"case": case.case, "subject": case.subject, "matched_by": "floor"}
                    scores.append(Score(structure=f"{target.name}:{way}", region=region, **about, **measures))
    return summarise(scores, unions={}, expected={}, generator=np.random.default_rng(SEED))


def _together(parts: Sequence[Evaluation]) -> Evaluation:
    """One evaluation of several folds, each predicted by its own model."""
    first = parts[0]
    if len(parts) == 1:
        return first
    joined = replace(
        first,
        cases=[case for part in parts for case in part.cases],
        scores=[score for part in parts for score in part.scores],
        problems=[problem for part in parts for problem in part.problems],
        predicted={name for part in parts for name in part.predicted},
        resized=[name for part in parts for name in part.resized],
        known={name: known for part in parts for name, known in part.known.items()},
        unknown=[name for part in parts for name in part.unknown],
    )
    joined.summary = summarise(
        joined.scores,
        unions=first.source.unions,
        expected=joined.known,
        generator=np.random.default_rng(SEED),
    )
    return joined
