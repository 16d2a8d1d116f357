"""Model folders that tests need no training for: ellipses at fixed places, moved a little by the film."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from xprism.card import Card, InputSpec, TrainingRecord, sha256_of
from xprism.targets import Masks, TargetSet

ORGANS = ("right_lung", "left_lung", "heart", "right_clavicle", "left_clavicle")

# Centre row, centre column, half height, half width, as shares of the grid.
ELLIPSES = {
    "right_lung": (0.50, 0.30, 0.32, 0.15),
    "left_lung": (0.50, 0.70, 0.32, 0.14),
    "heart": (0.62, 0.54, 0.15, 0.17),
    "right_clavicle": (0.17, 0.36, 0.03, 0.11),
    "left_clavicle": (0.17, 0.64, 0.03, 0.11),
}


def ellipse(
    size: int, centre_row: float, centre_column: float, half_height: float, half_width: float
) -> NDArray[np.float32]:
    """Raw outputs [size, size]: positive inside an ellipse, falling away from its border."""
    rows, columns = (np.mgrid[:size, :size] + 0.5) / size
    radius = np.hypot((rows - centre_row) / half_height, (columns - centre_column) / half_width)
    return np.clip(30 * (1 - radius), -8, 8).astype(np.float32)


def organ_planes(size: int) -> NDArray[np.float32]:
    return np.stack([ellipse(size, *ELLIPSES[label]) for label in ORGANS])


def organ_targets() -> TargetSet:
    return TargetSet(targets=(Masks(name="organs", labels=ORGANS, unions={"lungs": ORGANS[:2]}),))


def write_model(
    folder: Path,
    planes: NDArray[np.float32],
    targets: TargetSet,
    *,
    gate: str = "frontal_chest",
    film_weight: float = 0.4,
    files: Sequence[str] = ("model.onnx",),
) -> Path:
    """A model folder whose raw outputs are ``planes`` [K, h, w] plus ``film_weight`` times the film."""
    folder.mkdir(parents=True, exist_ok=True)
    size = planes.shape[-2:]
    graph = helper.make_graph(
        [
            helper.make_node("Mul", ["film", "weight"], ["weighted"]),
            helper.make_node("Add", ["weighted", "base"], ["raw"]),
        ],
        "tiny",
        [helper.make_tensor_value_info("film", TensorProto.FLOAT, [1, 1, *size])],
        [helper.make_tensor_value_info("raw", TensorProto.FLOAT, [1, len(planes), *size])],
        [
            numpy_helper.from_array(planes[None].astype(np.float32), "base"),
            numpy_helper.from_array(np.array(film_weight, np.float32), "weight"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, folder / "model.onnx")
    (folder / "LICENSE").write_text("made up\n", encoding="utf-8")
    card(targets, gate=gate, size=size, files={name: sha256_of(folder / name) for name in files}).save(folder)
    return folder


def write_convolutions(folder: Path, targets: TargetSet, *, size: int = 64, gate: str = "frontal_chest") -> Path:
    """A model of three convolutions, ``first``, ``inner`` and ``last``, the film added to what comes out of them.

    Its masks are where the smoothed film is brighter than a level of each channel.
    """
    count = targets.channels
    blur = np.full((4, 1, 3, 3), 1 / 9) * np.array([1, -1, 0.5, -0.5])[:, None, None, None]
    inner = np.eye(4)[:, :, None, None] * np.pad(np.ones((1, 1)), 1)
    last = np.full((count, 4, 1, 1), 1.0) * np.array([2, -2, 4, -4])[:, None, None]
    numbers = {
        "blur": blur, "inner_weights": inner, "last_weights": last, "levels": np.linspace(-1, 1, count),
        "share": np.array(0.1),
    }  # fmt: skip
    nodes = [
        helper.make_node("Conv", ["film", "blur"], ["one"], name="first", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["one"], ["two"], name="first_relu"),
        helper.make_node("Conv", ["two", "inner_weights"], ["three"], name="inner", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["three"], ["four"], name="inner_relu"),
        helper.make_node("Conv", ["four", "last_weights", "levels"], ["five"], name="last"),
        helper.make_node("Mul", ["film", "share"], ["weighted"], name="film_share"),
        helper.make_node("Add", ["five", "weighted"], ["raw"], name="sum"),
    ]
    graph = helper.make_graph(
        nodes,
        "convolutions",
        [helper.make_tensor_value_info("film", TensorProto.FLOAT, ["batch", 1, size, size])],
        [helper.make_tensor_value_info("raw", TensorProto.FLOAT, ["batch", count, size, size])],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in numbers.items()],
    )
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), folder / "model.onnx"
    )
    (folder / "LICENSE").write_text("made up\n", encoding="utf-8")
    files = {name: sha256_of(folder / name) for name in ("model.onnx", "LICENSE")}
    card(targets, gate=gate, size=(size, size), files=files).save(folder)
    return folder


def card(targets: TargetSet, *, gate: str, size: tuple[int, int], files: dict[str, str]) -> Card:
    return Card(
        name="tiny",
        version="1.0",
        summary="Ellipses where organs usually are",
        intended_use="tests",
        gate=gate,
        targets=targets,
        input=InputSpec(size=size),
        parameters=1,
        licence="LicenseRef-xprism-research-weights",
        licence_file="LICENSE",
        training=TrainingRecord(data=("none",), films=0, minutes=0, hardware="none", recipe="none", seed=0),
        files=files,
    )


def drawn_film(size: int = 256, *, seed: int = 0, shape: tuple[int, int] | None = None) -> NDArray[np.uint8]:
    """A film that looks a little like a chest: dark ellipses for lungs on a bright body, with noise."""
    rows, columns = shape or (size, size)
    noise = np.random.default_rng(seed).normal(0, 6, (rows, columns))
    y, x = (np.mgrid[:rows, :columns] + 0.5) / np.array([rows, columns])[:, None, None]
    picture = 190 - 40 * np.abs(x - 0.5) + noise
    for label in ("right_lung", "left_lung"):
        row, column, height, width = ELLIPSES[label]
        inside = np.hypot((y - row) / height, (x - column) / width) < 1
        picture[inside] -= 110
    row, column, height, width = ELLIPSES["heart"]
    picture[np.hypot((y - row) / height, (x - column) / width) < 1] = 175
    return np.clip(picture, 0, 255).astype(np.uint8)
