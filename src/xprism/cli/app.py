"""The ``xprism`` command and how it ends."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from xprism.cli import (
    bench,
    compare,
    crossval,
    curve,
    data,
    dicom,
    doctor,
    evaluate,
    models,
    predict,
    reproduce,
    synth,
    train,
    version,
)
from xprism.errors import XprismError

app = typer.Typer(
    name="xprism",
    help="One X-ray in, many images out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        version.version()
        raise typer.Exit


@app.callback()
def root(
    show_version: Annotated[
        bool, typer.Option("--version", help="Show the version and leave.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """One X-ray in, many images out: organ masks, pictures and measurements from a radiograph."""


app.command()(predict.predict)
app.command()(evaluate.evaluate)
app.command()(compare.compare)
app.add_typer(models.app, name="models")
app.command()(bench.bench)
app.command()(doctor.doctor)
app.command()(version.version)

app.command()(train.train)
app.command()(crossval.crossval)
app.command()(curve.curve)
app.command()(reproduce.reproduce)
app.add_typer(synth.app, name="synth")
app.add_typer(data.app, name="data")
app.add_typer(dicom.app, name="dicom")


def run() -> None:
    """Run the command that was typed."""
    try:
        app()
    except XprismError as error:
        say_error(error)
        sys.exit(2)


def say_error(error: XprismError) -> None:
    """Show an error: what and where, then what to do."""
    place = f"{error.where}: " if error.where else ""
    sys.stderr.write(f"error: {place}{error.what}\n")
    if error.remedy:
        sys.stderr.write(f"  what to do: {error.remedy}\n")
