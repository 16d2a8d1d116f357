"""Weights whose output is zero everywhere are drawn again with the next seed, and never twice the same way."""

import json
from pathlib import Path

import pytest
import torch

from xprism.errors import RecipeError
from xprism.training import loop
from xprism.training.checkpoint import load_checkpoint
from xprism.training.loop import train
from xprism.training.recipe import Recipe
from xprism.training.recipe_file import load_recipe

SEEDS_TRIED = 5


@pytest.fixture
def recipe(tiny_data: Path) -> Recipe:
    """The auto-encoder on one mask; six steps from seed 10."""
    changes = (
        "network={kind: autoencoder, widths: [4, 4]}",
        "targets=[{kind: masks, name: organs, labels: [right_lung]}]",
        "schedule.seed=10",
        "schedule.checkpoint_every=2",
    )
    return load_recipe(tiny_data / "tiny.yaml", changes=changes)


@pytest.fixture(autouse=True)
def _looked_at_early(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "ALIVE_BY", 3)


def _kill(seeds: set[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights drawn from ``seeds`` are zero, from which no gradient leads away."""
    start = loop.starting_network

    def planted(recipe: Recipe) -> tuple[torch.nn.Module, tuple[str, ...]]:
        seed = torch.initial_seed()
        network, fresh = start(recipe)
        if seed in seeds:
            for weight in network.parameters():
                torch.nn.init.zeros_(weight)
        return network, fresh

    monkeypatch.setattr(loop, "starting_network", planted)


def _weights(folder: Path) -> dict[str, torch.Tensor]:
    return dict(load_checkpoint(folder / "checkpoint.pt")["network"])


def _lines(folder: Path) -> list[dict[str, object]]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{**line, "seconds": 0} for line in lines]


def test_a_dead_start_is_begun_again_said_and_recorded(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _kill({10, 11}, monkeypatch)
    train(recipe, tmp_path / "run")
    assert capsys.readouterr().err.count("the output is zero everywhere after 3 steps") == 2
    lines = _lines(tmp_path / "run")
    assert [line["step"] for line in lines] == [1, 2, 3, 4, 5, 6]
    assert {line["seed_of_weights"] for line in lines} == {12}
    assert any(value.any() for value in _weights(tmp_path / "run").values())


def test_living_weights_are_left_alone(recipe: Recipe, tmp_path: Path) -> None:
    train(recipe, tmp_path / "run")
    assert "seed_of_weights" not in _lines(tmp_path / "run")[0]
    assert load_checkpoint(tmp_path / "run" / "checkpoint.pt")["draw"] == 0


@pytest.mark.parametrize("dies_in", [2, 4, 7])
def test_a_killed_training_with_a_dead_start_goes_on_as_an_unbroken_one(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dies_in: int
) -> None:
    _kill({10}, monkeypatch)
    train(recipe, tmp_path / "whole")
    average, steps = loop._average, []

    def dies(*args: object) -> None:
        average(*args)  # type: ignore[arg-type]
        steps.append(1)
        if len(steps) == dies_in:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(loop, "_average", dies)
        with pytest.raises(KeyboardInterrupt):
            train(recipe, tmp_path / "broken")
    train(recipe, tmp_path / "broken", resume=True)
    whole, broken = _weights(tmp_path / "whole"), _weights(tmp_path / "broken")
    assert all(torch.equal(whole[name], broken[name]) for name in whole)
    assert _lines(tmp_path / "whole") == _lines(tmp_path / "broken")


def test_after_a_few_seeds_it_gives_up_and_says_so(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _kill(set(range(10, 10 + SEEDS_TRIED)), monkeypatch)
    with pytest.raises(RecipeError, match="with the weights of 5 seeds"):
        train(recipe, tmp_path / "run")
