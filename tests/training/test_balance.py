"""How a recipe balances the targets of one network: fixed, learnt, or several trainings."""

import json
from copy import deepcopy
from pathlib import Path

import pytest
import torch
from lightning_fabric import Fabric
from torch.nn import functional as F
from typer.testing import CliRunner

from xprism.cli.app import app
from xprism.errors import RecipeError
from xprism.training.loop import train
from xprism.training.recipe_file import load_recipe
from xprism.training.runs import build_network, load_run
from xprism.training.steps import BALANCE_RATE, SupervisedStep
from xprism.training.sweep import swept

TARGETS = (
    "targets=[{kind: masks, name: lungs, labels: [right_lung, left_lung]}, {kind: masks, name: h, labels: [heart]}]"
)
PLAIN = ("schedule.weight_decay=0.1", "schedule.clip=1000", TARGETS)
SWEEP = "objective={kind: supervised, balance: {kind: sweep, values: [{lungs: 0.9, h: 0.1}, {lungs: 0.25}]}}"


def test_a_step_that_learns_its_balance_equals_a_plain_one(tiny_data: Path) -> None:
    changes = (*PLAIN, "objective={kind: supervised, cross_entropy: 1, dice: 0, balance: {kind: learned}}")
    recipe = load_recipe(tiny_data / "tiny.yaml", changes=changes)
    torch.manual_seed(0)
    network = build_network(recipe).train()
    plain, logs = deepcopy(network), torch.zeros(2, requires_grad=True)
    step = SupervisedStep(recipe, network, Fabric(accelerator="cpu", devices=1))
    films, planes = torch.randn(3, 1, 32, 32), (torch.rand(3, 3, 32, 32) > 0.5).float()
    known, rate = torch.ones(3, 3, dtype=torch.bool), 1e-3

    groups = [{"params": plain.parameters()}, {"params": [logs], "lr": BALANCE_RATE * rate, "weight_decay": 0}]
    moved_by = torch.optim.AdamW(groups, rate, weight_decay=0.1)
    for number in range(2):
        raw = plain(films)
        lungs, heart = (F.binary_cross_entropy_with_logits(raw[:, part], planes[:, part]) for part in (slice(2), [2]))
        wanted = torch.exp(-logs[0]) * lungs + torch.exp(-logs[1]) * heart + logs.sum() / 2
        moved_by.zero_grad()
        wanted.backward()
        moved_by.step()
        losses = step(films, planes, known, rate=rate)
        assert losses == pytest.approx(
            {"loss": wanted.item(), "loss_lungs": lungs.item(), "loss_h": heart.item()}, abs=1e-5 * (1 + 100 * number)
        )
        assert step.noted.fields["balance"] == pytest.approx(
            dict(zip(("lungs", "h"), torch.exp(-logs).tolist(), strict=True)), rel=1e-4
        )
    assert step.noted.fields["balance"] != pytest.approx({"lungs": 1, "h": 1}, abs=1e-3)


def test_a_fixed_balance_weighs_each_targets_loss(tiny_data: Path) -> None:
    changes = (*PLAIN, "objective={kind: supervised, balance: {kind: fixed, weights: {lungs: 0.25}}}")
    recipe = load_recipe(tiny_data / "tiny.yaml", changes=changes)
    step = SupervisedStep(recipe, build_network(recipe).train(), Fabric(accelerator="cpu", devices=1))
    films, planes = torch.randn(2, 1, 32, 32), (torch.rand(2, 3, 32, 32) > 0.5).float()
    losses = step(films, planes, torch.ones(2, 3, dtype=torch.bool), rate=1e-3)
    assert losses["loss"] == pytest.approx(0.25 * losses["loss_lungs"] + losses["loss_h"], rel=1e-5)


def test_a_learnt_balance_is_logged_and_kept_in_checkpoints(tiny_data: Path, tmp_path: Path) -> None:
    changes = (TARGETS, "objective={kind: supervised, balance: {kind: learned}}", "schedule.warmup=0")
    train(load_recipe(tiny_data / "tiny.yaml", changes=changes), tmp_path / "run")
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    weights = [line["balance"] for line in lines]
    assert all(set(one) == {"lungs", "h"} for one in weights)
    assert weights[0] != weights[-1]
    kept = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)["objective"]["balance"]["log_variances"]
    assert torch.exp(-kept).tolist() == pytest.approx([weights[-1]["lungs"], weights[-1]["h"]])


def test_a_sweep_stands_for_one_recipe_a_value(tiny_data: Path) -> None:
    recipe = load_recipe(tiny_data / "tiny.yaml", changes=(TARGETS, SWEEP))
    found = swept(recipe)
    assert set(found) == {"lungs-0.9-h-0.1", "lungs-0.25"}
    fixed = "objective={kind: supervised, balance: {kind: fixed, weights: {lungs: 0.9, h: 0.1}}}"
    assert found["lungs-0.9-h-0.1"] == load_recipe(tiny_data / "tiny.yaml", changes=(TARGETS, fixed))
    plain = load_recipe(tiny_data / "tiny.yaml")
    assert swept(plain) == {"": plain}


def test_one_command_trains_a_whole_sweep(tiny_data: Path, tmp_path: Path) -> None:
    words = ["train", str(tiny_data / "tiny.yaml"), "-o", str(tmp_path / "out")]
    for change in (TARGETS, SWEEP, "schedule.steps=1"):
        words += ["--set", change]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    weights = {run.name: load_run(run).recipe.objective.supervised.balance for run in (tmp_path / "out").iterdir()}
    assert {name: dict(one.values[0]) for name, one in weights.items()} == {
        "lungs-0.9-h-0.1": {"lungs": 0.9, "h": 0.1},
        "lungs-0.25": {"lungs": 0.25},
    }


def test_a_sweep_is_no_single_run(tiny_data: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="several trainings"):
        train(load_recipe(tiny_data / "tiny.yaml", changes=(TARGETS, SWEEP)), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("objective={kind: supervised, balance: {weights: {hand: 1}}}", "say which `kind`"),
        ("objective={kind: supervised, balance: {kind: fixed, weights: {hand: 1}}}", r"names \['hand'\]; there are"),
        ("objective={kind: supervised, balance: {kind: sweep, values: [{h: 1}, {x: 2}]}}", r"names \['x'\]"),
        ("objective={kind: supervised, balance: {kind: sweep, values: [{h: 1}]}}", "at least 2"),
        ("objective={kind: critic, pixels: {balance: {kind: learned}}}", "must be fixed beside a discriminator"),
    ],
)
def test_a_balance_that_cannot_be_is_named(tiny_data: Path, change: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        load_recipe(tiny_data / "tiny.yaml", changes=(TARGETS, change))
