"""``xprism data import``: turn a folder of films into a manifest."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Turn a folder of films into a manifest.", no_args_is_help=True, rich_markup_mode=None)

Out = Annotated[Path, typer.Option("--out", "-o", help="Manifest to write, a CSV file.")]


@app.command()
def jsrt(
    folder: Annotated[Path, typer.Argument(help="Folder with images/ and masks/ of the JSRT films as PNG.")],
    out: Out,
) -> None:
    """JSRT films with SCR organ masks as bit flags."""
    from xprism.data.importers.jsrt import jsrt_cases
    from xprism.data.manifest import write_manifest

    cases = jsrt_cases(folder)
    write_manifest(out, cases)
    typer.echo(f"{len(cases)} cases in {out}")


@app.command()
def folder(
    folder: Annotated[Path, typer.Argument(help="Folder with images/ and masks/ of equal names.")],
    out: Out,
    label: Annotated[str, typer.Option(help="What the masks show, such as lungs.")],
    polarity: Annotated[str, typer.Option(help="auto, display (bone is bright) or inverted.")] = "auto",
) -> None:
    """Films with one mask each, of one structure or one union of structures."""
    from xprism.data.importers.folder import folder_cases
    from xprism.data.manifest import write_manifest
    from xprism.readers.polarity import check_choice

    check_choice(polarity)
    cases = folder_cases(folder, label=label, polarity=polarity)
    write_manifest(out, cases)
    typer.echo(f"{len(cases)} cases in {out}")
