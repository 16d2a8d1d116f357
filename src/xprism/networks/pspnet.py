"""PSPNet (Zhao et al., CVPR 2017): what a place looks like, beside what its surroundings look like."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from xprism.networks.resnet import Layers, ResNet, conv_norm
from xprism.networks.shapes import as_input

BINS = (1, 2, 3, 6)


class PSPNet(nn.Module):
    """Pyramid pooling on the last map of a ResNet of output stride 8.

    [B, 1 or in_channels, H, W] in, raw outputs [B, out_channels, H, W] out; H and W are multiples of 8. With 3
    channels in and out it has 46,583,363 weights. It trains on two films a step or more, since batch norm needs
    more than the one value that the pyramid's top has for a film. The trunk is the plain ResNet; the authors' code
    begins with three 3x3 convolutions instead of the 7x7 one and has an auxiliary loss in training.
    """

    multiple = 8

    def __init__(self, in_channels: int, out_channels: int, *, layers: Layers = (3, 4, 6, 3), width: int = 64) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.trunk = ResNet(in_channels, layers=layers, width=width, output_stride=8)
        last = self.trunk.channels[-1]
        self.pyramid = PyramidPooling(last)
        self.head = nn.Sequential(
            conv_norm(2 * last, last // 4, 3), nn.Dropout(0.1), nn.Conv2d(last // 4, out_channels, 1)
        )

    def forward(self, film: Tensor) -> Tensor:
        x = as_input(film, channels=self.in_channels, multiple=self.multiple)
        raw = self.head(self.pyramid(self.trunk(x)[-1]))
        return F.interpolate(raw, size=film.shape[-2:], mode="bilinear")


class PyramidPooling(nn.Module):
    """Means over 1x1, 2x2, 3x3 and 6x6 parts of the map, set beside the map itself: [B, C, h, w] to [B, 2C, h, w]."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        share = channels // len(BINS)
        self.levels = nn.ModuleList(
            nn.Sequential(nn.AdaptiveAvgPool2d(bins), conv_norm(channels, share, 1)) for bins in BINS
        )

    def forward(self, x: Tensor) -> Tensor:
        means = [F.interpolate(level(x), size=x.shape[-2:], mode="bilinear") for level in self.levels]
        return torch.cat([x, *means], dim=1)
