"""OpenVINO, the faster runtime of the extra ``fast``."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xprism.errors import MissingExtra, ModelError
from xprism.inference.exported import Precision
from xprism.telemetry import silence


class OpenvinoRuntime:
    """A network in OpenVINO on the CPU.

    Of int8 networks, what is not in whole numbers is computed in fp32. What OpenVINO compiles is kept below ``cache``.
    """

    def __init__(self, model: Path, *, precision: Precision = "fp32", threads: int, cache: Path | None = None) -> None:
        openvino = import_openvino()
        core = openvino.Core()
        if precision == "bf16" and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            raise ModelError("this processor does not compute in bf16", where=str(model), remedy="use --runtime onnx")
        settings = {
            # Left alone, OpenVINO drops to bfloat16 on processors that have it.
            "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32",
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads,
        }
        if cache is not None and _is_writable(cache):
            settings["CACHE_DIR"] = str(cache)
        try:
            network = core.read_model(str(model))
            if network.is_dynamic():  # a network of any number of films is slower for one
                network.reshape([1, *list(network.input(0).partial_shape)[1:]])
            self._compiled = core.compile_model(network, "CPU", settings)
            self._shape = tuple(self._compiled.output(0).shape)
            self._tensor, self._own = openvino.Tensor, threading.local()
        except RuntimeError as error:
            raise ModelError(
                f"OpenVINO cannot load it: {error}", where=str(model), remedy="use --runtime onnx"
            ) from error

    def __call__(self, film: NDArray[np.float32]) -> NDArray[Any]:
        # A request, with memory for all that lies between, for every thread: threads may share the model.
        request = getattr(self._own, "request", None)
        if request is None:
            request = self._own.request = self._compiled.create_infer_request()
        raw = np.empty(self._shape, np.float32)
        request.set_output_tensor(0, self._tensor(raw, shared_memory=True))
        request.infer([film], share_inputs=True, share_outputs=True)
        return raw


def import_openvino() -> Any:
    """The package ``openvino``, kept from reporting its use over the network. Raises ``MissingExtra`` without it."""
    silence()
    try:
        import openvino
    except ImportError:
        raise MissingExtra(
            "the runtime 'openvino' is not installed", remedy="pip install 'xprism[fast]', or use --runtime onnx"
        ) from None
    return openvino


def _is_writable(cache: Path) -> bool:
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(cache, os.W_OK)
