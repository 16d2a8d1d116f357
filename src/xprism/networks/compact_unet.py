"""Compact residual U-Net for organs on large films; every level is cheap on a CPU."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from xprism.networks.shapes import as_input

MEANS_PX = (2, 4, 8, 16)


class CompactUNet(nn.Module):
    """U-Net with residual blocks that works at half the input's resolution and below.

    A space-to-depth stem and a depth-to-space head keep full-resolution layers, which cost most and
    say least, out of the network. [B, in_channels, H, W] in, raw outputs [B, out_channels, H, W] out;
    H and W are multiples of ``multiple`` = 2 ** len(widths). ``blocks`` residual blocks follow the
    first one of each encoder level. The last ``gated`` outputs are layers of the film: besides a plane of its own
    each is a sum of the film's bands (see ``film_bands``) weighed place by place, so that its edges are the film's
    own; gates begin at zero.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        widths: Sequence[int] = (16, 32, 64, 128, 192, 192),
        blocks: Sequence[int] = (0, 0, 1, 1, 1, 1),
        gated: int = 0,
    ) -> None:
        super().__init__()
        self.in_channels, self.multiple = in_channels, 2 ** len(widths)
        self.stem = nn.Sequential(nn.PixelUnshuffle(2), *_conv_norm(4 * in_channels, widths[0]), nn.ReLU(inplace=True))
        self.encoder = nn.ModuleList(
            nn.Sequential(
                Residual(before, width, stride=1 if level == 0 else 2),
                *(Residual(width, width) for _ in range(extra)),
            )
            for level, (before, width, extra) in enumerate(zip((widths[0], *widths[:-1]), widths, blocks, strict=True))
        )
        self.decoder = nn.ModuleList(Up(widths[k + 1], widths[k]) for k in reversed(range(len(widths) - 1)))
        self.head = nn.Sequential(nn.Conv2d(widths[0], 4 * out_channels, 3, padding=1), nn.PixelShuffle(2))
        self.gated = gated
        if gated:
            gates = nn.Conv2d(widths[0], (4 + len(MEANS_PX)) * gated, 3, padding=1)
            nn.init.zeros_(gates.weight)
            nn.init.zeros_(gates.bias)  # type: ignore[arg-type]
            self.gates = nn.Sequential(gates)

    def forward(self, film: Tensor) -> Tensor:
        film = as_input(film, channels=self.in_channels, multiple=self.multiple)
        x = self.stem(film)
        kept = []
        for level in self.encoder:
            x = level(x)
            kept.append(x)
        kept.pop()
        for up in self.decoder:
            x = up(x, kept.pop())
        if not self.gated:
            raw: Tensor = self.head(x)
            return raw
        # One convolution for planes and gates, and sums before pixels are put in their places: both save time.
        head, gates = cast(nn.Conv2d, self.head[0]), cast(nn.Conv2d, self.gates[0])
        biases = torch.cat([cast(Tensor, head.bias), cast(Tensor, gates.bias)])
        shares = F.conv2d(x, torch.cat([head.weight, gates.weight]), biases, padding=1)
        own, coarse = 4 * self.gated, len(MEANS_PX) * self.gated
        parts = torch.split(shares, [head.out_channels - own, own, own, coarse], dim=1)
        plain, layers, finest, weights = parts
        detail, bands = film_bands(film[:, :1])
        seen = torch.cat(
            [(share * bands).sum(1, keepdim=True) for share in torch.split(weights, len(MEANS_PX), dim=1)], 1
        )
        layers = layers + finest * detail.repeat(1, self.gated, 1, 1) + doubled(seen)
        placed: Tensor = self.head[1](torch.cat([plain, layers], 1))
        return placed


def film_bands(film: Tensor) -> tuple[Tensor, Tensor]:
    """What a film [B, 1, H, W] loses to its 2 x 2 means, [B, 4, H / 2, W / 2], and what those lose to coarser ones.

    The first holds the four pixels of each 2 x 2 block side by side. The second, [B, 4, H / 2, W / 2], is the
    difference from one blur of the means to the next, finest first: means of 3 x 3 blocks of 2, 4, 8 and 16 pixels.
    Blurs are linear between blocks. Doubled and added up, with the coarsest blur, all make the film.
    """
    half = F.avg_pool2d(film, 2)
    blurs = [half]
    for block in MEANS_PX:
        step = block // 2
        coarse = half if step == 1 else F.avg_pool2d(half, step)
        coarse = F.avg_pool2d(F.pad(coarse, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
        if step > 1:
            coarse = F.interpolate(coarse, scale_factor=float(step), mode="bilinear", align_corners=False)
        blurs.append(coarse)
    lost = torch.cat([fine - coarse for fine, coarse in pairwise(blurs)], 1)
    return F.pixel_unshuffle(film, 2) - doubled(half), lost


def doubled(planes: Tensor) -> Tensor:
    """Planes [B, C, h, w] at twice the resolution, linear between pixels: the four of each block, [B, 4 C, h, w]."""
    nearer = torch.tensor([[0.25, 0.75, 0.0], [0.0, 0.75, 0.25]])
    kernel = torch.einsum("ri,cj->rcij", nearer, nearer).reshape(4, 1, 3, 3).repeat(planes.shape[1], 1, 1, 1)
    padded = F.pad(planes, (1, 1, 1, 1), mode="replicate")
    return F.conv2d(padded, kernel.to(planes), groups=planes.shape[1])


class Residual(nn.Module):
    """Two 3x3 convolutions with batch norm around a shortcut; ``stride`` 2 halves height and width."""

    def __init__(self, before: int, after: int, *, stride: int = 1) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *_conv_norm(before, after, stride=stride), nn.ReLU(inplace=True), *_conv_norm(after, after)
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or before != after:
            pool: nn.Module = nn.AvgPool2d(2) if stride == 2 else nn.Identity()
            self.shortcut = nn.Sequential(pool, nn.Conv2d(before, after, 1, bias=False), nn.BatchNorm2d(after))
        self.act = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.act(self.body(x) + self.shortcut(x))
        return out


class Up(nn.Module):
    """Double the resolution, add the encoder's features of that level, refine."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.reduce = nn.Sequential(nn.Conv2d(before, after, 1, bias=False), nn.BatchNorm2d(after))
        self.refine = Residual(after, after)

    def forward(self, x: Tensor, kept: Tensor) -> Tensor:
        up = nn.functional.interpolate(self.reduce(x), scale_factor=2.0, mode="nearest")
        out: Tensor = self.refine(up + kept)
        return out


def _conv_norm(before: int, after: int, *, stride: int = 1) -> tuple[nn.Module, nn.Module]:
    return nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False), nn.BatchNorm2d(after)
