"""The rivals' recipes say what their published tables say, and differ in nothing else."""

from pathlib import Path

import pytest
import torch

from xprism.protocols.published import published
from xprism.training.recipe import Recipe
from xprism.training.recipe_file import load_recipe
from xprism.training.runs import build_network

ROOT = Path(__file__).parents[2]
WEIGHTS = {
    "segnet": 29_444_739,
    "fcn": 32_947_779,
    "pspnet": 46_583_363,
    "deeplab": 40_347_555,
    "invertednet": 3_140_771,
}


def _recipe(name: str, profile: str | None = None) -> Recipe:
    return load_recipe(ROOT / "recipes" / "reproduce" / "rivals" / f"{name}.yaml", profile=profile)


@pytest.mark.parametrize("name", WEIGHTS)
def test_a_rival_has_its_whole_network_and_reduced_ones_in_profiles(name: str) -> None:
    counts = []
    for profile in (None, "cpu", "smoke"):
        with torch.device("meta"):
            network = build_network(_recipe(name, profile))
        counts.append(sum(p.numel() for p in network.parameters()))
    assert counts[0] == WEIGHTS[name]
    assert counts == sorted(counts, reverse=True)


@pytest.mark.parametrize("name", ["segnet", "fcn", "invertednet"])
def test_a_rival_is_trained_as_its_published_row_says(name: str) -> None:
    rows = [row for row in published() if f"rivals/{name}" in row.experiments]
    recipe = _recipe(name)
    height, width = recipe.input.size
    assert {row.protocol for row in rows} == {f"{recipe.data.folds}-fold"}
    assert {row.resolution for row in rows} == {f"{height}x{width}"}
    assert {row.augmentation for row in rows} == {"none"}
    assert recipe.augment is None
    assert recipe.data.hold_out is None


def test_rivals_differ_in_their_networks_only() -> None:
    segnet = _recipe("segnet")
    for name in ("fcn", "pspnet", "deeplab"):
        own = {"name": name, "network": _recipe(name).network}
        assert _recipe(name) == segnet.model_copy(update=own)


def test_invertednet_learns_by_dice_alone() -> None:
    objective = _recipe("invertednet").objective.supervised
    assert (objective.cross_entropy, objective.dice) == (0, 1)
