"""The pix2pix family of Eslami et al., IEEE TMI 2020: ST, STdG, MT and MTdG differ in two settings.

``out_channels`` is 3 for one task and 6 for two; ``dilated`` puts the dilated encoder in.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from xprism.networks.shapes import as_input

LEAK = 0.2


class Pix2PixGenerator(nn.Module):
    """U-Net of strided 4x4 convolutions; the paper's generator at depth 8 and width 64.

    [B, 1 or in_channels, H, W] in, raw outputs [B, out_channels, H, W] out (before tanh); H and W are
    multiples of 2 ** depth. ``dilated`` replaces the stride of layers 2 to depth - 1 by a convolution
    with dilation 2 followed by 2x2 max pooling, which adds no weights. With ``test_as_trained``
    batch statistics and dropout stay on in use, as in the authors' code.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        dilated: bool = False,
        depth: int = 8,
        width: int = 64,
        test_as_trained: bool = False,
    ) -> None:
        super().__init__()
        self.in_channels, self.multiple = in_channels, 2**depth
        self.test_as_trained = test_as_trained
        widths = [min(width * 2**level, 8 * width) for level in range(depth)]
        norm = _Norms(batch_statistics=test_as_trained)
        self.encoder = nn.ModuleList([nn.Conv2d(in_channels, widths[0], 4, stride=2, padding=1)])
        for level in range(1, depth):
            inside = dilated and level < depth - 1
            self.encoder.append(_down(widths[level - 1], widths[level], norm, dilated=inside))
        self.decoder = nn.ModuleList()
        for level in reversed(range(depth)):
            before = widths[level] if level == depth - 1 else 2 * widths[level]
            after = widths[level - 1] if level else out_channels
            self.decoder.append(_up(before, after, norm if level else None))
        self.apply(_start)

    def forward(self, film: Tensor) -> Tensor:
        x = as_input(film, channels=self.in_channels, multiple=self.multiple)
        kept: list[Tensor] = []
        for layer in self.encoder:
            x = layer(x)
            kept.append(x)
        x = kept.pop()
        for number, layer in enumerate(self.decoder):
            x = layer(x if number == 0 else torch.cat([x, kept.pop()], dim=1))
            if number < min(3, len(self.decoder) - 1):
                x = F.dropout(x, 0.5, training=self.training or self.test_as_trained)
        return x


class PatchDiscriminator(nn.Module):
    """PatchGAN with a field of view of 70x70 pixels.

    [B, C, H, W] in (film and picture side by side on the channels), one raw judgement a patch
    [B, 1, H/8 - 2, W/8 - 2] out (before the sigmoid).
    """

    def __init__(self, in_channels: int, *, width: int = 64) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(in_channels, width, 4, stride=2, padding=1),
            *_judge(width, 2 * width, stride=2),
            *_judge(2 * width, 4 * width, stride=2),
            *_judge(4 * width, 8 * width, stride=1),
            nn.LeakyReLU(LEAK),
            nn.Conv2d(8 * width, 1, 4, padding=1),
        )
        self.apply(_start)

    def forward(self, pair: Tensor) -> Tensor:
        judged: Tensor = self.layers(pair)
        return judged


class _Norms:
    """Makes batch norms that keep running statistics, or always use those of the batch."""

    def __init__(self, *, batch_statistics: bool) -> None:
        self._running = not batch_statistics

    def __call__(self, channels: int) -> nn.Module:
        return nn.BatchNorm2d(channels, eps=1e-5, track_running_stats=self._running)


def _down(before: int, after: int, norm: _Norms, *, dilated: bool) -> nn.Sequential:
    if dilated:
        # Effective kernel 7 at stride 1, then pooling: dilation and stride never meet in one layer.
        steps: list[nn.Module] = [nn.Conv2d(before, after, 4, dilation=2, padding=3), nn.MaxPool2d(2)]
    else:
        steps = [nn.Conv2d(before, after, 4, stride=2, padding=1)]
    return nn.Sequential(nn.LeakyReLU(LEAK), *steps, norm(after))


def _up(before: int, after: int, norm: _Norms | None) -> nn.Sequential:
    layers: list[nn.Module] = [nn.ReLU(), nn.ConvTranspose2d(before, after, 4, stride=2, padding=1)]
    return nn.Sequential(*layers, *([norm(after)] if norm else []))


def _judge(before: int, after: int, *, stride: int) -> list[nn.Module]:
    return [nn.LeakyReLU(LEAK), nn.Conv2d(before, after, 4, stride=stride, padding=1), nn.BatchNorm2d(after)]


def _start(layer: nn.Module) -> None:
    """Weights from N(0, 0.02), norms from N(1, 0.02), biases zero."""
    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(layer.weight, 0.0, 0.02)
    elif isinstance(layer, nn.BatchNorm2d):
        nn.init.normal_(layer.weight, 1.0, 0.02)
    else:
        return
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
