"""OpenVINO, the faster runtime of the extra ``fast``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xprism.errors import MissingExtra, ModelError


class OpenvinoRuntime:
    """A network in OpenVINO on the CPU, at full precision."""

    def __init__(self, model: Path, *, threads: int) -> None:
        try:
            import openvino
        except ImportError:
            raise MissingExtra(
                "the runtime 'openvino' is not installed", remedy="pip install 'xprism[fast]', or use --runtime onnx"
            ) from None
        settings = {
            # Left alone, OpenVINO drops to bfloat16 on processors that have it.
            "INFERENCE_PRECISION_HINT": "f32",
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads,
        }
        try:
            self._compiled = openvino.Core().compile_model(str(model), "CPU", settings)
        except RuntimeError as error:
            raise ModelError(
                f"OpenVINO cannot load it: {error}", where=str(model), remedy="use --runtime onnx"
            ) from error

    def __call__(self, film: NDArray[np.float32]) -> NDArray[Any]:
        # A request of its own for every call, so that threads may share the model.
        outputs = self._compiled.create_infer_request().infer([film])
        return np.array(outputs[0])
