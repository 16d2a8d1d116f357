"""Papers' experiments run by name, and learning curves by recipe."""

import csv
import json
import warnings
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from xprism.data.manifest import Case, write_manifest
from xprism.errors import DataError, RecipeError
from xprism.protocols.curve import learning_curve
from xprism.protocols.experiments import experiment, experiments, knows_pictures, members_of
from xprism.protocols.reproduce import reproduce
from xprism.training.cases import held_out_cases, training_cases, with_films
from xprism.training.recipe import Recipe
from xprism.training.recipe_file import load_recipe

RECIPES = Path(__file__).parents[2] / "recipes"


@pytest.fixture(autouse=True)
def _quiet_export() -> None:
    warnings.filterwarnings("ignore", module="torch.*")


def test_experiments_are_the_recipes_of_papers_by_name() -> None:
    known = experiments()
    assert {"mtdg", "mtdg/mtdg", "mtdg/mt", "mtdg/256/st-bones"} <= known.keys()
    assert known["mtdg"] == known["mtdg/mtdg"]
    with pytest.raises(RecipeError, match=r"no experiment 'mtgd'.*mtdg/mt"):
        experiment("mtgd", Path("x"), profile="smoke")


def test_a_series_names_experiments_that_exist(tmp_path: Path) -> None:
    assert set(members_of("ablation")) <= experiments().keys()
    assert members_of("mtdg/mt") == ("mtdg/mt",)
    with pytest.raises(RecipeError, match=r"'ablation' is a series.*mtdg/st-organs"):
        experiment("ablation", tmp_path, profile="smoke")


def test_only_films_with_the_pictures_of_an_experiment_are_said_to_know_them(tmp_path: Path) -> None:
    film = {"case": "a", "subject": "a", "film": tmp_path / "a.png"}
    bare, paired = tmp_path / "bare.csv", tmp_path / "paired.csv"
    write_manifest(bare, [Case(**film)])
    write_manifest(paired, [Case(**film, pictures={"bone_suppressed": tmp_path / "b.png"})])
    assert knows_pictures("mtdg/st-organs", profile="smoke", manifests=[bare])
    assert not knows_pictures("mtdg", profile="smoke", manifests=[bare])
    assert knows_pictures("mtdg", profile="smoke", manifests=[bare, paired])
    assert not knows_pictures("mtdg/st-organs", profile="smoke", manifests=[])


def test_schemes_differ_in_what_the_paper_says() -> None:
    def scheme(name: str) -> Recipe:
        return experiment(f"mtdg/{name}", Path("x"), profile="full", manifests=[Path("a.csv")])

    mtdg, mt, stdg, st = (scheme(name) for name in ("mtdg", "mt", "stdg-bones", "st-bones"))
    assert [one.network.dilated for one in (mtdg, mt, stdg, st)] == [True, False, True, False]
    assert mt.model_copy(update={"name": "mtdg", "network": mtdg.network}) == mtdg
    assert (mtdg.targets.channels, stdg.targets.channels) == (6, 3)
    assert mtdg.data.manifests == (Path("a.csv").resolve(),)


def test_the_smoke_profile_runs_to_its_scores_and_is_not_run_twice(tmp_path: Path) -> None:
    recipe = experiment("mtdg", tmp_path, profile="smoke", changes=["schedule.threads=1", "schedule.steps=4"])
    found = reproduce(recipe, tmp_path, name="mtdg", profile="smoke")
    held = {case.case for case in held_out_cases(recipe)}
    assert {score.case for score in found.evaluation.scores} == held
    assert {"heart", "lungs", "bone_suppressed"} <= {score.structure for score in found.evaluation.scores}
    floors = {(row.structure, row.region, row.measure): row.mean_over_images for row in found.floors}
    black, copy = (floors[(f"bone_suppressed:{way}", "lung", "rmse")] for way in ("black", "copy"))
    assert 0 < copy < black
    assert (tmp_path / "evaluation" / "summary.csv").is_file()
    weights = (tmp_path / "fold-0" / "checkpoint.pt").stat().st_mtime_ns
    facts = json.loads((tmp_path / "experiment.json").read_text())
    weights_of = load_file(tmp_path / "fold-0" / "model" / "model.safetensors")
    means = ("running_mean", "running_var", "num_batches_tracked")
    assert facts["parameters"]["network"] == sum(w.size for k, w in weights_of.items() if not k.endswith(means))
    assert facts["films"] == {"training": 10 - len(held), "held_out": len(held)}
    assert (facts["experiment"], facts["system"], facts["folds"]) == ("mtdg", "pix2pix MTdG", [0])
    assert facts["settings"]["picture cut to"] == "left_lung, right_lung"
    assert facts["data"] == "simulated"
    again = reproduce(recipe, tmp_path, name="mtdg", profile="smoke")
    assert (tmp_path / "fold-0" / "checkpoint.pt").stat().st_mtime_ns == weights
    assert [row.mean_over_images for row in again.evaluation.summary] == pytest.approx(
        [row.mean_over_images for row in found.evaluation.summary], nan_ok=True
    )


def test_a_learning_curve_has_nested_shares_and_intervals(tmp_path: Path) -> None:
    changes = ("schedule.steps=2", "schedule.threads=1", "data.simulate={count: 9, size: 64}")
    recipe = with_films(
        load_recipe(RECIPES / "reproduce" / "mtdg" / "stdg-organs.yaml", profile="smoke", changes=changes), tmp_path
    )
    found = learning_curve(recipe, tmp_path, fractions=(0.5, 1))
    points = found.points
    assert not found.forecasts  # two points say nothing of what follows
    every = len(training_cases(recipe))
    assert sorted({point.subjects for point in points}) == [round(every / 2), every]
    for point in points:
        assert point.low <= point.jaccard <= point.high
        assert point.films == len(held_out_cases(recipe))
    with (tmp_path / "curve.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [float(row["jaccard"]) for row in rows] == pytest.approx([point.jaccard for point in points], rel=1e-5)
    assert (tmp_path / "curve.png").stat().st_size > 5000
    with pytest.raises(DataError, match="between 0 and 1"):
        learning_curve(recipe, tmp_path, fractions=(0, 1))


def test_fewer_subjects_lie_within_more(tmp_path: Path) -> None:
    recipe = with_films(load_recipe(RECIPES / "reproduce" / "mtdg" / "mt.yaml", profile="smoke"), tmp_path)

    def taken(count: int, draw: int) -> set[str]:
        data = recipe.data.model_copy(update={"take": count, "draw": draw})
        return {case.subject for case in training_cases(recipe.model_copy(update={"data": data}))}

    assert taken(2, 0) < taken(4, 0)
    assert len(taken(3, 0)) == 3
    assert any(taken(3, 0) != taken(3, draw) for draw in range(1, 5))
    with pytest.raises(RecipeError, match=r"data\.take is 99"):
        taken(99, 0)
    assert np.isin(list(taken(4, 1)), [case.subject for case in training_cases(recipe)]).all()
