"""The small auto-encoder that takes bones out of a film, the rival of MTdG in Eslami et al. 2020."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from xprism.errors import DataError
from xprism.networks.shapes import as_input

KERNEL = 5


class AutoEncoder(nn.Module):
    """Three 5x5 convolutions with pooling, and back by the same kernels; 64,400 weights for one channel.

    [B, 1 or in_channels, H, W] in [-1, 1] in, pictures [B, out_channels, H, W] from 0 upwards out: the last
    layer ends in a ReLU, so the target has ``activation: none`` and a range of [0, 1]. H and W are multiples of
    2 ** len(widths). The decoder reuses the encoder's kernels in reverse order, and nothing has a bias.
    Raises ``DataError`` where channels in and out differ.
    """

    def __init__(self, in_channels: int, out_channels: int, *, widths: Sequence[int] = (16, 32, 64)) -> None:
        super().__init__()
        if in_channels != out_channels:
            raise DataError(
                f"the auto-encoder makes as many channels as it takes, not {out_channels} of {in_channels}",
                remedy="set network.in_channels to the channels of the picture",
            )
        self.in_channels, self.multiple = in_channels, 2 ** len(widths)
        pairs = zip((in_channels, *widths), widths, strict=False)
        self.kernels = nn.ParameterList(torch.empty(after, before, KERNEL, KERNEL) for before, after in pairs)
        for kernel in self.kernels:
            nn.init.normal_(kernel, 0.0, 0.02)

    def forward(self, film: Tensor) -> Tensor:
        x = (as_input(film, channels=self.in_channels, multiple=self.multiple) + 1) / 2
        for kernel in self.kernels:
            x = F.max_pool2d(F.relu(F.conv2d(x, kernel, padding=KERNEL // 2)), 2)
        for kernel in reversed(self.kernels):
            # TensorFlow's SAME takes one pixel off before and two after: the padding one at either end, the slice one.
            x = F.relu(F.conv_transpose2d(x, kernel, stride=2, padding=1)[..., :-1, :-1])
        return x
