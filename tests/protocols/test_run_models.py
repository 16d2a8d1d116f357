"""A training is evaluated as it is: its model is exported when needed, and films that chose its weights are known."""

from __future__ import annotations

import csv
import os
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from xprism.card import Card
from xprism.cli.app import app
from xprism.data.manifest import Case, read_manifest, write_manifest
from xprism.protocols.run_models import chose_weights, is_run, model_of
from xprism.training.loop import train
from xprism.training.recipe import Recipe

RECIPE = {
    "name": "tiny",
    "data": {"folds": 2, "hold_out": 0},
    "targets": [{"kind": "classes", "name": "tissue", "labels": ["open_beam", "soft_tissue", "bone"]}],
    "input": {"size": [16, 16]},
    "network": {"kind": "xnet", "width": 2},
    "augment": None,
    "schedule": {"steps": 1, "batch": 2, "threads": 1},
    "validation": {"share": 0.5, "every": 1, "measure": "loss"},
}


def evaluate(*words: str | Path) -> Result:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return CliRunner().invoke(app, ["evaluate", *(str(word) for word in words), "--no-figures"])


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    rng, cases = np.random.default_rng(0), []
    for k in range(8):
        truth = np.repeat(np.repeat(rng.integers(0, 3, (4, 4)), 4, 0), 4, 1).astype(np.uint8)
        Image.fromarray(truth).save(folder / f"tissue{k}.png")
        Image.fromarray(100 * truth + rng.integers(0, 50, truth.shape, np.uint8)).save(folder / f"film{k}.png")
        cases.append(Case(f"c{k}", f"s{k}", folder / f"film{k}.png", classes={"tissue": folder / f"tissue{k}.png"}))
    write_manifest(folder / "manifest.csv", cases)
    data = RECIPE["data"] | {"manifests": [folder / "manifest.csv"]}
    train(Recipe.model_validate(RECIPE | {"data": data}), folder / "run")
    return folder / "run"


def test_a_training_is_exported_once_and_scored_on_both_kinds_of_films(run: Path, tmp_path: Path) -> None:
    assert is_run(run)
    done = evaluate(run, run / "held-out.csv", "-o", tmp_path / "e")
    assert done.exit_code == 0, done.output
    with (tmp_path / "e" / "classes.csv").open(newline="") as stream:
        films = {(row["case"], row["films"]) for row in csv.DictReader(stream)}
    tested, watched = (read_manifest(run / f"{name}.csv") for name in ("held-out", "validation"))
    assert len(tested) == 4
    assert films == {(c.case, "test") for c in tested} | {(c.case, "validation") for c in watched}
    weights = run / "model" / "model.onnx"
    written = weights.stat().st_mtime_ns
    assert model_of(run) == run / "model"
    assert weights.stat().st_mtime_ns == written
    later = weights.stat().st_mtime + 10
    os.utime(run / "checkpoint.pt", (later, later))  # as if training had gone on
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model_of(run)
    assert weights.stat().st_mtime_ns != written


def test_only_class_maps_are_scored_on_films_that_chose_the_weights(run: Path, tiny_model: Path) -> None:
    assert not is_run(tiny_model)
    assert chose_weights(run, tiny_model) == ()
    assert Card.load(tiny_model).targets.targets[0].kind == "masks"
    assert chose_weights(tiny_model, tiny_model) == ()
