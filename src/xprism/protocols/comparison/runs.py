"""Folders that ``xprism reproduce`` wrote, as comparisons read them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from xprism.card import Card, sha256_of
from xprism.data.manifest import Case, read_manifest
from xprism.errors import DataError, ModelError
from xprism.evaluation.class_rows import ClassRow, ClassSummaryRow
from xprism.evaluation.scores import Score
from xprism.evaluation.statistics import refuse_copies
from xprism.evaluation.summary import SummaryRow, averaged
from xprism.evaluation.tables import read_csv
from xprism.protocols.published import full_name
from xprism.targets import UNIONS, Picture

_AGAIN = "give a folder that 'xprism reproduce' has finished"
Number = Annotated[int, Field(ge=0)]
Row = TypeVar("Row", bound=Any)


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class Parameters(_Part):
    """Weights of the network that predicts, and of the discriminator that only training needs."""

    network: Number
    discriminator: Number = 0


class Films(_Part):
    """How many films trained, and how many were held out."""

    training: Number
    held_out: Number


class Facts(_Part):
    """``experiment.json``: what was run. ``system`` is its name in the published tables, or None."""

    schema_: Literal["xprism.experiment"] = Field(alias="schema")
    schema_version: Literal[1]
    experiment: str
    profile: str
    system: str | None
    parameters: Parameters
    epochs: float
    minutes: float
    folds: tuple[int, ...]
    of_folds: int
    hardware: str
    input: tuple[int, int]
    films: Films
    data: Literal["simulated", "manifests"]
    settings: dict[str, str] = Field(default_factory=dict)


@dataclass(frozen=True)
class RunFolder:
    """One experiment: its facts, held-out cases, their scores, floors, and the folder of the fold of each case.

    ``label`` tells it from the others of a comparison.
    """

    folder: Path
    label: str
    facts: Facts
    cases: tuple[Case, ...]
    scores: tuple[Score, ...]
    summary: tuple[SummaryRow, ...]
    floors: tuple[SummaryRow, ...]
    fold_of: Mapping[str, Path]
    class_films: tuple[ClassRow, ...] = ()
    class_summary: tuple[ClassSummaryRow, ...] = ()

    @property
    def structures(self) -> tuple[str, ...]:
        """The structures that an average is over; empty for an experiment without masks."""
        return averaged(self.scores, UNIONS)

    @property
    def pictures(self) -> tuple[str, ...]:
        """The pictures that were scored."""
        return tuple(dict.fromkeys(score.structure for score in self.scores if score.region))

    @cached_property
    def uncut(self) -> frozenset[str]:
        """Pictures that show the whole frame, where the published ones are zero outside the lungs."""
        found: set[str] = set()
        for fold in set(self.fold_of.values()):
            try:
                targets = Card.load(fold / "model").targets
            except ModelError:
                continue
            found |= {one.name for one in targets if isinstance(one, Picture) and not one.within}
        return frozenset(found)

    @cached_property
    def films(self) -> dict[str, str]:
        """The sha256 of each case's film; empty where the film is not at hand."""
        return {case.case: sha256_of(case.film) if case.film.is_file() else "" for case in self.cases}

    def row(self, structure: str, measure: str, region: str = "") -> SummaryRow | None:
        """One row of the summary, None where nothing was measured."""
        about = (structure, region, measure)
        return next((one for one in self.summary if (one.structure, one.region, one.measure) == about and one.n), None)


def open_runs(folders: Sequence[Path]) -> tuple[RunFolder, ...]:
    """Read experiments and name them apart.

    Raises ``DataError`` for a folder that holds none, that is not finished, or whose cases are copies of films.
    """
    runs = [_open(folder) for folder in folders]
    short = [full_name(run.facts.experiment).split("/", 1)[1] for run in runs]
    often = Counter(short)
    labels = [
        f"{name} ({run.folder.resolve().name})" if often[name] > 1 else name
        for name, run in zip(short, runs, strict=True)
    ]
    still = Counter(labels)
    numbered = [f"{label}, {k}" if still[label] > 1 else label for k, label in enumerate(labels, start=1)]
    return tuple(replace(run, label=label) for run, label in zip(runs, numbered, strict=True))


def shared_cases(first: RunFolder, second: RunFolder) -> frozenset[str]:
    """Cases that both runs held out: the same name and the same film."""
    mine, others = first.films, second.films
    return frozenset(case for case, film in mine.items() if others.get(case) == film)


def _open(folder: Path) -> RunFolder:
    facts = _facts(folder / "experiment.json")
    cases = read_manifest(folder / "held-out.csv")
    refuse_copies(cases)
    scored = folder / "evaluation"
    return RunFolder(
        folder=folder,
        label="",
        facts=facts,
        cases=cases,
        scores=tuple(read_csv(scored / "cases.csv", Score)),
        summary=tuple(read_csv(scored / "summary.csv", SummaryRow)),
        floors=tuple(_rows(folder / "floors.csv", SummaryRow)),
        fold_of=_folds(folder, facts.folds),
        class_films=tuple(_rows(scored / "classes.csv", ClassRow)),
        class_summary=tuple(_rows(scored / "class_summary.csv", ClassSummaryRow)),
    )


def _rows(path: Path, kind: type[Row]) -> Sequence[Row]:
    """The rows of a table that not every evaluation has."""
    return read_csv(path, kind) if path.is_file() else ()


def _facts(path: Path) -> Facts:
    if not path.is_file():
        raise DataError("there is no experiment.json", where=str(path.parent), remedy=_AGAIN)
    try:
        return Facts.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise DataError(f"{place}: {first['msg']}", where=str(path), remedy=_AGAIN) from error


def _folds(folder: Path, folds: Sequence[int]) -> dict[str, Path]:
    """The folder of the fold that held a case out, by case."""
    found: dict[str, Path] = {}
    for fold in (folder / f"fold-{number}" for number in folds):
        listed = fold / "held-out.csv"
        if listed.is_file():
            found |= {case.case: fold for case in read_manifest(listed)}
    return found
