"""DeepLabV3+ (Chen et al., ECCV 2018) on a dilated ResNet."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from xprism.networks.resnet import Layers, ResNet, conv_norm
from xprism.networks.shapes import as_input

RATES = (6, 12, 18)


class DeepLabV3Plus(nn.Module):
    """Dilated convolutions of several rates on a ResNet of output stride 16, refined with its first stage.

    [B, 1 or in_channels, H, W] in, raw outputs [B, out_channels, H, W] out; H and W are multiples of 16. With 3
    channels in and out it has 40,347,555 weights. It trains on two films a step or more, since batch norm needs
    more than the one value that the pooled branch has for a film. Convolutions are plain, as in the paper's
    experiments with a ResNet; only those with Xception separate them.
    """

    multiple = 16

    def __init__(self, in_channels: int, out_channels: int, *, layers: Layers = (3, 4, 6, 3), width: int = 64) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.trunk = ResNet(in_channels, layers=layers, width=width, output_stride=16)
        # 256 and 48 channels in the paper, where width is 64.
        wide, narrow = 4 * width, 3 * width // 4
        self.pyramid = DilatedPyramid(self.trunk.channels[-1], wide)
        self.reduce = conv_norm(self.trunk.channels[1], narrow, 1)
        self.refine = nn.Sequential(conv_norm(wide + narrow, wide, 3), conv_norm(wide, wide, 3))
        self.head = nn.Conv2d(wide, out_channels, 1)

    def forward(self, film: Tensor) -> Tensor:
        x = as_input(film, channels=self.in_channels, multiple=self.multiple)
        _, early, *_, late = self.trunk(x)
        up = F.interpolate(self.pyramid(late), size=early.shape[-2:], mode="bilinear")
        raw = self.head(self.refine(torch.cat([up, self.reduce(early)], dim=1)))
        return F.interpolate(raw, size=film.shape[-2:], mode="bilinear")


class DilatedPyramid(nn.Module):
    """ASPP: a 1x1 convolution, 3x3 ones of dilation 6, 12, 18, and the map's mean; [B, C, h, w] to [B, D, h, w]."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            [conv_norm(before, after, 1), *(conv_norm(before, after, 3, dilation=rate) for rate in RATES)]
        )
        self.pooled = nn.Sequential(nn.AdaptiveAvgPool2d(1), conv_norm(before, after, 1))
        self.project = nn.Sequential(conv_norm((len(RATES) + 2) * after, after, 1), nn.Dropout(0.5))

    def forward(self, x: Tensor) -> Tensor:
        seen = [branch(x) for branch in self.branches]
        seen.append(self.pooled(x).expand(-1, -1, *x.shape[-2:]))
        out: Tensor = self.project(torch.cat(seen, dim=1))
        return out
