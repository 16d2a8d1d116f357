"""The training loop, readable top to bottom."""

from __future__ import annotations

import json
import math
import os
import platform
import time
import warnings
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

import torch
import yaml
from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy
from torch import Tensor, nn
from torch.utils.data import DataLoader

from xprism.allocator import keep_freed_memory
from xprism.data.manifest import write_manifest
from xprism.errors import DataError, RecipeError
from xprism.inference.exported import processor
from xprism.training.cases import held_out_cases, training_cases, validation_cases
from xprism.training.checkpoint import load_checkpoint, save_checkpoint
from xprism.training.log import TrainingLog
from xprism.training.recipe import Recipe, Schedule
from xprism.training.runs import Run, load_run
from xprism.training.samples import Samples
from xprism.training.start import starting_network
from xprism.training.steps import STEPS
from xprism.training.validation import Validation

ALIVE_BY, DRAWS = 200, 5
"""Steps after which an output of nothing but zeros counts as dead, and how many seeds of weights are tried."""
BEGINNING: dict[str, Any] = {"step": 0, "seconds": 0.0, "stopped": None, "draw": 0, "validation": {}}
"""The state of a training that has not begun."""


def train(recipe: Recipe, folder: Path | str, *, resume: bool = False) -> Run:
    """Train by ``recipe`` into ``folder``; with ``resume`` go on from its last checkpoint.

    Writes ``recipe.yaml``, ``environment.json``, ``held-out.csv`` and ``validation.csv`` (manifests, where
    cases are held out or set aside), ``metrics.jsonl`` and ``checkpoint.pt``, in the end ``curves.png``, and
    ``tensorboard/`` where that is installed. Several devices share every step's films. Every sample is drawn
    from the seed and its number, dropout from the seed and the step, so a resumed training equals an unbroken
    one. Raises ``RecipeError`` where ``folder`` holds a run and ``resume`` was not asked for, or a run of
    another recipe, and where the weights of every seed that is tried die.
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
    if recipe.objective.supervised.balance.kind == "sweep":
        raise RecipeError(
            "this recipe stands for several trainings, but this is one run",
            remedy="use 'xprism train', or choose one of them: --set objective.balance={kind: fixed, weights: {...}}",
        )
    if not training_cases(recipe):
        raise DataError("no film is left to learn from", remedy="give more films, or fewer to hold out")
    folder.mkdir(parents=True, exist_ok=True)
    _describe(recipe, folder)
    schedule = recipe.schedule
    # Buffers stay each device's own: batch norms pass several batches before one step backward.
    several = DDPStrategy(start_method="spawn", broadcast_buffers=False) if schedule.devices > 1 else "auto"
    fabric = Fabric(accelerator="auto", devices=schedule.devices, strategy=several, precision=schedule.precision)
    fabric.launch(partial(_train_on_one_of_several if schedule.devices > 1 else _train, recipe=recipe, folder=folder))
    return load_run(folder)


def _train_on_one_of_several(fabric: Fabric, recipe: Recipe, folder: Path) -> None:
    """The training on one device, whose threads end before its process does: one left waiting aborts it."""
    _train(fabric, recipe, folder)
    fabric.barrier()
    torch.distributed.destroy_process_group()


def _train(fabric: Fabric, recipe: Recipe, folder: Path) -> None:
    """The training on one device of however many there are, begun again with other weights where the first die."""
    schedule, devices = recipe.schedule, fabric.world_size
    warnings.filterwarnings("ignore", message=".*broadcast_buffers", module="lightning_fabric")  # not yet renamed there
    keep_freed_memory()
    if schedule.threads or devices > 1:
        torch.set_num_threads(schedule.threads or max(1, (os.cpu_count() or 1) // devices))
    samples = Samples(training_cases(recipe), recipe)
    last = folder / "checkpoint.pt"
    state: dict[str, Any] = BEGINNING | (load_checkpoint(last) if last.exists() else {})
    for draw in range(state["draw"], DRAWS):
        if _train_weights(fabric, recipe, folder, samples=samples, state=state):
            return
        state = BEGINNING | {"draw": draw + 1}
    raise RecipeError(
        f"the network's output was zero everywhere after {ALIVE_BY} steps, with the weights of {DRAWS} seeds",
        where=str(folder),
        remedy="lower schedule.learning_rate, or choose another schedule.seed",
    )


def _train_weights(fabric: Fabric, recipe: Recipe, folder: Path, *, samples: Samples, state: dict[str, Any]) -> bool:
    """Train on from ``state``; whether the weights live, for those whose output is zero no longer learn."""
    schedule, devices, draw = recipe.schedule, fabric.world_size, state["draw"]
    torch.manual_seed(schedule.seed + draw)
    network, fresh = starting_network(recipe)
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    ema = deepcopy(network).to(fabric.device)
    take_step, validation = STEPS[recipe.objective.kind](recipe, network, fabric), Validation(recipe, fabric)
    if state["step"]:
        network.load_state_dict(state["network"])
        ema.load_state_dict(state["ema"])
        take_step.load_state_dict(state["objective"])
        validation.load_state_dict(state["validation"])

    steps = range(state["step"], state["step"] if state["stopped"] else schedule.steps)
    numbers = sample_numbers(steps, batch=schedule.batch, device=fabric.global_rank, devices=devices)
    batches = DataLoader(samples, schedule.batch // devices, sampler=numbers)
    loader = fabric.setup_dataloaders(batches, use_distributed_sampler=False)
    started = time.monotonic() - state["seconds"]
    _to_train(network, schedule)
    with TrainingLog(folder, steps=schedule.steps, done=state["step"], silent=not fabric.is_global_zero) as log:
        if fresh and not state["step"]:
            log.say(f"fresh weights, since the network to start from has none of their shape: {', '.join(fresh)}")
        for step, (films, planes, known) in zip(steps, loader, strict=True):
            # Dropout is a function of step and device alone.
            torch.manual_seed(schedule.seed + 1_000_003 * step + 7919 * fabric.global_rank)
            rate = schedule.learning_rate * _share_of_rate(step, schedule)
            losses = take_step(films.contiguous(memory_format=torch.channels_last), planes, known, rate=rate)
            losses = _mean_over_devices(fabric, losses)
            _average(ema, network, min(schedule.ema, (1 + step) / (10 + step)))

            seconds = time.monotonic() - started
            if step + 1 == ALIVE_BY and _is_dead(fabric, network, films, schedule):
                log.say(f"the output is zero everywhere after {ALIVE_BY} steps: beginning again with other weights")
                return False
            stopped = take_step.reason_to_stop(losses)
            ends, due = stopped is not None, _checkpoint_due(step + 1, schedule)
            if schedule.settle_norms and (ends or due or validation.is_due(step + 1)):
                settle_norms(fabric, ema, samples, step=step, schedule=schedule)
            no_better = validation(step + 1, ema, ends=ends)
            stopped = stopped or no_better
            line = {"step": step + 1, "epoch": round((step + 1) * schedule.batch / len(samples.epoch), 4)}
            line |= {**losses, "rate": rate, "seconds": round(seconds, 1), **take_step.noted.fields}
            line |= {**validation.noted.fields, **({"seed_of_weights": schedule.seed + draw} if draw else {})}
            log.add(line, losses, (*take_step.noted.messages, *validation.noted.messages))
            if stopped or due:
                log.flush()
                state = {"step": step + 1, "seconds": seconds, "stopped": stopped, "draw": draw}
                state |= {"network": network.state_dict(), "ema": ema.state_dict()}
                state |= {"objective": take_step.state_dict(), "validation": validation.state_dict()}
                if fabric.is_global_zero:
                    save_checkpoint(folder / "checkpoint.pt", state)
            if stopped:
                log.say(f"stopped after {step + 1} steps: {stopped}")
                break
        log.draw()
    return True


def _to_train(network: nn.Module, schedule: Schedule) -> None:
    network.train()
    if schedule.keep_norms:
        for module in network.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()


def _checkpoint_due(step: int, schedule: Schedule) -> bool:
    return step % schedule.checkpoint_every == 0 or step == schedule.steps


@torch.no_grad()
def settle_norms(fabric: Fabric, network: nn.Module, samples: Samples, *, step: int, schedule: Schedule) -> None:
    """Measure the statistics of ``network``'s batch norms over the last batches up to ``step``, drawn again.

    Those kept while weights were averaged belong to no weights that ever were: with a slow momentum they lie far off.
    """
    network.eval()
    norms = [one for one in network.modules() if isinstance(one, nn.modules.batchnorm._BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean over all batches
        norm.train()
    for one in range(max(0, step + 1 - schedule.settle_norms), step + 1):
        films = torch.stack([samples[one * schedule.batch + place][0] for place in range(schedule.batch)])
        with fabric.autocast():
            network(films.to(fabric.device).contiguous(memory_format=torch.channels_last))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
        norm.eval()


@torch.no_grad()
def _is_dead(fabric: Fabric, network: nn.Module, films: Tensor, schedule: Schedule) -> bool:
    """Whether the output is zero at every pixel of a batch, on all devices."""
    network.eval()
    with fabric.autocast():
        living = network(films).any().float()
    _to_train(network, schedule)
    return not torch.as_tensor(fabric.all_reduce(living, reduce_op="sum")).item()


def sample_numbers(steps: range, *, batch: int, device: int, devices: int) -> list[int]:
    """Which samples a device takes in ``steps``: its equal share of every batch, in order."""
    share = batch // devices
    return [step * batch + device * share + place for step in steps for place in range(share)]


def _mean_over_devices(fabric: Fabric, losses: dict[str, float]) -> dict[str, float]:
    if fabric.world_size == 1:
        return losses
    means = fabric.all_reduce(torch.tensor(list(losses.values()), device=fabric.device), reduce_op="mean")
    return dict(zip(losses, torch.as_tensor(means).tolist(), strict=True))


def _without_threads(recipe: Recipe) -> Recipe:
    """The recipe but for what belongs to the machine."""
    return recipe.model_copy(update={"schedule": recipe.schedule.model_copy(update={"threads": 0})})


def _share_of_rate(step: int, schedule: Schedule) -> float:
    if step < schedule.warmup:
        return (step + 1) / schedule.warmup
    if schedule.decline == "constant":
        return 1.0
    if isinstance(schedule.decline, tuple):
        return math.prod(times for begin, times in schedule.decline if step >= begin)
    return 0.5 * (1 + math.cos(math.pi * (step - schedule.warmup) / max(1, schedule.steps - schedule.warmup)))


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
    for name, cases in (("held-out", held_out_cases(recipe)), ("validation", validation_cases(recipe))):
        if cases:
            write_manifest(folder / f"{name}.csv", cases)
    note_environment(folder, threads=recipe.schedule.threads)


def note_environment(folder: Path, *, threads: int) -> None:
    """Write ``environment.json``: on what, and by which versions, a run is made."""
    facts = {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "processor": processor(),
        "threads": threads or torch.get_num_threads(),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
    }
    (folder / "environment.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
