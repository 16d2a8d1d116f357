"""The ResNet: published weights by name and number, a plain second implementation, and what dilation keeps."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from xprism.networks.resnet import ResNet

LAYERS = (3, 4, 6, 3)


def _names_of_resnet50() -> set[str]:
    """Entries of torchvision's state dict for ResNet-50, but for the classifier's two."""

    def norm(name: str) -> set[str]:
        return {f"{name}.{e}" for e in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")}

    names = {"conv1.weight"} | norm("bn1")
    for stage, blocks in enumerate(LAYERS, start=1):
        for block in range(blocks):
            place = f"layer{stage}.{block}"
            for number in (1, 2, 3):
                names |= {f"{place}.conv{number}.weight"} | norm(f"{place}.bn{number}")
        names |= {f"layer{stage}.0.downsample.0.weight"} | norm(f"layer{stage}.0.downsample.1")
    return names


@pytest.mark.parametrize("output_stride", [8, 16, 32])
def test_resnet50_has_torchvisions_weights_whatever_its_dilation(output_stride: int) -> None:
    with torch.device("meta"):
        network = ResNet(output_stride=output_stride)
    weights = network.state_dict()
    # ResNet-50 has 25,557,032 weights; its classifier 2048 * 1000 + 1000 of them.
    assert sum(p.numel() for p in network.parameters()) == 25_557_032 - 2_049_000 == 23_508_032
    assert weights.keys() == _names_of_resnet50()
    assert weights["layer1.0.downsample.0.weight"].shape == (256, 64, 1, 1)
    assert weights["layer3.0.conv1.weight"].shape == (256, 512, 1, 1)
    assert weights["layer4.2.conv2.weight"].shape == (512, 512, 3, 3)


@pytest.mark.parametrize(
    ("side", "output_stride", "sides"),
    [
        (256, 32, [128, 64, 32, 16, 8]),
        (256, 16, [128, 64, 32, 16, 16]),
        (256, 8, [128, 64, 32, 32, 32]),
        (377, 8, [189, 95, 48, 48, 48]),
    ],
)
def test_maps_stop_shrinking_at_the_output_stride(side: int, output_stride: int, sides: list[int]) -> None:
    with torch.device("meta"):
        network = ResNet(output_stride=output_stride)
        maps = network(torch.empty(1, 3, side, side))
    assert [one.shape[-1] for one in maps] == sides
    assert tuple(one.shape[1] for one in maps) == network.channels == (64, 256, 512, 1024, 2048)


def test_dilation_of_each_3x3_convolution_is_torchvisions() -> None:
    def dilations(output_stride: int) -> list[list[int]]:
        network = ResNet(layers=(2, 2, 3, 3), width=4, output_stride=output_stride)
        stages = (network.layer1, network.layer2, network.layer3, network.layer4)
        return [[block.conv2.dilation[0] for block in stage] for stage in stages]

    assert dilations(32) == [[1, 1], [1, 1], [1, 1, 1], [1, 1, 1]]
    assert dilations(16) == [[1, 1], [1, 1], [1, 1, 1], [1, 2, 2]]
    assert dilations(8) == [[1, 1], [1, 1], [1, 2, 2], [2, 4, 4]]


def _plain(weights: dict[str, Tensor], film: Tensor, layers: tuple[int, ...]) -> list[Tensor]:
    """ResNet without dilation, written from the paper's table with functions alone."""

    def conv_norm(x: Tensor, conv: str, norm: str, *, stride: int = 1) -> Tensor:
        kernel = weights[f"{conv}.weight"]
        x = F.conv2d(x, kernel, stride=stride, padding=kernel.shape[-1] // 2)
        mean, var, scale, shift = (weights[f"{norm}.{e}"] for e in ("running_mean", "running_var", "weight", "bias"))
        return F.batch_norm(x, mean, var, scale, shift)

    x = conv_norm(film, "conv1", "bn1", stride=2).relu()
    maps = [x]
    x = F.max_pool2d(x, 3, 2, 1)
    for stage, blocks in enumerate(layers, start=1):
        for block in range(blocks):
            stride, place = (2 if stage > 1 and block == 0 else 1), f"layer{stage}.{block}"
            y = conv_norm(x, f"{place}.conv1", f"{place}.bn1").relu()
            y = conv_norm(y, f"{place}.conv2", f"{place}.bn2", stride=stride).relu()
            y = conv_norm(y, f"{place}.conv3", f"{place}.bn3")
            if block == 0:
                x = conv_norm(x, f"{place}.downsample.0", f"{place}.downsample.1", stride=stride)
            x = (x + y).relu()
        maps.append(x)
    return maps


@pytest.fixture
def network() -> ResNet:
    torch.manual_seed(0)
    network = ResNet(layers=(1, 2, 2, 2), width=8)
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.normal_(layer.bias, 0, 0.2)
            nn.init.normal_(layer.running_mean, 0, 0.2)
            nn.init.uniform_(layer.running_var, 0.5, 1.5)
    return network.eval()


@torch.no_grad()
def test_every_map_agrees_with_a_plain_second_implementation(network: ResNet) -> None:
    film = torch.randn(2, 3, 64, 96)
    for ours, plain in zip(network(film), _plain(network.state_dict(), film, (1, 2, 2, 2)), strict=True):
        torch.testing.assert_close(ours, plain, atol=1e-5, rtol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("output_stride", [8, 16])
def test_a_dilated_map_holds_the_strided_one_at_every_few_places(network: ResNet, output_stride: int) -> None:
    film = torch.randn(1, 3, 128, 64)
    dilated = ResNet(layers=(1, 2, 2, 2), width=8, output_stride=output_stride).eval()
    dilated.load_state_dict(network.state_dict())
    coarse, fine = network(film), dilated(film)
    step = 32 // output_stride
    assert fine[-1].shape[-1] == step * coarse[-1].shape[-1]
    torch.testing.assert_close(fine[-1][..., ::step, ::step], coarse[-1], atol=1e-4, rtol=1e-4)


def test_convolutions_start_with_the_spread_that_keeps_gradients_even() -> None:
    torch.manual_seed(0)
    kernel = ResNet().layer3[0].conv2.weight
    assert float(kernel.detach().std()) == pytest.approx((2 / (9 * 256)) ** 0.5, rel=0.02)
