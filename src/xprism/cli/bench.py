"""``xprism bench``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def bench(
    film: Annotated[
        Path | None, typer.Argument(help="A film; by default a simulated chest.", show_default=False)
    ] = None,
    model: Annotated[str, typer.Option(help="Name of a shipped model, or a model folder.")] = "chest",
    runtime: Annotated[str, typer.Option(help="As of 'xprism predict'.")] = "auto",
    size: Annotated[int, typer.Option(help="Side of the simulated film in pixels.", min=64)] = 1024,
    repeat: Annotated[int, typer.Option(help="How many predictions to time.", min=1)] = 10,
) -> None:
    """Time a prediction step by step: read, prepare, network, postprocess, measure, write."""
    from tempfile import TemporaryDirectory

    from xprism.cli.simulated import write_simulated
    from xprism.inference.bench import bench_film
    from xprism.inference.predictor import Predictor
    from xprism.readers import read
    from xprism.writers.folder import write_result

    predictor = Predictor.load(model, runtime=runtime)
    with TemporaryDirectory() as folder:
        path = film or write_simulated(Path(folder) / "chest.png", size=size)
        timings = bench_film(
            lambda: read(path),
            predictor,
            lambda result, where, kind: write_result(result, where, to=(kind,)),
            kinds=("json", "masks", "overlay", "report"),
            repeat=repeat,
        )
    typer.echo(f"{'step':<16}{'wall ms':>10}{'CPU ms':>10}")
    for one in timings:
        typer.echo(f"{one.step:<16}{one.wall_ms:>10.1f}{one.cpu_ms:>10.1f}")
    typer.echo(f"{'sum':<16}{sum(t.wall_ms for t in timings):>10.1f}{sum(t.cpu_ms for t in timings):>10.1f}")
    typer.echo(f"network run by {predictor.runtimes[0]}; every kind is timed with the record that goes with it")
