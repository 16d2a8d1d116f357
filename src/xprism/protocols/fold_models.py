"""A cross-validation as one source of predictions: every case by the model that did not learn from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from xprism.data.manifest import Case, read_manifest
from xprism.errors import DataError
from xprism.protocols.predictions import ModelSource, NoPrediction, Prediction
from xprism.protocols.run_models import is_run, model_of


def folds_of(folder: Path) -> dict[int, Path]:
    """The runs ``fold-K`` of a cross-validation by K; none where the folder holds something else."""
    runs = {path.name.removeprefix("fold-"): path for path in folder.glob("fold-*") if is_run(path)}
    return {int(number): path for number, path in sorted(runs.items()) if number.isdecimal()}


def with_folds(cases: Sequence[Case], folds: dict[int, Path]) -> tuple[Case, ...]:
    """Cases with the attribute ``fold``: that of the run which held them out, nothing where none did."""
    fold = {name: number for number, run in folds.items() for name in _held_out(run)}
    return tuple(
        replace(case, attributes={**case.attributes, "fold": str(fold[case.case])}) if case.case in fold else case
        for case in cases
    )


class FoldsSource:
    """Predicts each case with the model of its ``fold``. Raises ``NoPrediction`` for one that no fold held out."""

    def __init__(self, folds: dict[int, Path], *, runtime: str, clean: bool | None, force: bool) -> None:
        self._models = {
            str(number): ModelSource(str(model_of(run)), runtime=runtime, clean=clean, force=force)
            for number, run in folds.items()
        }
        first = next(iter(self._models.values()))
        self.unions = first.unions
        made_by = {number: one.facts["model"] for number, one in self._models.items()}
        self.facts: dict[str, Any] = first.facts if len(folds) == 1 else first.facts | {"model": made_by}

    def __call__(self, case: Case) -> Prediction:
        fold = case.attributes.get("fold")
        if fold not in self._models:
            raise NoPrediction("no fold held this case out", remedy="drop the case, or score one fold's model with it")
        return self._models[fold](case)


def _held_out(run: Path) -> list[str]:
    listed = run / "held-out.csv"
    if not listed.is_file():
        raise DataError("no held-out.csv", where=str(run), remedy="give a folder that 'xprism crossval' wrote")
    return [case.case for case in read_manifest(listed)]
