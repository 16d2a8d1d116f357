"""What every network keeps: shapes, gradients to every weight, clear errors, save and load, ONNX."""

import io
import warnings
from pathlib import Path

import pytest
import torch

from xprism.errors import DataError
from xprism.networks import (
    FCN,
    AutoEncoder,
    CompactUNet,
    DeepLabV3Plus,
    InvertedNet,
    MOSegNet,
    Pix2PixGenerator,
    PSPNet,
    Scan,
    SegNet,
    SegNetBasic,
    SegNetBasicAuthors,
    SMANet,
    UNet,
    XNet,
)
from xprism.training.export import export_onnx, onnx_difference

NETWORKS = {
    "compact_unet": lambda: CompactUNet(1, 5, widths=(8, 8, 16, 16), blocks=(0, 1, 0, 1)),
    "gated": lambda: CompactUNet(1, 5, widths=(8, 8, 16, 16), blocks=(0, 1, 0, 1), gated=1),
    "unet": lambda: UNet(3, 5, width=4, levels=3),
    "pix2pix": lambda: Pix2PixGenerator(3, 5, depth=4, width=4),
    "pix2pix dilated": lambda: Pix2PixGenerator(1, 5, depth=4, width=4, dilated=True),
    "segnet": lambda: SegNet(3, 5, width=8),
    "fcn": lambda: FCN(3, 5, layers=(1, 2, 2, 1), width=8),
    "invertednet": lambda: InvertedNet(1, 5, width=32),
    "pspnet": lambda: PSPNet(3, 5, layers=(1, 2, 2, 1), width=8),
    "smanet": lambda: SMANet(3, 5, layers=(1, 2, 2, 1), width=8),
    "deeplab": lambda: DeepLabV3Plus(3, 5, layers=(1, 2, 2, 1), width=8),
    "autoencoder": lambda: AutoEncoder(5, 5, widths=(4, 8)),
    "scan": lambda: Scan(1, 5, width=4),
    "mosegnet": lambda: MOSegNet(1, 5, heads=(1, 1, 3), width=8),
    "mosegnet without pyramid and connections": lambda: MOSegNet(3, 5, topology="deconvnet", norm="bn", width=8),
    "xnet": lambda: XNet(1, 5, width=4),
    "segnet basic": lambda: SegNetBasic(1, 5, width=8),
    "segnet basic of xnet's authors": lambda: SegNetBasicAuthors(3, 5, width=4),
    "unet with heads": lambda: UNet(1, 5, heads=(1, 4), norm="gn", width=8, levels=3),
}

PADS = (XNet, SegNetBasic, SegNetBasicAuthors, SMANet)
"""Networks that take films of any size."""


@pytest.fixture(params=sorted(NETWORKS))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def network(name: str) -> torch.nn.Module:
    torch.manual_seed(0)
    return NETWORKS[name]()


def test_output_has_the_input_size(network: torch.nn.Module) -> None:
    assert network(torch.randn(2, 1, 64, 96)).shape == (2, 5, 64, 96)


def test_every_weight_learns(network: torch.nn.Module) -> None:
    network(torch.randn(2, 1, 64, 64)).square().mean().backward()
    still = [label for label, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    # A bias before a batch norm is taken out by it; the papers' counts include such biases all the same.
    assert all(label.endswith("bias") for label in still)


def test_odd_sizes_are_padded_or_refused_with_the_multiple_that_fits(network: torch.nn.Module) -> None:
    if isinstance(network, PADS):
        assert network(torch.randn(2, 1, 63, 64)).shape == (2, 5, 63, 64)
        return
    with pytest.raises(DataError, match=r"multiples of \d+, not 63 x 64"):
        network(torch.randn(2, 1, 63, 64))


def test_a_wrong_number_of_channels_is_refused(network: torch.nn.Module) -> None:
    with pytest.raises(DataError, match="channels, not 2"):
        network(torch.randn(2, 2, 64, 64))


def test_in_use_a_film_does_not_depend_on_its_batch(network: torch.nn.Module) -> None:
    films = torch.randn(3, 1, 64, 64)
    network(films)
    network.eval()
    with torch.no_grad():
        torch.testing.assert_close(network(films)[1:2], network(films[1:2]), atol=1e-5, rtol=1e-4)


def test_weights_survive_saving(network: torch.nn.Module, name: str) -> None:
    stream = io.BytesIO()
    torch.save(network.state_dict(), stream)
    stream.seek(0)
    twin = NETWORKS[name]()
    twin.load_state_dict(torch.load(stream, weights_only=True))
    films = torch.randn(1, 1, 64, 64)
    with torch.no_grad():
        assert torch.equal(network.eval()(films), twin.eval()(films))


def test_onnx_runtime_agrees_with_torch(network: torch.nn.Module, tmp_path: Path) -> None:
    network(torch.randn(4, 1, 64, 64))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        export_onnx(network, tmp_path / "model.onnx", size=(64, 64))
    assert onnx_difference(network, tmp_path / "model.onnx", torch.randn(3, 1, 64, 64)) < 1e-5
    assert b"site-packages" not in (tmp_path / "model.onnx").read_bytes()
    assert str(Path(__file__).parents[2]).encode() not in (tmp_path / "model.onnx").read_bytes()


def test_the_shipped_design_has_at_most_five_million_weights() -> None:
    assert sum(p.numel() for p in CompactUNet(1, 5).parameters()) <= 5_000_000
