"""MO-SegNet (Park, Jeong, Moon, KSII TIIS 2020): nodules and lungs by one network with a head for each."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from xprism.networks.blocks import Heads, Norm, convolutions, norm_of
from xprism.networks.shapes import as_input

Topology = Literal["deconvnet", "unet", "deconvnet_aspp", "unet_aspp"]
MOSegNetNorm = Literal["table", "gn", "bn"]

CONVOLUTIONS = (2, 2, 3, 3)
"""3x3 convolutions of each level of the encoder; a level has twice the channels of the one above."""
RATES = (3, 5, 7, 9)
"""Dilations of the pyramid's branches."""


class MOSegNet(nn.Module):
    """Table 1 of the paper with its contradictions settled, and the four topologies of its Fig. 3.

    [B, 1 or in_channels, H, W] in, raw outputs [B, out_channels, H, W] out; H and W are multiples of 16. ``heads``
    are the channels of each head, in the order of the targets; one head makes all where none is named. With one
    channel in and two heads of one or two channels it has 1,653,124 weights, with one head 1,648,434.

    Settled against the table: logits are what a convolution makes (behind the ReLU that is printed the background
    could not be learnt), nothing is normalised after pooling, and a concatenation has the channels of both its
    parts. ``norm`` is group norm in the encoder and in 1x1 convolutions and batch norm elsewhere (``table``, as
    printed), or one of them everywhere (``gn``, as the text says; ``bn``, as in Table 4).

    Without the pyramid (aspp) two plain 3x3 convolutions lie in its place, as at the bottom of a U-Net; without the
    U-Net's connections a level of the decoder sees the level below alone. The paper draws these, and no more.
    """

    multiple = 2 ** len(CONVOLUTIONS)

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        heads: Sequence[int] = (),
        topology: Topology = "unet_aspp",
        norm: MOSegNetNorm = "table",
        groups: int = 8,
        width: int = 16,
    ) -> None:
        super().__init__()
        self.in_channels, self.connected = in_channels, topology.startswith("unet")
        fine = norm_of("gn" if norm == "table" else norm, groups)
        coarse = norm_of("bn" if norm == "table" else norm, groups)
        widths = [width * 2**level for level in range(len(CONVOLUTIONS))]
        self.encoder = nn.ModuleList(
            convolutions([before, *[wide] * count], fine)
            for before, wide, count in zip((in_channels, *widths), widths, CONVOLUTIONS, strict=False)
        )
        deepest = widths[-1]
        self.bottom: nn.Module = (
            AtrousPyramid(deepest, fine=fine, coarse=coarse)
            if topology.endswith("aspp")
            else convolutions([deepest] * 3, fine)
        )
        self.rise = nn.ModuleList(_rise(wide, coarse) for wide in reversed(widths))
        beside = 2 if self.connected else 1
        self.decoder = nn.ModuleList(
            convolutions([beside * wide, above, above], coarse) for wide, above in pairwise(reversed(widths))
        )
        self.heads = Heads(beside * width, width, heads or (out_channels,), norm=coarse)

    def forward(self, film: Tensor) -> Tensor:
        x = as_input(film, channels=self.in_channels, multiple=self.multiple)
        kept: list[Tensor] = []
        for level in self.encoder:
            x = level(x)
            kept.append(x)
            x = F.max_pool2d(x, 3, stride=2, padding=1)
        x = self.bottom(x)
        for rise, level in zip(self.rise, (*self.decoder, self.heads), strict=True):
            x, left = rise(x), kept.pop()
            x = level(torch.cat([x, left], dim=1) if self.connected else x)
        raw: Tensor = x
        return raw


class AtrousPyramid(nn.Module):
    """Rows 15 to 27: four dilated convolutions, each followed by two of 1x1, and the sum of all four branches."""

    def __init__(self, channels: int, *, fine: Norm, coarse: Norm) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(
                convolutions([channels] * 2, coarse, dilation=rate), convolutions([channels] * 3, fine, kernel=1)
            )
            for rate in RATES
        )

    def forward(self, x: Tensor) -> Tensor:
        first, *others = (branch(x) for branch in self.branches)
        out: Tensor = sum(others, start=first)
        return out


def _rise(channels: int, norm: Norm) -> nn.Sequential:
    """A transposed 3x3 convolution with norm and ReLU that doubles height and width (rows 28, 32, 36 and 40)."""
    layers: list[nn.Module] = [nn.ConvTranspose2d(channels, channels, 3, stride=2, padding=1, output_padding=1)]
    layers += [] if norm is None else [norm(channels)]
    return nn.Sequential(*layers, nn.ReLU(inplace=True))
