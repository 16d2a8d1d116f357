"""Recipes are checked before anything runs, and say what to write instead."""

from pathlib import Path

import pytest

from xprism.errors import RecipeError
from xprism.training.recipe import load_recipe


def test_settings_can_be_changed_by_path(tiny_data: Path) -> None:
    recipe = load_recipe(tiny_data / "tiny.yaml", changes=("schedule.steps=9", "data.hold_out=null", "augment.gamma=0"))
    assert (recipe.schedule.steps, recipe.data.hold_out, recipe.augment.gamma) == (9, None, 0)


def test_manifests_are_found_beside_the_recipe(tiny_data: Path) -> None:
    assert load_recipe(tiny_data / "tiny.yaml").data.manifests == (tiny_data / "tiny.csv",)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("schedule.steps=-1", "schedule.steps: .*greater than 0"),
        ("schedule.speed=3", "schedule.speed: Extra"),
        ("data.hold_out=3", "hold_out must be null or 0 to 2"),
        ("input.size=[30, 32]", "multiples of 8"),
        ("schedule", "write --set key.path=value"),
        ("name.first=x", "holds no settings"),
    ],
)
def test_a_wrong_setting_is_named(tiny_data: Path, change: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        load_recipe(tiny_data / "tiny.yaml", changes=(change,))


def test_files_that_are_no_recipe_are_refused(tmp_path: Path) -> None:
    (tmp_path / "list.yaml").write_text("- a\n- b\n")
    (tmp_path / "broken.yaml").write_text("a: [b\n")
    for name, message in {"list": "mapping", "broken": "not valid YAML", "none": "no such recipe"}.items():
        with pytest.raises(RecipeError, match=message):
            load_recipe(tmp_path / f"{name}.yaml")


def test_the_recipe_of_the_shipped_model_is_valid() -> None:
    recipe = load_recipe(Path(__file__).parents[2] / "recipes" / "practical" / "organs.yaml")
    assert recipe.targets.channels == 5
