"""``xprism synth``: labelled synthetic films."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xprism.cli.synth_audit import audit
from xprism.cli.synth_choose import choose
from xprism.cli.train import Changes, Profile

if TYPE_CHECKING:
    from xprism.synthesis.sampling import Sampler

app = typer.Typer(help="Make labelled synthetic films.", no_args_is_help=True, rich_markup_mode=None)

app.command()(audit)
app.command()(choose)

RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="Folder that 'synth train' wrote.")]
Snapshots = Annotated[
    list[str] | None,
    typer.Option("--snapshot", metavar="STAGE=STEP", help="Take a stage's weights of that look, not its last ones."),
]


@app.callback()
def synth() -> None:
    """Make labelled synthetic films: from dots to label maps to films."""


@app.command()
def train(
    pipeline: Annotated[Path, typer.Argument(help="Pipeline of one, two or three stages, a YAML file.")],
    data: Annotated[Path, typer.Option("--data", help="Manifest of films with masks of lungs, heart and clavicles.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the run.")],
    stage: Annotated[int | None, typer.Option("--stage", help="Train this stage alone, by number from 1.")] = None,
    profile: Profile = None,
    change: Changes = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoints.")] = False,
) -> None:
    """Train the stages of a pipeline, one after the other."""
    from xprism.cli.extras import need_train

    need_train()
    from xprism.synthesis.pipeline import load_pipeline
    from xprism.synthesis.sources import films_of
    from xprism.synthesis.train import train_pipeline

    loaded = load_pipeline(pipeline, profile=profile, changes=tuple(change or ()))
    run = train_pipeline(loaded, films_of(data, loaded.data), out, stage=stage, resume=resume)
    typer.echo(f"learnt from {len(run.films())} films; the run lies in {run.folder}")


@app.command()
def sample(
    run: RunFolder,
    count: Annotated[int, typer.Option("--count", "-n", help="How many samples.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="New folder for the samples and their manifest.")],
    seed: Annotated[int, typer.Option("--seed", min=0, help="Equal seeds give equal samples of one model.")] = 0,
    stage: Annotated[
        int | None,
        typer.Option("--stage", help="This stage alone: the first from noise, others from real dots or label maps."),
    ] = None,
    snapshot: Snapshots = None,
) -> None:
    """Draw labelled films: a manifest that trains and tests anything here."""
    from xprism.cli.extras import need_train

    need_train()
    from xprism.progress import Progress
    from xprism.synthesis.output import write_samples
    from xprism.synthesis.runs import open_run
    from xprism.synthesis.sampling import Sampler

    opened = open_run(run, snapshots=_steps(snapshot))
    sampler = Sampler(opened, (stage,) if stage is not None else ())
    with Progress("samples", count) as shown:
        write_samples(out, sampler.samples(count, seed=seed), sampler=sampler, seed=seed, on_sample=shown.step)
    _conclude(count, out, sampler)


@app.command()
def edit(
    run: RunFolder,
    dots: Annotated[Path, typer.Option("--dots", help="dots.json, such as a sample's.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="New folder for dots, label map and film.")],
    move: Annotated[
        tuple[str, int, int] | None,
        typer.Option("--move", metavar="STRUCTURE DOWN RIGHT", help="Move a dot, by pixels of the dot map."),
    ] = None,
    scale: Annotated[
        tuple[str, int] | None,
        typer.Option("--scale", metavar="STRUCTURE RADIUS", help="Make a dot a block of 2 RADIUS + 1 pixels."),
    ] = None,
    remove: Annotated[str | None, typer.Option("--remove", metavar="STRUCTURE", help="Leave a dot out.")] = None,
    snapshot: Snapshots = None,
) -> None:
    """Move, scale or remove a dot and see the label map and film that follow from it."""
    from xprism.cli.extras import need_train

    need_train()
    from xprism.synthesis.output import load_dots, write_samples
    from xprism.synthesis.runs import open_run
    from xprism.synthesis.sampling import Sampler

    opened = open_run(run, snapshots=_steps(snapshot))
    changed = load_dots(dots, opened)
    if move is not None:
        changed = changed.moved(move[0], down=move[1], right=move[2])
    if scale is not None:
        changed = changed.scaled(*scale)
    if remove is not None:
        changed = changed.removed(remove)
    sampler = Sampler(opened, (2, 3))
    write_samples(out, [sampler.of_dots(changed, name="edited")], sampler=sampler)
    typer.echo(f"dots, label map and film lie in {out}")


def _steps(given: list[str] | None) -> dict[int, int]:
    """``STAGE=STEP`` words as numbers."""
    from xprism.errors import DataError

    try:
        return {int(stage): int(step) for stage, _, step in (word.partition("=") for word in given or ())}
    except ValueError:
        raise DataError(f"cannot read {' '.join(given or ())!r}", remedy="write --snapshot 1=4000") from None


def _conclude(count: int, out: Path, sampler: Sampler) -> None:
    tally = sampler.tally
    if tally.drawn:
        often = ", ".join(f"{what} {times}" for what, times in tally.problems.most_common())
        typer.echo(f"{tally.drawn} drawn, {tally.rejected} turned down" + (f" ({often})" if often else ""))
    manifest = out / "manifest.csv"
    typer.echo(f"{count} samples; " + (f"manifest {manifest}" if manifest.is_file() else f"they lie in {out}"))
