"""Planted faults are flagged in a real training, and a sound one is not."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from xprism.simulate.dataset import DatasetRequest, simulate_dataset
from xprism.training import loop, monitor
from xprism.training.loop import train
from xprism.training.monitor import Noted
from xprism.training.recipe_file import load_recipe
from xprism.training.steps import AdversarialStep

pytestmark = pytest.mark.xdist_group("monitor")  # one worker makes what these tests share


@pytest.fixture(autouse=True)
def _checked_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Checks come more often than in earnest, so that few steps suffice."""
    monkeypatch.setattr(monitor, "CHECK_EVERY", 10)


def _warnings(noted: list[Noted]) -> list[str]:
    return [text for said in noted for text in said.fields.get("warnings", [])]


class _Planted(nn.Module):
    """A generator whose last layer sees nothing of the film: a picture of its own or one value, taught or not."""

    def __init__(self, *, constant: bool, taught: bool) -> None:
        super().__init__()
        self.last = nn.Parameter(torch.zeros(1, 2, 1, 1) if constant else torch.randn(1, 2, 32, 32))
        self.share = 1.0 if taught else 0.0

    def forward(self, film: Tensor) -> Tensor:
        last = self.share * self.last + (1 - self.share) * self.last.detach()
        return last + torch.zeros_like(film).expand(-1, 2, -1, -1)


def _train_planted(folder: Path, network: nn.Module, *, steps: int, rate: float) -> list[str]:
    """Warnings of an adversarial training of ``network`` on discs."""
    changes = (
        "network={kind: pix2pix, depth: 5, width: 4, in_channels: 1}",
        "objective={kind: adversarial, discriminator_width: 8}",
        "targets={targets: [{kind: masks, name: m, labels: [a, b], activation: tanh}]}",
    )
    torch.set_num_threads(1)  # as a recipe says it in the other tests
    rng, rows = np.random.default_rng(0), torch.arange(32.0)
    at = torch.from_numpy(rng.uniform(8, 24, (40, 2, 2)))[..., None]
    away = (rows - at[:, :, 0]).square()[..., None] + (rows - at[:, :, 1]).square()[..., None, :]
    discs, known = (away < 64).float(), torch.ones(4, 2, dtype=torch.bool)
    recipe = load_recipe(folder / "tiny.yaml", changes=changes)
    step = AdversarialStep(recipe, network, Fabric(accelerator="cpu", devices=1))
    said = []
    for _ in range(steps):
        planes = discs[rng.integers(len(discs), size=4)]
        step(planes.mean(1, keepdim=True), planes, known, rate=rate)
        said.append(step.noted)
    return _warnings(said)


def test_a_generator_that_ignores_the_film_is_flagged_in_training(tiny_data: Path) -> None:
    warnings = _train_planted(tiny_data, _Planted(constant=False, taught=True), steps=90, rate=2e-4)
    assert [text for text in warnings if text.startswith("collapse (")]
    assert not [text for text in warnings if text.startswith("dead output (")]


def test_a_generator_that_makes_one_value_is_flagged_in_training(tiny_data: Path) -> None:
    warnings = _train_planted(tiny_data, _Planted(constant=True, taught=True), steps=90, rate=2e-4)
    assert [text for text in warnings if text.startswith("dead output (")]


def test_a_discriminator_that_wins_is_flagged_in_training(tiny_data: Path) -> None:
    warnings = _train_planted(tiny_data, _Planted(constant=False, taught=False), steps=350, rate=1e-3)
    assert [text for text in warnings if text.startswith("discriminator won (")]


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recipe of an adversarial training on eight small phantoms: five organs and the film without bones."""
    folder = tmp_path_factory.mktemp("phantoms")
    simulate_dataset(folder / "films", DatasetRequest(8, size=64))
    (folder / "gan.yaml").write_text(PHANTOMS)
    return folder / "gan.yaml"


PHANTOMS = """
name: phantoms
data: {manifests: [films/manifest.csv]}
targets:
  targets:
    - {kind: masks, name: organs, labels: [right_lung, left_lung, heart, right_clavicle, left_clavicle]}
    - {kind: picture, name: bone_suppressed, within: [right_lung, left_lung]}
input: {size: [64, 64]}
network: {kind: pix2pix, depth: 5, width: 12, in_channels: 1}
objective: {kind: adversarial, discriminator_width: 12}
augment: null
schedule: {steps: 300, batch: 4, learning_rate: 5.0e-4, decline: constant, betas: [0.5, 0.999], weight_decay: 0,
           warmup: 0, checkpoint_every: 100, threads: 1, precision: 32-true}
"""


def test_a_sound_training_on_phantoms_is_not_flagged(
    phantoms: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(load_recipe(phantoms), tmp_path / "run")
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "outputs" in line] == list(range(10, 301, 10))
    assert lines[-1]["l1"] < 0.5 * lines[0]["l1"]
    assert not [line for line in lines if "warnings" in line]
    assert "warning" not in capsys.readouterr().err


def test_warnings_of_a_training_are_logged_and_shown_and_survive_an_interruption(
    phantoms: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(monitor, "CHECK_EVERY", 3)
    monkeypatch.setattr(monitor, "DEAD_SHARE", 1e3)  # every output is called dead
    recipe = load_recipe(phantoms, changes=("schedule.steps=40", "schedule.checkpoint_every=4", "schedule.batch=2"))
    train(recipe, tmp_path / "whole")
    assert "step 24: warning: dead output (" in capsys.readouterr().err
    average, taken = loop._average, []

    def dies(*args: object) -> None:
        average(*args)  # type: ignore[arg-type]
        taken.append(1)
        if len(taken) == 22:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(loop, "_average", dies)
        with pytest.raises(KeyboardInterrupt):
            train(recipe, tmp_path / "broken")
    train(recipe, tmp_path / "broken", resume=True)
    logs = [(tmp_path / name / "metrics.jsonl").read_text().splitlines() for name in ("whole", "broken")]
    whole, broken = ([{**json.loads(line), "seconds": 0} for line in log] for log in logs)
    assert whole == broken
    assert [line["step"] for line in whole if "warnings" in line] == [24]
