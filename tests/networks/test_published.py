"""Networks of the papers: published weight counts, layer sizes, and what dilation means."""

import pytest
import torch
from torch import nn

from xprism.networks import Pix2PixGenerator, UNet
from xprism.networks.pix2pix import PatchDiscriminator


def _count(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize("dilated", [False, True])
@pytest.mark.parametrize(("channels", "generator", "total"), [(3, 54_420_483, 57_190_084), (6, 54_426_630, 57_199_303)])
def test_pix2pix_has_the_published_number_of_weights(channels: int, generator: int, total: int, dilated: bool) -> None:
    with torch.device("meta"):
        made = Pix2PixGenerator(3, channels, dilated=dilated)
        judge = PatchDiscriminator(3 + channels)
    assert _count(made) == generator
    assert _count(made) + _count(judge) == total


def test_the_plain_unet_has_our_stated_number_of_weights() -> None:
    with torch.device("meta"):
        assert _count(UNet(3, 3)) == 31_031_875


@pytest.mark.parametrize(("side", "patches"), [(512, 62), (256, 30)])
def test_layers_have_the_sizes_of_the_table(side: int, patches: int) -> None:
    with torch.device("meta"):
        film, target = torch.empty(2, 3, side, side), torch.empty(2, 6, side, side)
        for dilated in (False, True):
            network = Pix2PixGenerator(3, 6, dilated=dilated)
            sizes, x = [], film
            for layer in network.encoder:
                x = layer(x)
                sizes.append(x.shape[-1])
            assert sizes == [side // 2**k for k in range(1, 9)]
            assert network(film).shape == target.shape
        assert PatchDiscriminator(9)(torch.cat([film, target], 1)).shape == (2, 1, patches, patches)


def test_a_dilated_layer_is_a_stride_one_convolution_then_pooling() -> None:
    torch.manual_seed(0)
    layer = Pix2PixGenerator(1, 1, depth=4, width=4, dilated=True).encoder[1]
    x = torch.randn(2, 4, 16, 16)
    conv, norm = layer[1], layer[-1]
    spread = torch.zeros(8, 4, 7, 7)
    spread[:, :, ::2, ::2] = conv.weight
    by_hand = nn.functional.conv2d(nn.functional.leaky_relu(x, 0.2), spread, conv.bias, padding=3)
    pooled = by_hand.unfold(2, 2, 2).unfold(3, 2, 2).amax((-1, -2))
    torch.testing.assert_close(layer(x), norm(pooled), atol=1e-5, rtol=1e-4)


def test_first_and_last_encoder_layers_are_not_dilated() -> None:
    network = Pix2PixGenerator(1, 1, depth=5, width=4, dilated=True)
    convolutions = [m for m in network.encoder.modules() if isinstance(m, nn.Conv2d)]
    assert [c.dilation[0] for c in convolutions] == [1, 2, 2, 2, 1]
    assert [c.stride[0] for c in convolutions] == [2, 1, 1, 1, 2]


def test_tested_as_trained_keeps_dropout_and_batch_statistics() -> None:
    torch.manual_seed(0)
    film = torch.randn(2, 1, 32, 32)
    faithful = Pix2PixGenerator(1, 2, depth=4, width=4, test_as_trained=True).eval()
    assert not torch.equal(faithful(film), faithful(film))
    assert not any("running" in name for name in faithful.state_dict())
    plain = Pix2PixGenerator(1, 2, depth=4, width=4).eval()
    assert torch.equal(plain(film), plain(film))


def test_weights_start_as_the_papers_code_starts_them() -> None:
    torch.manual_seed(0)
    network = Pix2PixGenerator(3, 3, depth=5, width=32)
    layers = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
    weights = torch.cat([m.weight.detach().flatten() for m in layers])
    scales = torch.cat([m.weight.detach() for m in network.modules() if isinstance(m, nn.BatchNorm2d)])
    assert float(weights.std()) == pytest.approx(0.02, rel=0.02)
    assert float(scales.mean()) == pytest.approx(1, abs=0.01)
    assert all(not p.any() for name, p in network.named_parameters() if name.endswith("bias"))
