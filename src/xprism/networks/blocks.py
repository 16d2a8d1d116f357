"""What networks share: norms by name, rows of convolutions, a head for each target, and how Keras begins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

NormName = Literal["none", "bn", "gn"]
Norm = Callable[[int], nn.Module] | None
"""Makes the norm of so many channels; None where there is none."""


class GroupNorm(nn.GroupNorm):
    """Group norm over memory whose channels lie apart.

    Where channels lie side by side, as networks train on CPUs, PyTorch's backward pass of it takes as long as that of
    all convolutions together; two copies cost a tenth of that (`benchmarks/group_norm.py`).
    """

    def forward(self, input: Tensor) -> Tensor:
        beside = input.is_contiguous(memory_format=torch.channels_last)
        memory = torch.channels_last if beside else torch.contiguous_format
        return super().forward(input.contiguous()).contiguous(memory_format=memory)


def norm_of(name: NormName, groups: int) -> Norm:
    """Batch norm, group norm of so many ``groups``, or none."""
    if name == "gn":
        return lambda channels: GroupNorm(groups, channels)
    return nn.BatchNorm2d if name == "bn" else None


def keras_norm(channels: int) -> nn.Module:
    """Batch norm with Keras's constants: epsilon 1e-3, and a momentum of 0.99, which torch counts as 0.01."""
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


def begin_as_keras(network: nn.Module) -> None:
    """Draw the kernels of all convolutions uniformly as Glorot and Bengio do, and set their biases to zero."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def convolutions(channels: Sequence[int], norm: Norm, *, kernel: int = 3, dilation: int = 1) -> nn.Sequential:
    """Convolutions from each number of channels to the next, each with norm and ReLU; height and width stay."""
    layers: list[nn.Module] = []
    for before, after in pairwise(channels):
        layers.append(nn.Conv2d(before, after, kernel, padding=dilation * (kernel // 2), dilation=dilation))
        layers += [] if norm is None else [norm(after)]
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)


class Heads(nn.Module):
    """A head of its own for each target: a 3x3 convolution with norm and ReLU, then a 1x1 convolution to its logits.

    [B, before, H, W] to raw outputs [B, sum of ``channels``, H, W]. A head of one channel is a softmax over two
    classes, as in MO-SegNet: it has two logits, background first, and its raw output is their difference, whose
    logistic function is the probability of the second class. A head of several has one logit a channel.
    """

    def __init__(self, before: int, width: int, channels: Sequence[int], *, norm: Norm) -> None:
        super().__init__()
        self.channels = tuple(channels)
        self.heads = nn.ModuleList(
            nn.Sequential(*convolutions([before, width], norm), nn.Conv2d(width, max(2, count), 1))
            for count in self.channels
        )

    def forward(self, x: Tensor) -> Tensor:
        logits = [head(x) for head in self.heads]
        return torch.cat(
            [one[:, 1:] - one[:, :1] if count == 1 else one for one, count in zip(logits, self.channels, strict=True)],
            dim=1,
        )
