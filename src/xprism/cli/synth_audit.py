"""``xprism synth audit``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def audit(
    synth: Annotated[
        Path, typer.Argument(metavar="SYNTH", help="Manifest of synthetic films, as 'synth sample' writes.")
    ],
    real: Annotated[Path, typer.Option("--real", help="Manifest of the real films that they were learnt from.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="New folder for the report.")],
    held_out: Annotated[
        Path | None,
        typer.Option(
            "--held-out",
            help="Manifest of real films of the same kind that nothing was learnt from: they say how near to REAL "
            "honest films come.",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of relabellings and halves.")] = 0,
    strict: Annotated[bool, typer.Option("--strict", help="Exit code 3 where anything is flagged.")] = False,
) -> None:
    """Say whether synthetic films are worth training on: copies, labels, variety, distance from real films.

    Writes report.html, which needs nothing else to be read, report.json, tables as CSV, and pictures.
    Exit code: 0, or 3 with --strict where a check is flagged.
    """
    from xprism.cli.extras import need_evaluate

    need_evaluate()
    from xprism.data.manifest import read_manifest
    from xprism.errors import OutputError
    from xprism.progress import Progress
    from xprism.synthesis.audit.audit import STEPS
    from xprism.synthesis.audit.audit import audit as look
    from xprism.synthesis.audit.report import Given, cautions, write_audit
    from xprism.synthesis.audit.sets import check_apart, grid_of, load_set

    if out.exists():
        raise OutputError("the folder is there already", where=str(out), remedy="remove it, or choose another -o")
    manifests = {"synth": synth, "real": real} | ({"held_out": held_out} if held_out else {})
    cases = {name: read_manifest(path) for name, path in manifests.items()}
    check_apart(cases["real"], cases.get("held_out", ()))
    grid = grid_of(cases["synth"])
    with Progress("films", sum(map(len, cases.values()))) as shown:
        sets = {name: load_set(some, grid=grid, on_case=shown.step) for name, some in cases.items()}
    with Progress("audit", len(STEPS)) as shown:
        found = look(sets["synth"], sets["real"], sets.get("held_out"), seed=seed, on_step=shown.step)
    given = Given(manifests, sets["synth"], sets["real"], sets.get("held_out"), seed)
    write_audit(found, given, out)
    for verdict in found.verdicts:
        typer.echo(verdict.line)
    for caution in cautions(found, given):
        typer.echo(f"note    {caution}")
    typer.echo(f"report: {out / 'report.html'}")
    raise typer.Exit(3 if strict and found.flagged else 0)
