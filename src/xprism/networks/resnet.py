"""ResNet with bottleneck blocks (He et al. 2016), kept fine by dilation; the trunk of segmentation networks."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

EXPANSION = 4

Layers = tuple[int, int, int, int]
"""Number of blocks of each stage."""


class ResNet(nn.Module):
    """ResNet-50 as it stands; all its feature maps come out, so that decoders can use skips.

    [B, in_channels, H, W] in; five maps out: the stem's at 1/2 of the input's sides with ``width`` channels, then
    one a stage at 1/4, 1/8 and so on, never coarser than 1 / ``output_stride``; ``channels`` has their channels. Sides
    that do not divide are rounded up. A stage that would be coarser takes stride 1 and dilates its 3x3
    convolutions instead, which leaves names and shapes of all weights as they are. Those names are torchvision's.
    Layers (3, 4, 6, 3) and width 64 make ResNet-50: 23,508,032 weights without its classifier.
    """

    def __init__(
        self,
        in_channels: int = 3,
        *,
        layers: Layers = (3, 4, 6, 3),
        width: int = 64,
        output_stride: Literal[8, 16, 32] = 32,
    ) -> None:
        super().__init__()
        widths = [width, 2 * width, 4 * width, 8 * width]
        self.channels = (width, *(EXPANSION * wide for wide in widths))
        self.conv1 = nn.Conv2d(in_channels, width, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1, self.layer2, self.layer3, self.layer4 = (
            _stage(before, wide, blocks, plain_stride=4 * 2**number, output_stride=output_stride)
            for number, (before, wide, blocks) in enumerate(zip(self.channels[:-1], widths, layers, strict=True))
        )
        self.apply(_start)

    def forward(self, film: Tensor) -> list[Tensor]:
        maps: list[Tensor] = [self.relu(self.bn1(self.conv1(film)))]
        x = self.maxpool(maps[0])
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
            maps.append(x)
        return maps


def _stage(before: int, width: int, blocks: int, *, plain_stride: int, output_stride: int) -> nn.Sequential:
    """Blocks of one stage, whose maps would be at 1 / ``plain_stride`` of the input's sides without dilation."""
    stride = 2 if 4 < plain_stride <= output_stride else 1
    # The first block still looks at the finer map of the stage before it, so it dilates as that one does.
    earlier, dilation = max(1, plain_stride // 2 // output_stride), max(1, plain_stride // output_stride)
    first = _Bottleneck(before, width, stride=stride, dilation=earlier)
    rest = (_Bottleneck(EXPANSION * width, width, dilation=dilation) for _ in range(blocks - 1))
    return nn.Sequential(first, *rest)


class _Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions around a shortcut; the stride is the 3x3's, as in torchvision."""

    def __init__(self, before: int, width: int, *, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        after = EXPANSION * width
        self.conv1 = nn.Conv2d(before, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride=stride, padding=dilation, dilation=dilation, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, after, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(after)
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or before != after:
            self.downsample = nn.Sequential(
                nn.Conv2d(before, after, 1, stride=stride, bias=False), nn.BatchNorm2d(after)
            )

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        out: Tensor = self.relu(self.bn3(self.conv3(y)) + self.downsample(x))
        return out


def conv_norm(before: int, after: int, kernel: int, *, dilation: int = 1) -> nn.Sequential:
    """A convolution that keeps the size, batch norm and ReLU, as the heads on a ResNet use them."""
    padding = dilation * (kernel // 2)
    return nn.Sequential(
        nn.Conv2d(before, after, kernel, padding=padding, dilation=dilation, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(inplace=True),
    )


def _start(layer: nn.Module) -> None:
    """He et al.'s initial weights; batch norms begin as torch makes them, at 1 and 0."""
    if isinstance(layer, nn.Conv2d):
        nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
