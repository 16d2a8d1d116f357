"""A model in the form of a faster runtime, published where its results are close enough to full precision."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xprism.card import Card, sha256_of
from xprism.errors import OutputError
from xprism.grid import windows
from xprism.inference.exported import NETWORK, RECORD, WEIGHTS, Exported, Precision, cached_runtimes
from xprism.inference.openvino import OpenvinoRuntime
from xprism.inference.predictor import Predictor
from xprism.inference.runtimes import usable_cores
from xprism.protocols.parity import ParityFilm, measure_parity, need_parity
from xprism.protocols.parity_films import ParityFilms, choose_films
from xprism.protocols.quantise import load_network, need_nncf, quantise, save_network
from xprism.zoo import find


def export_runtime(
    model: str | Path,
    *,
    precision: Precision,
    films: Path | None = None,
    out: Path | None = None,
    check: bool = True,
    on_film: Callable[[], object] = lambda: None,
) -> tuple[Path, Exported]:
    """Make a model's network for OpenVINO; its folder and record.

    Without ``out`` it goes into the user's cache, where it is found by the hash of the model; ``out`` is a model
    folder, which the model is copied to unless it is its own. ``films`` is a manifest or a folder of films, by default
    simulated chests. Nothing is written where results are too far from full precision; without ``check`` they are not
    compared, and only who asks for the runtime by name gets it.
    Raises ``ModelError`` where parity fails, ``MissingExtra`` where packages are missing, ``DataError`` for films that
    cannot be used and ``OutputError`` where ``out`` holds another model.
    """
    folder = find(model)
    reference = Predictor.load(folder)
    card = reference.card
    if precision == "int8":
        need_nncf()
    else:
        load_network(folder / "model.onnx")  # missing packages are told before films are made
    calibrate = precision == "int8"
    used = choose_films(films, card, calibrate=calibrate) if calibrate or check else ParityFilms((), (), "")
    base = _base(folder, card, out)
    target = base / f"openvino-{precision}"
    partial_folder = target.with_name(f".{target.name}.partial")
    shutil.rmtree(partial_folder, ignore_errors=True)
    try:
        partial_folder.mkdir(parents=True)
        network = load_network(folder / "model.onnx")
        if calibrate:
            network = quantise(network, [grid for film in used.calibrate for grid in _grids(film, reference)])
        save_network(network, partial_folder / NETWORK)
        record = _record(card, partial_folder, precision, calibrate=calibrate)
        if check:
            record = _checked(record, partial_folder, reference, used, on_film)
        (partial_folder / RECORD).write_text(record.model_dump_json(indent=1) + "\n", encoding="utf-8")
        shutil.rmtree(target, ignore_errors=True)
        partial_folder.rename(target)
    except OSError as error:
        raise OutputError(f"cannot write: {error}", where=str(target), remedy="choose another folder") from error
    finally:
        shutil.rmtree(partial_folder, ignore_errors=True)
    return target, record


def _checked(
    record: Exported, folder: Path, reference: Predictor, films: ParityFilms, on_film: Callable[[], object]
) -> Exported:
    """The record with its parity. Raises ``ModelError`` where it is not good enough."""
    threads = usable_cores()
    runtime = OpenvinoRuntime(folder / NETWORK, precision=record.precision, threads=threads)
    parity = measure_parity(
        reference,
        Predictor(reference.card, runtime),
        films.compare,
        precision=record.precision,
        films_from=films.origin,
        calibrated_on=len(films.calibrate),
        threads=threads,
        on_film=on_film,
    )
    remedy = "give films like those it is for (--films), more of them, or take a higher --precision"
    need_parity(parity, where=f"{record.model}, {record.name}", remedy=remedy)
    return record.model_copy(update={"parity": parity})


def _record(card: Card, folder: Path, precision: Precision, *, calibrate: bool) -> Exported:
    packages = ("xprism", "openvino", *(("nncf",) if calibrate else ()))
    return Exported(
        precision=precision,
        model=card.name,
        model_version=card.version,
        model_sha256=card.sha256,
        files={name: sha256_of(folder / name) for name in (NETWORK, WEIGHTS)},
        made_with={package: _version(package) for package in packages},
        parity=None,
    )


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


def _base(folder: Path, card: Card, out: Path | None) -> Path:
    """Where runtimes of the model go: the cache, or ``out``, which then holds the model as well."""
    if out is None:
        return cached_runtimes(card)
    if out.resolve() == folder.resolve():
        return out
    if (out / "card.json").is_file():
        if Card.load(out).sha256 != card.sha256:
            raise OutputError("holds another model", where=str(out), remedy="name a new folder with -o")
        return out
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise OutputError("holds other files", where=str(out), remedy="name a new folder with -o")
    out.mkdir(parents=True, exist_ok=True)
    for name in (*card.files, "card.json"):
        shutil.copy(folder / name, out / name)
    return out


def _grids(film: ParityFilm, model: Predictor) -> list[NDArray[np.float32]]:
    """What the network sees of a film, [1, 1, h, w] each."""
    grid = model.prepare(film.read()).grid
    return [np.ascontiguousarray(grid[..., rows, columns]) for rows, columns in windows(model.card.input)]
