"""The training loop, readable top to bottom."""

from __future__ import annotations

import json
import math
import platform
import time
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from lightning_fabric import Fabric
from torch import nn
from torch.utils.data import DataLoader

from xprism.allocator import keep_freed_memory
from xprism.data.manifest import Case, read_manifest
from xprism.data.split import k_fold
from xprism.errors import DataError, RecipeError
from xprism.networks import NETWORKS
from xprism.progress import Progress
from xprism.training.checkpoint import load_checkpoint, save_checkpoint
from xprism.training.recipe import Recipe, Schedule
from xprism.training.samples import Samples
from xprism.training.steps import STEPS


@dataclass(frozen=True)
class Run:
    """A finished or unfinished training: its folder, recipe and EMA network."""

    folder: Path
    recipe: Recipe
    network: nn.Module
    minutes: float


def train(recipe: Recipe, folder: Path | str, *, resume: bool = False) -> Run:
    """Train by ``recipe`` into ``folder``; with ``resume`` go on from its last checkpoint.

    Writes ``recipe.yaml``, ``environment.json``, ``metrics.jsonl`` and ``checkpoint.pt``. Every
    sample is drawn from the seed and its number, dropout from the seed and the step, so a resumed
    training equals an unbroken one.
    Raises ``RecipeError`` where ``folder`` holds a run and ``resume`` was not asked for, or a run of
    another recipe.
    """
    folder = Path(folder)
    last = folder / "checkpoint.pt"
    if last.exists() and not resume:
        raise RecipeError("this run exists already", where=str(folder), remedy="resume it, or choose another folder")
    if last.exists() and _without_threads(load_run(folder).recipe) != _without_threads(recipe):
        raise RecipeError(
            "this run was begun by another recipe",
            where=str(folder),
            remedy="resume it by its own recipe.yaml, or choose another folder",
        )
    folder.mkdir(parents=True, exist_ok=True)
    schedule = recipe.schedule
    keep_freed_memory()
    if schedule.threads:
        torch.set_num_threads(schedule.threads)
    _describe(recipe, folder)

    fabric = Fabric(accelerator="auto", devices=1, precision=schedule.precision)
    torch.manual_seed(schedule.seed)
    network = _starting_network(recipe).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    ema = deepcopy(network).to(fabric.device)
    take_step = STEPS[recipe.objective.kind](recipe, network, fabric)
    state: dict[str, Any] = {"step": 0, "seconds": 0.0, "stopped": None}
    if last.exists():
        state = load_checkpoint(last)
        network.load_state_dict(state["network"])
        ema.load_state_dict(state["ema"])
        take_step.load_state_dict(state["objective"])
    log_path = folder / "metrics.jsonl"
    _forget_after(log_path, state["step"])

    samples = Samples(training_cases(recipe), recipe)
    ahead = 0 if state["stopped"] else len(samples) - state["step"] * schedule.batch
    upcoming = range(len(samples) - ahead, len(samples))
    loader = fabric.setup_dataloaders(DataLoader(samples, schedule.batch, sampler=upcoming))
    started = time.monotonic() - state["seconds"]
    network.train()
    with Progress("training", schedule.steps, done=state["step"]) as shown, log_path.open("a") as log:
        for step, (films, planes, known) in enumerate(loader, start=state["step"]):
            torch.manual_seed(schedule.seed + 1_000_003 * step)  # dropout: a function of the step alone
            rate = schedule.learning_rate * _share_of_rate(step, schedule)
            losses = take_step(films.contiguous(memory_format=torch.channels_last), planes, known, rate=rate)
            _average(ema, network, min(schedule.ema, (1 + step) / (10 + step)))

            seconds = time.monotonic() - started
            stopped = take_step.reason_to_stop(losses)
            shown.step(", ".join(f"{name} {value:.4f}" for name, value in losses.items()))
            log.write(json.dumps({"step": step + 1, **losses, "rate": rate, "seconds": round(seconds, 1)}) + "\n")
            if stopped or (step + 1) % schedule.checkpoint_every == 0 or step + 1 == schedule.steps:
                log.flush()
                state = {"step": step + 1, "seconds": seconds, "stopped": stopped, "ema": ema.state_dict()}
                state |= {"network": network.state_dict(), "objective": take_step.state_dict()}
                save_checkpoint(last, state)
            if stopped:
                shown.say(f"stopped after {step + 1} steps: {stopped}")
                break
    return Run(folder, recipe, ema.eval(), state["seconds"] / 60)


def load_run(folder: Path | str) -> Run:
    """A run as its folder holds it, with the EMA network of its last checkpoint, ready to evaluate."""
    folder = Path(folder)
    if not (folder / "checkpoint.pt").is_file():
        raise DataError("no checkpoint.pt", where=str(folder), remedy="give the folder of a training that has begun")
    recipe = Recipe.model_validate(yaml.safe_load((folder / "recipe.yaml").read_text(encoding="utf-8")))
    state = load_checkpoint(folder / "checkpoint.pt")
    network = build_network(recipe)
    network.load_state_dict(state["ema"])
    return Run(folder, recipe, network.eval(), state["seconds"] / 60)


def total_minutes(run: Run) -> float:
    """Minutes of a training and of those that it goes on from."""
    start = run.recipe.starting_run
    return run.minutes + (total_minutes(load_run(start)) if start is not None else 0.0)


def build_network(recipe: Recipe) -> nn.Module:
    """The recipe's network with fresh weights."""
    settings = recipe.network.model_dump()
    kind = NETWORKS[settings.pop("kind")]
    return kind(settings.pop("in_channels"), recipe.targets.channels, **settings)


def _without_threads(recipe: Recipe) -> Recipe:
    """The recipe but for what belongs to the machine."""
    return recipe.model_copy(update={"schedule": recipe.schedule.model_copy(update={"threads": 0})})


def _starting_network(recipe: Recipe) -> nn.Module:
    if recipe.starting_run is None:
        return build_network(recipe)
    start = load_run(recipe.starting_run)
    if (start.recipe.network, start.recipe.targets) != (recipe.network, recipe.targets):
        raise RecipeError(
            "network or targets differ from those of the run to start from",
            where=str(recipe.starting_run),
            remedy="give both recipes the same network and targets",
        )
    subjects = {case.subject for case in training_cases(start.recipe)}
    leaked = sorted(subjects & {case.subject for case in held_out_cases(recipe)})
    if leaked:
        raise RecipeError(
            f"the run to start from learnt from held-out subjects: {', '.join(leaked[:5])}",
            where=str(recipe.starting_run),
            remedy="start from a run with the same data, folds, seed and hold_out",
        )
    return start.network


def training_cases(recipe: Recipe) -> tuple[Case, ...]:
    """The cases that train: all of the manifests but the held-out fold."""
    return tuple(case for case, held in _cases_with_fold(recipe) if not held)


def held_out_cases(recipe: Recipe) -> tuple[Case, ...]:
    """The cases of the held-out fold; none where everything trains."""
    return tuple(case for case, held in _cases_with_fold(recipe) if held)


def _cases_with_fold(recipe: Recipe) -> Sequence[tuple[Case, bool]]:
    cases = [case for manifest in recipe.data.manifests for case in read_manifest(manifest)]
    if recipe.data.hold_out is None:
        return [(case, False) for case in cases]
    fold = k_fold(cases, folds=recipe.data.folds, seed=recipe.data.seed)
    return [(case, fold[case.subject] == recipe.data.hold_out) for case in cases]


def _share_of_rate(step: int, schedule: Schedule) -> float:
    if step < schedule.warmup:
        return (step + 1) / schedule.warmup
    if schedule.decline == "constant":
        return 1.0
    return 0.5 * (1 + math.cos(math.pi * (step - schedule.warmup) / max(1, schedule.steps - schedule.warmup)))


def _forget_after(log: Path, step: int) -> None:
    """Drop lines of steps that came after the last checkpoint: they are taken again."""
    if log.exists():
        lines = [line for line in log.read_text().splitlines() if line and json.loads(line)["step"] <= step]
        partial = log.with_name(log.name + ".partial")
        partial.write_text("".join(line + "\n" for line in lines))
        partial.replace(log)


@torch.no_grad()
def _average(ema: nn.Module, network: nn.Module, decay: float) -> None:
    for kept, new in zip(ema.state_dict().values(), network.state_dict().values(), strict=True):
        if kept.dtype.is_floating_point:
            kept.lerp_(new, 1 - decay)
        else:
            kept.copy_(new)


def _describe(recipe: Recipe, folder: Path) -> None:
    (folder / "recipe.yaml").write_text(
        yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False), encoding="utf-8"
    )
    facts = {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "processor": _processor(),
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
    }
    (folder / "environment.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    names = (
        [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        if cpuinfo.exists()
        else []
    )
    return names[0] if names else platform.processor()
