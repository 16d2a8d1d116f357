"""SMANet of the multi-stage generation paper (Ciano et al. 2021), reconstructed.

The paper says: a dilated ResNet as in PSPNet, with multi-scale attention in the place of pyramid pooling, and a
convolutional decoder of two levels for small structures. Channels, and how attention is made, are our choice.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from xprism.networks.pspnet import BINS, PyramidPooling
from xprism.networks.resnet import Layers, ResNet, conv_norm
from xprism.networks.shapes import as_input

Context = Literal["attention", "psp", "none"]


class SMANet(nn.Module):
    """A reconstruction: attention of four scales on a ResNet of output stride 8, then its finer maps once more.

    [B, 1 or in_channels, H, W] in, raw outputs [B, out_channels, H, W] out, of any size; the paper's films are 377
    pixels wide, with maps of 48, 95 and 189. ``context`` puts pyramid pooling or nothing in the place of attention,
    for comparison. With 3 channels in and 4 out it has 38,998,760 weights. It trains on two films a step or
    more, since batch norm needs more than the one value that the coarsest scale has for a film.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        context: Context = "attention",
        layers: Layers = (3, 4, 6, 3),
        width: int = 64,
    ) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.trunk = ResNet(in_channels, layers=layers, width=width, output_stride=8)
        stem, early, *_, last = self.trunk.channels
        # 512, 256, 128, 48 and 32 channels where the ResNet's width is 64.
        wide, middle, narrow = 8 * width, 4 * width, 2 * width
        self.reduce = conv_norm(last, wide, 1)
        self.context, seen = _context(context, wide)
        self.fuse = nn.Sequential(conv_norm(seen, wide, 3), nn.Dropout(0.1))
        self.first = _DecoderLevel(wide, early, 3 * width // 4, middle)
        self.second = _DecoderLevel(middle, stem, width // 2, narrow)
        self.head = nn.Conv2d(narrow, out_channels, 1)

    def forward(self, film: Tensor) -> Tensor:
        stem, early, *_, last = self.trunk(as_input(film, channels=self.in_channels, multiple=1))
        x = self.fuse(self.context(self.reduce(last)))
        raw = self.head(self.second(self.first(x, early), stem))
        return F.interpolate(raw, size=film.shape[-2:], mode="bilinear")


class MultiScaleAttention(nn.Module):
    """The map, and the map weighed by what its 1x1, 2x2, 3x3 and 6x6 parts say: [B, C, h, w] to [B, 5C, h, w].

    Each scale says with one number in (0, 1) how much a place counts.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        share = channels // len(BINS)
        self.levels = nn.ModuleList(
            nn.Sequential(nn.AdaptiveAvgPool2d(bins), conv_norm(channels, share, 1)) for bins in BINS
        )
        self.weigh = nn.ModuleList(nn.Conv2d(share, 1, 3, padding=1) for _ in BINS)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, *(x * weight for weight in self.weights(x))], dim=1)

    def weights(self, x: Tensor) -> list[Tensor]:
        """How much each place counts at each scale, [B, 1, h, w]."""
        means = [F.interpolate(level(x), size=x.shape[-2:], mode="bilinear") for level in self.levels]
        return [torch.sigmoid(weigh(mean)) for weigh, mean in zip(self.weigh, means, strict=True)]


class _DecoderLevel(nn.Module):
    """A coarse map enlarged to the size of a finer one, beside it, and two 3x3 convolutions."""

    def __init__(self, before: int, skip: int, reduced: int, after: int) -> None:
        super().__init__()
        self.reduce = conv_norm(skip, reduced, 1)
        self.refine = nn.Sequential(conv_norm(before + reduced, after, 3), conv_norm(after, after, 3))

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        up = F.interpolate(coarse, size=fine.shape[-2:], mode="bilinear")
        out: Tensor = self.refine(torch.cat([up, self.reduce(fine)], dim=1))
        return out


def _context(name: Context, channels: int) -> tuple[nn.Module, int]:
    """The module that looks at several scales, and how many channels it makes of ``channels``."""
    if name == "attention":
        return MultiScaleAttention(channels), (1 + len(BINS)) * channels
    if name == "psp":
        return PyramidPooling(channels), 2 * channels
    return nn.Identity(), channels
