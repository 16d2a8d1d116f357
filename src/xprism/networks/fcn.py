"""FCN (Long et al. 2015) on a dilated ResNet, as torchvision's ``fcn_resnet50`` has it."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from xprism.networks.resnet import Layers, ResNet, conv_norm
from xprism.networks.shapes import as_input


class FCN(nn.Module):
    """One 3x3 convolution and a classifier on the last map of a ResNet of output stride 8, enlarged bilinearly.

    [B, 1 or in_channels, H, W] in, raw outputs [B, out_channels, H, W] out; H and W are multiples of 8. With 3
    channels in and out it has 32,947,779 weights. torchvision's auxiliary classifier, which only training uses,
    is left out.
    """

    multiple = 8

    def __init__(self, in_channels: int, out_channels: int, *, layers: Layers = (3, 4, 6, 3), width: int = 64) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.trunk = ResNet(in_channels, layers=layers, width=width, output_stride=8)
        last = self.trunk.channels[-1]
        self.head = nn.Sequential(conv_norm(last, last // 4, 3), nn.Dropout(0.1), nn.Conv2d(last // 4, out_channels, 1))

    def forward(self, film: Tensor) -> Tensor:
        x = as_input(film, channels=self.in_channels, multiple=self.multiple)
        return F.interpolate(self.head(self.trunk(x)[-1]), size=film.shape[-2:], mode="bilinear")
