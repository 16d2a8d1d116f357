"""XNet (Bullock, Cuesta-Lazaro and Quera-Bofarull, SPIE 2019), and the network that its authors call SegNet-Basic."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from xprism.networks.blocks import begin_as_keras, convolutions, keras_norm
from xprism.networks.shapes import cut_to, padded

COARSE = 8
"""Sides are halved three times."""


class XNet(nn.Module):
    """Two encoders and decoders in a row: down three times, up twice, down twice, up three times.

    [B, 1 or in_channels, H, W] in, raw outputs [B, out_channels, H, W] out; films of other sizes than multiples of 8
    are padded and the outputs cut. With 1 channel in, 3 out and width 64 it has 11,734,851 weights. Every layer
    is a 3x3 convolution, batch norm with Keras's constants and ReLU; enlarging repeats pixels. The second module
    begins at half the size, and its last step up takes the first skip; what is skipped comes first in a
    concatenation. No weights are shared.
    """

    def __init__(self, in_channels: int, out_channels: int, *, width: int = 64) -> None:
        super().__init__()
        self.in_channels = in_channels
        w = width
        self.first = _layer(in_channels, w)
        self.down = nn.ModuleList(_layer(a, b) for a, b in ((w, 2 * w), (2 * w, 4 * w), (4 * w, 8 * w)))
        self.middle = _layer(8 * w, 8 * w)
        self.up = nn.ModuleList(_layer(8 * w, b) for b in (4 * w, 2 * w))
        self.again = _layer(4 * w, 2 * w)
        self.second_down = nn.ModuleList(_layer(a, b) for a, b in ((2 * w, 4 * w), (4 * w, 8 * w)))
        self.second_middle = _layer(8 * w, 8 * w)
        self.second_up = nn.ModuleList(_layer(a, b) for a, b in ((8 * w, 4 * w), (8 * w, 2 * w), (4 * w, w)))
        self.head = nn.Conv2d(2 * w, out_channels, 1)
        begin_as_keras(self)

    def forward(self, film: Tensor) -> Tensor:
        first = self.first(padded(film, channels=self.in_channels, multiple=COARSE))
        kept = _down(first, self.down)
        x = _up(self.middle(kept.pop()), self.up, kept)
        kept = _down(self.again(x), self.second_down)
        x = _up(self.second_middle(kept.pop()), self.second_up, [first, *kept])
        return cut_to(self.head(x), film)


class SegNetBasicAuthors(nn.Module):
    """The network behind XNet's published SegNet-Basic: one encoder and decoder without indices or skips.

    [B, 1 or in_channels, H, W] in, raw outputs [B, out_channels, H, W] out, padded and cut as ``XNet``. With 1
    channel in, 3 out and width 64 it has 5,462,403 weights. ``segnet.SegNetBasic`` is the one of the SegNet paper.
    """

    def __init__(self, in_channels: int, out_channels: int, *, width: int = 64) -> None:
        super().__init__()
        self.in_channels = in_channels
        w = width
        self.first = _layer(in_channels, w)
        self.down = nn.ModuleList(_layer(a, b) for a, b in ((w, 2 * w), (2 * w, 4 * w), (4 * w, 8 * w)))
        self.middle = _layer(8 * w, 8 * w)
        self.up = nn.ModuleList(_layer(a, b) for a, b in ((8 * w, 4 * w), (4 * w, 2 * w), (2 * w, w)))
        self.head = nn.Conv2d(w, out_channels, 1)
        begin_as_keras(self)

    def forward(self, film: Tensor) -> Tensor:
        x = self.first(padded(film, channels=self.in_channels, multiple=COARSE))
        x = self.middle(_down(x, self.down)[-1])
        for layer in self.up:
            x = layer(F.interpolate(x, scale_factor=2, mode="nearest"))
        return cut_to(self.head(x), film)


def _layer(before: int, after: int) -> nn.Sequential:
    return convolutions([before, after], keras_norm)


def _down(x: Tensor, layers: nn.ModuleList) -> list[Tensor]:
    """``x`` and what each layer makes of it at half the size of the one before."""
    kept = [x]
    for layer in layers:
        kept.append(layer(F.max_pool2d(kept[-1], 2)))
    return kept


def _up(x: Tensor, layers: nn.ModuleList, kept: list[Tensor]) -> Tensor:
    """What layers make of ``x`` at twice the size of the one before, each beside the last of ``kept``."""
    for layer, beside in zip(layers, reversed(kept), strict=False):
        x = torch.cat([beside, layer(F.interpolate(x, scale_factor=2, mode="nearest"))], dim=1)
    return x
