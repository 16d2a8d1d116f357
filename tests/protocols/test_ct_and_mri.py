"""The second paper's generalisation to CT and MRI: the chest's settings, one subject left out at a time."""

import warnings
from pathlib import Path

import pytest

from xprism.protocols.experiments import experiment
from xprism.protocols.reproduce import reproduce
from xprism.training.cases import folds_of, held_out_cases, training_cases
from xprism.training.recipe import Recipe


@pytest.fixture(autouse=True)
def _quiet_export() -> None:
    warnings.filterwarnings("ignore", module="torch.*")


def _full(name: str) -> Recipe:
    return experiment(name, Path("x"), profile="full", manifests=[Path("a.csv")])


def test_settings_are_those_of_the_chest() -> None:
    chest = _full("mtdg")
    for name in ("ct", "mri"):
        found = _full(name)
        for part in ("network", "objective", "augment", "schedule"):
            assert getattr(found, part) == getattr(chest, part), part
        assert found.input.model_copy(update={"inverted": True}) == chest.input
        assert found.data.split == "leave_one_out"
        assert not any(getattr(target, "within", ()) for target in found.targets)


def test_single_tasks_are_plain_and_together_make_both() -> None:
    for both, singles in (("ct", ("ct/st-kidneys", "ct/st-dose")), ("mri", ("mri/st-ir", "mri/st-flair"))):
        parts = [_full(name) for name in singles]
        assert [target for part in parts for target in part.targets] == list(_full(both).targets)
        assert _full(both).network.dilated
        assert not any(part.network.dilated for part in parts)


@pytest.mark.parametrize("name", ["ct", "mri"])
def test_the_cpu_profile_holds_each_simulated_subject_out(name: str, tmp_path: Path) -> None:
    changes = ["data.simulate.count=3", "data.simulate.slices=2", "data.simulate.size=32"]
    recipe = experiment(name, tmp_path, profile="cpu", changes=changes)
    assert recipe.data.hold_out is None
    assert sorted(folds_of(recipe).values()) == [0, 1, 2]
    one = recipe.model_copy(update={"data": recipe.data.model_copy(update={"hold_out": 1})})
    held, rest = held_out_cases(one), training_cases(one)
    assert len({case.subject for case in held}) == 1
    assert {case.subject for case in held}.isdisjoint(case.subject for case in rest)
    assert (len(held), len(rest)) == (2, 4)
    wanted = {target.name for target in recipe.targets} - {"kidneys"}
    assert all(wanted <= case.pictures.keys() for case in held)


def test_the_smoke_profile_scores_the_subject_left_out(tmp_path: Path) -> None:
    recipe = experiment("ct", tmp_path, profile="smoke", changes=["schedule.threads=1", "schedule.steps=2"])
    found = reproduce(recipe, tmp_path, name="ct", profile="smoke")
    assert {score.subject for score in found.evaluation.scores} == {"ct-0-0000"}
    assert {score.structure for score in found.evaluation.scores} == {
        "right_kidney",
        "left_kidney",
        "kidneys",
        "full_dose",
    }
