"""Runtimes report their use to their makers unless they are told not to; films of patients are nobody's business."""

from __future__ import annotations

import os
import sys


def silence() -> None:
    """Keep ONNX Runtime, OpenVINO, NNCF and Ray from reporting their use; to be called before they are imported.

    ONNX Runtime and Ray go by variables of the environment. OpenVINO and NNCF report as soon as they are imported, by a
    package that they can do without: it is kept from being loaded, unless the program had loaded it before.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
