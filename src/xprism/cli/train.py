"""``xprism train`` and ``xprism crossval``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Changes = Annotated[list[str] | None, typer.Option("--set", metavar="KEY.PATH=VALUE", help="Change one setting.")]


def train(
    recipe: Annotated[Path, typer.Argument(help="Recipe, a YAML file.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the run.")],
    change: Changes = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint.")] = False,
) -> None:
    """Train a model by a recipe."""
    from xprism.cli.extras import need_train

    need_train()
    from xprism.training.loop import train as train_run
    from xprism.training.recipe import load_recipe

    run = train_run(load_recipe(recipe, changes=tuple(change or ())), out, resume=resume)
    typer.echo(f"trained for {run.minutes:.1f} minutes; the run lies in {run.folder}")
