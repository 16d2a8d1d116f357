"""The check of an exported model is made on what its targets make of the outputs."""

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from xprism.networks import AutoEncoder
from xprism.targets import Masks, Picture, TargetSet
from xprism.training.export import export_onnx, onnx_difference

TARGETS = {
    "values": TargetSet(targets=(Picture(name="soft", range=(0, 0.5), activation="none"),)),
    "tanh": TargetSet(targets=(Picture(name="soft", range=(0, 255)),)),
    "mask": TargetSet(targets=(Masks(name="lung", labels=("lung",)),)),
}


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[AutoEncoder, Path]:
    """An auto-encoder with strong weights, and its ONNX file."""
    torch.manual_seed(0)
    network = AutoEncoder(1, 1, widths=(4, 8))
    for kernel in network.kernels:
        torch.nn.init.normal_(kernel, 0.03, 0.1)
    path = tmp_path_factory.mktemp("onnx") / "model.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        export_onnx(network, path, size=(32, 32))
    return network, path


@pytest.mark.parametrize("kind", sorted(TARGETS))
def test_the_difference_is_one_of_what_is_read_out_in_parts_of_its_range(
    exported: tuple[AutoEncoder, Path], kind: str
) -> None:
    network, path = exported
    films = torch.rand(2, 1, 32, 32) * 2 - 1
    assert onnx_difference(network, path, films, targets=TARGETS[kind]) < 1e-5
    other = AutoEncoder(1, 1, widths=(4, 8))
    other.load_state_dict({name: 1.05 * value for name, value in network.state_dict().items()})
    with torch.no_grad():
        one, two = network(films).numpy(), other(films).numpy()
    assert one.max() > 0.5
    read = {
        "values": lambda raw: np.clip(raw, 0, 0.5) / 0.5,
        "tanh": lambda raw: (np.tanh(raw) + 1) / 2,
        "mask": lambda raw: 1 / (1 + np.exp(-raw)),
    }[kind]
    found = onnx_difference(other, path, films, targets=TARGETS[kind])
    assert found == pytest.approx(np.abs(read(one) - read(two)).max(), rel=1e-3)
