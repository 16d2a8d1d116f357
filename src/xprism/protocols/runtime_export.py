"""A model in the form of a faster runtime, published where its results are close enough to full precision."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryDirectory

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
    on_film: Callable[[int], object] = lambda total: None,
) -> tuple[Path, Exported]:
    """Make a model's network for OpenVINO; its folder and record.

    Without ``out`` it goes into the user's cache, where it is found by the hash of the model; ``out`` is a model
    folder, which the model is copied to unless it is its own. ``films`` is a manifest or a folder of films, by default
    simulated chests. Nothing is written where results are too far from full precision; without ``check`` they are not
    compared, and only who asks for the runtime by name gets it. ``on_film`` is called after each film that is
    compared, with how many there are.
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
    if out is not None:
        _check_out(out, folder, card)
    with TemporaryDirectory() as scratch:
        made = Path(scratch)
        network = load_network(folder / "model.onnx")
        if calibrate:
            network = quantise(network, [grid for film in used.calibrate for grid in _grids(film, reference)])
        save_network(network, made / NETWORK)
        record = _record(card, made, precision)
        if check:
            record = _checked(record, made, reference, used, on_film)
        (made / RECORD).write_text(record.model_dump_json(indent=1) + "\n", encoding="utf-8")
        base = cached_runtimes(card) if out is None else out
        try:
            if out is not None:
                _copy_model(folder, out, card)
            return _publish(made, base / record.name), record
        except OSError as error:
            raise OutputError(f"cannot write: {error}", where=str(base), remedy="choose another folder") from error


def _checked(
    record: Exported, folder: Path, reference: Predictor, films: ParityFilms, on_film: Callable[[int], object]
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
        on_film=lambda: on_film(len(films.compare)),
    )
    remedy = "give films like those it is for (--films), more of them, or take a higher --precision"
    need_parity(parity, where=f"{record.model}, {record.name}", remedy=remedy)
    return record.model_copy(update={"parity": parity})


def _record(card: Card, folder: Path, precision: Precision) -> Exported:
    packages = ("xprism", "openvino", *(("nncf",) if precision == "int8" else ()))
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


def _check_out(out: Path, folder: Path, card: Card) -> None:
    """Raise ``OutputError`` where a folder holds anything but this model."""
    if (out / "card.json").is_file():
        if Card.load(out).sha256 != card.sha256:
            raise OutputError("holds another model", where=str(out), remedy="name a new folder with -o")
    elif out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise OutputError("holds other files", where=str(out), remedy="name a new folder with -o")


def _copy_model(folder: Path, out: Path, card: Card) -> None:
    if (out / "card.json").is_file():
        return
    out.mkdir(parents=True, exist_ok=True)
    for name in (*card.files, "card.json"):
        shutil.copy(folder / name, out / name)


def _publish(made: Path, target: Path) -> Path:
    """Copy a finished folder to where it is looked for, so that it is there whole or not at all."""
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        shutil.copytree(made, partial)
        shutil.rmtree(target, ignore_errors=True)
        partial.rename(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return target


def _grids(film: ParityFilm, model: Predictor) -> list[NDArray[np.float32]]:
    """What the network sees of a film, [1, 1, h, w] each."""
    grid = model.prepare(film.read()).grid
    return [np.ascontiguousarray(grid[..., rows, columns]) for rows, columns in windows(model.card.input)]
