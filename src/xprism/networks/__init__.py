"""Networks: plain modules, [B, C, H, W] in, raw outputs [B, K, H, W] out; no training code."""

from collections.abc import Callable

from torch import nn

from xprism.networks.compact_unet import CompactUNet
from xprism.networks.pix2pix import Pix2PixGenerator
from xprism.networks.unet import UNet

NETWORKS: dict[str, Callable[..., nn.Module]] = {
    "compact_unet": CompactUNet,
    "unet": UNet,
    "pix2pix": Pix2PixGenerator,
}
"""Every network by the name that recipes give it."""

__all__ = ["NETWORKS", "CompactUNet", "Pix2PixGenerator", "UNet"]
