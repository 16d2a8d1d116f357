"""``xprism curve``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from xprism.cli.train import Changes, Profile


def curve(
    recipe: Annotated[Path, typer.Argument(help="Recipe, a YAML file.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the runs and the curve.")],
    fractions: Annotated[str, typer.Option(help="Shares of the training films, with commas.")] = "0.1,0.25,0.5,1",
    repeats: Annotated[int, typer.Option(help="How often to draw each share anew.", min=1)] = 1,
    profile: Profile = None,
    change: Changes = None,
) -> None:
    """Learning curve: how much more films would help, with intervals.

    With four shares or more it also says what half as many films again, and twice as many, should bring.
    """
    from xprism.cli.extras import need_evaluate, need_train

    need_train()
    need_evaluate()
    from xprism.errors import DataError
    from xprism.protocols.curve import learning_curve
    from xprism.training.cases import with_films
    from xprism.training.recipe_file import load_recipe

    try:
        shares = [float(share) for share in fractions.split(",")]
    except ValueError:
        raise DataError(f"cannot read {fractions!r}", remedy="write such as --fractions 0.1,0.3,1") from None
    loaded = with_films(load_recipe(recipe, profile=profile, changes=tuple(change or ())), out)
    found = learning_curve(loaded, out, fractions=shares, repeats=repeats)
    for point in found.points:
        interval = f"{point.low:.4f} to {point.high:.4f}"
        typer.echo(f"{point.subjects:5} subjects  {point.structure:20} jaccard {point.jaccard:.4f} ({interval})")
    for one in found.forecasts:
        more = f"jaccard {one.jaccard:.4f} ({one.low:.4f} to {one.high:.4f}) to expect"
        gain = f"{one.gain:.4f} ({one.gain_low:.4f} to {one.gain_high:.4f}) more"
        typer.echo(f"{one.subjects:5} subjects  {one.structure:20} {more}, {gain}")
    typer.echo(f"curve: {out / 'curve.png'}")
