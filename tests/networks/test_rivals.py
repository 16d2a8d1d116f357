"""The rivals of the image-to-images papers: published or closed-form weight counts, and what makes each of them."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from xprism.networks import FCN, DeepLabV3Plus, InvertedNet, PSPNet, SegNet
from xprism.networks.pspnet import PyramidPooling

RESNET50 = 23_508_032


def _count(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def _conv_norm(before: int, after: int, kernel: int) -> int:
    return before * after * kernel**2 + 2 * after


def _classifier(before: int, classes: int) -> int:
    return before * classes + classes


def test_fcn_has_torchvisions_number_of_weights() -> None:
    # torchvision's fcn_resnet50 has an auxiliary head as well, on the 1024 channels of the third stage.
    auxiliary = _conv_norm(1024, 256, 3) + _classifier(256, 21)
    with torch.device("meta"):
        assert _count(FCN(3, 21)) == 35_322_218 - auxiliary
        assert _count(FCN(3, 3)) == 32_947_779


def test_deeplab_has_the_pyramid_of_torchvisions_and_the_papers_decoder() -> None:
    # deeplabv3_resnet50 of torchvision: ResNet, pyramid, a 3x3 convolution, classifier and the auxiliary head.
    auxiliary = _conv_norm(1024, 256, 3) + _classifier(256, 21)
    pyramid = 42_004_074 - RESNET50 - auxiliary - _conv_norm(256, 256, 3) - _classifier(256, 21)
    decoder = _conv_norm(256, 48, 1) + _conv_norm(256 + 48, 256, 3) + _conv_norm(256, 256, 3) + _classifier(256, 3)
    with torch.device("meta"):
        assert _count(DeepLabV3Plus(3, 3).pyramid) == pyramid
        assert _count(DeepLabV3Plus(3, 3)) == RESNET50 + pyramid + decoder == 40_347_555


def test_pspnet_has_the_weights_of_its_paper() -> None:
    head = _conv_norm(4096, 512, 3) + _classifier(512, 3)
    with torch.device("meta"):
        assert _count(PSPNet(3, 3)) == RESNET50 + 4 * _conv_norm(2048, 512, 1) + head == 46_583_363


def test_segnet_is_vgg16_and_its_mirror_image() -> None:
    # VGG16's convolutions have 14,714,688 weights, 4,224 of them biases: 64 * 2 + 128 * 2 + (256 + 512 + 512) * 3.
    # A batch norm adds two a channel. The mirror image has the same kernels but for the film's 3 channels, which
    # become the outputs, and the biases and norms of the channels that its convolutions lead to.
    encoder = 14_714_688 + 2 * 4_224
    towards = 512 * 3 + 512 * 2 + 256 + 256 * 2 + 128 + 128 + 64 + 64
    decoder = (14_714_688 - 4_224 - 9 * 3 * 64) + 3 * towards
    last = 9 * 64 * 3 + 3
    with torch.device("meta"):
        network = SegNet(3, 3)
    assert _count(network.encoder) == encoder
    assert _count(network) == encoder + decoder + last == 29_444_739


def test_invertednet_has_most_maps_where_the_film_is_largest() -> None:
    # Two 3x3 convolutions a level; on the way up the maps of a level and of the one below come in.
    widths = (256, 128, 64, 32, 16)
    down = sum(9 * (b * a + a * a) + 2 * a for b, a in zip((1, *widths[:-1]), widths, strict=True))
    up = sum(9 * ((a + below) * a + a * a) + 2 * a for a, below in pairwise(widths))
    with torch.device("meta"):
        network = InvertedNet(1, 3)
        seen: list[tuple[int, ...]] = []
        for level in network.encoder:
            level.register_forward_hook(lambda layer, given, made: seen.append(tuple(made.shape[1:])))
        network(torch.empty(1, 1, 256, 256))
    assert _count(network) == down + up + _classifier(256, 3) == 3_140_771
    # The first pooling has stride 1, so the second level is as fine as the first.
    assert seen == [(256, 256, 256), (128, 256, 256), (64, 128, 128), (32, 64, 64), (16, 32, 32)]


def test_invertednet_drops_after_each_convolution_in_training_only() -> None:
    torch.manual_seed(0)
    network, film = InvertedNet(1, 1, width=16), torch.randn(1, 1, 32, 32)
    convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (3, 3)]
    assert len([m for m in network.modules() if isinstance(m, nn.Dropout)]) == len(convolutions) == 18
    assert not torch.equal(network(film), network(film))
    network.eval()
    assert torch.equal(network(film), network(film))


def test_unpooling_puts_each_maximum_back_where_it_was() -> None:
    torch.manual_seed(0)
    network = SegNet(1, 1, width=8)
    for levels in (network.encoder, network.decoder):
        for number in range(len(levels)):
            levels[number] = nn.Identity()
    network.head = nn.Identity()
    film = torch.rand(1, 1, 64, 96)
    by_hand = np.zeros((64, 96), np.float32)
    for top in range(0, 64, 32):
        for left in range(0, 96, 32):
            square = film[0, 0, top : top + 32, left : left + 32].numpy()
            row, column = np.unravel_index(square.argmax(), square.shape)
            by_hand[top + row, left + column] = square.max()
    np.testing.assert_array_equal(network(film)[0, 0].numpy(), by_hand)


@pytest.mark.parametrize(("height", "width"), [(8, 12), (32, 32), (48, 47)])
def test_a_pyramids_level_is_the_mean_of_each_part(height: int, width: int) -> None:
    torch.manual_seed(0)
    features = torch.randn(1, 8, height, width)
    pyramid = PyramidPooling(8).eval()
    for bins, level in zip((1, 2, 3, 6), pyramid.levels, strict=True):
        by_hand = np.empty((1, 8, bins, bins), np.float32)
        for row in range(bins):
            for column in range(bins):
                # Parts meet or overlap by a pixel: each begins at the floor of its bound and ends at the ceiling.
                rows = slice(row * height // bins, -(-(row + 1) * height // bins))
                columns = slice(column * width // bins, -(-(column + 1) * width // bins))
                by_hand[:, :, row, column] = features[:, :, rows, columns].numpy().mean((-2, -1))
        np.testing.assert_allclose(level[0](features).numpy(), by_hand, atol=1e-6)
    with torch.no_grad():
        beside = pyramid(features)
    assert beside.shape == (1, 16, height, width)
    assert torch.equal(beside[:, :8], features)


def test_a_pyramid_sees_the_whole_map_from_every_place() -> None:
    torch.manual_seed(0)
    pyramid = PyramidPooling(8).eval()
    features = torch.randn(1, 8, 16, 16, requires_grad=True)
    pyramid(features)[0, 8:, 0, 0].sum().backward()
    assert features.grad is not None
    assert features.grad.abs().sum(1).gt(0).all()


def test_deeplab_looks_at_several_distances() -> None:
    network = DeepLabV3Plus(3, 3, layers=(1, 1, 1, 1), width=4)
    convolutions = [branch[0] for branch in network.pyramid.branches]
    assert [(c.kernel_size[0], c.dilation[0]) for c in convolutions] == [(1, 1), (3, 6), (3, 12), (3, 18)]
    assert len(network.pyramid(torch.randn(2, 128, 4, 4))[0]) == 16


def test_deeplab_refines_with_the_first_stage() -> None:
    torch.manual_seed(0)
    network = DeepLabV3Plus(3, 3, layers=(1, 1, 1, 1), width=8).eval()
    shapes: dict[str, tuple[int, ...]] = {}
    for name in ("reduce", "refine", "pyramid"):
        network.get_submodule(name).register_forward_hook(
            lambda layer, given, made, name=name: shapes.update({name: tuple(made.shape[1:])})
        )
    network(torch.randn(1, 1, 64, 64))
    # 256, 48 and 256 channels at the paper's width of 64; a quarter and a sixteenth of the input's sides.
    assert shapes == {"pyramid": (32, 4, 4), "reduce": (6, 16, 16), "refine": (32, 16, 16)}
