"""What ``xprism models`` says of faster runtimes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from xprism.errors import ModelError

if TYPE_CHECKING:
    from xprism.card import Card
    from xprism.inference.exported import Exported, Parity


def make_runtime(model: str, *, precision: str, films: Path | None, out: Path | None, check: bool) -> None:
    """Make a model's network for OpenVINO and print what its comparison gave and where it lies."""
    from xprism.inference.exported import PRECISIONS
    from xprism.progress import Progress
    from xprism.protocols.runtime_export import export_runtime

    if precision not in PRECISIONS:
        raise ModelError(f"there is no precision {precision!r}", remedy=f"choose one of {', '.join(PRECISIONS)}")
    with ExitStack() as stack:
        shown: list[Progress] = []

        def on_film(total: int) -> None:
            if not shown:
                shown.append(stack.enter_context(Progress("films compared", total)))
            shown[0].step()

        folder, record = export_runtime(model, precision=precision, films=films, out=out, check=check, on_film=on_film)
    if record.parity is not None:
        for line in parity_lines(record.parity):
            typer.echo(line)
    typer.echo(f"{record.name} of {record.model} {record.model_version} in {folder}")
    if out is not None:
        typer.echo(f"use it: xprism predict FILMS -o OUT --model {out}")


def parity_lines(parity: Parity) -> Iterator[str]:
    """The figures of a comparison, one a line, as a table."""
    calibrated = f", calibrated on {parity.calibrated_on} others" if parity.calibrated_on else ""
    yield f"compared with full precision on {parity.films} films ({parity.films_from}){calibrated}"
    width = max(len(one.of) for one in parity.figures)
    for one in parity.figures:
        limit = "" if one.limit is None else f"  at most {one.limit:g}"
        yield f"  {one.of:<{width}}  {one.measure:<31}{one.value:>10.5f}{limit}"
    yield (
        f"the network takes {parity.runtime_ms:.0f} ms a film, ONNX Runtime {parity.reference_ms:.0f} "
        f"({parity.threads} threads, {parity.processor})"
    )


def runtime_line(model: Path, card: Card) -> str:
    """The runtimes that a model has here, in a few words, fastest first."""
    from xprism.inference.exported import find_exported

    made = [record for _, record in find_exported(model, card).values()]
    return ", ".join(["onnx fp32", *(_in_words(record) for record in made)])


def _in_words(record: Exported) -> str:
    state = f"{record.parity.speed:.1f} times as fast" if record.parity else "not compared"
    return f"{record.runtime} {record.precision} ({state})"
