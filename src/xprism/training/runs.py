"""A run: the folder that a training writes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml
from torch import nn

from xprism.errors import DataError
from xprism.networks import NETWORKS
from xprism.training.checkpoint import load_checkpoint
from xprism.training.recipe import Recipe


@dataclass(frozen=True)
class Run:
    """A finished or unfinished training: its folder, recipe and EMA network (the best one by its validation)."""

    folder: Path
    recipe: Recipe
    network: nn.Module
    minutes: float


def build_network(recipe: Recipe) -> nn.Module:
    """The recipe's network with fresh weights."""
    settings = recipe.network.model_dump()
    kind = NETWORKS[settings.pop("kind")]
    settings.pop("split_heads", None)
    if getattr(recipe.network, "split_heads", False):
        settings["heads"] = [len(target.channel_labels) for target in recipe.targets]
    return kind(settings.pop("in_channels"), recipe.targets.channels, **settings)


def is_run(folder: Path | str) -> bool:
    """Whether a folder holds a training that has begun."""
    return (Path(folder) / "checkpoint.pt").is_file()


def load_run(folder: Path | str) -> Run:
    """A run as its folder holds it, with the EMA network of its last checkpoint, ready to evaluate."""
    folder = Path(folder)
    if not is_run(folder):
        raise DataError("no checkpoint.pt", where=str(folder), remedy="give the folder of a training that has begun")
    recipe, state = _recipe_of(folder), load_checkpoint(folder / "checkpoint.pt")
    network = build_network(recipe)
    best = state.get("validation") or {}
    network.load_state_dict(best.get("weights") or state["ema"])
    return Run(folder, recipe, network.eval(), state["seconds"] / 60)


def _recipe_of(folder: Path) -> Recipe:
    return Recipe.model_validate(yaml.safe_load((folder / "recipe.yaml").read_text(encoding="utf-8")))


def total_minutes(run: Run) -> float:
    """Minutes of a training and of those that it goes on from."""
    minutes, start = run.minutes, run.recipe.starting_point
    while start is not None and is_run(start):
        minutes += load_checkpoint(Path(start) / "checkpoint.pt")["seconds"] / 60
        start = _recipe_of(Path(start)).starting_point
    return minutes
