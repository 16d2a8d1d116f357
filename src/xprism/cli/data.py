"""``xprism data``: make and check data sets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from xprism.cli import data_import

app = typer.Typer(help="Make and check data sets.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(data_import.app, name="import")


@app.callback()
def data() -> None:
    """Make and check data sets."""


@app.command()
def simulate(
    out: Annotated[Path, typer.Option("--out", "-o", help="New folder for the data set.")],
    count: Annotated[int, typer.Option("--count", help="How many subjects; of chest and limbs one film.")],
    kind: Annotated[
        str, typer.Option("--kind", help="chest, ct (low and full dose), mri (contrasts) or limbs.")
    ] = "chest",
    slices: Annotated[int, typer.Option("--slices", help="Slices a subject of ct and mri.")] = 1,
    size: Annotated[int, typer.Option("--size", help="Side of a film in pixels.")] = 512,
    seed: Annotated[int, typer.Option("--seed", help="Equal seeds give equal data sets.")] = 0,
    file_format: Annotated[str, typer.Option("--format", help="How films are written: png or dicom.")] = "png",
    nodules: Annotated[
        str, typer.Option("--nodules", help="Nodules a chest: a count, or diameters such as 10mm,10mm,5mm.")
    ] = "0",
    photons: Annotated[float, typer.Option("--photons", help="Dose of ct films, in photons a ray.")] = 1e5,
    display: Annotated[str, typer.Option("--display", help="Of chests: film, or drawn from many systems.")] = "film",
    jobs: Annotated[int, typer.Option("--jobs", help="Processes; the data do not depend on it.")] = 1,
) -> None:
    """Simulate films with exact truth: chests with masks and without bones, CT of two doses, MRI contrasts, limbs."""
    from typing import cast

    from xprism.progress import Progress
    from xprism.simulate.dataset import DatasetRequest, FileFormat, Kind, Processing, nodules_of, simulate_dataset

    request = DatasetRequest(
        count=count,
        size=size,
        seed=seed,
        file_format=cast(FileFormat, file_format),
        nodules=nodules_of(nodules),
        kind=cast(Kind, kind),
        slices=slices,
        photons=photons,
        display=cast(Processing, display),
    )
    with Progress("phantoms", request.films) as progress:
        manifest = simulate_dataset(out, request, jobs=jobs, on_case=progress.step)
    typer.echo(f"{request.films} simulated films; manifest {manifest}")


@app.command()
def register(
    manifest: Annotated[Path, typer.Argument(help="Manifest whose pictures were not taken with their films.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Manifest to write, a CSV file.")],
) -> None:
    """Lay pictures, such as soft tissue of a second exposure, on their films: by up to 4 pixels."""
    from xprism.data.manifest import read_manifest, write_manifest
    from xprism.protocols.register import register_pictures

    write_manifest(
        out, register_pictures(read_manifest(manifest), out.with_name(f"{out.stem}_moved"), on_case=typer.echo)
    )
    typer.echo(f"registered: {out}")


@app.command()
def check(
    manifests: Annotated[list[Path], typer.Argument(help="Manifests that are to be used together.")],
) -> None:
    """Read all films and targets and say what is wrong; ends with 3 where there are errors."""
    from xprism.data.check import check_manifests
    from xprism.data.manifest import read_manifest
    from xprism.progress import Progress

    cases = {str(path): read_manifest(path) for path in manifests}
    with Progress("cases", sum(map(len, cases.values()))) as progress:
        report = check_manifests(cases, on_case=progress.step)
    for line in report.lines:
        typer.echo(line)
    if report.count("error"):
        raise typer.Exit(3)
