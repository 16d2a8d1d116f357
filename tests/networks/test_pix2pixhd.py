"""Pix2PixHD: closed-form weight counts, plain rewrites of its blocks, and what its discriminators see."""

import numpy as np
import pytest
import torch
from scipy.signal import correlate2d
from torch import nn

from xprism.errors import DataError
from xprism.networks.pix2pixhd import Pix2PixHDGenerator, ScaledDiscriminators, _Residual


def _count(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def _conv(before: int, after: int, kernel: int) -> int:
    return before * after * kernel**2 + after


@pytest.mark.parametrize(
    ("channels", "settings", "stated"),
    [
        ((6, 1), (64, 4, 9), 182_446_401),
        ((6, 6), (64, 4, 9), None),
        ((3, 1), (32, 4, 9), None),
        ((2, 3), (8, 2, 1), None),
    ],
)
def test_a_generator_has_the_weights_of_its_layers(
    channels: tuple[int, int], settings: tuple[int, int, int], stated: int | None
) -> None:
    width, downs, blocks = settings
    steps = [(width * 2**k, width * 2 ** (k + 1)) for k in range(downs)]
    by_hand = _conv(channels[0], width, 7) + _conv(width, channels[1], 7)
    by_hand += sum(_conv(a, b, 3) + _conv(b, a, 3) for a, b in steps) + 2 * blocks * _conv(
        steps[-1][1], steps[-1][1], 3
    )
    with torch.device("meta"):
        network = Pix2PixHDGenerator(*channels, width=width, downs=downs, blocks=blocks)
    assert _count(network) == by_hand == (stated or by_hand)
    assert not list(network.buffers())


def test_a_generator_goes_down_to_1024_channels_and_up_again() -> None:
    with torch.device("meta"):
        network, seen = Pix2PixHDGenerator(6, 1), []
        for layer in network.layers:
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | _Residual):
                layer.register_forward_hook(lambda _layer, _given, made: seen.append(tuple(made.shape[1:])))
        network(torch.empty(1, 6, 64, 96))
    down = [(64, 64, 96), (128, 32, 48), (256, 16, 24), (512, 8, 12)]
    assert seen == [*down, *[(1024, 4, 6)] * 10, *down[::-1], (1, 64, 96)]


def test_a_generator_makes_pictures_and_every_kernel_learns() -> None:
    torch.manual_seed(0)
    network = Pix2PixHDGenerator(6, 1, width=4, downs=2, blocks=1)
    made = network(torch.randn(2, 6, 16, 24))
    assert made.shape == (2, 1, 16, 24)
    assert made.abs().max() < 1
    made.square().mean().backward()
    still = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    # The norm takes out the bias before it.
    assert all(name.endswith("bias") for name in still)


def test_a_residual_block_follows_the_paper() -> None:
    torch.manual_seed(0)
    block = _Residual(2)
    x = torch.randn(1, 2, 5, 6)
    convolutions = [layer for layer in block.layers if isinstance(layer, nn.Conv2d)]

    def plain(values: np.ndarray, layer: nn.Conv2d) -> np.ndarray:
        weight, bias = layer.weight.detach().numpy(), layer.bias.detach().numpy()
        padded = np.pad(values, ((0, 0), (1, 1), (1, 1)), mode="reflect")
        made = np.stack([sum(correlate2d(padded[c], kernel[c], mode="valid") for c in range(2)) for kernel in weight])
        made = made + bias.reshape(-1, 1, 1)
        mean, variance = made.mean((1, 2), keepdims=True), made.var((1, 2), keepdims=True)
        return (made - mean) / np.sqrt(variance + 1e-5)

    middle = np.maximum(plain(x[0].numpy(), convolutions[0]), 0)
    expected = x[0].numpy() + plain(middle, convolutions[1])
    np.testing.assert_allclose(block(x)[0].detach(), expected, atol=1e-5)


def test_sides_that_do_not_fit_are_refused() -> None:
    network = Pix2PixHDGenerator(6, 1, width=4, downs=2, blocks=1)
    with pytest.raises(DataError, match="multiples of 4, not 18 x 16"):
        network(torch.randn(1, 6, 18, 16))
    with pytest.raises(DataError, match="8 pixels at least, not 4 x 16"):
        network(torch.randn(1, 6, 4, 16))
    with pytest.raises(DataError, match="channels, not 3"):
        network(torch.randn(1, 3, 16, 16))


def test_discriminators_have_the_weights_of_their_layers() -> None:
    one = _conv(7, 64, 4) + _conv(64, 128, 4) + _conv(128, 256, 4) + _conv(256, 512, 4) + _conv(512, 1, 4)
    with torch.device("meta"):
        assert _count(ScaledDiscriminators(7)) == 2 * one


def test_both_scales_keep_the_maps_of_five_layers() -> None:
    with torch.device("meta"):
        seen = ScaledDiscriminators(7)(torch.empty(1, 7, 256, 256))
    for maps, side in zip(seen, (256, 128), strict=True):
        sides = []
        for stride in (2, 2, 2, 1, 1):
            side = (side + 2 * 2 - 4) // stride + 1
            sides.append(side)
        assert [tuple(one.shape[1:]) for one in maps] == [
            (channels, side, side) for channels, side in zip((64, 128, 256, 512, 1), sides, strict=True)
        ]


def test_the_second_scale_sees_means_of_the_pixels_around() -> None:
    torch.manual_seed(0)
    network = ScaledDiscriminators(1, width=4)
    picture = torch.randn(1, 1, 32, 48)
    halved = np.empty((16, 24), np.float32)
    for row in range(16):
        for column in range(24):
            rows, columns = (slice(max(0, 2 * place - 1), 2 * place + 2) for place in (row, column))
            halved[row, column] = picture[0, 0, rows, columns].numpy().mean()
    with torch.no_grad():
        coarse = torch.from_numpy(halved)[None, None]
        for layer, found in zip(network.scales[1], network(picture)[1], strict=True):
            coarse = layer(coarse)
            torch.testing.assert_close(found, coarse, atol=1e-4, rtol=1e-4)


def test_kernels_begin_small() -> None:
    torch.manual_seed(0)
    for network in (Pix2PixHDGenerator(6, 1, width=16, downs=2, blocks=1), ScaledDiscriminators(7, width=16)):
        kernels = torch.cat([p.flatten() for name, p in network.named_parameters() if name.endswith("weight")])
        assert kernels.std().item() == pytest.approx(0.02, rel=0.02)
