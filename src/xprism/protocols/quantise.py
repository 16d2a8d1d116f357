"""A model's ONNX network as OpenVINO keeps it, in floating point or with its convolutions in 8-bit whole numbers."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xprism.errors import MissingExtra
from xprism.inference.openvino import import_openvino

_ACTIVATIONS = frozenset({"Relu", "PRelu", "LeakyRelu", "Elu", "Gelu", "Swish", "Clamp", "Sigmoid", "Tanh", "HSwish"})
_CONVOLUTIONS = frozenset({"Convolution", "GroupConvolution", "ConvolutionBackpropData", "MatMul"})


def need_nncf() -> None:
    """Raise ``MissingExtra`` where OpenVINO or NNCF is not installed."""
    import_openvino()
    if find_spec("nncf") is None:
        raise MissingExtra("int8 needs the package nncf", remedy="pip install 'xprism[fast,export]'")


def load_network(path: Path) -> Any:
    """The network of an ONNX file for one film at a time, its constants computed, its planes enlarged by products."""
    openvino = import_openvino()
    from openvino.passes import ConstantFolding, Manager

    network = openvino.Core().read_model(str(path))
    network.reshape([1, *list(network.input(0).partial_shape)[1:]])
    passes = Manager()
    passes.register_pass(ConstantFolding())
    passes.run_passes(network)
    _enlarge_by_products(network)
    return network


def _enlarge_by_products(network: Any) -> None:
    """Linear enlargement of single planes as products with two matrices, in a fifth of OpenVINO's time."""
    from openvino import opset13

    for node in network.get_ordered_ops():
        if not _enlarges_a_plane(node):
            continue
        plane, shape = node.input_value(0), node.output(0).get_shape()
        rows, columns = (
            opset13.constant(_linear(small, large))
            for small, large in zip(list(plane.get_shape())[2:], list(shape)[2:], strict=True)
        )
        tall = opset13.matmul(rows, plane, transpose_a=False, transpose_b=False)
        whole = opset13.matmul(tall, columns, transpose_a=False, transpose_b=True)
        whole.set_friendly_name(_name(node))
        whole.output(0).set_names(node.output(0).get_names())
        for reader in node.output(0).get_target_inputs():
            reader.replace_source_output(whole.output(0))


def _enlarges_a_plane(node: Any) -> bool:
    if node.get_type_name() != "Interpolate":
        return False
    said = node.get_attributes()
    if said["mode"] not in ("linear", "linear_onnx") or said["coordinate_transformation_mode"] != "half_pixel":
        return False
    before, after = list(node.input_value(0).get_shape()), list(node.output(0).get_shape())
    grows = all(large >= small > 1 for small, large in zip(before[2:], after[2:], strict=True))
    return len(before) == 4 and before[:2] == after[:2] == [1, 1] and grows and not any(said["pads_begin"])


def _linear(small: int, large: int) -> NDArray[np.float32]:
    """What each of ``large`` pixels takes of ``small`` ones that fill the same length, [large, small]."""
    places = np.clip((np.arange(large) + 0.5) * small / large - 0.5, 0, small - 1)
    return np.asarray(np.maximum(0, 1 - np.abs(places[:, None] - np.arange(small))), np.float32)


def quantise(network: Any, films: Sequence[NDArray[np.float32]]) -> Any:
    """The network with int8 between its first and its last activation; ``films`` [1, C, h, w] show it usual values.

    Before the first activation stands the film itself, and after the last one come sums and products with it where a
    model makes a layer: whole numbers there would coarsen pictures. Only convolutions that read an activation are
    quantised there. Equal films give an equal network.
    """
    need_nncf()
    import nncf

    logging.getLogger("nncf").setLevel(logging.ERROR)
    kept = nncf.IgnoredScope(names=kept_exact(network), validate=False)
    with redirect_stdout(sys.stderr):  # where it shows how far it is
        return nncf.quantize(
            network,
            nncf.Dataset(list(films)),
            subset_size=len(films),
            preset=nncf.QuantizationPreset.MIXED,
            ignored_scope=kept,
        )


def kept_exact(network: Any) -> list[str]:
    """Names of the operations that stay in floating point."""
    order = network.get_ordered_ops()
    before: dict[str, bool] = {}
    after: dict[str, bool] = {}
    for node in order:
        before[_name(node)] = any(before[_name(one)] or _activates(one) for one in _sources(node))
    for node in reversed(order):
        after[_name(node)] = any(after[_name(one)] or _activates(one) for one in _readers(node))
    return [
        _name(node)
        for node in order
        if node.get_type_name() not in ("Constant", "Parameter", "Result")
        and not (before[_name(node)] and after[_name(node)])
        and not (node.get_type_name() in _CONVOLUTIONS and _activates(_sources(node)[0]))
    ]


def save_network(network: Any, path: Path) -> None:
    """Write a network as ``path`` (``.xml``) and its weights beside it (``.bin``), at full depth."""
    import_openvino().save_model(network, str(path), compress_to_fp16=False)


def _name(node: Any) -> str:
    return str(node.get_friendly_name())


def _activates(node: Any) -> bool:
    return node.get_type_name() in _ACTIVATIONS


def _sources(node: Any) -> list[Any]:
    return [one.get_source_output().get_node() for one in node.inputs()]


def _readers(node: Any) -> list[Any]:
    return [one.get_node() for output in node.outputs() for one in output.get_target_inputs()]
