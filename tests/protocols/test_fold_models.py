"""A cross-validation is scored as a whole: every case by the model that did not learn from it."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

import tiny_models
from xprism.cli.app import app
from xprism.data.manifest import Case, write_manifest
from xprism.targets import Masks, TargetSet

LUNGS = TargetSet(targets=(Masks(name="organs", labels=("lungs",)),))


@pytest.fixture
def folds(tmp_path: Path) -> Path:
    """Two folds: the model of the first finds the upper half, that of the second the lower one; truth is the upper."""
    truth = np.zeros((64, 64), np.uint8)
    truth[:32] = 255
    Image.fromarray(truth).save(tmp_path / "truth.png")
    cases = []
    for k in range(5):
        Image.fromarray(tiny_models.drawn_film(seed=k)).save(tmp_path / f"film{k}.png")
        cases.append(Case(f"c{k}", f"s{k}", tmp_path / f"film{k}.png", masks={"lungs": tmp_path / "truth.png"}))
    write_manifest(tmp_path / "all.csv", cases)
    for fold, held in enumerate((cases[:2], cases[2:4])):
        run = tmp_path / "folds" / f"fold-{fold}"
        run.mkdir(parents=True)
        (run / "checkpoint.pt").touch()
        write_manifest(run / "held-out.csv", held)
        found = np.full((1, 64, 64), -8, np.float32)
        found[0, slice(0, 32) if fold == 0 else slice(32, 64)] = 8
        tiny_models.write_model(run / "model", found, LUNGS, gate="none")
    return tmp_path / "folds"


def evaluate(folds: Path) -> Result:
    out = folds.parent / "scores"
    return CliRunner().invoke(
        app, ["evaluate", str(folds), str(folds.parent / "all.csv"), "-o", str(out), "--no-figures"]
    )


def test_each_case_is_predicted_by_the_model_of_its_own_fold(folds: Path) -> None:
    done = evaluate(folds)
    assert done.exit_code == 3, done.output  # c4 was in no fold
    with (folds.parent / "scores" / "cases.csv").open(newline="") as stream:
        dice = {row["case"]: float(row["dice"]) for row in csv.DictReader(stream)}
    assert set(dice) == {"c0", "c1", "c2", "c3"}
    assert min(dice["c0"], dice["c1"]) > 0.9
    assert max(dice["c2"], dice["c3"]) < 0.1


def test_a_case_that_no_fold_held_out_is_named(folds: Path) -> None:
    evaluate(folds)
    with (folds.parent / "scores" / "errors.csv").open(newline="") as stream:
        (error,) = csv.DictReader(stream)
    assert error["case"] == "c4"
    assert "no fold held this case out" in " ".join(error.values())


def test_a_fold_without_its_list_is_an_error_that_names_it(folds: Path) -> None:
    (folds / "fold-1" / "held-out.csv").unlink()
    failed = evaluate(folds)
    assert failed.exit_code != 0
    assert "held-out.csv" in str(failed.exception) + failed.output
