"""Validation: who is set aside, what is measured, which weights are kept, and when training ends."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric
from PIL import Image

from xprism.data.manifest import read_manifest, write_manifest
from xprism.errors import DataError, RecipeError
from xprism.objectives.supervised import SupervisedLoss
from xprism.targets import Classes, Masks, Picture, TargetSet
from xprism.training import curves, loop
from xprism.training.cases import held_out_cases, training_cases, validation_cases
from xprism.training.loop import train
from xprism.training.recipe import Recipe
from xprism.training.recipe_file import load_recipe
from xprism.training.runs import build_network
from xprism.training.samples import Samples
from xprism.training.start import starting_network
from xprism.training.validation import Validation, dice_scores


def _recipe(folder: Path, *changes: str) -> Recipe:
    return load_recipe(folder / "tiny.yaml", changes=("validation={share: 0.34, every: 1}", *changes))


def test_subjects_set_aside_neither_train_nor_are_held_out(tiny_data: Path) -> None:
    recipe = _recipe(tiny_data)
    parts = [{case.subject for case in part(recipe)} for part in (training_cases, validation_cases, held_out_cases)]
    assert [len(part) for part in parts] == [4, 2, 3]
    assert len(set.union(*parts)) == 9
    assert validation_cases(recipe) == validation_cases(recipe)
    without = recipe.model_copy(update={"validation": None})
    assert validation_cases(without) == ()
    assert {case.subject for case in training_cases(without)} == parts[0] | parts[1]


@pytest.fixture
def strata(tiny_data: Path, tmp_path: Path) -> Path:
    """A recipe of 30 subjects, ten with nodules, and a copy of each film."""
    film = read_manifest(tiny_data / "tiny.csv")[0]
    cases = []
    for k in range(30):
        group = "nodule" if k % 3 == 0 else "none"
        cases.append(replace(film, case=f"c{k}", subject=f"s{k}", attributes={"group": group}))
        cases.append(replace(film, case=f"c{k}b", subject=f"s{k}", attributes={"group": group, "copy_of": f"c{k}"}))
    write_manifest(tmp_path / "tiny.csv", cases)
    (tmp_path / "tiny.yaml").write_text((tiny_data / "tiny.yaml").read_text())
    return tmp_path


@pytest.mark.parametrize(("share", "taken"), [(0.1, (1, 2)), (0.2, (2, 4)), (0.5, (5, 10))])
def test_every_stratum_gives_its_share_and_copies_follow_their_subject(
    strata: Path, share: float, taken: tuple[int, int]
) -> None:
    recipe = _recipe(strata, "data.hold_out=null", f"validation.share={share}")
    found = validation_cases(recipe)
    groups = Counter(case.attributes["group"] for case in found)
    assert (groups["nodule"], groups["none"]) == (2 * taken[0], 2 * taken[1])
    assert not {case.subject for case in found} & {case.subject for case in training_cases(recipe)}
    other = _recipe(strata, "data.hold_out=null", f"validation.share={share}", "data.seed=1")
    assert validation_cases(other) != found


def test_a_share_of_no_subject_is_refused(tiny_data: Path) -> None:
    with pytest.raises(RecipeError, match=r"validation\.share 0\.05 of 6 subjects is none"):
        validation_cases(_recipe(tiny_data, "validation.share=0.05"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (("objective={kind: adversarial}", "validation.measure=loss"), "must be dice here"),
        (("targets=[{kind: picture, name: soft}]",), "must be loss here"),
    ],
)
def test_a_measure_that_a_training_does_not_have_is_refused(
    tiny_data: Path, changes: tuple[str, ...], message: str
) -> None:
    with pytest.raises(RecipeError, match=message):
        _recipe(tiny_data, *changes)


TARGETS = TargetSet(
    targets=(
        Masks(name="organs", labels=("right", "left"), unions={"lungs": ("right", "left")}, threshold=0.7),
        Picture(name="soft"),
        Classes(name="tissue", labels=("a", "b")),
    )
)


def _dice(first: np.ndarray, second: np.ndarray) -> float:
    return 2 * (first & second).sum() / (first.sum() + second.sum())


def test_dice_is_taken_of_known_masks_and_of_unions_where_a_member_is_not_known() -> None:
    rng = np.random.default_rng(0)
    raw, truth = rng.normal(size=(2, 5, 6, 7)), rng.random((2, 6, 6, 7)) > 0.5
    truth[:, 4] = ~truth[:, 3]
    known = np.array([[1, 1, 1, 1, 1, 1], [1, 0, 1, 0, 0, 1]], bool)
    masks = 1 / (1 + np.exp(-raw[:, :2])) >= 0.7
    first = raw[0, 3] > raw[0, 4]
    expected = [
        _dice(masks[0, 0], truth[0, 0]),
        _dice(masks[0, 1], truth[0, 1]),
        _dice(first, truth[0, 3]),
        _dice(~first, truth[0, 4]),
        _dice(masks[1, 0], truth[1, 0]),
        _dice(masks[1, 0] | masks[1, 1], truth[1, 5]),
    ]
    assert dice_scores(TARGETS, raw, truth, known) == pytest.approx(expected)


def test_the_loss_of_validation_is_the_mean_over_films_whatever_the_batch(tiny_data: Path) -> None:
    recipe = _recipe(tiny_data, *_changes(1))
    torch.manual_seed(0)
    network = build_network(recipe)
    fabric = Fabric(accelerator="cpu", devices=1, precision="32-true")
    films = Samples(validation_cases(recipe), recipe.model_copy(update={"augment": None}))
    loss, costs = SupervisedLoss(recipe.targets, dice=0.5), []
    network.eval()
    for number in range(2):
        film, planes, known = films[number]
        costs.append(float(loss(network(film[None]), planes[None], known[None]).detach()))
    network.train()
    for batch in (1, 2):
        watch = Validation(_recipe(tiny_data, *_changes(batch)), fabric)
        assert watch(1, network) is None
        assert watch.noted.fields["validation_loss"] == pytest.approx(np.mean(costs), rel=1e-5)
    assert network.training


def _changes(batch: int) -> tuple[str, ...]:
    return ("validation.measure=loss", "objective={kind: supervised, dice: 0.5}", f"schedule.batch={batch}")


def _train_with(
    recipe: Recipe, folder: Path, figures: list[float], monkeypatch: pytest.MonkeyPatch
) -> list[dict[str, torch.Tensor]]:
    """Train with planted figures of validation; the averaged weights after every step."""
    seen: list[dict[str, torch.Tensor]] = []
    average, left = loop._average, iter(figures)

    def remembers(ema: torch.nn.Module, network: torch.nn.Module, decay: float) -> None:
        average(ema, network, decay)
        seen.append({name: value.clone() for name, value in ema.state_dict().items()})

    monkeypatch.setattr(loop, "_average", remembers)
    monkeypatch.setattr(Validation, "_measure", lambda self, network: next(left))
    train(recipe, folder)
    return seen


@pytest.mark.parametrize(
    ("measure", "figures"), [("dice", [0.2, 0.5, 0.5, 0.4, 0.9]), ("loss", [3.0, 1.0, 1.0, 2.0, 0.1])]
)
def test_training_ends_when_looks_are_no_better_and_keeps_the_best_weights(
    tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, measure: str, figures: list[float]
) -> None:
    recipe = _recipe(tiny_data, f"validation.measure={measure}", "validation.patience=2")
    seen = _train_with(recipe, tmp_path / "run", figures, monkeypatch)
    assert len(seen) == 4
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [line[f"validation_{measure}"] for line in lines] == figures[:4]
    kept = loop.load_run(tmp_path / "run").network.state_dict()
    assert all(torch.equal(value, seen[1][name]) for name, value in kept.items())
    assert not all(torch.equal(value, seen[3][name]) for name, value in kept.items())
    again = loop.train(recipe, tmp_path / "run", resume=True)
    assert all(torch.equal(value, seen[1][name]) for name, value in again.network.state_dict().items())


def test_looks_come_when_asked_for_and_at_the_end(
    tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = _recipe(tiny_data, "validation.every=4", "validation.patience=1")
    seen = _train_with(recipe, tmp_path / "run", [0.3, 0.4], monkeypatch)
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "validation_dice" in line] == [4, 6]
    kept = loop.load_run(tmp_path / "run").network.state_dict()
    assert all(torch.equal(value, seen[5][name]) for name, value in kept.items())


def test_a_run_lists_who_was_set_aside_and_draws_the_figure(tiny_data: Path, tmp_path: Path) -> None:
    recipe = _recipe(tiny_data)
    train(recipe, tmp_path / "run")
    listed = read_manifest(tmp_path / "run" / "validation.csv")
    assert [case.case for case in listed] == [case.case for case in validation_cases(recipe)]
    picture = np.asarray(Image.open(tmp_path / "run" / "curves.png").convert("RGB"))
    assert (picture == tuple(bytes.fromhex(curves.COLOURS["validation_dice"][1:]))).all(-1).any()


def test_films_that_do_not_know_the_measure_are_refused(tiny_data: Path) -> None:
    other = "targets=[{kind: masks, name: organs, labels: [spleen]}]"
    recipe = _recipe(tiny_data, other)
    fabric = Fabric(accelerator="cpu", devices=1, precision="32-true")
    with pytest.raises(DataError, match="no film of the validation knows"):
        Validation(recipe, fabric)(1, build_network(recipe))


def test_a_start_whose_weights_were_chosen_by_the_held_out_films_is_refused(tiny_data: Path, tmp_path: Path) -> None:
    recipe = _recipe(tiny_data, "schedule.steps=1", "data.hold_out=null")
    train(recipe, tmp_path / "run")
    (tmp_path / "list.txt").write_text("\n".join(case.subject for case in validation_cases(recipe)))
    lists = (f"start_from={tmp_path / 'run'}", "data.split=lists", f"data.lists=['{tmp_path / 'list.txt'}']")
    with pytest.raises(RecipeError, match="held-out subjects: s"):
        starting_network(load_recipe(tiny_data / "tiny.yaml", changes=lists))
