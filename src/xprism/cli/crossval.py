"""``xprism crossval``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from xprism.cli.train import Changes


def crossval(
    recipe: Annotated[Path, typer.Argument(help="Recipe, a YAML file.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the folds and the scores.")],
    licence: Annotated[Path, typer.Option(help="Licence text that goes with the models.")],
    change: Changes = None,
) -> None:
    """Train and score every fold of a recipe; what is finished already is kept."""
    from xprism.cli.extras import need_train

    need_train()
    from xprism.data.manifest import read_manifest
    from xprism.protocols.crossval import crossval as run_folds
    from xprism.protocols.crossval import summarise
    from xprism.training.recipe import load_recipe

    loaded = load_recipe(recipe, changes=tuple(change or ()))
    scores = run_folds(loaded, out, licence=licence)
    cases = [case for manifest in loaded.data.manifests for case in read_manifest(manifest)]
    for one in summarise(scores, cases, protocol=f"{loaded.data.folds}-fold cross-validation"):
        low = f"5th percentile {one.low_5_percent:.3f}, worst {one.worst:.3f}"
        typer.echo(f"{one.structure:16} jaccard {one.mean:.4f} on {one.films} films ({low}; {one.protocol})")
