"""``xprism reproduce``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from xprism.cli.train import Changes


def reproduce(
    name: Annotated[str, typer.Argument(help="Experiment, such as mtdg or mtdg/mt; an unknown name lists them.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of runs and results; what is there is kept.")],
    profile: Annotated[
        str, typer.Option(help="smoke (a minute), cpu (reduced but meaningful) or full (the paper's settings).")
    ] = "cpu",
    data: Annotated[
        list[Path] | None, typer.Option("--data", help="Manifest to use in place of the profile's films.")
    ] = None,
    change: Changes = None,
) -> None:
    """Run a paper's experiment: train, score what was held out, and show the floors beside it."""
    from xprism.cli.evaluate import conclude
    from xprism.cli.extras import need_evaluate, need_train

    need_train()
    need_evaluate()
    from xprism.protocols.reproduce import experiment
    from xprism.protocols.reproduce import reproduce as run

    recipe = experiment(name, out, profile=profile, manifests=data or (), changes=change or ())
    found = run(recipe, out)
    conclude(found.evaluation, out / "evaluation")
    for row in found.floors:
        if row.measure == "rmse":
            typer.echo(f"floor {row.structure} {row.region}: rmse {row.mean_over_images:.2f} ± {row.std:.2f}")
    for one in found.runs:
        typer.echo(f"{one.folder}: {one.minutes:.1f} minutes of training")
