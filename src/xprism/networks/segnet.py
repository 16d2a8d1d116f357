"""SegNet and SegNet-Basic (Badrinarayanan et al.): a decoder that puts values back where pooling took them from."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F

from xprism.networks.blocks import begin_as_keras, convolutions, keras_norm
from xprism.networks.shapes import as_input, cut_to, padded

VGG16 = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
"""Channels, where the first level has 64, and number of 3x3 convolutions of each level."""


class SegNet(nn.Module):
    """The 13 convolutions of VGG16 with batch norm, and their mirror image.

    [B, 1 or in_channels, H, W] in, raw outputs [B, out_channels, H, W] out; H and W are multiples of 32. With 3
    channels in and out and width 64 it has 29,444,739 weights. Unpooling sets each value back to the place of the
    pooled maximum and leaves the other three of its square at zero. The last convolution makes the outputs.
    """

    multiple = 2 ** len(VGG16)
    near_ties = True
    """Where two values of a square are all but equal, another runtime may take the other one for the maximum."""

    def __init__(self, in_channels: int, out_channels: int, *, width: int = 64) -> None:
        super().__init__()
        self.in_channels = in_channels
        levels = [(wide * width // 64, count) for wide, count in VGG16]
        self.encoder = nn.ModuleList()
        self.decoder = nn.ModuleList()
        before = in_channels
        for number, (wide, count) in enumerate(levels):
            self.encoder.append(_several([before, *[wide] * count]))
            # The mirror image ends with the channels of the level before, where the encoder began.
            back = [wide] * count if number == 0 else [*[wide] * count, before]
            self.decoder.insert(0, _several(back))
            before = wide
        self.head = nn.Conv2d(levels[0][0], out_channels, 3, padding=1)

    def forward(self, film: Tensor) -> Tensor:
        x = as_input(film, channels=self.in_channels, multiple=self.multiple)
        raw: Tensor = self.head(_down_and_up(x, self.encoder, self.decoder))
        return raw


class SegNetBasic(nn.Module):
    """The small SegNet: four 7x7 convolutions down and four up, each with batch norm, ReLU on the way down alone.

    [B, 1 or in_channels, H, W] in, raw outputs [B, out_channels, H, W] out; films of other sizes than multiples of 16
    are padded and the outputs cut. With 1 channel in, 3 out and width 64 it has 1,409,795 weights. Its batch
    norms have Keras's constants, since it is here as a rival of XNet.
    """

    near_ties = True

    def __init__(self, in_channels: int, out_channels: int, *, width: int = 64) -> None:
        super().__init__()
        self.in_channels = in_channels
        before = (in_channels, width, width, width)
        self.encoder = nn.ModuleList(convolutions([b, width], keras_norm, kernel=7) for b in before)
        self.decoder = nn.ModuleList(
            nn.Sequential(nn.Conv2d(width, width, 7, padding=3), keras_norm(width)) for _ in before
        )
        self.head = nn.Conv2d(width, out_channels, 1)
        begin_as_keras(self)

    def forward(self, film: Tensor) -> Tensor:
        x = padded(film, channels=self.in_channels, multiple=2 ** len(self.encoder))
        return cut_to(self.head(_down_and_up(x, self.encoder, self.decoder)), film)


def _down_and_up(x: Tensor, encoder: nn.ModuleList, decoder: nn.ModuleList) -> Tensor:
    """Every level of the encoder and 2x2 max pooling; unpooling to the same places and every level of the decoder."""
    places: list[Tensor] = []
    for level in encoder:
        x, place = F.max_pool2d(level(x), 2, return_indices=True)
        places.append(place)
    for level in decoder:
        x = level(F.max_unpool2d(x, places.pop(), [2, 2]))
    return x


def _several(channels: Sequence[int]) -> nn.Sequential:
    """3x3 convolutions from each number of channels to the next, each with batch norm and ReLU."""
    layers: list[nn.Module] = []
    for before, after in pairwise(channels):
        layers += [nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)
