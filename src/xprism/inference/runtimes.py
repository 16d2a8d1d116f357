"""What runs a network: a small interface, and the choice between its kinds."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from xprism.errors import ModelError

NAMES = ("onnx", "openvino")


class Runtime(Protocol):
    """Runs one network: input float32 [1, C, h, w], raw outputs float32 [1, K, h, w]. Threads may share it."""

    def __call__(self, film: NDArray[np.float32]) -> NDArray[Any]: ...


def open_runtime(name: str, model: Path, *, threads: int | None = None) -> Runtime:
    """Load ``model`` (an ONNX file) with the runtime called ``name``, on all usable cores by default.

    Raises ``ModelError`` for an unknown runtime or an unusable file, ``MissingExtra`` where the
    runtime is not installed.
    """
    threads = threads or usable_cores()
    if name == "onnx":
        from xprism.inference.onnx import OnnxRuntime

        return OnnxRuntime(model, threads=threads)
    if name == "openvino":
        from xprism.inference.openvino import OpenvinoRuntime

        return OpenvinoRuntime(model, threads=threads)
    raise ModelError(f"there is no runtime {name!r}", remedy=f"choose one of {', '.join(NAMES)}")


def usable_cores() -> int:
    """How many cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
