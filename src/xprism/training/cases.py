"""Which cases of a recipe train, and which are held out."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from xprism.data.manifest import Case, read_manifest
from xprism.data.split import (
    by_lists,
    copies_share_subject,
    k_fold,
    leave_one_out,
    official_scr,
    share_of_each,
    stratified,
)
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
    manifest = films_of(folder)
    if not manifest.is_file():
        request = DatasetRequest(**wanted.model_dump())
        with Progress("simulated films", request.films) as shown:
            manifest = simulate_dataset(manifest.parent, request, jobs=jobs or os.cpu_count() or 1, on_case=shown.step)
    return recipe.model_copy(update={"data": recipe.data.model_copy(update={"manifests": (manifest,)})})


def films_of(folder: Path | str) -> Path:
    """The manifest of the films that a recipe has simulated in ``folder``, whether they are there yet or not."""
    return Path(folder).resolve() / "films" / "manifest.csv"


def all_cases(recipe: Recipe) -> tuple[Case, ...]:
    """The cases of all manifests but for those that the recipe leaves out."""
    if not recipe.data.manifests:
        raise RecipeError("the films of this recipe are not simulated yet", remedy="train it with 'xprism train'")
    cases = (case for manifest in recipe.data.manifests for case in read_manifest(manifest))
    left_out = (recipe.data.leave_out or {}).items()
    return tuple(case for case in cases if not left_out & case.attributes.items())


def training_cases(recipe: Recipe) -> tuple[Case, ...]:
    """The cases that train: those that may be learnt from but for the subjects of the validation."""
    cases = _learnable_cases(recipe)
    watched = _watched_subjects(recipe, cases)
    return tuple(case for case in cases if case.subject not in watched)


def validation_cases(recipe: Recipe) -> tuple[Case, ...]:
    """The cases that choose the weights and never train; none where the recipe has no validation.

    Raises ``RecipeError`` where the recipe names films to look at whose subjects train or are held out.
    """
    if recipe.validation is not None and recipe.validation.manifests:
        return _looked_at(recipe, recipe.validation.manifests)
    cases = _learnable_cases(recipe)
    watched = _watched_subjects(recipe, cases)
    return tuple(case for case in cases if case.subject in watched)


def _looked_at(recipe: Recipe, manifests: Sequence[Path]) -> tuple[Case, ...]:
    cases = tuple(case for manifest in manifests for case in read_manifest(manifest))
    others = {case.subject for case, _ in _with_held(recipe)}
    if shared := sorted({case.subject for case in cases} & others):
        what = f"subjects of the validation are among those of data.manifests: {', '.join(shared[:5])}"
        raise RecipeError(what, remedy="name other films in validation.manifests")
    return cases


def _learnable_cases(recipe: Recipe) -> tuple[Case, ...]:
    """All cases of the manifests but the held-out fold, or as many subjects of them as to take."""
    cases = tuple(case for case, held in _with_held(recipe) if not held)
    if recipe.data.take is None:
        return cases
    subjects = sorted({case.subject for case in cases})
    if recipe.data.take > len(subjects):
        raise RecipeError(f"data.take is {recipe.data.take}, there are {len(subjects)} subjects to learn from")
    drawn = np.random.default_rng(recipe.data.draw).permutation(subjects)[: recipe.data.take]
    return tuple(case for case in cases if case.subject in set(drawn))


def _watched_subjects(recipe: Recipe, cases: Sequence[Case]) -> set[str]:
    """The share of the subjects that the validation takes, the same part of every stratum but for rounding."""
    if recipe.validation is None or recipe.validation.manifests:
        return set()
    copies_share_subject(cases)
    stratum: dict[str, str] = {}
    for case in cases:
        stratum.setdefault(case.subject, case.attributes.get(recipe.data.stratify, ""))
    if recipe.data.split == "stratified":  # where all but one subject are tested, the last one trains
        alone = Counter(stratum.values())
        stratum = {subject: value for subject, value in stratum.items() if alone[value] > 1}
    share = recipe.validation.share
    watched = share_of_each(stratum, share, np.random.default_rng([recipe.data.seed, 1]))
    if cases and not watched:
        what = f"validation.share {share} of {len(stratum)} subjects is none"
        raise RecipeError(what, remedy="set aside more of them")
    return watched


def times_shown(cases: Sequence[Case], data: DataPart) -> list[int]:
    """How often an epoch shows each case: as its source is repeated, or its value of `stratify` oversampled."""
    if data.oversample is None:
        return [data.repeat.get(case.attributes.get("source", ""), 1) for case in cases]
    values = [case.attributes.get(data.stratify, "") for case in cases]
    films = Counter(values)
    return [1 + data.oversample // films[value] for value in values]


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
    if data.split == "stratified":
        return stratified(cases, test=data.test, seed=data.seed, stratify=data.stratify)
    return k_fold(cases, folds=data.folds, seed=data.seed, stratify=data.stratify)
