"""A training may begin where a model or another run ended."""

import json
import shutil
import warnings
from pathlib import Path

import pytest
import torch

from xprism.errors import ModelError, RecipeError
from xprism.protocols.release import release
from xprism.training.loop import train
from xprism.training.recipe import Recipe
from xprism.training.runs import Run
from xprism.training.start import starting_network


@pytest.fixture(scope="module")
def made(tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Path]:
    """A short run and the model folder made of it."""
    from xprism.training.recipe_file import load_recipe

    folder = tmp_path_factory.mktemp("start")
    run = train(load_recipe(tiny_data / "tiny.yaml", changes=("schedule.steps=2",)), folder / "run")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        release(run, folder / "model")
    return run, folder / "model"


def _from(recipe: Recipe, start: Path, **changes: object) -> Recipe:
    return recipe.model_copy(update={"start_from": str(start), **changes})


def test_a_model_gives_its_weights(tiny_recipe: Recipe, made: tuple[Run, Path]) -> None:
    run, model = made
    network, fresh = starting_network(_from(tiny_recipe, model))
    assert fresh == ()
    for name, value in run.network.state_dict().items():
        torch.testing.assert_close(network.state_dict()[name].float(), value.float(), atol=2e-3, rtol=2e-3)


def test_other_targets_keep_the_body_and_get_a_fresh_head(tiny_recipe: Recipe, made: tuple[Run, Path]) -> None:
    run, model = made
    one = tiny_recipe.targets.model_validate([{"kind": "masks", "name": "n", "labels": ["heart"]}])
    for start in (model, run.folder):
        network, fresh = starting_network(_from(tiny_recipe, start, targets=one))
        assert fresh == ("head.0.weight", "head.0.bias")
        torch.testing.assert_close(network.stem[1].weight, run.network.stem[1].weight, atol=2e-3, rtol=2e-3)


def test_another_network_is_refused_with_what_to_write(tiny_recipe: Recipe, made: tuple[Run, Path]) -> None:
    wider = tiny_recipe.network.model_copy(update={"widths": (8, 16, 8)})
    for start in (made[1], made[0].folder):
        with pytest.raises(RecipeError, match=r"under network, write widths: \[8, 8, 8\]"):
            starting_network(_from(tiny_recipe, start, network=wider))


def test_what_an_older_card_does_not_name_stands_at_its_default(
    tiny_recipe: Recipe, made: tuple[Run, Path], tmp_path: Path
) -> None:
    shutil.copytree(made[1], tmp_path / "older")
    card = json.loads((tmp_path / "older" / "card.json").read_text())
    assert card["network"].pop("in_channels") == 1
    (tmp_path / "older" / "card.json").write_text(json.dumps(card))
    assert starting_network(_from(tiny_recipe, tmp_path / "older"))[1] == ()
    del card["network"]["widths"]
    (tmp_path / "older" / "card.json").write_text(json.dumps(card))
    with pytest.raises(RecipeError, match=r"write widths: \[16, 32, 64, 128, 192, 192\]"):
        starting_network(_from(tiny_recipe, tmp_path / "older"))


def test_a_model_of_unknown_network_or_name_is_refused(
    tiny_recipe: Recipe, made: tuple[Run, Path], tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match="no model"):
        starting_network(_from(tiny_recipe, tmp_path / "nothing"))
    card = json.loads((made[1] / "card.json").read_text())
    (tmp_path / "card.json").write_text(json.dumps(card | {"network": {}}))
    with pytest.raises(ModelError, match="does not say which network"):
        starting_network(_from(tiny_recipe, tmp_path))


def test_a_training_goes_on_from_a_model(tiny_recipe: Recipe, made: tuple[Run, Path], tmp_path: Path) -> None:
    still = tiny_recipe.schedule.model_copy(update={"steps": 1, "learning_rate": 1e-12, "ema": 0.0})
    run = train(_from(tiny_recipe, made[1], schedule=still), tmp_path / "run")
    for name, value in made[0].network.state_dict().items():
        if "running" not in name and value.is_floating_point():
            torch.testing.assert_close(run.network.state_dict()[name], value, atol=2e-3, rtol=2e-3)
