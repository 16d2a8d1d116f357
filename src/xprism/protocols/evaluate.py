"""Scoring the predictions of a manifest's cases, and writing what comes out as one folder."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from xprism import __version__
from xprism.data.manifest import Case
from xprism.errors import OutputError, XprismError
from xprism.evaluation.bone_rows import BoneRow, NoduleRow
from xprism.evaluation.cases import OVERLAP, with_derived
from xprism.evaluation.scores import Score
from xprism.evaluation.summary import SummaryRow, summarise
from xprism.evaluation.tables import csv_text
from xprism.protocols.bone_suppression import BoneSuppression
from xprism.protocols.classes import FILES as CLASS_FILES
from xprism.protocols.classes import ClassScores
from xprism.protocols.lesions import FILES as LESION_FILES
from xprism.protocols.lesions import LesionScores
from xprism.protocols.predictions import Source
from xprism.protocols.scoring import Pair, pair, score_pair
from xprism.writers.folder import TEMPORARY

FILES = (
    "cases.csv",
    "summary.csv",
    "bone_suppression.csv",
    "nodule_contrast.csv",
    "evaluation.json",
    "errors.csv",
    "boxplots.png",
    "panels.png",
    *LESION_FILES,
    *CLASS_FILES,
)
"""Everything an evaluation may leave in its folder."""

_SEED = 0


@dataclass(frozen=True)
class Problem:
    """A case, or one structure of it, that was not scored, and why; one row of ``errors.csv``."""

    case: str
    structure: str
    code: str
    cause: str
    remedy: str


@dataclass
class Evaluation:
    """What an evaluation found: scores, their summary, and what was not scored.

    ``known`` names what the truth of each case holds, ``predicted`` what there were predictions of;
    ``unknown`` are cases without any truth, ``resized`` those whose truth had another size than the film.
    ``bones`` has measured the bone-suppressed pictures, if that was asked for; ``lesions`` has judged findings where
    there were any to judge, ``classes`` has counted class maps.
    """

    source: Source
    cases: Sequence[Case]
    scores: list[Score] = field(default_factory=list)
    summary: list[SummaryRow] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    known: dict[str, frozenset[str]] = field(default_factory=dict)
    predicted: set[str] = field(default_factory=set)
    unknown: list[str] = field(default_factory=list)
    resized: list[str] = field(default_factory=list)
    bones: BoneSuppression | None = None
    lesions: LesionScores = field(default_factory=LesionScores)
    classes: ClassScores = field(default_factory=ClassScores)

    @property
    def scored_cases(self) -> set[str]:
        """The cases of which something was scored."""
        of_maps = {film.case for film in self.classes.every} & {case.case for case in self.cases}
        return {score.case for score in self.scores} | {film.case for film in self.lesions.films} | of_maps

    @property
    def scored(self) -> int:
        """How many cases have a score."""
        return len(self.scored_cases)

    @property
    def not_scored(self) -> int:
        """How many cases have no score at all although something is known of them."""
        return len({problem.case for problem in self.problems} - self.scored_cases)

    @property
    def in_part(self) -> int:
        """How many cases were scored, but not in everything that others were."""
        return len({problem.case for problem in self.problems} & self.scored_cases)

    @property
    def by_name(self) -> int:
        """How many cases were scored on the prediction of a film of the same name but other content."""
        maps = {film.case for film in self.classes.every if film.matched_by == "name"}
        return len({score.case for score in self.scores if score.matched_by == "name"} | maps)

    @property
    def never_predicted(self) -> list[str]:
        """What the truth knows somewhere but no prediction has."""
        return sorted(set().union(*self.known.values()) - self.predicted)

    @property
    def exit_code(self) -> int:
        """0 where every case was scored, 3 where some were not or not wholly, 1 where none was."""
        if not self.scored:
            return 1
        return 3 if self.problems else 0


def evaluate(
    cases: Sequence[Case],
    source: Source,
    *,
    bones: BoneSuppression | None = None,
    lesions: LesionScores | None = None,
    classes: ClassScores | None = None,
    on_case: Callable[[str], None] = lambda case: None,
) -> Evaluation:
    """Score the predictions of a source against the truth of cases, each on its film's own grid.

    A case that cannot be scored becomes a ``Problem`` and never stops the rest. ``bones`` measures
    bone-suppressed pictures along the way; ``lesions`` judges findings, by the usual rule where it is not given;
    ``classes`` counts class maps, and knows the films that chose the model's weights, if any, which come first.
    """
    found = Evaluation(source, cases, bones=bones, lesions=lesions or LesionScores(), classes=classes or ClassScores())
    found.classes.fit(lambda use: _through_validation(found, use, on_case))
    for case in cases:
        try:
            _score(found, case)
        except Exception as error:  # one bad case must not stop the others
            found.problems.append(_problem(case.case, error))
        on_case(case.case)
    if bones is not None:
        bones.finish()
    found.lesions.finish(cases)
    found.problems += _structures_missing(found)
    found.summary = summarise(
        found.scores, unions=source.unions, expected=found.known, generator=np.random.default_rng(_SEED)
    )
    return found


def write_evaluation(
    found: Evaluation, out: Path, *, manifest: Path, figures: bool = True, overwrite: bool = False
) -> Path:
    """Write tables and figures into ``out``, complete or not at all, and return it.

    Raises ``OutputError`` where ``out`` holds something and ``overwrite`` is off, or cannot be written.
    """
    check_out(out, overwrite=overwrite)
    try:
        out.absolute().parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=TEMPORARY, dir=out.absolute().parent))
        try:
            made = temporary / "new"
            made.mkdir()
            _fill(found, made, manifest)
            if figures:
                from xprism.protocols.class_figures import draw_classes
                from xprism.protocols.evaluation_figures import draw

                draw(found, made)
                draw_classes(found.classes, found.source, found.cases, made)
            _publish(made, out)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        raise OutputError(
            error.strerror or str(error), where=str(out), remedy="choose a folder you may write to, with space left"
        ) from error
    return out


def check_out(out: Path, *, overwrite: bool, inputs: Sequence[Path] = ()) -> None:
    """Raise ``OutputError`` where ``out`` is one of the ``inputs``, or holds something and ``overwrite`` is off."""
    if out.exists() and any(path.exists() and path.samefile(out) for path in inputs):
        raise OutputError("results cannot go into a folder that is read from", where=str(out), remedy="name another")
    if out.exists() and (not out.is_dir() or (any(out.iterdir()) and not overwrite)):
        raise OutputError("exists already", where=str(out), remedy="name a new folder, or use --overwrite")


def _score(found: Evaluation, case: Case) -> None:
    """Score a case and note what is known and predicted of it."""
    truth = case.load_truth()
    if not (truth or case.lesions):
        found.unknown.append(case.case)
        return
    names = {label: np.zeros((1, 1), bool) for label in truth}
    known = found.known[case.case] = frozenset(with_derived(names, found.source.unions))
    both = pair(case, found.source, truth)
    predicted = {*both.prediction.masks, *both.prediction.pictures, *both.prediction.classes}
    found.predicted |= predicted
    scores = score_pair(both)
    # A picture whose truth is cut to masks that the case does not know is not known itself.
    found.known[case.case] = known - (predicted - {score.structure for score in scores})
    found.scores += scores
    if both.resized:
        found.resized.append(case.case)
    if found.bones is not None:
        found.bones.add(both)
    found.classes.add(both)
    if not (found.lesions.add(both) or truth):
        found.unknown.append(case.case)


def _through_validation(found: Evaluation, use: Callable[[Pair], object], on_case: Callable[[str], None]) -> None:
    """``use`` every film that chose the weights; those that cannot be scored are problems, once."""
    for case in found.classes.validation:
        try:
            use(pair(case, found.source, case.load_truth()))
        except Exception as error:  # one bad case must not stop the others
            problem = _problem(case.case, error)
            found.problems += [problem] if problem not in found.problems else []
        on_case(case.case)


def _structures_missing(found: Evaluation) -> list[Problem]:
    """What was predicted of other cases, but not of one whose truth knows it."""
    failed = {problem.case for problem in found.problems}
    scored = {(score.case, score.structure) for score in found.scores}
    problems = []
    for case in found.known.keys() - failed:
        lacking = {label for label in found.known[case] & found.predicted if (case, label) not in scored}
        # What follows from masks that are missing themselves is not listed again.
        first = {label for label in lacking - {OVERLAP} if not lacking & set(found.source.unions.get(label, ()))}
        problems += [
            Problem(case, label, "missing", f"no prediction of {label}", "add it, or drop it from the manifest")
            for label in first
        ]
    return sorted(problems, key=lambda problem: (problem.case, problem.structure))


def _problem(case: str, error: Exception) -> Problem:
    if isinstance(error, XprismError):
        cause = f"{error.where}: {error.what}" if error.where else error.what
        return Problem(case, "", error.code, cause, error.remedy)
    last = traceback.format_exception_only(error)[-1].strip()
    return Problem(case, "", "internal", last, "report it to the makers of xprism")


def _fill(found: Evaluation, folder: Path, manifest: Path) -> None:
    tables: list[tuple[str, type, Sequence[Any]]] = [
        ("cases.csv", Score, found.scores),
        ("summary.csv", SummaryRow, found.summary),
    ]
    if found.problems:
        tables.append(("errors.csv", Problem, found.problems))
    bones = found.bones
    if bones is not None:
        of_bones = (("bone_suppression.csv", BoneRow, bones.rows), ("nodule_contrast.csv", NoduleRow, bones.nodules))
        tables += [table for table in of_bones if table[2]]
    tables += [*found.lesions.tables, *found.classes.tables]
    for name, kind, records in tables:
        (folder / name).write_text(csv_text(kind, records), encoding="utf-8", newline="")
    text = json.dumps(_record(found, manifest), indent=1, ensure_ascii=False)
    (folder / "evaluation.json").write_text(text + "\n", encoding="utf-8")


def _record(found: Evaluation, manifest: Path) -> dict[str, Any]:
    record = {
        "schema": "xprism.evaluation",
        "schema_version": 1,
        "xprism": __version__,
        "predictions": found.source.facts,
        "manifest": {"file": manifest.name, "sha256": hashlib.sha256(manifest.read_bytes()).hexdigest()},
        "cases": {
            "scored": found.scored,
            "in_part": found.in_part,
            "not_scored": found.not_scored,
            "without_truth": len(found.unknown),
        },
        "unions": {name: list(labels) for name, labels in found.source.unions.items()},
        "truth_resized": found.resized,
        "never_predicted": found.never_predicted,
    }
    if found.bones is not None and found.bones.touched:
        record["bone_suppression"] = found.bones.record
    if found.lesions.films:
        record["lesions"] = found.lesions.record
    if found.classes.films:
        record["classes"] = found.classes.record
    return record


def _publish(made: Path, out: Path) -> None:
    """Bring the finished files to their final place; files of an earlier evaluation go, others stay."""
    if out.is_dir() and not any(out.iterdir()):
        out.rmdir()
    if not out.exists():
        os.rename(made, out)
        return
    for name in FILES:
        if (made / name).exists():
            os.replace(made / name, out / name)
        else:
            (out / name).unlink(missing_ok=True)
