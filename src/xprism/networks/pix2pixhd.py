"""Pix2PixHD (Wang et al., CVPR 2018): the global generator, and PatchGANs that look at two scales."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F

from xprism.errors import DataError
from xprism.networks.shapes import as_input

LEAK = 0.2
STRIDED = 3
"""Strided layers of a discriminator."""
SCALES = 2


class Pix2PixHDGenerator(nn.Module):
    """A picture from a map of labels: down, through residual blocks, and up again.

    [B, in_channels, H, W] in (one channel a label), pictures [B, out_channels, H, W] in (-1, 1) out. H and W are
    multiples of 2 ** downs and twice that at least. It has 182,446,401 weights with 6 channels in and one out, where
    9 residual ``blocks`` work on 1024 channels.
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, width: int = 64, downs: int = 4, blocks: int = 9
    ) -> None:
        super().__init__()
        self.in_channels, self.multiple = in_channels, 2**downs
        widths = [width * 2**level for level in range(downs + 1)]
        layers: list[nn.Module] = [nn.ReflectionPad2d(3), nn.Conv2d(in_channels, width, 7), *_norm(width)]
        for before, after in pairwise(widths):
            layers += [nn.Conv2d(before, after, 3, stride=2, padding=1), *_norm(after)]
        layers += [_Residual(widths[-1]) for _ in range(blocks)]
        for before, after in pairwise(reversed(widths)):
            layers += [nn.ConvTranspose2d(before, after, 3, stride=2, padding=1, output_padding=1), *_norm(after)]
        layers += [nn.ReflectionPad2d(3), nn.Conv2d(width, out_channels, 7), nn.Tanh()]
        self.layers = nn.Sequential(*layers)
        self.apply(_start)

    def forward(self, labels: Tensor) -> Tensor:
        x = as_input(labels, channels=self.in_channels, multiple=self.multiple)
        if min(x.shape[-2:]) < 2 * self.multiple:
            height, width = x.shape[-2:]
            raise DataError(
                f"this network takes sides of {2 * self.multiple} pixels at least, not {height} x {width}",
                remedy="choose another size, or fewer downs",
            )
        made: Tensor = self.layers(x)
        return made


class ScaledDiscriminators(nn.Module):
    """Two PatchGANs, one of which sees the picture at half its size.

    [B, C, H, W] in (labels and picture side by side on the channels). Out come, for each scale, the maps after each of
    its five layers, of which the last are the raw judgements [B, 1, h, w]; layers double from ``width`` channels.
    """

    def __init__(self, in_channels: int, *, width: int = 64) -> None:
        super().__init__()
        self.scales = nn.ModuleList(_patch_layers(in_channels, width) for _ in range(SCALES))
        self.apply(_start)

    def forward(self, pair: Tensor) -> list[list[Tensor]]:
        seen = []
        for number, layers in enumerate(self.scales):
            if number:
                pair = F.avg_pool2d(pair, 3, stride=2, padding=1, count_include_pad=False)
            x, maps = pair, []
            for layer in layers:  # type: ignore[attr-defined]
                x = layer(x)
                maps.append(x)
            seen.append(maps)
        return seen


class _Residual(nn.Module):
    """Two 3x3 convolutions of the mirrored surroundings, added to what came in."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3),
            *_norm(channels),
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3),
            nn.InstanceNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.layers(x)
        return out


def _patch_layers(in_channels: int, width: int) -> nn.ModuleList:
    widths = [width * 2**level for level in range(STRIDED + 1)]
    layers = [nn.Sequential(nn.Conv2d(in_channels, width, 4, stride=2, padding=2), nn.LeakyReLU(LEAK))]
    for number, (before, after) in enumerate(pairwise(widths), start=1):
        stride = 2 if number < STRIDED else 1
        convolution = nn.Conv2d(before, after, 4, stride=stride, padding=2)
        layers.append(nn.Sequential(convolution, nn.InstanceNorm2d(after), nn.LeakyReLU(LEAK)))
    layers.append(nn.Sequential(nn.Conv2d(widths[-1], 1, 4, padding=2)))
    return nn.ModuleList(layers)


def _norm(channels: int) -> list[nn.Module]:
    return [nn.InstanceNorm2d(channels), nn.ReLU()]


def _start(layer: nn.Module) -> None:
    """Kernels from N(0, 0.02), biases zero."""
    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(layer.weight, 0.0, 0.02)
        assert layer.bias is not None
        nn.init.zeros_(layer.bias)
