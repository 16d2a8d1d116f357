"""``xprism compare``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders that 'xprism reproduce' wrote.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="New folder for report and tables.", show_default=False)],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier comparison in OUT.")] = False,
) -> None:
    """Set experiments beside each other and beside what their papers print.

    Writes report.html, which needs nothing else to be read, the tables as CSV, and the figures as PNG. Every
    pair of runs is tested on the films that both held out.
    """
    from xprism.cli.extras import need_evaluate

    need_evaluate()
    from xprism.progress import Progress
    from xprism.protocols.compare import STEPS
    from xprism.protocols.compare import compare as set_beside

    with Progress("comparison", len(STEPS)) as progress:
        page = set_beside(runs, out, overwrite=overwrite, on_step=progress.step)
    typer.echo(f"report: {page}")
