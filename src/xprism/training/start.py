"""The network that a training begins with: fresh, from a run, or from a model."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from xprism.card import Card
from xprism.errors import ModelError, RecipeError
from xprism.targets import TargetSet
from xprism.training.cases import held_out_cases, training_cases, validation_cases
from xprism.training.recipe import Recipe
from xprism.training.runs import build_network, is_run, load_run
from xprism.zoo import find


def starting_network(recipe: Recipe) -> tuple[nn.Module, tuple[str, ...]]:
    """The network to begin with, and the names of its weights that are fresh though it starts from others.

    Weights are taken over where name and shape agree, so a network may go on to learn other targets. Where only
    the number of outputs grew, and the targets of the start stand first, what made those goes on as well.
    Raises ``RecipeError`` where the networks differ, or the run to start from learnt from held-out subjects.
    """
    network = build_network(recipe)
    start = recipe.starting_point
    if start is None:
        return network, ()
    weights, earlier = _of_run(recipe, Path(start)) if is_run(start) else _of_model(recipe, start)
    fresh = network.state_dict()
    grown = {
        name: _grown(value, fresh[name], earlier, recipe.targets) for name, value in weights.items() if name in fresh
    }
    fitting = {name: value for name, value in grown.items() if value is not None}
    network.load_state_dict(fresh | fitting)
    return network, tuple(name for name in fresh if name not in fitting)


def _grown(value: Tensor, fresh: Tensor, earlier: TargetSet, targets: TargetSet) -> Tensor | None:
    """The weight to begin with; None where nothing of the earlier one fits.

    Outputs lie first in a weight's shape, in the order of the targets' channels.
    """
    if value.shape == fresh.shape:
        return value
    same_order = targets.channel_labels[: earlier.channels] == earlier.channel_labels
    outputs = value.shape[0] * targets.channels == fresh.shape[0] * earlier.channels
    if not (same_order and outputs and value.shape[1:] == fresh.shape[1:]):
        return None
    return torch.cat([value, fresh[len(value) :]])


def _of_run(recipe: Recipe, folder: Path) -> tuple[dict[str, Tensor], TargetSet]:
    run = load_run(folder)
    _need_equal_networks(recipe, run.recipe.network.model_dump(), str(folder))
    learnt = {case.subject for case in (*training_cases(run.recipe), *validation_cases(run.recipe))}
    leaked = sorted(learnt & {case.subject for case in held_out_cases(recipe)})
    if leaked:
        raise RecipeError(
            f"the run to start from learnt from held-out subjects: {', '.join(leaked[:5])}",
            where=str(folder),
            remedy="start from a run with the same data, folds, seed and hold_out",
        )
    return run.network.state_dict(), run.recipe.targets


def _of_model(recipe: Recipe, name: str) -> tuple[dict[str, Tensor], TargetSet]:
    folder = find(name)
    card = Card.load(folder)
    if not card.network:
        raise ModelError("the card does not say which network it is", where=str(folder), remedy="export it again")
    _need_equal_networks(recipe, card.network, str(folder))
    weights = load_file(card.verify(folder, "model.safetensors"))
    whole = {key: value.float() if value.dtype == torch.float16 else value for key, value in weights.items()}
    return whole, card.targets


def _need_equal_networks(recipe: Recipe, other: dict[str, object], where: str) -> None:
    ours = recipe.network.model_dump(mode="json")
    # What an older card does not name stands at its default.
    defaults = {key: setting.default for key, setting in type(recipe.network).model_fields.items()}
    theirs = {key: list(value) if isinstance(value, tuple) else value for key, value in (defaults | other).items()}
    # Gates begin at zero, so a network goes on as it was where they are added.
    unlike = [
        f"{key}: {theirs.get(key)}"
        for key in sorted((ours | theirs).keys() - {"gated"})
        if ours.get(key) != theirs.get(key)
    ]
    if unlike:
        raise RecipeError(
            "the network to start from is another one", where=where, remedy=f"under network, write {'; '.join(unlike)}"
        )
