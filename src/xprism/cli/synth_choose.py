"""``xprism synth choose``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def choose(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder that 'synth train' wrote.")],
    real: Annotated[Path, typer.Option("--real", help="Manifest of validation films with masks, not learnt from.")],
    count: Annotated[int, typer.Option("--count", "-n", min=4, help="Samples that each snapshot draws.")] = 64,
    stage: Annotated[int | None, typer.Option("--stage", help="This stage alone, by number from 1.")] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the samples.")] = 0,
) -> None:
    """Choose each stage's snapshot by the kernel distance of what it draws to validation films, not by eye."""
    from xprism.cli.extras import need_train

    need_train()
    from xprism.data.manifest import read_manifest
    from xprism.progress import Progress
    from xprism.synthesis.choose import best_snapshot, snapshot_distances
    from xprism.synthesis.runs import open_run

    opened, validation = open_run(run), read_manifest(real)
    numbers = [one.number for one in opened.pipeline.chain] if stage is None else [opened.stage(stage).number]
    chosen = []
    for number in numbers:
        with Progress("snapshots", len(opened.snapshots_of(opened.stage(number)))) as shown:
            found = snapshot_distances(opened, number, validation, count=count, seed=seed, on_snapshot=shown.step)
        best = best_snapshot(found)
        for one in found:
            at = one.distance
            said = "draws nothing usable" if at is None else f"{at.value:.4g} ({at.low:.4g} to {at.high:.4g})"
            typer.echo(f"stage {number}  step {one.step:>8}  {said}{'  *' if one == best else ''}")
        chosen.append(f"--snapshot {number}={best.step}")
    typer.echo(f"xprism synth sample {run} {' '.join(chosen)}")
