"""A data set of simulated films small enough to train on in seconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from xprism.data.manifest import Case, write_manifest
from xprism.training.recipe import Recipe
from xprism.training.recipe_file import load_recipe

RECIPE = """
name: tiny
data: {manifests: [tiny.csv], folds: 3, hold_out: 0}
targets:
  - {kind: masks, name: organs, labels: [right_lung, left_lung], unions: {lungs: [right_lung, left_lung]}}
input: {size: [32, 32]}
network: {kind: compact_unet, widths: [8, 8, 8], blocks: [0, 0, 0]}
schedule: {steps: 6, batch: 4, warmup: 2, checkpoint_every: 2, threads: 1, precision: 32-true}
"""


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Manifest of nine films 40 x 48 with two dark discs; a third of the cases know only their union."""
    folder = tmp_path_factory.mktemp("tiny")
    rows, columns = np.mgrid[:40, :48]
    cases = []
    for k in range(9):
        rng = np.random.default_rng(k)
        right, left = (np.hypot(rows - 20 - rng.normal(0, 2), columns - c - rng.normal(0, 2)) < 8 for c in (14, 34))
        film = 200 - 120 * (right | left) + rng.normal(0, 5, right.shape)
        paths = {name: folder / f"{name}{k}.png" for name in ("film", "flags", "lungs")}
        Image.fromarray(film.clip(0, 255).astype(np.uint8)).save(paths["film"])
        Image.fromarray((right * 1 + left * 2).astype(np.uint8)).save(paths["flags"])
        Image.fromarray(((right | left) * 255).astype(np.uint8)).save(paths["lungs"])
        shared = {"polarity": "display", "source": "discs"}
        if k % 3:
            cases.append(Case(f"c{k}", f"s{k}", paths["film"], paths["flags"], attributes=shared))
        else:
            cases.append(Case(f"c{k}", f"s{k}", paths["film"], masks={"lungs": paths["lungs"]}, attributes=shared))
    write_manifest(folder / "tiny.csv", cases)
    (folder / "tiny.yaml").write_text(RECIPE)
    return folder


@pytest.fixture
def tiny_recipe(tiny_data: Path) -> Recipe:
    """The recipe of the tiny data set."""
    return load_recipe(tiny_data / "tiny.yaml")
