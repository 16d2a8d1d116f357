"""``xprism dicom``: look at DICOM files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Look at DICOM files.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def dicom() -> None:
    """Look at DICOM files."""


@app.command()
def check(
    files: Annotated[list[Path], typer.Argument(help="DICOM files that belong together: a film and its results.")],
) -> None:
    """Say what is wrong with DICOM files, alone and among each other; ends with 3 where there are errors.

    Asks dciodvfy (Debian: apt install dicom3tools) as well where it is installed.
    """
    from xprism.errors import ReadError
    from xprism.writers.dicom.check import VALIDATOR, check_files, validator

    for path in files:
        if not path.is_file():
            raise ReadError("there is no such file", where=str(path), remedy="check the path")
    if validator() is None:
        typer.echo(f"{VALIDATOR} is not installed: checked by our own rules only (Debian: apt install dicom3tools)")
    well = True
    for checked in check_files(files):
        well = well and checked.well
        typer.echo(f"{'ok' if checked.well else 'error':6} {checked.file}: {checked.kind}")
        for one in checked.findings:
            typer.echo(f"       {one.level}: {one.what}")
    if not well:
        raise typer.Exit(3)
