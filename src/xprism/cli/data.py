"""``xprism data``: make data sets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from xprism.cli import data_import

app = typer.Typer(help="Make data sets.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(data_import.app, name="import")


@app.callback()
def data() -> None:
    """Make data sets."""


@app.command()
def simulate(
    out: Annotated[Path, typer.Option("--out", "-o", help="New folder for the data set.")],
    count: Annotated[int, typer.Option("--count", help="How many films.")],
    size: Annotated[int, typer.Option("--size", help="Side of a film in pixels.")] = 512,
    seed: Annotated[int, typer.Option("--seed", help="Equal seeds give equal data sets.")] = 0,
    file_format: Annotated[str, typer.Option("--format", help="How films are written: png or dicom.")] = "png",
    nodules: Annotated[int, typer.Option("--nodules", help="Nodules a film.")] = 0,
    jobs: Annotated[int, typer.Option("--jobs", help="Processes; the data do not depend on it.")] = 1,
) -> None:
    """Simulate chest films with exact masks, and the same films without bones."""
    from typing import cast

    from xprism.progress import Progress
    from xprism.simulate.dataset import DatasetRequest, FileFormat, simulate_dataset

    request = DatasetRequest(count, size, seed, cast(FileFormat, file_format), nodules)
    with Progress("phantoms", count) as progress:
        manifest = simulate_dataset(out, request, jobs=jobs, on_case=progress.step)
    typer.echo(f"{count} simulated films; manifest {manifest}")
