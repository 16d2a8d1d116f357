"""Stages learn as their papers say, and a broken-off training that goes on equals an unbroken one."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.measure import block_reduce

from xprism.data.manifest import read_manifest
from xprism.errors import DataError, RecipeError
from xprism.objectives.pix2pixhd import Pix2PixHDLoss
from xprism.synthesis import train as training
from xprism.synthesis.codes import as_signal
from xprism.synthesis.draws import averaged, in_epochs
from xprism.synthesis.grow import GrowingTraining, Levels
from xprism.synthesis.pipeline import PGGANPart, Pipeline, Pix2PixHDPart, Stage
from xprism.synthesis.runs import open_run
from xprism.synthesis.train import train_pipeline
from xprism.synthesis.translate import Pairs, TranslationTraining
from xprism.training.checkpoint import load_checkpoint

CPU = torch.device("cpu")
DOTS = {"kind": "pggan", "size": 8, "maps": 4, "kimg_per_phase": 0.016, "kimg": None, "batch": {4: 8, 8: 4}}
FILM = {"kind": "pix2pixhd", "size": 16, "width": 4, "downs": 1, "blocks": 1, "discriminator_width": 4}
FILM |= {"epochs": 1, "epochs_of_decline": 1, "batch": 3, "ema": 0.9}
WATCHED = {"looks": 3, "watched": 4, "checkpoint_every": 4}
STAGES = {"dots": DOTS | WATCHED, "labels": FILM | WATCHED | {"precision": "bf16-mixed"}, "film": FILM | WATCHED}


def _pipeline(**changes: dict[str, Any]) -> Pipeline:
    stages = {name: part | changes.get(name, {}) for name, part in STAGES.items()}
    return Pipeline.model_validate({"name": "tiny", "data": {"variants": False}, "stages": stages, "threads": 1})


def _lines(folder: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{**line, "seconds": 0} for line in lines]


def _same(first: object, second: object) -> bool:
    """Bit-equality of nested state: tensors, numbers, texts."""
    if isinstance(first, torch.Tensor) and isinstance(second, torch.Tensor):
        return torch.equal(first, second)
    if isinstance(first, dict) and isinstance(second, dict):
        return first.keys() == second.keys() and all(_same(first[key], second[key]) for key in first)
    if isinstance(first, list | tuple) and isinstance(second, list | tuple):
        return len(first) == len(second) and all(map(_same, first, second))
    return first == second


class KilledError(Exception):
    """Stands for a process that ended."""


class Altered:
    """A stage's training that dies at one of its steps, or shows other samples at its looks."""

    def __init__(self, inner: Any, *, dies_in: int = 0, shows: Any = None) -> None:
        self._inner, self._dies_in, self._shows, self._taken = inner, dies_in, shows, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def __call__(self, step: int) -> dict[str, float]:
        losses = self._inner(step)
        self._taken += 1
        if self._taken == self._dies_in:
            raise KilledError
        return losses

    def look(self, steps: int) -> Any:
        made, real = self._inner.look(steps)
        return (made if self._shows is None else self._shows(made)), real


@pytest.fixture(scope="module")
def whole(chests: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing broke off."""
    folder = tmp_path_factory.mktemp("whole")
    train_pipeline(_pipeline(), read_manifest(chests), folder)
    return folder


# Of 10 steps growing comes to 8 pixels after 2, which have faded in after 6; checkpoints are at 4, 8 and 10.
@pytest.mark.parametrize(("dying", "dies_in"), [("dots", 1), ("dots", 6), ("dots", 10), ("labels", 4), ("film", 3)])
def test_a_killed_training_that_goes_on_equals_an_unbroken_one(
    whole: Path, chests: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dying: str, dies_in: int
) -> None:
    cases, pipeline, made = read_manifest(chests), _pipeline(), training.training_of

    def dies(stage: Stage, *given: Any) -> Any:
        return Altered(made(stage, *given), dies_in=dies_in if stage.makes == dying else 0)

    with monkeypatch.context() as patch:
        patch.setattr(training, "training_of", dies)
        with pytest.raises(KilledError):
            train_pipeline(pipeline, cases, tmp_path)
    train_pipeline(pipeline, cases, tmp_path, resume=True)
    for name in ("1-dots", "2-labels", "3-film"):
        state, unbroken = (load_checkpoint(folder / name / "checkpoint.pt") for folder in (tmp_path, whole))
        assert min(state.pop("seconds"), unbroken.pop("seconds")) > 0
        assert _same(state, unbroken)
        assert _lines(tmp_path / name) == _lines(whole / name)
        for path in (whole / name).glob("grids/*.png"):
            assert (tmp_path / name / "grids" / path.name).read_bytes() == path.read_bytes()
        for path in (whole / name).glob("snapshots/*.pt"):
            assert _same(load_checkpoint(tmp_path / name / "snapshots" / path.name), load_checkpoint(path))


def test_every_step_is_logged_with_where_it_stands(whole: Path) -> None:
    dots, film = _lines(whole / "1-dots"), _lines(whole / "3-film")
    assert [line["step"] for line in dots] == list(range(1, 11))
    assert [line["size"] for line in dots] == [4] * 2 + [8] * 8
    assert [line["fade"] for line in dots] == [1, 1, 0, 0.25, 0.5, 0.75, 1, 1, 1, 1]
    assert dots[-1]["kimg"] == pytest.approx(0.048)
    assert {"generator", "critic", "distance", "rate"} <= dots[0].keys()
    # Two epochs of five films, three a step.
    assert [line["epoch"] for line in film] == pytest.approx([0.6, 1.2, 1.8, 2.4])
    assert {"adversarial", "features", "discriminator", "rate"} <= film[0].keys()


def test_looks_keep_weights_and_show_the_same_samples(whole: Path) -> None:
    run = open_run(whole)
    dots, _, film = run.pipeline.chain
    # Looks of 10 steps are at 3, 7 and 10; at 3 the full size still fades in.
    assert run.snapshots_of(dots) == (7, 10)
    assert run.snapshots_of(film) == (1, 3, 4)
    assert [path.stem for path in sorted((whole / "1-dots" / "grids").glob("0*.png"))] == [
        "00000003",
        "00000007",
        "00000010",
    ]
    assert Image.open(whole / "1-dots" / "grids" / "00000010.png").size == (17, 17)
    seen = [line for line in _lines(whole / "1-dots") if "diversity" in line]
    assert [line["step"] for line in seen] == [3, 7, 10]
    assert all(line["collapsed"] == (line["diversity"] < 0.25 * line["diversity_of_films"]) for line in seen)
    last, kept = run.trained(1), open_run(whole, snapshots={1: 10}).trained(1)
    assert last.sha256 == kept.sha256 != open_run(whole, snapshots={1: 7}).trained(1).sha256


def test_a_collapse_is_flagged_and_said(
    chests: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = training.training_of

    def collapses(stage: Stage, *given: Any) -> Any:
        return Altered(made(stage, *given), shows=lambda samples: np.repeat(samples[:1], len(samples), axis=0))

    monkeypatch.setattr(training, "training_of", collapses)
    train_pipeline(_pipeline(), read_manifest(chests), tmp_path, stage=1)
    seen = [line for line in _lines(tmp_path / "1-dots") if "diversity" in line]
    assert [(line["diversity"], line["collapsed"]) for line in seen] == [(0, True)] * 3
    assert "step 7: collapsed: fixed samples differ by 0, films by" in capsys.readouterr().err


def test_stages_may_be_trained_one_by_one(whole: Path, chests: Path, tmp_path: Path) -> None:
    cases = read_manifest(chests)
    for number in (3, 1):
        run = train_pipeline(_pipeline(), cases, tmp_path, stage=number)
        assert run.trained(number).sha256 == open_run(whole).trained(number).sha256
    with pytest.raises(DataError, match="has not begun to learn"):
        run.trained(2)
    with pytest.raises(RecipeError, match=r"no stage 4.*1 \(dots\), 2 \(labels\), 3 \(film\)"):
        train_pipeline(_pipeline(), cases, tmp_path, stage=4)


def test_a_run_goes_on_with_what_it_began_with(whole: Path, chests: Path, tmp_path: Path) -> None:
    cases = read_manifest(chests)
    train_pipeline(_pipeline(), cases, tmp_path, stage=1)
    with pytest.raises(RecipeError, match="this stage has begun already"):
        train_pipeline(_pipeline(), cases, tmp_path)
    for other, said in ((_pipeline(dots={"maps": 8}), "1-dots"), (_pipeline().model_copy(update=_SEEDED), "data")):
        with pytest.raises(RecipeError, match=f"begun with other settings: {said}"):
            train_pipeline(other, cases, tmp_path, resume=True)
    with pytest.raises(RecipeError, match="begun with other settings: films"):
        train_pipeline(_pipeline(), cases[1:], tmp_path, resume=True)
    # What has not begun may still change.
    run = train_pipeline(_pipeline(film={"epochs": 2}), cases, tmp_path, stage=3)
    assert run.trained(3).step == 5


_SEEDED = {"data": _pipeline().data.model_copy(update={"seed": 1})}


def test_a_stage_that_does_not_draw_its_full_size_yet_cannot_serve(whole: Path, chests: Path, tmp_path: Path) -> None:
    state = load_checkpoint(whole / "1-dots" / "checkpoint.pt") | {"step": 6}
    train_pipeline(_pipeline(), read_manifest(chests), tmp_path, stage=1)
    torch.save(state, tmp_path / "1-dots" / "checkpoint.pt")
    with pytest.raises(DataError, match="after 6 steps this stage does not draw 8 pixels yet"):
        open_run(tmp_path).trained(1)
    with pytest.raises(DataError, match=r"no weights were kept at step 5.*at 7, 10"):
        open_run(tmp_path, snapshots={1: 5}).trained(1)


def test_losses_that_are_no_numbers_end_a_training(
    chests: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(GrowingTraining, "__call__", lambda self, step: {"critic": float("nan")})
    with pytest.raises(RecipeError, match="no numbers after 1 steps"):
        train_pipeline(_pipeline(), read_manifest(chests), tmp_path, stage=1)
    assert not (tmp_path / "1-dots" / "checkpoint.pt").exists()


def test_every_epoch_shows_every_film_once_in_another_order() -> None:
    shown = np.concatenate([in_epochs(3, 7, first, 4) for first in range(0, 28, 4)]).reshape(4, 7)
    assert all(sorted(epoch) == list(range(7)) for epoch in shown.tolist())
    assert len({tuple(epoch) for epoch in shown.tolist()}) == 4
    np.testing.assert_array_equal(in_epochs(3, 7, 5, 9), shown.ravel()[5:14])


def test_kept_weights_are_averages_that_forget_the_beginning() -> None:
    kept, network = torch.nn.Linear(2, 1, bias=False), torch.nn.Linear(2, 1, bias=False)
    mean = kept.weight.detach().numpy().astype(float).copy()
    for step in range(200):
        with torch.no_grad():
            network.weight.copy_(torch.tensor([[float(step), -1.0]]))
        averaged(kept, network, 0.9, step)
        decay = min(0.9, (1 + step) / (10 + step))
        mean = decay * mean + (1 - decay) * np.array([[step, -1]])
    np.testing.assert_allclose(kept.weight.detach().numpy(), mean, rtol=1e-5)


@pytest.mark.parametrize("how", ["average", "nearest"])
def test_real_pictures_fade_in_as_made_ones_do(how: str) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (3, 2, 16, 16)).astype(np.uint8)
    settings = PGGANPart.model_validate(DOTS | {"size": 16, "pyramid": how})
    shown = GrowingTraining(settings, pictures, CPU)._shown(np.array([2, 0]), 8, 0.25).numpy()
    chosen = pictures[[2, 0]] / 127.5 - 1

    def shrunk(block: int) -> np.ndarray:
        if how == "average":
            return block_reduce(chosen, (1, 1, block, block), np.mean)
        return chosen[..., block // 2 :: block, block // 2 :: block]

    before = shrunk(4).repeat(2, axis=-1).repeat(2, axis=-2)
    np.testing.assert_allclose(shown, 0.25 * shrunk(2) + 0.75 * before, atol=1e-5)


def test_the_full_size_is_taken_as_it_is() -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (3, 1, 16, 16)).astype(np.uint8)
    np.testing.assert_array_equal(Levels(pictures, "average").take(np.array([1]), 16), as_signal(pictures[[1]]))


def test_moments_of_adam_begin_anew_at_every_size() -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (3, 1, 8, 8)).astype(np.uint8)
    grown = GrowingTraining(PGGANPart.model_validate(DOTS), pictures, CPU)
    taken = []
    for step in range(4):
        grown(step)
        for optimizer in grown.state_dict()["optimizers"]:
            taken.append({int(state["step"]) for state in optimizer["state"].values()})
    assert taken == [{1}, {1}, {2}, {2}, {1}, {1}, {2}, {2}]


def test_rates_of_the_translator_stay_and_then_fall_to_zero_by_epochs() -> None:
    pairs = Pairs(np.zeros((2, 16, 16), np.uint8), np.zeros((2, 16, 16), np.uint8), conditions=2, labels=None)
    part = Pix2PixHDPart.model_validate(FILM | {"epochs": 3, "epochs_of_decline": 4, "batch": 1, "learning_rate": 0.8})
    learns = TranslationTraining(part, pairs, CPU)
    rates = [learns.facts(step)["rate"] for step in range(learns.steps)]
    # As in the authors' code: the first epoch of the decline is still at the full rate.
    assert rates == pytest.approx([0.8] * 8 + [0.6] * 2 + [0.4] * 2 + [0.2] * 2)


@pytest.mark.parametrize("labels", [None, 3])
def test_the_first_step_of_the_translator_moves_both_networks_by_what_was_judged_before(labels: int | None) -> None:
    rng = np.random.default_rng(0)
    given, wanted = rng.integers(0, 4, (1, 16, 16)), rng.integers(0, labels or 256, (1, 16, 16))
    pairs = Pairs(given.astype(np.uint8), wanted.astype(np.uint8), conditions=4, labels=labels)
    torch.manual_seed(0)
    part = Pix2PixHDPart.model_validate(FILM | {"batch": 1, "learning_rate": 0.01})
    learns = TranslationTraining(part, pairs, CPU)
    one_hot = torch.from_numpy(np.eye(4)[given].transpose(0, 3, 1, 2)).float()
    if labels:
        real = torch.from_numpy(2 * np.eye(labels)[wanted].transpose(0, 3, 1, 2) - 1).float()
    else:
        real = torch.from_numpy(wanted[:, None] / 127.5 - 1).float()
    given_first, wanted_first = pairs.at(np.array([0]), np.array([0]))
    torch.testing.assert_close(given_first, one_hot)
    torch.testing.assert_close(wanted_first, real)
    generator, judges, loss = learns._generator, learns._judges, Pix2PixHDLoss(perceptual_weight=0)
    made = generator(one_hot)
    believed, true = judges(torch.cat([one_hot, made], 1)), judges(torch.cat([one_hot, real], 1))
    parts = loss.generator(true, believed, real=real, made=made)
    slopes = torch.autograd.grad(sum(parts.values()), [*generator.parameters()], retain_graph=True)
    fooled = judges(torch.cat([one_hot, made.detach()], 1))
    slopes += torch.autograd.grad(loss.discriminator(true, fooled), [*judges.parameters()])
    weights = [*generator.parameters(), *judges.parameters()]
    before = [weight.detach().clone() for weight in weights]
    losses = learns(0)
    assert losses["adversarial"] == pytest.approx(float(parts["adversarial"].detach()), rel=1e-4)
    # Adam's first step is the rate times the sign of the slope, where it is not next to nothing.
    for weight, old, slope in zip(weights, before, slopes, strict=True):
        clear = slope.abs() > 1e-5
        moved = (weight.detach() - old)[clear] / -0.01
        torch.testing.assert_close(moved, slope[clear].sign(), atol=2e-3, rtol=0)
