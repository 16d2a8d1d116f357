"""SMANet trains as any network of a recipe: on a map of classes, on films whose sides need not divide."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from xprism.data.manifest import Case, write_manifest
from xprism.networks import SMANet
from xprism.training.loop import train
from xprism.training.recipe import Recipe
from xprism.training.recipe_file import load_recipe
from xprism.training.runs import build_network, load_run

RECIPE = """
name: smanet
data: {manifests: [films.csv]}
targets: [{kind: classes, name: chest, labels: [background, right_lung, left_lung, heart]}]
input: {size: [33, 33]}
network: {kind: smanet, layers: [1, 1, 1, 1], width: 4}
objective: {kind: supervised, cross_entropy: 1, dice: 0}
augment: null
schedule: {steps: 8, batch: 3, warmup: 0, decline: constant, ema: 0, threads: 1, precision: 32-true}
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    """Three films of bright bands on a dark ground, one band a class."""
    cases = []
    for number in range(3):
        labels = np.repeat(np.arange(33) // 9, 33).reshape(33, 33).T.astype(np.uint8)
        labels = np.roll(labels, number, axis=1)
        paths = [tmp_path / f"{kind}{number}.png" for kind in ("film", "labels")]
        for path, picture in zip(paths, (70 * labels, labels), strict=True):
            Image.fromarray(picture.astype(np.uint8)).save(path)
        about = {"polarity": "display"}
        cases.append(Case(f"c{number}", f"s{number}", paths[0], classes={"chest": paths[1]}, attributes=about))
    write_manifest(tmp_path / "films.csv", cases)
    (tmp_path / "smanet.yaml").write_text(RECIPE)
    return load_recipe(tmp_path / "smanet.yaml")


def test_a_run_learns_classes_by_cross_entropy_alone(recipe: Recipe, tmp_path: Path) -> None:
    train(recipe, tmp_path / "run")
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    losses = [line["loss"] for line in lines if "loss" in line]
    # Even odds for four classes cost log 4.
    assert losses[0] == pytest.approx(np.log(4), abs=0.6)
    assert losses[-1] < losses[0]
    assert isinstance(load_run(tmp_path / "run").network, SMANet)


def test_a_recipe_names_the_context(recipe: Recipe) -> None:
    network = recipe.network.model_copy(update={"context": "psp"})
    names = {name for name, _ in build_network(recipe.model_copy(update={"network": network})).named_parameters()}
    assert any(name.startswith("context.levels") for name in names)
    assert not any(name.startswith("context.weigh") for name in names)
