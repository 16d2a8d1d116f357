"""The plain U-Net of Ronneberger et al. 2015 with same padding, the rival of the pix2pix papers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from xprism.networks.blocks import Heads, NormName, convolutions, norm_of
from xprism.networks.shapes import as_input


class UNet(nn.Module):
    """Two 3x3 convolutions a level, max pooling, transposed convolutions.

    [B, 1 or in_channels, H, W] in, raw outputs [B, out_channels, H, W] out; H and W are multiples of
    2 ** (levels - 1). With 3 channels in and out, width 64 and 5 levels it has 31,031,875 weights
    (published for the papers' U-Net: 31,084,008, an architecture that is not recoverable). ``norm`` follows every
    3x3 convolution, group norm in 8 groups. Where ``heads`` are named, the channels of each, every target has a
    head as in MO-SegNet in place of the one 1x1 convolution.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        heads: Sequence[int] = (),
        norm: NormName = "none",
        width: int = 64,
        levels: int = 5,
    ) -> None:
        super().__init__()
        self.in_channels, self.multiple = in_channels, 2 ** (levels - 1)
        made = norm_of(norm, 8)
        widths = [width * 2**level for level in range(levels)]
        self.encoder = nn.ModuleList(
            convolutions([b, a, a], made) for b, a in zip((in_channels, *widths), widths, strict=False)
        )
        self.rise = nn.ModuleList(nn.ConvTranspose2d(2 * w, w, 2, stride=2) for w in reversed(widths[:-1]))
        self.decoder = nn.ModuleList(convolutions([2 * w, w, w], made) for w in reversed(widths[:-1]))
        self.head = Heads(width, width, heads, norm=made) if heads else nn.Conv2d(width, out_channels, 1)

    def forward(self, film: Tensor) -> Tensor:
        x = as_input(film, channels=self.in_channels, multiple=self.multiple)
        kept: list[Tensor] = []
        for level, layer in enumerate(self.encoder):
            x = layer(x if level == 0 else nn.functional.max_pool2d(x, 2))
            kept.append(x)
        kept.pop()
        for rise, layer in zip(self.rise, self.decoder, strict=True):
            x = layer(torch.cat([kept.pop(), rise(x)], dim=1))
        raw: Tensor = self.head(x)
        return raw
