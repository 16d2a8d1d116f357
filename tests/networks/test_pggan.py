"""Progressive growing: published and closed-form weight counts, a plain rewrite, fading, and the critic's spread."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.signal import correlate2d

from xprism.errors import DataError
from xprism.networks.pggan import EqualConv, ProgressiveCritic, ProgressiveGenerator, maps_at, with_spread
from xprism.objectives.wgan_gp import gradient_norms

Array = NDArray[np.float64]


def _count(network: torch.nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def _conv(before: int, after: int, kernel: int) -> int:
    return before * after * kernel**2 + after


def _by_hand(size: int, channels: int, most: int) -> tuple[int, int]:
    """Weights of generator and critic: stage s has min(8192 / 2^s, most) maps, s = 1 at 4 pixels."""
    widths = [min(8192 // 2**stage, most) for stage in range(1, int(math.log2(size)))]
    ladder = list(pairwise(widths))
    generator = _conv(most, widths[0], 4) + _conv(widths[0], widths[0], 3)
    generator += sum(_conv(a, b, 3) + _conv(b, b, 3) for a, b in ladder) + sum(_conv(w, channels, 1) for w in widths)
    critic = _conv(widths[0] + 1, widths[0], 3) + _conv(widths[0], widths[0], 4) + _conv(widths[0], 1, 1)
    critic += sum(_conv(b, b, 3) + _conv(b, a, 3) for a, b in ladder) + sum(_conv(channels, w, 1) for w in widths)
    return generator, critic


@pytest.mark.parametrize(
    ("size", "channels", "generator", "critic"),
    [(64, 1, 398_277, 399_233), (1024, 1, 580_825, 582_001), (1024, 2, 581_330, 582_497)],
)
def test_networks_have_the_stated_sizes(size: int, channels: int, generator: int, critic: int) -> None:
    with torch.device("meta"):
        found = _count(ProgressiveGenerator(size, channels)), _count(ProgressiveCritic(size, channels))
    assert found == (generator, critic) == _by_hand(size, channels, 64)


def test_with_512_maps_they_have_the_published_size() -> None:
    with torch.device("meta"):
        found = _count(ProgressiveGenerator(1024, 3, maps=512)), _count(ProgressiveCritic(1024, 3, maps=512))
    assert found == _by_hand(1024, 3, 512)
    assert [round(count / 1e6, 1) for count in found] == [23.1, 23.1]


def test_maps_shrink_from_512_pixels_on() -> None:
    assert [maps_at(4 * 2**k, 64) for k in range(9)] == [64, 64, 64, 64, 64, 64, 64, 32, 16]


@pytest.mark.parametrize("size", [4, 8, 32])
def test_every_size_up_to_the_last_is_made_and_judged(size: int) -> None:
    generator, critic = ProgressiveGenerator(32, 2, maps=4), ProgressiveCritic(32, 2, maps=4)
    made = generator(torch.randn(8, 4), size=size)
    assert made.shape == (8, 2, size, size)
    assert critic(made).shape == (8,)
    assert generator(torch.randn(1, 4)).shape == (1, 2, 32, 32)


def _plain_conv(x: Array, layer: EqualConv, *, gain: float, pad: int) -> Array:
    """A convolution of [C, H, W] with He et al.'s constant, as a sum of correlations."""
    weight, bias = (p.detach().numpy().astype(float) for p in (layer.weight, layer.bias))
    x = np.pad(x, ((0, 0), (pad, pad), (pad, pad)))
    scaled = weight * gain / math.sqrt(weight[0].size)
    return np.stack(
        [sum(correlate2d(x[c], kernel[c], mode="valid") for c in range(len(x))) for kernel in scaled]
    ) + bias.reshape(-1, 1, 1)


def _leaky(x: Array) -> Array:
    return np.where(x > 0, x, 0.2 * x)


def _pixel_norm(x: Array) -> Array:
    return x / np.sqrt((x**2).mean(0) + 1e-8)


def _set_biases(network: torch.nn.Module) -> None:
    for name, parameter in network.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter, std=0.3)


def test_a_generator_follows_the_paper_layer_by_layer() -> None:
    torch.manual_seed(0)
    network = ProgressiveGenerator(8, 1, maps=3)
    _set_biases(network)
    latents = torch.randn(1, 3)
    z = _pixel_norm(latents[0].numpy().astype(float).reshape(3, 1, 1))
    layers = [[m for m in block if isinstance(m, EqualConv)] for block in network.blocks]
    # The first layer is dense: each of 16 pixels has a matrix of its own, and He et al.'s constant of a 4x4 kernel.
    dense = layers[0][0].weight.detach().numpy()[:, :, ::-1, ::-1] * math.sqrt(2 / 48)
    x = np.einsum("ocij,c->oij", dense, z[:, 0, 0]) + layers[0][0].bias.detach().numpy().reshape(-1, 1, 1)
    x = _pixel_norm(_leaky(x))
    x = _pixel_norm(_leaky(_plain_conv(x, layers[0][1], gain=math.sqrt(2), pad=1)))
    small = _plain_conv(x, network.outputs[0], gain=1, pad=0)
    x = x.repeat(2, 1).repeat(2, 2)
    for layer in layers[1]:
        x = _pixel_norm(_leaky(_plain_conv(x, layer, gain=math.sqrt(2), pad=1)))
    large = _plain_conv(x, network.outputs[1], gain=1, pad=0)
    with torch.no_grad():
        np.testing.assert_allclose(network(latents, size=4)[0], small, atol=1e-5)
        np.testing.assert_allclose(network(latents)[0], large, atol=1e-5)
        mixed = 0.3 * large + 0.7 * small.repeat(2, 1).repeat(2, 2)
        np.testing.assert_allclose(network(latents, fade=0.3)[0], mixed, atol=1e-5)


def test_a_critic_follows_the_paper_layer_by_layer() -> None:
    torch.manual_seed(0)
    network = ProgressiveCritic(8, 1, maps=3)
    _set_biases(network)
    picture = torch.randn(1, 1, 8, 8)
    whole = picture[0].numpy().astype(float)
    root = math.sqrt(2)
    x = _leaky(_plain_conv(whole, network.inputs[1][0], gain=root, pad=0))
    for layer in (network.blocks[0][0], network.blocks[0][2]):
        x = _leaky(_plain_conv(x, layer, gain=root, pad=1))
    x = x.reshape(3, 4, 2, 4, 2).mean((2, 4))
    early = _leaky(_plain_conv(whole.reshape(1, 4, 2, 4, 2).mean((2, 4)), network.inputs[0][0], gain=root, pad=0))
    for fade, seen in ((1.0, x), (0.3, 0.3 * x + 0.7 * early)):
        # One picture differs from no other, so its spread is the square root of the small number under the root.
        seen = np.concatenate([seen, np.full((1, 4, 4), 1e-4)])
        seen = _leaky(_plain_conv(seen, network.judge[0], gain=root, pad=1))
        seen = _leaky(_plain_conv(seen, network.judge[2], gain=root, pad=0))
        expected = _plain_conv(seen, network.judge[4], gain=1, pad=0).item()
        assert network(picture, fade=fade).item() == pytest.approx(expected, abs=1e-5)


def test_fresh_layers_keep_the_size_of_signals_whatever_their_number_of_inputs() -> None:
    torch.manual_seed(0)
    for before, kernel in ((2, 1), (64, 3), (200, 1)):
        layer = EqualConv(before, 64, kernel)
        assert layer.weight.std().item() == pytest.approx(1, abs=0.15)
        with torch.no_grad():
            assert layer(torch.randn(16, before, 12, 12)).std().item() == pytest.approx(math.sqrt(2), rel=0.15)


def test_the_length_of_a_latent_does_not_matter() -> None:
    torch.manual_seed(0)
    network, latents = ProgressiveGenerator(8, 1, maps=4), torch.randn(2, 4)
    with torch.no_grad():
        torch.testing.assert_close(network(latents), network(5 * latents))


def test_layers_not_yet_grown_do_not_learn() -> None:
    torch.manual_seed(0)
    generator, critic = ProgressiveGenerator(16, 1, maps=4), ProgressiveCritic(16, 1, maps=4)
    critic(generator(torch.randn(4, 4), size=8, fade=0.5), fade=0.5).sum().backward()
    for network, later in ((generator, ("blocks.2", "outputs.2")), (critic, ("blocks.1", "inputs.2"))):
        for name, parameter in network.named_parameters():
            learns = parameter.grad is not None and bool(parameter.grad.abs().sum() > 0)
            assert learns != name.startswith(later), name


def test_a_critic_learns_from_how_steep_it_is() -> None:
    torch.manual_seed(0)
    critic = ProgressiveCritic(8, 1, maps=4)
    real, made = torch.randn(2, 4, 1, 8, 8)
    norms = gradient_norms(lambda pictures: critic(pictures, fade=0.5), real, made, torch.rand(4))
    norms.sum().backward()
    for name, parameter in critic.named_parameters():
        if name.endswith("weight"):
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name
            assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize(("count", "group"), [(8, 4), (4, 4), (3, 3), (1, 1)])
def test_the_spread_is_the_mean_deviation_over_a_group(count: int, group: int) -> None:
    values = torch.randn(count, 3, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    found = with_spread(values).numpy()
    np.testing.assert_array_equal(found[:, :3], values)
    groups = count // group
    for number in range(count):
        # Pictures whose numbers differ by the number of groups belong together.
        members = values.numpy()[number % groups :: groups]
        assert len(members) == group
        expected = np.sqrt(members.var(0) + 1e-8).mean()
        np.testing.assert_allclose(found[number, 3], expected, rtol=1e-4)


def test_what_cannot_be_made_or_judged_is_refused() -> None:
    with pytest.raises(DataError, match="48 is no step"):
        ProgressiveGenerator(48, 1)
    with pytest.raises(DataError, match="from 4 to 1024"):
        ProgressiveCritic(2048, 1)
    generator, critic = ProgressiveGenerator(8, 1, maps=4), ProgressiveCritic(8, 1, maps=4)
    with pytest.raises(DataError, match="4 to 8 pixels, not 16"):
        generator(torch.randn(1, 4), size=16)
    with pytest.raises(DataError, match=r"latents are \[B, 4\]"):
        generator(torch.randn(1, 5))
    with pytest.raises(DataError, match="squares of 1 channels"):
        critic(torch.randn(1, 2, 8, 8))
    with pytest.raises(DataError, match="batch of 6"):
        critic(torch.randn(6, 1, 8, 8))
