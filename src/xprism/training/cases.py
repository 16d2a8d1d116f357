"""Which cases of a recipe train, and which are held out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from xprism.data.manifest import Case, read_manifest
from xprism.data.split import by_lists, k_fold, leave_one_out, official_scr
from xprism.errors import RecipeError
from xprism.progress import Progress
from xprism.simulate.dataset import DatasetRequest, simulate_dataset
from xprism.training.recipe import DataPart, Recipe


def with_films(recipe: Recipe, folder: Path | str, *, jobs: int | None = None) -> Recipe:
    """The recipe with a manifest of simulated films in ``folder``/films where it asks for them.

    Films that are there already are used again. ``jobs`` are processes, one a core where not given.
    """
    wanted = recipe.data.simulate
    if wanted is None or recipe.data.manifests:
        return recipe
    home = Path(folder).resolve() / "films"
    manifest = home / "manifest.csv"
    if not manifest.is_file():
        with Progress("simulated films", wanted.count) as shown:
            request = DatasetRequest(wanted.count, wanted.size, wanted.seed)
            manifest = simulate_dataset(home, request, jobs=jobs or os.cpu_count() or 1, on_case=shown.step)
    return recipe.model_copy(update={"data": recipe.data.model_copy(update={"manifests": (manifest,)})})


def all_cases(recipe: Recipe) -> tuple[Case, ...]:
    """The cases of all manifests."""
    if not recipe.data.manifests:
        raise RecipeError("the films of this recipe are not simulated yet", remedy="train it with 'xprism train'")
    return tuple(case for manifest in recipe.data.manifests for case in read_manifest(manifest))


def training_cases(recipe: Recipe) -> tuple[Case, ...]:
    """The cases that train: all of the manifests but the held-out fold, or as many subjects of them as to take."""
    cases = tuple(case for case, held in _with_held(recipe) if not held)
    if recipe.data.take is None:
        return cases
    subjects = sorted({case.subject for case in cases})
    if recipe.data.take > len(subjects):
        raise RecipeError(f"data.take is {recipe.data.take}, there are {len(subjects)} subjects to learn from")
    drawn = np.random.default_rng(recipe.data.draw).permutation(subjects)[: recipe.data.take]
    return tuple(case for case in cases if case.subject in set(drawn))


def held_out_cases(recipe: Recipe) -> tuple[Case, ...]:
    """The cases of the held-out fold; none where everything trains."""
    return tuple(case for case, held in _with_held(recipe) if held)


def folds_of(recipe: Recipe) -> dict[str, int]:
    """The fold in which each subject is held out."""
    return _folds(recipe.data, all_cases(recipe))


def _with_held(recipe: Recipe) -> Sequence[tuple[Case, bool]]:
    cases = all_cases(recipe)
    hold_out = recipe.data.hold_out
    if hold_out is None:
        return [(case, False) for case in cases]
    fold = _folds(recipe.data, cases)
    if hold_out not in fold.values():
        raise RecipeError(f"data.hold_out is {hold_out}, folds go from 0 to {max(fold.values())}")
    return [(case, fold.get(case.subject) == hold_out) for case in cases]


def _folds(data: DataPart, cases: Sequence[Case]) -> dict[str, int]:
    if data.split == "leave_one_out":
        return leave_one_out(cases)
    if data.split == "official":
        return official_scr(cases)
    if data.split == "lists":
        return by_lists(cases, data.lists)
    return k_fold(cases, folds=data.folds, seed=data.seed, stratify=data.stratify)
