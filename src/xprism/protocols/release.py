"""Releasing a model: what a run knows and what its makers state, joined into a model folder."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from xprism.card import Card, Score
from xprism.errors import DataError, RecipeError
from xprism.evaluation.cases import CaseScore
from xprism.protocols.crossval import check_films, draft_card, summarise
from xprism.training.cases import all_cases, folds_of
from xprism.training.export import export_model
from xprism.training.runs import Run

_CURVES = ("all", "in lungs", "outside lungs")
_OF_CLASSES = {"f1": "F1", "auc": "area under the curve"}


class Statement(BaseModel):
    """What only the makers can say of a model; a YAML file beside its recipe."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    version: str
    summary: str
    intended_use: str
    gate: str = "none"
    data: tuple[str, ...]
    licence: str
    known_failures: tuple[str, ...] = ()


def load_statement(path: Path) -> Statement:
    """Read a statement. Raises ``RecipeError`` naming what is missing or wrong."""
    try:
        return Statement.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise RecipeError("no such statement", where=str(path)) from None
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise RecipeError(wrong, where=str(path)) from None


@dataclass(frozen=True)
class Measured:
    """What an evaluation says of a model: figures for its card, and by target what was chosen for its use."""

    scores: tuple[Score, ...] = ()
    chosen: dict[str, dict[str, Any]] = field(default_factory=dict)


def read_evaluation(folder: Path, *, thresholds: bool = False) -> Measured:
    """The figures of ``folder``, as ``xprism evaluate`` writes it: of lesions, and of classes with their temperature.

    ``thresholds`` takes those of classes over as well, which trade false pixels for missed ones. Raises ``DataError``
    where the folder holds neither.
    """
    lesions, classes = folder / "froc.csv", folder / "class_summary.csv"
    if not lesions.is_file() and not classes.is_file():
        raise DataError(
            "holds no figures of lesions or classes",
            where=str(folder),
            remedy="give a folder that evaluate has written",
        )
    scores = (
        *(read_curves(lesions) if lesions.is_file() else ()),
        *(_of_classes(classes) if classes.is_file() else ()),
    )
    return Measured(scores, _chosen(folder / "evaluation.json", thresholds=thresholds) if classes.is_file() else {})


def _of_classes(path: Path) -> Iterator[Score]:
    """F1 and area under the curve of every class and of all, on the films of the test, at temperature 1."""
    with path.open(newline="", encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["films"] == "test" and float(row["temperature"]) == 1]
    for row in rows:
        if row["measure"] in _OF_CLASSES:
            low, high = float(row["interval_low"]), float(row["interval_high"])
            yield Score(
                measure=_OF_CLASSES[row["measure"]],
                structure=f"{row['target']}, {row['label'].replace('_', ' ')}",
                mean=round(float(row["pooled"]), 4),
                films=int(row["n"]),
                protocol=f"pixels of all films, 95 % interval {low:.3f} to {high:.3f}",
            )


def _chosen(path: Path, *, thresholds: bool) -> dict[str, dict[str, Any]]:
    targets = json.loads(path.read_text(encoding="utf-8"))["classes"]
    kept = ("temperature", "thresholds", "part_thresholds") if thresholds else ("temperature",)
    return {
        name: {key: value for key, value in one["for_card"].items() if key in kept} for name, one in targets.items()
    }


def read_curves(path: Path, *, rates: Sequence[float] = (1, 2)) -> tuple[Score, ...]:
    """Sensitivities at these rates of false findings a film, of all lesions and inside and outside the lungs.

    ``path`` is the ``froc.csv`` of an evaluation. Raises ``DataError`` where it is none.
    """
    wanted = {f"{rate:g}" for rate in rates}
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            rows = [row for row in csv.DictReader(stream) if row["group"] in _CURVES]
        return tuple(_point(row) for row in rows if row["at_false_per_film"] in wanted)
    except (OSError, KeyError, ValueError) as error:
        raise DataError(f"cannot be read: {error}", where=str(path), remedy="give froc.csv of an evaluation") from None


def _point(row: dict[str, str]) -> Score:
    low, high = float(row["interval_low"]), float(row["interval_high"])
    return Score(
        measure=f"sensitivity at {float(row['at_false_per_film']):g} false findings a film",
        structure=row["label"] if row["group"] == "all" else f"{row['label']}, {row['group']}",
        mean=round(float(row["sensitivity"]), 4),
        films=int(row["films"]),
        protocol=f"{row['lesions']} lesions, 95 % interval {low:.2f} to {high:.2f}",
    )


def release(
    run: Run,
    folder: Path | str,
    *,
    statement: Statement | None = None,
    licence: Path | None = None,
    scores: Sequence[CaseScore] = (),
    measured: Measured | None = None,
) -> Card:
    """Write a run as a model folder whose card carries the statement and what was measured.

    ``scores`` are of masks, by a cross-validation; ``measured`` comes of an evaluation, and what was chosen there
    becomes the model's own.
    """
    measured = measured or Measured()
    cases = all_cases(run.recipe)
    machine = json.loads((run.folder / "environment.json").read_text(encoding="utf-8"))
    draft = draft_card(run)
    stated = statement.model_dump(exclude={"data"}) if statement else {}
    hardware = (
        f"{machine['processor'] if machine['device'] == 'cpu' else machine['device']}, {machine['threads']} threads"
    )
    known = {"hardware": hardware} | ({"data": statement.data} if statement else {})
    record = draft.training.model_copy(update=known)
    folds = len(set(folds_of(run.recipe).values()))
    whole = {case.case for case in cases} <= {score.case for score in scores}
    protocol = f"{folds}-fold cross-validation" if whole else "held-out films"
    summary = summarise(scores, cases, protocol=f"{protocol} at the film's own size")
    targets = [one.model_dump() | measured.chosen.get(one.name, {}) for one in draft.targets]
    told = {"training": record, "scores": (*summary, *measured.scores), "targets": {"targets": targets}}
    card = Card.model_validate(draft.model_dump() | stated | told)
    return export_model(run, folder, licence=licence, card=card, check=check_films(run.recipe))
