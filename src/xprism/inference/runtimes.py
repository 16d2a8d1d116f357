"""What runs a network: a small interface, and the choice between its kinds."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from xprism.card import Card
from xprism.errors import ModelError, XprismError
from xprism.inference.exported import Precision, cache_folder, export_command, find_exported, processor

NAMES = ("auto", "onnx", "openvino", "openvino-fp32", "openvino-bf16", "openvino-int8")


class Runtime(Protocol):
    """Runs one network: input float32 [1, C, h, w], raw outputs float32 [1, K, h, w]. Threads may share it."""

    def __call__(self, film: NDArray[np.float32]) -> NDArray[Any]: ...


@dataclass(frozen=True)
class RuntimeId:
    """Which runtime works, at which precision, and the hash of the file it opened where that is not the model's own."""

    name: str = "onnx"
    precision: str = "fp32"
    sha256: str | None = None

    def __str__(self) -> str:
        return f"{self.name} {self.precision}"


def open_runtime(name: str, model: Path, card: Card, *, threads: int | None = None) -> tuple[Runtime, RuntimeId]:
    """Open the network of the model folder ``model`` in a runtime, on all usable cores by default.

    ``onnx`` and ``openvino`` are at full precision and open the model's own file. A name with a precision stands for
    what ``xprism models export`` made. ``auto`` is the fastest of those that are installed and passed their comparison
    with full precision on a processor of this kind; where there is none it is ``onnx``.
    Raises ``ModelError`` for an unknown or missing runtime or an unusable file, ``MissingExtra`` where the runtime is
    not installed.
    """
    threads = threads or usable_cores()
    if name not in NAMES:
        raise ModelError(f"there is no runtime {name!r}", remedy=f"choose one of {', '.join(NAMES)}")
    if name == "auto":
        return _fastest(model, card, threads=threads)
    if "-" in name:
        return _open_exported(name, model, card, threads=threads)
    return open_network(name, card.verify(model, "model.onnx"), "fp32", threads=threads), RuntimeId(name)


def open_network(name: str, network: Path, precision: Precision, *, threads: int) -> Runtime:
    """Open the file of a network in the runtime called ``name``."""
    if name == "onnx":
        from xprism.inference.onnx import OnnxRuntime

        return OnnxRuntime(network, threads=threads)
    from xprism.inference.openvino import OpenvinoRuntime

    return OpenvinoRuntime(network, precision=precision, threads=threads, cache=cache_folder() / "compiled")


def runtimes_here(model: Path, card: Card) -> tuple[str, ...]:
    """Names of the runtimes that can run a model on this machine: those installed, and those made by an export."""
    if find_spec("openvino") is None:
        return ("onnx",)
    return ("onnx", "openvino", *(name for name in find_exported(model, card) if name != "openvino-fp32"))


def faster_than_reference(model: Path, card: Card) -> Iterator[str]:
    """Names of the runtimes that ``auto`` may take, fastest first.

    Speed and closeness hold for the kind of processor on which they were measured.
    """
    timed = [
        (record.parity.speed, record.name)
        for _, record in find_exported(model, card).values()
        if record.parity is not None and record.parity.passed and record.parity.processor == processor()
    ]
    if find_spec("openvino") is not None:
        yield from (name for speed, name in sorted(timed, reverse=True) if speed > 1)


def _fastest(model: Path, card: Card, *, threads: int) -> tuple[Runtime, RuntimeId]:
    for name in faster_than_reference(model, card):
        try:
            return _open_exported(name, model, card, threads=threads)
        except XprismError:  # a damaged file, or another processor: the model itself still works
            continue
    return open_runtime("onnx", model, card, threads=threads)


def _open_exported(name: str, model: Path, card: Card, *, threads: int) -> tuple[Runtime, RuntimeId]:
    found = find_exported(model, card)
    if name not in found:
        command = export_command(card.name, name)
        raise ModelError(f"{card.name} has no runtime {name!r} yet", remedy=f"make it: {command}")
    folder, record = found[name]
    runtime = open_network(record.runtime, record.verify(folder), record.precision, threads=threads)
    return runtime, RuntimeId(record.runtime, record.precision, record.sha256)


def usable_cores() -> int:
    """How many cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
