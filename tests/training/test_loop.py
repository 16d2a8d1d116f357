"""Training learns, stops and goes on, and what it writes is whole."""

import json
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from lightning_fabric import Fabric

from xprism.card import Card, InputSpec
from xprism.data.manifest import read_manifest, write_manifest
from xprism.errors import DataError, RecipeError
from xprism.inference.predictor import Predictor
from xprism.protocols.crossval import crossval, draft_card, read_scores, summarise
from xprism.readers import read
from xprism.training import export, loop
from xprism.training.cases import held_out_cases, training_cases
from xprism.training.checkpoint import load_checkpoint
from xprism.training.loop import train
from xprism.training.recipe import Recipe
from xprism.training.recipe_file import load_recipe
from xprism.training.runs import load_run
from xprism.training.samples import Samples
from xprism.training.start import starting_network
from xprism.training.steps import STEPS

ADVERSARIAL = (
    "network={kind: pix2pix, depth: 5, width: 4, in_channels: 1}",
    "objective={kind: adversarial, discriminator_width: 4}",
    "schedule.decline=constant",
)
CRITIC = ("network={kind: scan, width: 4}", "objective={kind: critic, width: 4}")
VALIDATED = (
    "validation={share: 0.34, every: 2, patience: 2}",
    "schedule.learning_rate=0.02",
    "schedule.settle_norms=3",
)
WATCHED_BY_LOSS = (*CRITIC, "validation={share: 0.34, every: 1, patience: 3, measure: loss}")
LEARNED = (
    "objective={kind: supervised, balance: {kind: learned}}",
    "targets=[{kind: masks, name: organs, labels: [right_lung, left_lung], unions: {lungs: [right_lung, left_lung]}},"
    " {kind: lesions, name: hearts, label: heart}]",
)
ALL_KINDS = [(), ADVERSARIAL, CRITIC, VALIDATED, WATCHED_BY_LOSS, LEARNED]


class KilledError(Exception):
    """Stands for a process that ended."""


def _schedule(recipe: Recipe, **changes: object) -> Recipe:
    return recipe.model_copy(update={"schedule": recipe.schedule.model_copy(update=changes)})


def _same(first: object, second: object) -> bool:
    """Bit-equality of nested state: tensors, numbers, texts."""
    if isinstance(first, torch.Tensor) and isinstance(second, torch.Tensor):
        return torch.equal(first, second)
    if isinstance(first, dict) and isinstance(second, dict):
        return first.keys() == second.keys() and all(_same(first[key], second[key]) for key in first)
    if isinstance(first, list | tuple) and isinstance(second, list | tuple):
        return len(first) == len(second) and all(map(_same, first, second))
    return first == second


@pytest.mark.parametrize("dies_in", [1, 2, 5])
@pytest.mark.parametrize(
    "change", ALL_KINDS, ids=["supervised", "adversarial", "critic", "validated", "watched", "learned"]
)
def test_a_killed_training_that_goes_on_equals_an_unbroken_one(
    tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: tuple[str, ...], dies_in: int
) -> None:
    recipe = load_recipe(tiny_data / "tiny.yaml", changes=change)
    train(recipe, tmp_path / "whole")
    average, steps = loop._average, []

    def dies(*args: object) -> None:
        average(*args)  # type: ignore[arg-type]
        steps.append(1)
        if len(steps) == dies_in:
            raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(loop, "_average", dies)
        with pytest.raises(KilledError):
            train(recipe, tmp_path / "broken")
    train(recipe, tmp_path / "broken", resume=True)
    whole, broken = (load_checkpoint(tmp_path / name / "checkpoint.pt") for name in ("whole", "broken"))
    assert whole.pop("seconds") > 0
    assert broken.pop("seconds") > 0
    assert _same(whole, broken)
    logs = [(tmp_path / name / "metrics.jsonl").read_text().splitlines() for name in ("whole", "broken")]
    whole_log, broken_log = ([{**json.loads(line), "seconds": 0} for line in log] for log in logs)
    assert whole_log == broken_log


def test_a_stopped_training_stays_stopped(tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xprism.training.stopping.CHECK_EVERY", 2)
    recipe = load_recipe(tiny_data / "tiny.yaml", changes=(*ADVERSARIAL, "objective.stop_l1=5"))
    train(recipe, tmp_path / "run")
    state = load_checkpoint(tmp_path / "run" / "checkpoint.pt")
    assert state["step"] == 2
    assert "fell below 5" in state["stopped"]
    train(recipe, tmp_path / "run", resume=True)
    assert load_checkpoint(tmp_path / "run" / "checkpoint.pt")["step"] == 2


def test_a_run_is_not_overwritten_unless_it_is_resumed(tiny_recipe: Recipe, tmp_path: Path) -> None:
    train(_schedule(tiny_recipe, steps=2), tmp_path / "run")
    with pytest.raises(RecipeError, match="exists already"):
        train(tiny_recipe, tmp_path / "run")


def test_a_run_is_resumed_by_its_own_recipe_only(tiny_recipe: Recipe, tmp_path: Path) -> None:
    train(_schedule(tiny_recipe, steps=2), tmp_path / "run")
    with pytest.raises(RecipeError, match="begun by another recipe"):
        train(_schedule(tiny_recipe, steps=4), tmp_path / "run", resume=True)
    train(_schedule(tiny_recipe, steps=2, threads=2), tmp_path / "run", resume=True)


def test_the_loss_falls_and_every_step_is_logged(tiny_recipe: Recipe, tmp_path: Path) -> None:
    train(_schedule(tiny_recipe, steps=60, learning_rate=1e-2, checkpoint_every=60), tmp_path / "run")
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    losses = [line["loss"] for line in lines]
    assert [line["step"] for line in lines] == list(range(1, 61))
    assert np.mean(losses[-10:]) < 0.6 * np.mean(losses[:5])


@pytest.mark.parametrize(
    "network",
    [
        "{kind: unet, width: 4, levels: 3}",
        "{kind: pix2pix, depth: 5, width: 4, dilated: true}",
        "{kind: scan, width: 4}",
    ],
)
def test_any_network_trains_by_changing_one_line(tiny_data: Path, tmp_path: Path, network: str) -> None:
    recipe = load_recipe(tiny_data / "tiny.yaml", changes=(f"network={network}", "schedule.steps=2"))
    run = train(recipe, tmp_path / "run")
    assert run.network(torch.zeros(1, 1, 32, 32)).shape == (1, 2, 32, 32)


def test_a_stepped_rate_is_multiplied_from_each_step_on(tiny_data: Path, tmp_path: Path) -> None:
    changes = ("schedule.decline=[[2, 0.75], [4, 0.1]]", "schedule.warmup=0", "schedule.learning_rate=0.01")
    train(load_recipe(tiny_data / "tiny.yaml", changes=changes), tmp_path / "run")
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [line["rate"] for line in lines] == pytest.approx([0.01, 0.01, 0.0075, 0.0075, 0.00075, 0.00075])


def test_a_training_may_start_from_another_run_at_another_size(tiny_recipe: Recipe, tmp_path: Path) -> None:
    first = train(_schedule(tiny_recipe, steps=2), tmp_path / "run-0")
    finer = tiny_recipe.model_copy(
        update={"start_from": str(tmp_path / "run-{fold}"), "input": InputSpec(size=(48, 48))}
    )
    second = train(_schedule(finer, steps=1, warmup=1000, ema=0), tmp_path / "second")
    for name, value in first.network.state_dict().items():
        if name.endswith("weight"):
            torch.testing.assert_close(second.network.state_dict()[name], value, atol=1e-4, rtol=1e-3)


def test_a_start_that_has_seen_the_held_out_films_is_refused(tiny_recipe: Recipe, tmp_path: Path) -> None:
    train(_schedule(tiny_recipe, steps=1), tmp_path / "run")
    other_fold = tiny_recipe.data.model_copy(update={"hold_out": 1})
    with pytest.raises(RecipeError, match="held-out subjects: s"):
        train(
            tiny_recipe.model_copy(update={"start_from": str(tmp_path / "run"), "data": other_fold}),
            tmp_path / "second",
        )


def test_a_folder_without_a_checkpoint_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"checkpoint\.pt"):
        load_run(tmp_path)


def test_an_exported_run_predicts_what_the_network_says(tiny_recipe: Recipe, tmp_path: Path) -> None:
    run = train(_schedule(tiny_recipe, steps=2), tmp_path / "run")
    licence = tmp_path / "LICENSE"
    licence.write_text("research only")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        films = torch.randn(2, 1, 32, 32)
        card = export.export_model(run, tmp_path / "model", licence=licence, card=draft_card(run), check=films)
    assert Card.load(tmp_path / "model") == card
    assert {path.name for path in (tmp_path / "model").iterdir()} == {*card.files, "card.json"}
    assert export.onnx_difference(run.network, tmp_path / "model" / "model.onnx", films) < 1e-2
    case = read_manifest(tiny_recipe.data.manifests[0])[0]
    result = Predictor.load(tmp_path / "model")(read(case.film, polarity="display"))
    assert result.masks["left_lung"].shape == (40, 48)


def test_cross_validation_scores_every_case_once_and_keeps_finished_folds(
    tiny_recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "LICENSE").write_text("research only")
    recipe = _schedule(tiny_recipe, steps=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scores = crossval(recipe, tmp_path / "cv", licence=tmp_path / "LICENSE")
    cases = read_manifest(recipe.data.manifests[0])
    assert sorted(s.case for s in scores if s.structure == "lungs") == sorted(case.case for case in cases)
    assert len([s for s in scores if s.structure == "left_lung"]) == 6
    assert read_scores(tmp_path / "cv" / "scores.csv") == scores
    monkeypatch.setattr("xprism.protocols.crossval.train", None)
    assert crossval(recipe, tmp_path / "cv", licence=tmp_path / "LICENSE") == scores


def test_a_summary_keeps_sources_apart(tiny_recipe: Recipe) -> None:
    cases = read_manifest(tiny_recipe.data.manifests[0])[:2]
    other = replace(cases[1], attributes={"source": "other"})
    from xprism.evaluation.cases import CaseScore

    scores = [CaseScore(case.case, "lungs", value, 1, 1) for case, value in zip(cases, (0.5, 0.9), strict=True)]
    found = summarise(scores, (cases[0], other), protocol="test")
    assert [(s.protocol, s.mean, s.worst, s.films) for s in found] == [
        ("test, discs", 0.5, 0.5, 1),
        ("test, other", 0.9, 0.9, 1),
    ]


@given(first=st.integers(0, 20), steps=st.integers(0, 6), share=st.integers(1, 4), devices=st.integers(1, 4))
def test_devices_share_every_batch_and_nothing_twice(first: int, steps: int, share: int, devices: int) -> None:
    batch, wanted = share * devices, range(first, first + steps)
    parts = [loop.sample_numbers(wanted, batch=batch, device=k, devices=devices) for k in range(devices)]
    for number, step in enumerate(wanted):
        taken = sorted(n for part in parts for n in part[number * share : (number + 1) * share])
        assert taken == list(range(step * batch, (step + 1) * batch))


@pytest.mark.parametrize(
    ("change", "loss"),
    [(ADVERSARIAL, "discriminator"), (LEARNED, "loss")],
    ids=["two losses", "learnt balance"],
)
def test_two_devices_train_one_network(tiny_data: Path, tmp_path: Path, change: tuple[str, ...], loss: str) -> None:
    changes = (*change, "schedule.devices=2", "schedule.batch=4", "schedule.steps=2", "schedule.checkpoint_every=1")
    recipe = load_recipe(tiny_data / "tiny.yaml", changes=changes)
    run = train(recipe, tmp_path / "run")
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2]
    halves = [_first_losses(recipe, device)[loss] for device in (0, 1)]
    assert halves[0] != halves[1]
    assert lines[0][loss] == pytest.approx(np.mean(halves), rel=1e-4)
    start, _ = starting_network(recipe)
    assert not any(torch.equal(a, b) for a, b in zip(start.parameters(), run.network.parameters(), strict=True))


def test_two_devices_have_the_losses_of_one_with_all_films(tiny_data: Path, tmp_path: Path) -> None:
    """Of films of which all is known: a device's mean over what its half knows is else not its share of the whole."""
    known = [case for case in read_manifest(tiny_data / "tiny.csv") if case.flags is not None]
    write_manifest(tmp_path / "known.csv", known)
    network = "network={kind: unet, in_channels: 1, width: 4, levels: 2, norm: none}"
    films = f"data.manifests=[{tmp_path / 'known.csv'}]"
    changes = (network, films, "schedule.batch=4", "schedule.steps=3", "schedule.checkpoint_every=3")
    losses = []
    for devices in (1, 2):
        recipe = load_recipe(tiny_data / "tiny.yaml", changes=[*changes, f"schedule.devices={devices}"])
        train(recipe, tmp_path / f"run{devices}")
        lines = (tmp_path / f"run{devices}" / "metrics.jsonl").read_text().splitlines()
        losses.append([json.loads(line)["loss"] for line in lines])
    assert len(losses[0]) == 3
    assert losses[0][2] != pytest.approx(losses[0][0], rel=1e-3)
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)


def _first_losses(recipe: Recipe, device: int) -> dict[str, float]:
    """Losses of the first step on one device's half of the films, without the other."""
    torch.manual_seed(recipe.schedule.seed)
    network = starting_network(recipe)[0].to(memory_format=torch.channels_last).train()
    step = STEPS[recipe.objective.kind](recipe, network, Fabric(accelerator="cpu", devices=1))
    samples = Samples(training_cases(recipe), recipe)
    taken = loop.sample_numbers(range(1), batch=4, device=device, devices=2)
    films, planes, known = (torch.stack(parts) for parts in zip(*(samples[n] for n in taken), strict=True))
    torch.manual_seed(recipe.schedule.seed + 7919 * device)
    films = films.contiguous(memory_format=torch.channels_last)  # dropout goes by the order in memory
    return step(films, planes, known, rate=recipe.schedule.learning_rate)


def test_settled_norms_hold_the_mean_statistics_of_the_last_batches_under_the_weights_that_are_kept(
    tiny_data: Path, tmp_path: Path
) -> None:
    plain = "network={kind: unet, in_channels: 1, width: 4, levels: 2, norm: bn}"
    recipe = load_recipe(tiny_data / "tiny.yaml", changes=[plain, "schedule.steps=5", "schedule.settle_norms=3"])
    network, samples = train(recipe, tmp_path / "run").network, Samples(training_cases(recipe), recipe)
    first, norm = (
        next(part for part in network.modules() if isinstance(part, kind))
        for kind in (torch.nn.Conv2d, torch.nn.BatchNorm2d)
    )
    with torch.no_grad():
        seen = [first(torch.stack([samples[4 * step + k][0] for k in range(4)])).numpy() for step in (2, 3, 4)]
    np.testing.assert_allclose(norm.running_mean, np.mean([one.mean((0, 2, 3)) for one in seen], 0), atol=1e-5)
    np.testing.assert_allclose(norm.running_var, np.mean([one.var((0, 2, 3), ddof=1) for one in seen], 0), rtol=1e-4)


def test_norms_are_kept_or_settled_never_both(tiny_data: Path) -> None:
    with pytest.raises(RecipeError, match="do not go together"):
        load_recipe(tiny_data / "tiny.yaml", changes=["schedule.keep_norms=true", "schedule.settle_norms=2"])


def test_a_run_lists_the_cases_that_it_did_not_learn_from(tiny_recipe: Recipe, tmp_path: Path) -> None:
    train(_schedule(tiny_recipe, steps=1), tmp_path / "run")
    listed = read_manifest(tmp_path / "run" / "held-out.csv")
    assert [case.case for case in listed] == [case.case for case in held_out_cases(tiny_recipe)]
