"""``xprism train``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Changes = Annotated[list[str] | None, typer.Option("--set", metavar="KEY.PATH=VALUE", help="Change one setting.")]
Profile = Annotated[str | None, typer.Option("--profile", help="One of the recipe's profiles, such as smoke or cpu.")]


def train(
    recipe: Annotated[Path, typer.Argument(help="Recipe, a YAML file.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the run.")],
    profile: Profile = None,
    init: Annotated[
        str | None, typer.Option("--init", help="Start from a shipped model, a model folder or another run.")
    ] = None,
    change: Changes = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint.")] = False,
) -> None:
    """Train a model by a recipe; several, each in a folder of its own, where objective.balance is a sweep."""
    from xprism.cli.extras import need_train

    need_train()
    from xprism.training.cases import with_films
    from xprism.training.loop import train as train_run
    from xprism.training.recipe_file import load_recipe
    from xprism.training.sweep import swept

    changes = (*(change or ()), *([f"start_from={init}"] if init else []))
    loaded = with_films(load_recipe(recipe, profile=profile, changes=changes), out)
    for name, one in swept(loaded).items():
        run = train_run(one, out / name, resume=resume)
        typer.echo(f"trained for {run.minutes:.1f} minutes; the run lies in {run.folder}")
