"""Progressive growing of GANs (Karras et al., ICLR 2018): a generator and a critic that begin at 4x4 pixels and double.

Both hold all sizes up to their last one; a call says at which size they work, and how far its layers have faded in.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from xprism.errors import DataError

SMALLEST, LARGEST = 4, 1024
LEAK = 0.2
GROUP = 4
"""Pictures of a batch that the critic compares with each other."""
_EPS = 1e-8


class ProgressiveGenerator(nn.Module):
    """Pictures from noise, coarse layers first.

    Latents [B, maps] in, pictures [B, channels, size, size] out, without any limit but meant for [-1, 1]. A size has
    16384 / size feature maps, at most ``maps``, and the latents are brought to a mean square of 1. With 64 maps it
    has 398,277 weights for one channel of 64x64 and 580,825 for one of 1024x1024.
    """

    def __init__(self, size: int, channels: int, *, maps: int = 64) -> None:
        super().__init__()
        self.sizes, self.latent = sizes_up_to(size), maps
        widths = [maps_at(one, maps) for one in self.sizes]
        # A 4x4 kernel on one padded pixel is a dense layer with a bias for each map.
        self.blocks = nn.ModuleList(
            [nn.Sequential(*_drawn(maps, widths[0], 4, 3), *_drawn(widths[0], widths[0], 3, 1))]
        )
        for before, after in pairwise(widths):
            self.blocks.append(nn.Sequential(*_drawn(before, after, 3, 1), *_drawn(after, after, 3, 1)))
        self.outputs = nn.ModuleList(EqualConv(width, channels, 1, gain=1.0) for width in widths)

    def forward(self, latents: Tensor, *, size: int | None = None, fade: float = 1.0) -> Tensor:
        """Pictures of ``size``, of which the layers that were added last make the share ``fade`` from 0 to 1."""
        last = _stage(self.sizes, size or self.sizes[-1])
        if latents.ndim != 2 or latents.shape[1] != self.latent:
            raise DataError(f"latents are [B, {self.latent}], not {list(latents.shape)}")
        x = unit_mean_square(latents[:, :, None, None])
        x = before = self.blocks[0](x)
        for block in self.blocks[1 : last + 1]:
            before, x = x, block(_doubled(x))
        made: Tensor = self.outputs[last](x)
        if last == 0 or fade >= 1:
            return made
        return torch.lerp(_doubled(self.outputs[last - 1](before)), made, fade)


class ProgressiveCritic(nn.Module):
    """The generator's mirror image, which judges how real pictures look.

    Pictures [B, channels, size, size] of any of its sizes in, one raw judgement a picture [B] out; B is at most 4 or
    a multiple of 4. With 64 maps it has 399,233 weights for one channel of 64x64 and 582,001 for one of 1024x1024.
    """

    def __init__(self, size: int, channels: int, *, maps: int = 64) -> None:
        super().__init__()
        self.sizes, self.channels = sizes_up_to(size), channels
        widths = [maps_at(one, maps) for one in self.sizes]
        self.inputs = nn.ModuleList(nn.Sequential(*_judged(channels, width, 1, 0)) for width in widths)
        coarse = widths[0]
        self.judge = nn.Sequential(
            *_judged(coarse + 1, coarse, 3, 1), *_judged(coarse, coarse, 4, 0), EqualConv(coarse, 1, 1, gain=1.0)
        )
        self.blocks = nn.ModuleList(
            nn.Sequential(*_judged(fine, fine, 3, 1), *_judged(fine, below, 3, 1), nn.AvgPool2d(2))
            for below, fine in pairwise(widths)
        )

    def forward(self, pictures: Tensor, *, fade: float = 1.0) -> Tensor:
        """Judgements, to which the layers that were added last contribute the share ``fade`` from 0 to 1."""
        if pictures.shape[1] != self.channels or pictures.shape[-2] != pictures.shape[-1]:
            raise DataError(f"this critic takes squares of {self.channels} channels, not {list(pictures.shape)}")
        last = _stage(self.sizes, pictures.shape[-1])
        x = self.inputs[last](pictures)
        for number in reversed(range(last)):
            x = self.blocks[number](x)
            if number == last - 1 and fade < 1:
                x = torch.lerp(self.inputs[number](F.avg_pool2d(pictures, 2)), x, fade)
        judged: Tensor = self.judge(with_spread(x))
        return judged.flatten()


class EqualConv(nn.Conv2d):
    """A convolution whose kernel is drawn from N(0, 1) and scaled to He et al.'s size whenever it is used.

    So every kernel learns at the same rate, whatever its number of inputs.
    """

    def __init__(self, before: int, after: int, kernel: int, *, padding: int = 0, gain: float = math.sqrt(2)) -> None:
        super().__init__(before, after, kernel, padding=padding)
        self.scale = gain / math.sqrt(before * kernel**2)
        nn.init.normal_(self.weight)
        assert self.bias is not None
        nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight * self.scale, self.bias, padding=self.padding)


class PixelNorm(nn.Module):
    """Each pixel's maps [B, C, H, W] divided by their root mean square."""

    def forward(self, x: Tensor) -> Tensor:
        return unit_mean_square(x)


def unit_mean_square(x: Tensor) -> Tensor:
    """Values [B, C, H, W] whose mean square over C is 1."""
    return x * torch.rsqrt(x.square().mean(1, keepdim=True) + _EPS)


def with_spread(x: Tensor) -> Tensor:
    """Maps [B, C, H, W] and one more that tells how much the pictures of a group differ, [B, C + 1, H, W].

    It is the standard deviation over a group of 4 pictures, averaged over maps and pixels. Raises ``DataError`` for a
    batch that does not fall into such groups; one of fewer than 4 is a group of its own.
    """
    count = len(x)
    group = min(GROUP, count)
    if count % group:
        raise DataError(f"a batch of {count} is not made of groups of {group}", remedy=f"take a multiple of {group}")
    groups = x.float().view(group, count // group, *x.shape[1:])
    spread = (groups.var(0, unbiased=False) + _EPS).sqrt().mean((1, 2, 3))
    plane = spread.repeat(group).to(x.dtype)[:, None, None, None].expand(-1, 1, *x.shape[-2:])
    return torch.cat([x, plane], dim=1)


def maps_at(size: int, most: int) -> int:
    """Feature maps where pictures are ``size`` pixels wide: 8192 / 2^stage, at most so many; 4x4 is stage 1."""
    return min(8192 // (size // 2), most)


def sizes_up_to(size: int) -> tuple[int, ...]:
    """4, 8 and so on up to ``size``; raises ``DataError`` where doubling does not lead there."""
    sizes = tuple(SMALLEST * 2**stage for stage in range(9))
    if size not in sizes:
        raise DataError(f"pictures grow by doubling from {SMALLEST} to {LARGEST} pixels, which {size} is no step of")
    return sizes[: sizes.index(size) + 1]


def _stage(sizes: tuple[int, ...], size: int) -> int:
    if size not in sizes:
        raise DataError(f"this network makes and judges {sizes[0]} to {sizes[-1]} pixels, not {size}")
    return sizes.index(size)


def _drawn(before: int, after: int, kernel: int, padding: int) -> list[nn.Module]:
    return [EqualConv(before, after, kernel, padding=padding), nn.LeakyReLU(LEAK), PixelNorm()]


def _judged(before: int, after: int, kernel: int, padding: int) -> list[nn.Module]:
    return [EqualConv(before, after, kernel, padding=padding), nn.LeakyReLU(LEAK)]


def _doubled(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="nearest")
