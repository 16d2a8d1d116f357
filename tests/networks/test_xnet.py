"""XNet and the two readings of SegNet-Basic: weights layer by layer, what is joined with what, Keras's constants."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from xprism.networks import SegNetBasic, SegNetBasicAuthors, XNet

# Channels in and out of every layer of the paper's network, and the size at which it works where films have 200.
XNET = (
    *((1, 64, 200), (64, 128, 100), (128, 256, 50), (256, 512, 25), (512, 512, 25), (512, 256, 50), (512, 128, 100)),
    *((256, 128, 100), (128, 256, 50), (256, 512, 25), (512, 512, 25), (512, 256, 50), (512, 128, 100), (256, 64, 200)),
)
AUTHORS = (
    *((1, 64, 200), (64, 128, 100), (128, 256, 50), (256, 512, 25)),
    *((512, 512, 25), (512, 256, 50), (256, 128, 100), (128, 64, 200)),
)
BASIC = (
    *((1, 64, 208), (64, 64, 104), (64, 64, 52), (64, 64, 26)),
    *((64, 64, 26), (64, 64, 52), (64, 64, 104), (64, 64, 208)),
)
KINDS = (XNet, SegNetBasic, SegNetBasicAuthors)


def _weights(table: tuple[tuple[int, int, int], ...], *, kernel: int, last: int) -> list[int]:
    """A convolution with biases and the scale and shift of its norm for each row, and the 1x1 classifier."""
    return [kernel**2 * before * after + 3 * after for before, after, _ in table] + [last * 3 + 3]


@pytest.mark.parametrize(
    ("kind", "table", "kernel", "last", "total"),
    [
        (XNet, XNET, 3, 128, 11_734_851),
        (SegNetBasicAuthors, AUTHORS, 3, 64, 5_462_403),
        (SegNetBasic, BASIC, 7, 64, 1_409_795),
    ],
)
def test_every_layer_has_the_weights_and_the_size_of_the_table(
    kind: type[nn.Module], table: tuple[tuple[int, int, int], ...], kernel: int, last: int, total: int
) -> None:
    found: list[tuple[int, int, int]] = []

    def note(layer: nn.Module, given: tuple[Tensor], made: Tensor) -> None:
        found.append((layer.in_channels, layer.out_channels, made.shape[-1]))

    with torch.device("meta"):
        network = kind(1, 3)
        layers = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
        for layer in layers:
            layer.register_forward_hook(note)
        assert network(torch.empty(1, 1, 200, 200)).shape == (1, 3, 200, 200)
    assert found == [*table, (last, 3, table[-1][2])]
    assert [layer.kernel_size for layer in layers] == [(kernel, kernel)] * len(table) + [(1, 1)]
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    counts = [sum(p.numel() for p in layer.parameters()) for layer in layers]
    for place, norm in enumerate(norms):
        counts[place] += sum(p.numel() for p in norm.parameters())
    assert sorted(counts) == sorted(_weights(table, kernel=kernel, last=last))
    assert sum(p.numel() for p in network.parameters()) == sum(counts) == total


def test_xnet_of_colour_films_has_1152_weights_more() -> None:
    with torch.device("meta"):
        assert sum(p.numel() for p in XNet(3, 3).parameters()) == 11_734_851 + 9 * 2 * 64 == 11_736_003


def _layers(network: nn.Module) -> list[tuple[nn.Conv2d, nn.BatchNorm2d]]:
    convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    return list(zip(convolutions, norms, strict=False))


def _seen(network: nn.Module) -> None:
    """Give norms statistics that tell layers apart."""
    for _, norm in _layers(network):
        for values in (norm.running_mean, norm.bias.data):
            values.normal_()
        for values in (norm.running_var, norm.weight.data):
            values.uniform_(0.5, 2)


def _c(x: Tensor, layer: tuple[nn.Conv2d, nn.BatchNorm2d], *, relu: bool = True) -> Tensor:
    """The rule of the table: convolution, batch norm with Keras's epsilon, ReLU."""
    convolution, norm = layer
    x = F.conv2d(x, convolution.weight, convolution.bias, padding="same")
    mean, variance, scale, shift = (
        values[:, None, None] for values in (norm.running_mean, norm.running_var, norm.weight, norm.bias)
    )
    x = scale * (x - mean) / torch.sqrt(variance + 1e-3) + shift
    return x.relu() if relu else x


def _pool(x: Tensor) -> Tensor:
    return x.unflatten(-1, (-1, 2)).unflatten(-3, (-1, 2)).amax((-3, -1))


def _twice(x: Tensor) -> Tensor:
    return x.repeat_interleave(2, -1).repeat_interleave(2, -2)


@torch.no_grad()
def test_xnet_joins_what_the_table_says() -> None:
    torch.manual_seed(0)
    network = XNet(1, 3, width=4).eval()
    _seen(network)
    layer = dict(enumerate(_layers(network), start=1))  # by the table's steps
    film = torch.randn(2, 1, 32, 40)
    step = {1: _c(film, layer[1])}
    for n in (2, 3, 4):
        step[n] = _c(_pool(step[n - 1]), layer[n])
    step[5] = _c(step[4], layer[5])
    step[6] = torch.cat([step[3], _c(_twice(step[5]), layer[6])], 1)
    step[7] = torch.cat([step[2], _c(_twice(step[6]), layer[7])], 1)
    step[8] = _c(step[7], layer[8])
    step[9] = _c(_pool(step[8]), layer[9])
    step[10] = _c(_pool(step[9]), layer[10])
    step[11] = _c(step[10], layer[11])
    step[12] = torch.cat([step[9], _c(_twice(step[11]), layer[12])], 1)
    step[13] = torch.cat([step[8], _c(_twice(step[12]), layer[13])], 1)
    step[14] = torch.cat([step[1], _c(_twice(step[13]), layer[14])], 1)
    torch.testing.assert_close(network(film), network.head(step[14]), atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_the_authors_segnet_basic_has_neither_skips_nor_indices() -> None:
    torch.manual_seed(0)
    network = SegNetBasicAuthors(1, 3, width=4).eval()
    _seen(network)
    film = torch.randn(1, 1, 24, 32)
    x = film
    for n, layer in enumerate(_layers(network)):
        x = _c(_pool(x) if n in (1, 2, 3) else _twice(x) if n > 4 else x, layer)
    torch.testing.assert_close(network(film), network.head(x), atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_segnet_basic_puts_maxima_back_and_has_no_relu_on_the_way_up() -> None:
    torch.manual_seed(0)
    network = SegNetBasic(1, 3, width=4).eval()
    _seen(network)
    x, places = torch.randn(1, 1, 32, 48), []
    film = x
    for layer in _layers(network)[:4]:
        x = _c(x, layer)
        places.append(_first(x == _twice(_pool(x))))
        x = _pool(x)
    for layer in _layers(network)[4:]:
        x = _c(torch.where(places.pop(), _twice(x), 0), layer, relu=False)
    torch.testing.assert_close(network(film), network.head(x), atol=1e-4, rtol=1e-4)


def _first(largest: Tensor) -> Tensor:
    """The first of each square's maxima, row by row: zeros often tie."""
    squares = largest.unflatten(-1, (-1, 2)).unflatten(-3, (-1, 2)).transpose(-3, -2)
    alone = F.one_hot(squares.flatten(-2).int().argmax(-1), 4).bool()
    return alone.unflatten(-1, (2, 2)).transpose(-3, -2).flatten(-2).flatten(-3, -2)


@pytest.mark.parametrize("kind", KINDS)
def test_norms_and_first_weights_are_keras(kind: type[nn.Module]) -> None:
    torch.manual_seed(0)
    network = kind(1, 3, width=16)
    for norm in (m for m in network.modules() if isinstance(m, nn.BatchNorm2d)):
        before = norm.running_mean.clone()
        x = torch.randn(2, norm.num_features, 4, 4) + 3
        norm(x)
        # Keras: moving average x 0.99 + batch x 0.01.
        torch.testing.assert_close(norm.running_mean, 0.99 * before + 0.01 * x.mean((0, 2, 3)))
        assert norm.eps == 1e-3
    for layer in (m for m in network.modules() if isinstance(m, nn.Conv2d)):
        area = layer.kernel_size[0] ** 2
        limit = np.sqrt(6 / (area * (layer.in_channels + layer.out_channels)))
        assert 0.9 * limit < float(layer.weight.detach().abs().max()) <= limit
        assert float(layer.weight.detach().std()) == pytest.approx(limit / np.sqrt(3), rel=0.2)
        assert not layer.bias.detach().any()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(200, 200), (199, 65), (33, 16), (9, 7)])
@torch.no_grad()
def test_a_film_of_any_size_is_read_as_if_its_edges_went_on(kind: type[nn.Module], size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    network = kind(1, 3, width=4).eval()
    film = torch.randn(1, 1, *size)
    multiple = 16 if kind is SegNetBasic else 8
    extra = [-side % multiple for side in size]
    larger = np.pad(film[0, 0].numpy(), [(n // 2, n - n // 2) for n in extra], mode="edge")
    assert not any(side % multiple for side in larger.shape)
    whole = network(torch.from_numpy(larger)[None, None])
    top, left = (n // 2 for n in extra)
    made = network(film)
    assert made.shape == (1, 3, *size)
    assert torch.equal(made, whole[..., top : top + size[0], left : left + size[1]])
