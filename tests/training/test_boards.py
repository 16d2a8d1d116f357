"""TensorBoard shows what the log holds, every step once, and is not missed where it is absent."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from xprism.training import boards
from xprism.training.boards import Board
from xprism.training.loop import train
from xprism.training.recipe import Recipe


def _scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Every scalar of a folder's event files, read by TensorBoard's own reader."""
    reading = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events: Any = reading.EventAccumulator(str(folder), size_guidance={"scalars": 0})
    events.Reload()
    return {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def test_a_training_writes_the_scalars_of_its_log(tiny_recipe: Recipe, tmp_path: Path) -> None:
    train(tiny_recipe, tmp_path / "run")
    found = _scalars(tmp_path / "run" / "tensorboard")
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert found.keys() == lines[0].keys() - {"step"}
    for name in ("loss", "rate", "epoch"):
        assert found[name] == [(line["step"], pytest.approx(line[name], rel=1e-6)) for line in lines]


def test_nested_numbers_are_named_by_their_path_and_texts_left_out(tmp_path: Path) -> None:
    with Board(tmp_path, done=0) as board:
        board.add({"step": 25, "outputs": {"heart": {"spread": 0.25}}, "warnings": ["collapse"]})
    assert _scalars(tmp_path / "tensorboard") == {"outputs/heart/spread": [(25, 0.25)]}


def test_a_resumed_training_shows_every_step_once(tmp_path: Path) -> None:
    with Board(tmp_path, done=0) as board:
        for step in range(1, 6):
            board.add({"step": step, "loss": 1.0})
    time.sleep(1.1)  # event files of one second are read in the order of a counter's text, in which 10 is before 9
    with Board(tmp_path, done=3) as board:
        for step in range(4, 7):
            board.add({"step": step, "loss": 2.0})
    values = [1.0, 1.0, 1.0, 2.0, 2.0, 2.0]
    assert _scalars(tmp_path / "tensorboard")["loss"] == list(enumerate(values, start=1))


def test_a_resumed_training_that_takes_no_step_writes_nothing(tiny_recipe: Recipe, tmp_path: Path) -> None:
    train(tiny_recipe, tmp_path / "run")
    before = sorted((tmp_path / "run" / "tensorboard").iterdir())
    train(tiny_recipe, tmp_path / "run", resume=True)
    assert sorted((tmp_path / "run" / "tensorboard").iterdir()) == before


def test_without_tensorboard_a_training_says_nothing_of_it(
    tiny_recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(boards, "find_spec", lambda name: None)
    train(tiny_recipe, tmp_path / "run")
    assert not (tmp_path / "run" / "tensorboard").exists()
    assert "ensor" not in capsys.readouterr().err.replace(str(tmp_path), "")
