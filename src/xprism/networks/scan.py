"""SCAN of Dai et al. 2018, reconstructed: a small residual segmenter, and a critic of its masks.

The paper's layers are not known to us, only their kind and a size of about 271 thousand weights; the depths
here are chosen to come near it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from xprism.networks.compact_unet import Residual
from xprism.networks.shapes import as_input

WIDTHS = (1, 1, 2, 4, 8, 8)
"""Channels of the first layer and of each level, in parts of ``width``."""
BLOCKS = (1, 1, 3, 1, 2)
"""Residual blocks of each level; every level but the first begins with average pooling."""
COARSE = 2 ** (len(BLOCKS) - 1)


class Scan(nn.Module):
    """Residual blocks down to a sixteenth of the size, one transposed convolution back up.

    [B, in_channels, H, W] in, raw outputs [B, out_channels, H, W] out; H and W are multiples of 16. With one
    channel in, K out and width 8 it has 262,616 + 66 K + 1,024 K^2 weights: 272,030 for three masks
    (published: about 271 thousand).
    """

    def __init__(self, in_channels: int, out_channels: int, *, width: int = 8) -> None:
        super().__init__()
        self.in_channels, self.multiple = in_channels, COARSE
        self.body = _body(in_channels, width)
        self.scores = nn.Conv2d(WIDTHS[-1] * width, out_channels, 1)
        self.rise = nn.ConvTranspose2d(out_channels, out_channels, 2 * COARSE, stride=COARSE, padding=COARSE // 2)
        _interpolate(self.rise)

    def forward(self, film: Tensor) -> Tensor:
        film = as_input(film, channels=self.in_channels, multiple=self.multiple)
        raw: Tensor = self.rise(self.scores(self.body(film)))
        return raw


class ScanCritic(nn.Module):
    """Judges masks as a whole, with or without their film: the segmenter's body, averaged.

    [B, C, H, W] in, one raw judgement a case [B, 1] out (before the sigmoid).
    """

    def __init__(self, in_channels: int, *, width: int = 8) -> None:
        super().__init__()
        self.body = _body(in_channels, width)
        self.judge = nn.Linear(WIDTHS[-1] * width, 1)

    def forward(self, masks: Tensor) -> Tensor:
        judged: Tensor = self.judge(self.body(masks).mean((2, 3)))
        return judged


def _body(in_channels: int, width: int) -> nn.Sequential:
    widths = [part * width for part in WIDTHS]
    layers: list[nn.Module] = [
        nn.Conv2d(in_channels, widths[0], 7, padding=3, bias=False),
        nn.BatchNorm2d(widths[0]),
        nn.ReLU(inplace=True),
    ]
    for level, blocks in enumerate(BLOCKS):
        before, after = widths[level], widths[level + 1]
        layers += [nn.AvgPool2d(2)] if level else []
        layers += [Residual(before, after), *(Residual(after, after) for _ in range(blocks - 1))]
    return nn.Sequential(*layers)


def _interpolate(rise: nn.ConvTranspose2d) -> None:
    """Begin with bilinear enlargement of each channel by itself."""
    slope = 1 - (torch.arange(2 * COARSE) + 0.5 - COARSE).abs() / COARSE
    nn.init.zeros_(rise.weight)
    with torch.no_grad():
        for channel in range(rise.out_channels):
            rise.weight[channel, channel] = torch.outer(slope, slope)
