"""``xprism predict``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xprism.errors import DataError

if TYPE_CHECKING:
    from xprism.batch.pipeline import Engine


def predict(
    films: Annotated[
        list[str],
        typer.Argument(
            help="Films, or folders to search for films; or one URL such as s3://bucket/films.", show_default=False
        ),
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for the results.", show_default=False)],
    model: Annotated[
        str, typer.Option(help="Shipped model or model folder; several, joined by commas, see each film together.")
    ] = "chest",
    to: Annotated[
        str, typer.Option(help="What to write, joined by commas; 'layers' is bones alone, 'dicom' for archives.")
    ] = "masks,json,overlay,report",
    runtime: Annotated[
        str,
        typer.Option(
            help="auto: the fastest that 'models export' made and passed; or onnx, openvino, openvino-int8 ..."
        ),
    ] = "auto",
    polarity: Annotated[
        str, typer.Option(help="auto, display (bone is bright in the file) or inverted (bone is dark).")
    ] = "auto",
    clean: Annotated[
        bool | None,
        typer.Option(
            "--clean/--no-clean",
            help="Keep the largest piece of each mask and fill its holes; by default as suits the model.",
            show_default=False,
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Predict films that the model would refuse; marks them.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Predict again what is up to date.")] = False,
    part: Annotated[
        str | None, typer.Option(help="One share of the films, i/n, for schedulers.", show_default=False)
    ] = None,
    engine: Annotated[
        str, typer.Option(help="threads: this process; ray: workers, here or on many machines.")
    ] = "threads",
    address: Annotated[
        str | None, typer.Option(help="With --engine ray: a cluster to join, HOST:PORT or auto.", show_default=False)
    ] = None,
) -> None:
    """Predict films: masks, measurements, an overlay and a report for each, and a table over all.

    Films that are no frontal chest are refused by the chest models with a reason. A rerun goes on
    where the last one stopped. Exit code: 0 all films have a result, 3 some failed, 1 all failed,
    2 the command could not start.
    """
    from xprism.batch import Part, find_films, predict_films
    from xprism.cli.progress import FilmProgress, conclude
    from xprism.inference.together import load_predictor
    from xprism.writers import dicom
    from xprism.writers.folder import check_kinds

    kinds = check_kinds([kind.strip() for kind in to.split(",") if kind.strip()])
    if set(dicom.KINDS) & set(kinds):
        dicom.need_dicom()
    workers = _engine(engine, address, model=model, runtime=runtime)
    share = None if part is None else Part.parse(part)
    found = find_films(films, out)
    predictor = load_predictor(model, runtime=runtime)
    total = sum(share is None or share.holds(film.name) for film in found)
    with FilmProgress(total) as progress:
        summary = predict_films(
            found,
            out,
            predictor=predictor,
            to=kinds,
            polarity=polarity,
            clean=clean,
            force=force,
            overwrite=overwrite,
            part=share,
            engine=workers,
            on_outcome=progress.show,
        )
    conclude(summary, out, licence=predictor.card.licence, runtimes=predictor.runtimes)
    raise typer.Exit(summary.exit_code)


def _engine(name: str, address: str | None, *, model: str, runtime: str) -> Engine | None:
    if name not in ("threads", "ray"):
        raise DataError(f"there is no engine {name!r}", remedy="choose threads or ray")
    if name == "ray":
        from xprism.batch.cluster import RayEngine

        return RayEngine(model, runtime, address)
    if address is not None:
        raise DataError("--address names a Ray cluster", remedy="add --engine ray")
    return None
