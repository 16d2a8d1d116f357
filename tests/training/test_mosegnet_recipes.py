"""The recipes of MO-SegNet's paper say what its tables say, and differ in nothing else."""

from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from xprism.cli.app import app
from xprism.data.manifest import Case, write_manifest
from xprism.protocols.experiments import SERIES, experiment, experiments
from xprism.protocols.record import settings_of
from xprism.protocols.reproduce import reproduce
from xprism.targets import Lesions
from xprism.training.cases import held_out_cases, training_cases
from xprism.training.recipe import Recipe
from xprism.training.runs import build_network
from xprism.training.samples import Samples
from xprism.training.sweep import swept

NAMES = sorted(name for name in experiments() if name.startswith("mosegnet/"))
WEIGHTS = {"mosegnet/mosegnet": 1_653_124, "mosegnet/single": 1_648_434, "mosegnet/unet": 7_784_132}
FOLD = 154 - 154 // 5


def _recipe(name: str, profile: str = "full") -> Recipe:
    return experiment(name, Path("x"), profile=profile, manifests=[Path("a.csv")])


@pytest.mark.parametrize("name", NAMES)
def test_profiles_have_the_whole_network_or_a_reduced_one(name: str) -> None:
    counts = []
    for profile in ("full", "cpu", "smoke"):
        with torch.device("meta"):
            counts.append(sum(p.numel() for p in build_network(_recipe(name, profile)).parameters()))
    assert counts == sorted(counts, reverse=True)
    assert counts[0] == WEIGHTS.get(name, counts[0])


def test_it_is_trained_as_the_paper_says() -> None:
    recipe = _recipe("mosegnet")
    loss, schedule = recipe.objective.supervised, recipe.schedule
    assert (recipe.input.size, recipe.data.folds, recipe.data.hold_out) == ((1024, 1024), 5, None)
    assert (schedule.batch, schedule.learning_rate, schedule.betas, schedule.weight_decay) == (1, 1e-3, (0.9, 0.999), 0)
    assert (loss.cross_entropy, loss.dice, loss.class_weights, loss.largest_class_weight) == (1, 0, "equal", 1e4)
    assert loss.balance.values == ({"nodules": 0.99, "lungs": 0.01},)
    assert recipe.augment is not None
    assert recipe.augment.flip_probability == 0  # type: ignore[union-attr]


def test_it_learns_for_200_epochs_at_most_with_an_eighth_of_the_films_set_aside() -> None:
    recipe = _recipe("mosegnet")
    assert recipe.validation is not None
    epoch = FOLD - round(recipe.validation.share * FOLD)
    assert 199 <= recipe.schedule.steps * recipe.schedule.batch / epoch <= 201


def test_nodules_are_squares_and_stand_before_the_lungs() -> None:
    nodules, lungs = _recipe("mosegnet").targets
    assert isinstance(nodules, Lesions)
    assert (nodules.shape, nodules.threshold, nodules.min_area_px) == ("square", 0.5, 0)
    assert lungs.channel_labels == ("lungs",)


def test_every_experiment_differs_from_the_main_one_in_its_own_matter_only() -> None:
    main = _recipe("mosegnet")
    for name, settings in {
        "gn": {"norm": "gn"},
        "bn": {"norm": "bn"},
        "topology/deconvnet": {"topology": "deconvnet"},
        "topology/unet": {"topology": "unet"},
        "topology/deconvnet-aspp": {"topology": "deconvnet_aspp"},
    }.items():
        other = _recipe(f"mosegnet/{name}")
        network = main.network.model_copy(update=settings)
        assert other == main.model_copy(update={"name": other.name, "network": network})
    for name in ("learned", "as-printed", "sweep"):
        other = _recipe(f"mosegnet/{name}")
        assert other == main.model_copy(update={"name": other.name, "objective": other.objective})
    unet = _recipe("mosegnet/unet")
    assert unet == main.model_copy(update={"name": unet.name, "network": unet.network})
    single = _recipe("mosegnet/single")
    own = {"name": single.name, "targets": single.targets, "objective": single.objective}
    assert single == main.model_copy(update=own)


def test_the_sweep_has_the_lambdas_of_table_3() -> None:
    values = [one.objective.supervised.balance.values[0] for one in swept(_recipe("mosegnet/sweep")).values()]
    assert [value["nodules"] for value in values] == [1, 0.99, 0.95, 0.9, 0.8, 0.7, 0.5]
    assert all(value["nodules"] + value["lungs"] == pytest.approx(1) for value in values)
    assert swept(_recipe("mosegnet/sweep"))["nodules-0.99-lungs-0.01"].objective == _recipe("mosegnet").objective


@pytest.mark.parametrize("name", ["deeplab", "pspnet"])
def test_rivals_see_as_many_films_two_at_a_time(name: str) -> None:
    single = _recipe("mosegnet/single").schedule
    for variant in (name, f"{name}-multi"):
        own = _recipe(f"mosegnet/{variant}").schedule
        assert (own.batch, own.steps * own.batch) == (2, single.steps * single.batch)


def test_series_of_the_papers_tables_exist_and_their_settings_tell_them_apart() -> None:
    for name, members in SERIES.items():
        assert set(members) <= experiments().keys()
        if name == "mosegnet-tasks":
            systems = [(one.network.kind, len(one.targets.targets)) for one in map(_recipe, members)]
            assert len(set(systems)) == 4
    shown = settings_of(_recipe("mosegnet"))
    assert (shown["balance of the tasks"], shown["class weights"]) == ("nodules 0.99, lungs 0.01", "equal")
    assert settings_of(_recipe("mosegnet/as-printed"))["class weights"] == "paper"
    assert settings_of(_recipe("mosegnet/learned"))["balance of the tasks"] == "learnt"


def test_films_without_a_nodule_are_left_out_unless_asked_for(tmp_path: Path) -> None:
    groups = ["nodule", "no nodule", "nodule", "nodule", "nodule", "no nodule", "nodule"]
    cases = [Case(f"c{k}", f"s{k}", tmp_path / "f.png", attributes={"group": g}) for k, g in enumerate(groups)]
    write_manifest(tmp_path / "all.csv", cases)

    def everyone(*changes: str) -> set[str]:
        settings = ("data.hold_out=1", "data.folds=2", "validation=null", *changes)
        found = experiment("mosegnet", tmp_path, profile="full", manifests=[tmp_path / "all.csv"], changes=settings)
        return {case.case for case in (*training_cases(found), *held_out_cases(found))}

    assert everyone() == {"c0", "c2", "c3", "c4", "c6"}
    assert everyone("data.leave_out=null") == {case.case for case in cases}


def test_both_lungs_are_learnt_as_one_class(tmp_path: Path) -> None:
    recipe = experiment(
        "mosegnet",
        tmp_path,
        profile="smoke",
        changes=["data.simulate.count=3", "data.hold_out=null", "augment=null", "validation=null"],
    )
    film, planes, known = Samples(training_cases(recipe)[:1], recipe)[0]
    truth = training_cases(recipe)[0].load_truth()
    assert film.shape == (1, 64, 64)
    assert known.tolist() == [True, True]
    np.testing.assert_array_equal(planes[1].numpy() >= 0.5, truth["right_lung"] | truth["left_lung"])
    assert 0 < planes[0].mean() < 0.2


@pytest.mark.filterwarnings("ignore")
def test_the_smoke_profile_runs_to_its_scores(tmp_path: Path) -> None:
    recipe = experiment("mosegnet", tmp_path, profile="smoke", changes=["schedule.threads=1", "schedule.steps=4"])
    found = reproduce(recipe, tmp_path, name="mosegnet", profile="smoke")
    assert {score.structure for score in found.evaluation.scores} >= {"lungs"}
    assert {score.case for score in found.evaluation.scores} == {case.case for case in held_out_cases(recipe)}
    assert found.facts["data"] == "simulated"
    assert found.facts["parameters"]["network"] == sum(p.numel() for p in found.runs[0].network.parameters())


def test_one_command_reproduces_a_sweep_on_the_same_films_and_compares_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[Path, tuple[Recipe, str]] = {}
    compared: list[Path] = []

    def keep(recipe: Recipe, folder: Path, *, name: str, profile: str) -> None:
        asked[folder] = recipe, name

    def compare(folders: list[Path], out: Path, *, overwrite: bool) -> Path:
        compared.extend(folders)
        return out

    monkeypatch.setattr("xprism.protocols.reproduce.reproduce", keep)
    monkeypatch.setattr("xprism.protocols.compare.compare", compare)
    monkeypatch.setattr("xprism.cli.reproduce._show", lambda found: None)
    words = ["reproduce", "mosegnet/sweep", "-o", str(tmp_path), "--profile", "smoke"]
    done = CliRunner().invoke(app, [*words, "--set", "data.simulate.count=1"])
    assert done.exit_code == 0, done.output
    assert compared == list(asked) == [tmp_path / name for name in swept(_recipe("mosegnet/sweep"))]
    assert {recipe.data.manifests for recipe, _ in asked.values()} == {(tmp_path / "films" / "manifest.csv",)}
    assert asked[tmp_path / "nodules-1-lungs-0"][1] == "mosegnet/sweep/nodules-1-lungs-0"
