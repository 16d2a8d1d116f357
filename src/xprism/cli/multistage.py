"""``xprism reproduce multistage``: what the command says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import typer


def reproduce_multistage(name: str, out: Path, *, profile: str, data: Sequence[Path], changes: Sequence[str]) -> None:
    """Run a multi-stage protocol and print its table, its differences and the test of moved dots."""
    from xprism.protocols.multistage import run_protocol
    from xprism.protocols.multistage_dots import share_followed
    from xprism.protocols.multistage_plan import load_protocol

    found = run_protocol(load_protocol(name, profile=profile, changes=changes), out, data)
    films = found.facts["films"]
    typer.echo(f"learnt from {films['training']} films, tested on {films['test']}; pooled Jaccard (95 % interval)")
    for row in found.table:
        said = (
            f"{row.column:<11} {row.structure:<11} {row.jaccard:.4f} ({row.jaccard_low:.4f} to {row.jaccard_high:.4f})"
        )
        typer.echo(said + ("" if row.published_jaccard is None else f", published {row.published_jaccard:.4f}"))
    for one in found.differences:
        if one.structure == "average":
            theirs = "" if one.published is None else f", published {one.published:+.4f}"
            typer.echo(
                f"{one.first} less {one.second}: {one.difference:+.4f} ({one.low:+.4f} to {one.high:+.4f}){theirs}"
            )
    share, interval = share_followed(found.moves)
    count = len(found.moves)
    typer.echo(f"hearts that followed their dot: {share:.0%} ({interval.low:.0%} to {interval.high:.0%}) of {count}")
    if profile != "full":
        typer.echo("published numbers are of the paper's films and size; beside a reduced run they are orientation")
    typer.echo(f"tables and curves: {found.folder / 'results'}")
