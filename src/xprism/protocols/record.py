"""What an experiment was: sizes, epochs, minutes, machine, and how it settled what its paper leaves open."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from torch import nn

from xprism.networks.pix2pix import PatchDiscriminator
from xprism.networks.scan import ScanCritic
from xprism.protocols.published import full_name, published
from xprism.targets import Masks, Picture
from xprism.training.augment import PaperAugment
from xprism.training.cases import films_of, folds_of, training_cases
from xprism.training.recipe import AdversarialPart, CriticPart, Recipe
from xprism.training.runs import Run, total_minutes

FILE = "experiment.json"


def describe(name: str, recipe: Recipe, runs: tuple[Run, ...], *, profile: str, held_out: int) -> dict[str, Any]:
    """What stands in ``experiment.json``; epochs are the mean over folds, minutes their sum."""
    machine = json.loads((runs[0].folder / "environment.json").read_text(encoding="utf-8"))
    return {
        "schema": "xprism.experiment",
        "schema_version": 1,
        "experiment": name,
        "profile": profile,
        "system": next((row.system for row in published() if full_name(name) in row.experiments), None),
        "parameters": {"network": _weights(runs[0].network), "discriminator": _weights(_discriminator(recipe))},
        "epochs": round(sum(_epochs(run) for run in runs) / len(runs), 1),
        "minutes": round(sum(total_minutes(run) for run in runs), 1),
        "folds": [run.recipe.data.hold_out for run in runs],
        "of_folds": len(set(folds_of(recipe).values())),
        "hardware": _hardware(machine),
        "input": list(recipe.input.size),
        "films": {"training": len(training_cases(runs[0].recipe)), "held_out": held_out},
        "data": "simulated" if _simulated(recipe, runs[0].folder) else "manifests",
        "settings": settings_of(recipe),
    }


def _simulated(recipe: Recipe, run: Path) -> bool:
    # A sweep's trainings lie one level deeper than the films that they share.
    return any(recipe.data.manifests == (films_of(folder),) for folder in (run.parent, run.parent.parent))


def write_description(folder: Path, facts: dict[str, Any]) -> None:
    """Write ``experiment.json`` whole."""
    partial = folder / f"{FILE}.partial"
    partial.write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    partial.replace(folder / FILE)


def settings_of(recipe: Recipe) -> dict[str, str]:
    """How a recipe settles what the pix2pix papers leave open or contradict, in words."""
    data, augment, spec, schedule = recipe.data, recipe.augment, recipe.input, recipe.schedule
    copies = isinstance(augment, PaperAugment) and augment.copies
    flips = isinstance(augment, PaperAugment) and augment.flip_probability > 0
    pictures = [target for target in recipe.targets if isinstance(target, Picture)]
    masks = [target for target in recipe.targets if isinstance(target, Masks)]
    whole = (spec.low_percent, spec.high_percent) == (0, 100)
    kept = getattr(recipe.network, "test_as_trained", False)
    found = {
        "split": f"{data.split} by subject; tested on original films only",
        "offline copies": "the paper's four of every film" if copies else "none",
        "flips and crops": "as the authors' code" if flips else "none",
        "grey values": "smallest to largest of each film"
        if whole
        else f"percentiles {spec.low_percent:g} to {spec.high_percent:g}",
        "polarity": "lungs bright" if spec.inverted else "lungs dark",
        "batch statistics and dropout in use": "as in training" if kept else "running statistics, no dropout",
        "precision": schedule.precision,
        "sides": "the patient's",
    }
    if pictures:
        found["picture cut to"] = ", ".join(pictures[0].within) or "nothing, the whole frame"
    if masks:
        found["mask"] = f"probability from {masks[0].threshold:g}, no clean-up"
    if isinstance(recipe.objective, AdversarialPart):
        stop = recipe.objective.stop_l1
        found["stop"] = f"smoothed L1 below {stop:g}, or {schedule.steps} steps" if stop else f"{schedule.steps} steps"
    supervised = recipe.objective.supervised
    if len(recipe.targets.targets) > 1 and not isinstance(recipe.objective, AdversarialPart):
        weights = {target.name: supervised.loss["tasks"].get(target.name, 1) for target in recipe.targets}
        fixed = ", ".join(f"{name} {weight:g}" for name, weight in weights.items())
        found["balance of the tasks"] = "learnt" if supervised.balance.kind == "learned" else fixed
    if data.oversample is not None:
        found["oversampled"] = f"each {data.stratify} to {data.oversample} augmented films an epoch, and the films"
    if supervised.kernel_l2:
        found["penalty"] = f"{supervised.kernel_l2:g} times the sum of squared kernels"
    if supervised.class_weights != "none":
        found["class weights"] = supervised.class_weights
    if recipe.validation is not None:
        share, patience = recipe.validation.share, recipe.validation.patience
        found["stop"] = (
            f"no better after {patience} looks at {share:.0%} of the training subjects, or {schedule.steps} steps"
        )
    return found


def _hardware(machine: dict[str, Any]) -> str:
    if machine["device"] != "cpu":
        return str(machine["device"])
    count = machine["threads"]
    return f"{machine['processor']}, {count} thread{'s' if count != 1 else ''}"


def _discriminator(recipe: Recipe) -> nn.Module | None:
    if isinstance(recipe.objective, CriticPart):
        return ScanCritic(recipe.targets.channels + recipe.objective.film, width=recipe.objective.width)
    if not isinstance(recipe.objective, AdversarialPart):
        return None
    names = set(recipe.objective.targets) or {target.name for target in recipe.targets}
    judged, _, _ = recipe.targets.part(names)
    channels = recipe.network.in_channels + judged.channels
    return PatchDiscriminator(channels, width=recipe.objective.discriminator_width)


def _weights(module: nn.Module | None) -> int:
    return sum(weight.numel() for weight in module.parameters()) if module is not None else 0


def _epochs(run: Run) -> float:
    lines = (run.folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return float(json.loads(lines[-1])["epoch"])
