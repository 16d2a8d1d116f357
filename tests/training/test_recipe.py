"""Recipes are checked before anything runs, and errors name the line and what to write instead."""

from pathlib import Path

import pytest
import yaml

from xprism.errors import RecipeError
from xprism.training.recipe_file import load_recipe

ROOT = Path(__file__).parents[2]


def test_settings_can_be_changed_by_path(tiny_data: Path) -> None:
    recipe = load_recipe(tiny_data / "tiny.yaml", changes=("schedule.steps=9", "data.hold_out=null", "augment.gamma=0"))
    assert (recipe.schedule.steps, recipe.data.hold_out, recipe.augment.gamma) == (9, None, 0)


def test_manifests_are_found_beside_the_recipe(tiny_data: Path) -> None:
    assert load_recipe(tiny_data / "tiny.yaml").data.manifests == (tiny_data / "tiny.csv",)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("schedule.steps=-1", "--set schedule.steps=-1: schedule.steps: .*greater than 0, not -1"),
        ("schedule.stepz=3", "schedule.stepz: there is no such setting; did you mean 'steps'"),
        (
            "network.breadth=3",
            "network.breadth: there is no such setting; there are blocks, gated, in_channels, kind, widths",
        ),
        ("network={kind: resnet}", "network: .*'compact_unet', 'unet', 'pix2pix'"),
        ("data.hold_out=3", "hold_out must be null or 0 to 2"),
        ("data.manifests=[]", "name `manifests`, or films to `simulate`"),
        ("data.split=lists", "`split: lists` and `lists` go together"),
        ("input.size=[30, 32]", "multiples of 8"),
        ("objective.weights={hand: 2}", "say which `kind`"),
        (
            "objective={kind: supervised, weights: {hand: 2}}",
            r"names \['hand'\]; there are \('right_lung',",
        ),
        ("objective={kind: adversarial, targets: [hand]}", r"names \['hand'\]; there are \['organs'\]"),
        ("schedule", "write --set key.path=value"),
        ("name.first=x", "holds no settings"),
        ("schedule.steps=[", "cannot read the value"),
    ],
)
def test_a_wrong_setting_is_named(tiny_data: Path, change: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        load_recipe(tiny_data / "tiny.yaml", changes=(change,))


def test_an_error_names_the_line_of_the_file_that_said_it(tiny_data: Path, tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(f"extends: {tiny_data / 'tiny.yaml'}\nschedule:\n  steps: 5\n  batch: none\n")
    (tmp_path / "top.yaml").write_text("extends: base.yaml\n\nnetwork:\n  kind: unet\n  width: 0\n")
    with pytest.raises(RecipeError) as error:
        load_recipe(tmp_path / "top.yaml")
    assert f"{tmp_path / 'base.yaml'}:4: schedule.batch: " in error.value.what
    assert f"{tmp_path / 'top.yaml'}:5: network.width: " in error.value.what


def test_a_missing_setting_is_placed_where_it_belongs(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text("name: x\ndata: {manifests: [a.csv]}\n\nschedule:\n  batch: 2\n")
    with pytest.raises(RecipeError, match=r"r\.yaml:4: schedule\.steps: this setting is needed"):
        load_recipe(tmp_path / "r.yaml")


def test_a_recipe_that_extends_another_says_only_what_differs(tiny_data: Path, tmp_path: Path) -> None:
    (tmp_path / "top.yaml").write_text(f"extends: {tiny_data / 'tiny.yaml'}\nschedule: {{steps: 11}}\n")
    base, top = load_recipe(tiny_data / "tiny.yaml"), load_recipe(tmp_path / "top.yaml")
    assert top.schedule.steps == 11
    assert top.model_copy(update={"schedule": base.schedule}) == base


def test_another_kind_takes_over_no_settings_of_the_old_one(tiny_data: Path) -> None:
    changed = load_recipe(tiny_data / "tiny.yaml", changes=("network={kind: pix2pix, depth: 3}",))
    assert changed.network.model_dump()["depth"] == 3


def test_paths_belong_to_the_file_that_states_them(tiny_data: Path, tmp_path: Path) -> None:
    above, inner = tmp_path / "top.yaml", tmp_path / "inner"
    inner.mkdir()
    (inner / "base.yaml").write_text(f"extends: {tiny_data / 'tiny.yaml'}\nstart_from: ./run-{{fold}}\n")
    above.write_text("extends: inner/base.yaml\ndata: {manifests: [two.csv, three.csv]}\n")
    recipe = load_recipe(above)
    assert recipe.data.manifests == (tmp_path / "two.csv", tmp_path / "three.csv")
    assert recipe.starting_point == str(inner / "run-0")
    assert load_recipe(above, changes=("start_from=organs",)).starting_point == "organs"


def test_a_profile_lies_on_top(tiny_data: Path, tmp_path: Path) -> None:
    profiles = "profiles:\n  long:\n    schedule:\n      steps: 40\n  bad:\n    name: [1]\n"
    (tmp_path / "r.yaml").write_text(f"extends: {tiny_data / 'tiny.yaml'}\n{profiles}")
    assert load_recipe(tmp_path / "r.yaml").schedule.steps == 6
    assert load_recipe(tmp_path / "r.yaml", profile="long").schedule.steps == 40
    assert load_recipe(tmp_path / "r.yaml", profile="long", changes=("schedule.steps=41",)).schedule.steps == 41
    with pytest.raises(RecipeError, match=r"no profile 'short'.*long, bad"):
        load_recipe(tmp_path / "r.yaml", profile="short")
    with pytest.raises(RecipeError, match=r"r\.yaml:7: name: "):
        load_recipe(tmp_path / "r.yaml", profile="bad")


def test_recipes_in_a_circle_or_of_nothing_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("extends: b.yaml\n")
    (tmp_path / "b.yaml").write_text("name: b\nextends: a.yaml\n")
    (tmp_path / "c.yaml").write_text("name: c\nextends: none.yaml\n")
    with pytest.raises(RecipeError, match="circle"):
        load_recipe(tmp_path / "a.yaml")
    with pytest.raises(RecipeError, match=r"c\.yaml:2: no recipe 'none.yaml' to extend"):
        load_recipe(tmp_path / "c.yaml")


def test_files_that_are_no_recipe_are_refused(tmp_path: Path) -> None:
    (tmp_path / "list.yaml").write_text("- a\n- b\n")
    (tmp_path / "broken.yaml").write_text("a: [b\n")
    for name, message in {"list": "mapping", "broken": "not valid YAML", "none": "no such recipe"}.items():
        with pytest.raises(RecipeError, match=message):
            load_recipe(tmp_path / f"{name}.yaml")


PIPELINES = ROOT / "recipes" / "synthesis"
RECIPES = sorted(
    path
    for path in (ROOT / "recipes").rglob("*.yaml")
    if not path.stem.endswith((".card", ".protocol")) and PIPELINES not in path.parents
)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_the_recipes_that_come_along_are_valid_in_every_profile(path: Path) -> None:
    profiles = yaml.safe_load(path.read_text()).get("profiles", {})
    for profile in (None, *profiles):
        assert load_recipe(path, profile=profile).targets.channels
