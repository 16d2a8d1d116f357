"""``xprism doctor``."""

from __future__ import annotations

import typer


def doctor() -> None:
    """Check this installation and say what to do where something is amiss (exit code 1)."""
    from xprism import __version__
    from xprism.inference.doctor import examine

    typer.echo(f"xprism {__version__}")
    bad = 0
    for check in examine():
        bad += check.well is False
        sign = {True: "ok", False: "BAD", None: "-"}[check.well]
        remedy = f"  -> {check.remedy}" if check.remedy else ""
        typer.echo(f"{sign:<4}{check.name:<26}{check.found}{remedy}")
    typer.echo("all is well" if not bad else f"{bad} to mend")
    raise typer.Exit(1 if bad else 0)
