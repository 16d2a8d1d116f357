"""Loss curves are drawn from any log, old or new, and never stand in the way of a training."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from xprism.errors import DataError, MissingExtra
from xprism.training import curves
from xprism.training.curves import loss_curves, smoothed
from xprism.training.loop import train
from xprism.training.recipe import Recipe


def _log(folder: Path, lines: list[dict[str, object]]) -> Path:
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def _hide_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(curves, "find_spec", lambda name: None)


def test_the_curves_are_smoothed_as_in_the_papers() -> None:
    values, mean = np.array([3.0, 1.0, 2.0, 5.0]), 0.0
    for step, value in enumerate(values, start=1):
        mean = 0.99 * mean + 0.01 * value
        assert smoothed(values)[step - 1] == pytest.approx(mean / (1 - 0.99**step))


@pytest.mark.parametrize("counted", ["step", "epoch"])
def test_an_adversarial_log_is_drawn_in_three_colours(tmp_path: Path, counted: str) -> None:
    lines: list[dict[str, object]] = [
        {"step": k, counted: k, "loss": 3.0, "l1": 1 / k, "adversarial": 1 + math.sin(k) / 2, "discriminator": 1.2}
        for k in range(1, 50)
    ]
    lines[20]["warnings"] = ["collapse: heart"]
    path = loss_curves(_log(tmp_path, lines))
    assert path == tmp_path / "curves.png"
    assert sorted(tmp_path.iterdir()) == [path, tmp_path / "metrics.jsonl"]
    colours = {tuple(pixel) for pixel in np.asarray(Image.open(path).convert("RGB")).reshape(-1, 3)}
    for name in ("adversarial", "l1", "discriminator"):
        assert tuple(bytes.fromhex(curves.COLOURS[name][1:])) in colours


@pytest.mark.parametrize("lines", [[{"step": 1, "loss": 0.5}], [{"step": 1, "loss": 0.5}, {"step": 2, "loss": 0.0}]])
def test_a_single_step_and_a_loss_of_zero_can_be_drawn(tmp_path: Path, lines: list[dict[str, object]]) -> None:
    assert loss_curves(_log(tmp_path, lines)).is_file()


def test_a_folder_without_losses_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no losses logged"):
        loss_curves(tmp_path)


def test_without_matplotlib_the_message_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _hide_matplotlib(monkeypatch)
    with pytest.raises(MissingExtra, match=r"xprism\[evaluate\]"):
        loss_curves(tmp_path)


def test_a_training_ends_with_its_curves(tiny_recipe: Recipe, tmp_path: Path) -> None:
    train(tiny_recipe, tmp_path / "run")
    assert Image.open(tmp_path / "run" / "curves.png").size[0] > 800


def test_a_training_without_matplotlib_ends_as_well(
    tiny_recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _hide_matplotlib(monkeypatch)
    train(tiny_recipe, tmp_path / "run")
    assert not (tmp_path / "run" / "curves.png").exists()
    assert "pip install 'xprism[evaluate]'" in capsys.readouterr().err
