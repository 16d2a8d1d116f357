"""ONNX Runtime, the runtime of the base install."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xprism.errors import ModelError
from xprism.telemetry import silence


class OnnxRuntime:
    """A network in ONNX Runtime on the CPU, at full precision."""

    def __init__(self, model: Path, *, threads: int) -> None:
        silence()
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Waiting threads must not spin: reading and writing want those cores.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime raises a dozen unrelated types
            cause = str(error).strip().splitlines()[0]
            raise ModelError(
                f"ONNX Runtime cannot load it: {cause}", where=str(model), remedy="export the model again"
            ) from error
        self._input = self._session.get_inputs()[0].name
        self._output = self._session.get_outputs()[0].name

    def __call__(self, film: NDArray[np.float32]) -> NDArray[Any]:
        raw: NDArray[Any] = self._session.run([self._output], {self._input: film})[0]
        return raw
