"""InvertedNet (Novikov et al., IEEE TMI 2018), a reconstruction."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from xprism.networks.shapes import as_input

LEVELS = 5


class InvertedNet(nn.Module):
    """A U-Net turned over: most maps at full resolution, half as many after each pooling.

    [B, 1 or in_channels, H, W] in, raw outputs [B, out_channels, H, W] out; H and W are multiples of 8. With 1
    channel in, 3 out and width 256 it has 3,140,771 weights.

    A reconstruction from the paper's abstract and summaries of it, which give: 256 maps at full resolution, halved
    at each pooling; a first pooling of stride 1 ("delayed subsampling"); ELU; dropout after each convolution; a
    sigmoid for each label. Filled in: five levels of two 3x3 convolutions, as in the U-Net; that first pooling over
    3x3, so that it keeps the size; nearest enlarging without weights; skips by concatenation; a 1x1 convolution in
    the end; ``dropout`` 0.3.
    """

    multiple = 2 ** (LEVELS - 2)

    def __init__(self, in_channels: int, out_channels: int, *, width: int = 256, dropout: float = 0.3) -> None:
        super().__init__()
        self.in_channels = in_channels
        widths = [width // 2**level for level in range(LEVELS)]
        self.encoder = nn.ModuleList(
            _two(before, after, dropout) for before, after in zip((in_channels, *widths), widths, strict=False)
        )
        self.decoder = nn.ModuleList(_two(kept + below, kept, dropout) for kept, below in reversed([*pairwise(widths)]))
        self.head = nn.Conv2d(width, out_channels, 1)

    def forward(self, film: Tensor) -> Tensor:
        x = as_input(film, channels=self.in_channels, multiple=self.multiple)
        kept: list[Tensor] = []
        for number, layer in enumerate(self.encoder):
            if number == 1:
                x = F.max_pool2d(x, 3, stride=1, padding=1)
            elif number > 1:
                x = F.max_pool2d(x, 2)
            x = layer(x)
            kept.append(x)
        kept.pop()
        for layer in self.decoder:
            beside = kept.pop()
            x = layer(torch.cat([beside, F.interpolate(x, size=beside.shape[-2:], mode="nearest")], dim=1))
        raw: Tensor = self.head(x)
        return raw


def _two(before: int, after: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(
        *(nn.Conv2d(before, after, 3, padding=1), nn.ELU(inplace=True), nn.Dropout(dropout)),
        *(nn.Conv2d(after, after, 3, padding=1), nn.ELU(inplace=True), nn.Dropout(dropout)),
    )
