"""``xprism bench``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from xprism.inference.bench import Timing

_KINDS = ("json", "masks", "overlay", "report")
_FOLDERS = (("masks", "json"), ("masks", "json", "overlay"), _KINDS)


def bench(
    film: Annotated[
        Path | None, typer.Argument(help="A film; by default a simulated chest.", show_default=False)
    ] = None,
    model: Annotated[
        list[str] | None, typer.Option(help="Name of a shipped model, or a model folder; by default every shipped one.")
    ] = None,
    runtime: Annotated[str, typer.Option(help="As of 'xprism predict', or 'all' that this machine has.")] = "all",
    size: Annotated[int, typer.Option(help="Side of the simulated film in pixels.", min=64)] = 1024,
    repeat: Annotated[int, typer.Option(help="How many predictions to time.", min=1)] = 10,
) -> None:
    """Time models and runtimes: each step of a prediction by itself, and folders of films with all steps overlapped."""
    from tempfile import TemporaryDirectory

    from xprism.batch.bench import folder_rate
    from xprism.cli.simulated import write_simulated
    from xprism.inference.bench import bench_film
    from xprism.inference.exported import processor
    from xprism.inference.predictor import Predictor
    from xprism.inference.runtimes import usable_cores
    from xprism.readers import read
    from xprism.writers.folder import write_result

    typer.echo(f"{processor()}, {usable_cores()} cores; medians of {repeat}")
    with TemporaryDirectory() as folder:
        path = film or write_simulated(Path(folder) / "chest.png", size=size)
        for name, one in _asked(model, runtime):
            predictor = Predictor.load(name, runtime=one)
            timings = bench_film(
                lambda: read(path),
                predictor,
                lambda result, where, kind: write_result(result, where, to=(kind,)),
                kinds=_KINDS,
                repeat=repeat,
            )
            card = predictor.card
            height, width = card.input.size
            typer.echo(f"\n{card.name} {card.version} ({height} x {width}), network run by {predictor.runtimes[0]}")
            for line in _lines(timings):
                typer.echo(line)
            for kinds in _FOLDERS:
                rate = folder_rate(path, predictor, kinds=kinds, count=4 * repeat)
                typer.echo(f"{'folder to ' + ','.join(kinds):<40}{rate:>10.1f} films/s")


def _asked(models: Sequence[str] | None, runtime: str) -> Iterator[tuple[str, str]]:
    """Models and runtimes to time, by name."""
    from xprism.card import Card
    from xprism.inference.runtimes import runtimes_here
    from xprism.zoo import find, names

    for name in models or names():
        folder = find(name)
        yield from (
            (name, one) for one in (runtimes_here(folder, Card.load(folder)) if runtime == "all" else [runtime])
        )


def _lines(timings: Sequence[Timing]) -> Iterator[str]:
    """The steps as a table; the writing of every kind is timed with the record that goes with it."""
    yield f"{'step':<20}{'wall ms':>10}{'CPU ms':>10}{'films/s':>18}"
    for one in timings:
        yield f"{one.step:<20}{one.wall_ms:>10.1f}{one.cpu_ms:>10.1f}{1000 / one.wall_ms:>18.1f}"
    wall = sum(one.wall_ms for one in timings)
    yield f"{'sum':<20}{wall:>10.1f}{sum(one.cpu_ms for one in timings):>10.1f}{1000 / wall:>18.1f}"
