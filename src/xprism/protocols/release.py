"""Releasing a model: what a run knows and what its makers state, joined into a model folder."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path

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
    curves: Sequence[Score] = (),
) -> Card:
    """Write a run as a model folder whose card carries the statement and what a cross-validation gave.

    ``scores`` are of masks, ``curves`` points of free-response curves as ``read_curves`` returns them.
    """
    cases = all_cases(run.recipe)
    machine = json.loads((run.folder / "environment.json").read_text(encoding="utf-8"))
    draft = draft_card(run)
    stated = statement.model_dump(exclude={"data"}) if statement else {}
    hardware = (
        f"{machine['processor'] if machine['device'] == 'cpu' else machine['device']}, {machine['threads']} threads"
    )
    told = {"hardware": hardware} | ({"data": statement.data} if statement else {})
    record = draft.training.model_copy(update=told)
    folds = len(set(folds_of(run.recipe).values()))
    whole = {case.case for case in cases} <= {score.case for score in scores}
    protocol = f"{folds}-fold cross-validation" if whole else "held-out films"
    summary = summarise(scores, cases, protocol=f"{protocol} at the film's own size")
    card = Card.model_validate(draft.model_dump() | stated | {"training": record, "scores": (*summary, *curves)})
    return export_model(run, folder, licence=licence, card=card, check=check_films(run.recipe))
