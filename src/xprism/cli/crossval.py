"""``xprism crossval``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from xprism.cli.train import Changes, Profile


def crossval(
    recipe: Annotated[Path, typer.Argument(help="Recipe, a YAML file.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the folds and the scores.")],
    profile: Profile = None,
    change: Changes = None,
    fold: Annotated[list[int] | None, typer.Option("--fold", help="Only this fold; may be given again.")] = None,
    jobs: Annotated[int, typer.Option("--jobs", help="Folds trained side by side.", min=1)] = 1,
    licence: Annotated[Path | None, typer.Option(help="Licence text that goes with the models.")] = None,
) -> None:
    """Train and score every fold of a recipe; what is finished already is kept."""
    from xprism.cli.extras import need_train

    need_train()
    from xprism.protocols.crossval import crossval as run_folds
    from xprism.protocols.crossval import summarise
    from xprism.training.cases import all_cases, with_films
    from xprism.training.recipe_file import load_recipe

    loaded = with_films(load_recipe(recipe, profile=profile, changes=tuple(change or ())), out)
    scores = run_folds(loaded, out, licence=licence, folds=fold, jobs=jobs)
    for one in summarise(scores, all_cases(loaded), protocol="cross-validation"):
        low = f"5th percentile {one.low_5_percent:.3f}, worst {one.worst:.3f}"
        typer.echo(f"{one.structure:16} jaccard {one.mean:.4f} on {one.films} films ({low}; {one.protocol})")
