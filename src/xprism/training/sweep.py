"""A recipe that sweeps stands for several trainings, one for each way to balance its tasks."""

from __future__ import annotations

from collections.abc import Mapping

from xprism.training.recipe import FixedBalance, Recipe, SweepBalance


def swept(recipe: Recipe) -> dict[str, Recipe]:
    """The trainings of a recipe by the name of the folder that each has to itself; ``""`` where it is only one.

    Each is the recipe with one of the balances that ``objective.balance`` names, fixed.
    """
    balance = recipe.objective.supervised.balance
    if not isinstance(balance, SweepBalance):
        return {"": recipe}
    return {_name(weights): _balanced(recipe, weights) for weights in balance.values}


def _name(weights: Mapping[str, float]) -> str:
    return "-".join(f"{target}-{weight:g}" for target, weight in weights.items())


def _balanced(recipe: Recipe, weights: dict[str, float]) -> Recipe:
    objective = recipe.objective.model_copy(update={"balance": FixedBalance(weights=weights)})
    return recipe.model_copy(update={"objective": objective})
