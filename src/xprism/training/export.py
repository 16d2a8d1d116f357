"""From a run to a model folder: ``model.onnx``, ``model.safetensors`` in fp16, ``card.json`` and the licence."""

from __future__ import annotations

import shutil
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from scipy.special import expit
from torch import Tensor, nn

from xprism.card import Card, sha256_of
from xprism.errors import ModelError
from xprism.inference.onnx import OnnxRuntime
from xprism.inference.runtimes import usable_cores
from xprism.targets import Picture, TargetSet
from xprism.training.runs import Run

TOLERANCE = 1e-4
NO_LICENCE = "The makers of this model have stated no licence; ask them before you use it or pass it on.\n"


def export_onnx(network: nn.Module, path: Path, *, size: tuple[int, int]) -> None:
    """Write a network as ONNX: input ``film`` [B, 1, h, w], output ``raw`` [B, K, h, w], B free."""
    network = deepcopy(network).eval().float().cpu()
    film = torch.zeros(2, 1, *size)
    program = torch.onnx.export(
        network,
        (film,),
        input_names=["film"],
        output_names=["raw"],
        dynamic_shapes={"film": {0: torch.export.Dim("batch", min=1, max=64)}},
        dynamo=True,
        verbose=False,
    )
    assert program is not None
    program.save(str(path), external_data=False)
    _anonymise(path)


def _anonymise(path: Path) -> None:
    """Take out what the exporter notes of the machine: file names and lines of every layer."""
    model = onnx.load(path)
    for part in (model, model.graph, *model.graph.node, *model.graph.value_info, *model.graph.initializer):
        del part.metadata_props[:]
        part.doc_string = ""
    for value in (*model.graph.input, *model.graph.output):
        del value.metadata_props[:]
    onnx.save(model, path)


def onnx_difference(network: nn.Module, path: Path, films: Tensor, *, targets: TargetSet | None = None) -> float:
    """Largest difference between torch and ONNX Runtime on ``films`` [B, 1, h, w].

    It is one of what ``targets`` make of the raw outputs, pictures in parts of their range; without targets of
    logistic probabilities. For a network of ``near_ties``, where one value may lie a pixel off, it is the mean.
    """
    raw = OnnxRuntime(path, threads=usable_cores())(films.numpy())
    with torch.no_grad():
        ours = network.eval().float()(films).numpy()
    if targets is None:
        return _judged(network, np.abs(expit(ours) - expit(np.asarray(raw))))
    apart = np.abs(targets.activate(ours) - targets.activate(np.asarray(raw)))
    for target in targets:
        if isinstance(target, Picture):
            apart[:, targets.slices[target.name]] /= target.range[1] - target.range[0]
    return _judged(network, apart)


def _judged(network: nn.Module, apart: NDArray[Any]) -> float:
    return float(apart.mean() if getattr(network, "near_ties", False) else apart.max())


def export_model(
    run: Run,
    folder: Path | str,
    *,
    licence: Path | None,
    card: Card,
    check: Tensor,
) -> Card:
    """Write the run's EMA network as a model folder and return its finished card.

    ``card`` is completed by the parameter count and file hashes; ``check`` are prepared films [B, 1, h, w] on
    which, or on a window of which, ONNX and torch must agree to 1e-4. Without a ``licence`` the folder says that
    none is stated. The folder appears whole or not at all.
    Raises ``ModelError`` where they do not agree.
    """
    folder = Path(folder)
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    halved = {
        name: value.half() if value.is_floating_point() else value for name, value in run.network.state_dict().items()
    }
    save_file({name: value.contiguous() for name, value in halved.items()}, partial / "model.safetensors")
    (partial / "model.safetensors").chmod(0o644)  # written for the owner alone
    network = deepcopy(run.network)
    network.load_state_dict(
        {name: value.float() if value.is_floating_point() else value for name, value in halved.items()}
    )
    height, width = card.input.seen
    export_onnx(network, partial / "model.onnx", size=(height, width))
    seen = check[..., :height, :width].contiguous()
    difference = onnx_difference(network, partial / "model.onnx", seen, targets=card.targets)
    if difference > TOLERANCE:
        raise ModelError(f"ONNX and torch differ by {difference:.1e}", where=str(folder), remedy="report this network")
    if licence is None:
        (partial / "LICENSE").write_text(NO_LICENCE, encoding="utf-8")
    else:
        shutil.copy(licence, partial / "LICENSE")
    files = {name: sha256_of(partial / name) for name in ("model.onnx", "model.safetensors", "LICENSE")}
    parameters = sum(p.numel() for p in network.parameters())
    card = card.model_copy(update={"parameters": parameters, "files": files, "licence_file": "LICENSE"})
    card.save(partial)
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)
    return card
