"""The recipes of U-Net, auto-encoder and SCAN say what is known of them, in every profile."""

from pathlib import Path

import pytest
import torch

from xprism.targets import Picture
from xprism.training.recipe import Recipe
from xprism.training.recipe_file import load_recipe
from xprism.training.runs import build_network

HOME = Path(__file__).parents[2] / "recipes" / "reproduce"
FILMS = 247


def _recipe(name: str, profile: str | None = None) -> Recipe:
    return load_recipe(HOME / f"{name}.yaml", profile=profile)


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("unet/unet", 31_031_875),
        ("autoencoder/autoencoder", 64_400),
        ("autoencoder/full", 64_400),
        ("rivals/scan", 272_030),
    ],
)
def test_a_rival_has_its_stated_size(name: str, weights: int) -> None:
    with torch.device("meta"):
        assert sum(p.numel() for p in build_network(_recipe(name)).parameters()) == weights


@pytest.mark.parametrize("name", ["unet/unet", "autoencoder/autoencoder", "rivals/scan"])
def test_films_are_scaled_and_shown_as_for_mtdg(name: str) -> None:
    own, theirs = _recipe(name).input, _recipe("mtdg/mtdg").input
    assert own.model_copy(update={"size": theirs.size}) == theirs


def test_unet_learns_for_48_epochs_at_most_with_a_tenth_of_the_subjects_set_aside() -> None:
    recipe = _recipe("unet/unet")
    assert recipe.validation is not None
    learnt_from = FILMS - FILMS // recipe.data.folds
    epoch = 5 * (learnt_from - round(recipe.validation.share * learnt_from))
    assert 47 <= recipe.schedule.steps * recipe.schedule.batch / epoch <= 48.01
    assert recipe.validation.measure == "dice"


def test_the_auto_encoder_learns_as_published() -> None:
    recipe = _recipe("autoencoder/autoencoder")
    loss, schedule = recipe.objective.supervised, recipe.schedule
    assert (loss.ms_ssim, loss.mse, loss.l1) == (0.84, 0.16, 0)
    assert (schedule.steps, schedule.batch, schedule.learning_rate) == (150 * 800, 5, 1e-3)
    assert schedule.decline == ((100 * 800, 0.75),)


def test_the_whole_picture_is_learnt_in_the_second_recipe_of_the_auto_encoder() -> None:
    for profile in (None, "smoke"):
        cut, whole = (_recipe(f"autoencoder/{name}", profile) for name in ("autoencoder", "full"))
        assert [target.within for target in cut.targets if isinstance(target, Picture)] == [("left_lung", "right_lung")]
        assert [target.within for target in whole.targets if isinstance(target, Picture)] == [()]
        assert whole.model_copy(update={"name": cut.name, "targets": cut.targets}) == cut
