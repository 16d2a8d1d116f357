"""The reconstructed SMANet: closed-form weight counts, the sizes of its maps, and what its attention does."""

from typing import get_args

import numpy as np
import pytest
import torch
from torch import nn

from xprism.errors import DataError
from xprism.networks import SMANet
from xprism.networks.smanet import Context, MultiScaleAttention

RESNET50 = 23_508_032
SMALL = {"layers": (1, 1, 1, 1), "width": 4}


def _conv_norm(before: int, after: int, kernel: int) -> int:
    return before * after * kernel**2 + 2 * after


def _decoder(classes: int) -> int:
    first = _conv_norm(256, 48, 1) + _conv_norm(512 + 48, 256, 3) + _conv_norm(256, 256, 3)
    second = _conv_norm(64, 32, 1) + _conv_norm(256 + 32, 128, 3) + _conv_norm(128, 128, 3)
    return first + second + 128 * classes + classes


@pytest.mark.parametrize(
    ("context", "middle"),
    [
        ("attention", 4 * (_conv_norm(512, 128, 1) + 9 * 128 + 1) + _conv_norm(5 * 512, 512, 3)),
        ("psp", 4 * _conv_norm(512, 128, 1) + _conv_norm(2 * 512, 512, 3)),
        ("none", _conv_norm(512, 512, 3)),
    ],
)
def test_it_has_the_weights_of_its_layers(context: Context, middle: int) -> None:
    with torch.device("meta"):
        found = sum(p.numel() for p in SMANet(3, 4, context=context).parameters())
    assert found == RESNET50 + _conv_norm(2048, 512, 1) + middle + _decoder(4)
    assert context != "attention" or found == 38_998_760


def test_a_film_of_377_pixels_has_maps_of_48_95_and_189() -> None:
    shapes: dict[str, tuple[int, ...]] = {}
    with torch.device("meta"):
        network = SMANet(3, 4).eval()
        for name in ("reduce", "context", "fuse", "first", "second", "head"):
            network.get_submodule(name).register_forward_hook(
                lambda _layer, _given, made, name=name: shapes.update({name: tuple(made.shape[1:])})
            )
        assert network(torch.empty(1, 1, 377, 377)).shape == (1, 4, 377, 377)
    assert shapes == {
        "reduce": (512, 48, 48),
        "context": (2560, 48, 48),
        "fuse": (512, 48, 48),
        "first": (256, 95, 95),
        "second": (128, 189, 189),
        "head": (4, 189, 189),
    }


def test_attention_weighs_all_channels_of_a_place_alike() -> None:
    torch.manual_seed(0)
    attention = MultiScaleAttention(8).eval()
    features = torch.rand(1, 8, 12, 18) + 0.5
    with torch.no_grad():
        plain, *weighed = attention(features).split(8, dim=1)
    torch.testing.assert_close(plain, features)
    assert len(weighed) == 4
    for branch in weighed:
        shares = (branch / features)[0].numpy()
        np.testing.assert_allclose(shares, shares[:1].repeat(8, 0), rtol=1e-5)
        assert 0 < shares.min() < shares.max() < 1


def test_attention_is_the_logistic_function_of_its_score() -> None:
    attention = MultiScaleAttention(4).eval()
    for weigh, score in zip(attention.weigh, (-1.0, 0.0, 2.0, 30.0), strict=True):
        nn.init.zeros_(weigh.weight)
        nn.init.constant_(weigh.bias, score)
    features = torch.ones(1, 4, 6, 6)
    with torch.no_grad():
        found = attention(features)[0, 4::4, 0, 0].numpy()
    np.testing.assert_allclose(found, 1 / (1 + np.exp([1.0, 0.0, -2.0, -30.0])), rtol=1e-6)


def test_coarse_attention_says_the_same_of_all_places_inside() -> None:
    torch.manual_seed(0)
    attention = MultiScaleAttention(8).eval()
    with torch.no_grad():
        whole, *_, finest = attention.weights(torch.randn(1, 8, 12, 12))
    # The outermost places have the convolution's border beside them.
    assert whole[0, 0, 1:-1, 1:-1].std() < 1e-6 < finest[0, 0, 1:-1, 1:-1].std()


def test_contexts_differ_in_nothing_but_context() -> None:
    with torch.device("meta"):
        shapes = {
            context: {
                name: tuple(value.shape)
                for name, value in SMANet(3, 4, context=context, **SMALL).state_dict().items()
                if not name.startswith(("context.", "fuse.0.0"))
            }
            for context in get_args(Context)
        }
    assert shapes["attention"] == shapes["psp"] == shapes["none"]


@pytest.mark.parametrize("context", get_args(Context))
def test_every_context_learns(context: Context) -> None:
    torch.manual_seed(0)
    network = SMANet(3, 4, context=context, **SMALL)
    network(torch.randn(2, 1, 41, 57)).square().mean().backward()
    still = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert not still


def test_films_of_two_channels_are_refused() -> None:
    with pytest.raises(DataError, match="1 or 3 channels, not 2"):
        SMANet(3, 4, **SMALL)(torch.randn(1, 2, 33, 33))
