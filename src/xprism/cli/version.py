"""``xprism version``."""

from __future__ import annotations

import typer

from xprism import __version__


def version() -> None:
    """Show the version of xprism."""
    typer.echo(f"xprism {__version__}")
