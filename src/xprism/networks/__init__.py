"""Networks: plain modules, [B, C, H, W] in, raw outputs [B, K, H, W] out; no training code."""

from collections.abc import Callable

from torch import nn

from xprism.networks.autoencoder import AutoEncoder
from xprism.networks.compact_unet import CompactUNet
from xprism.networks.deeplab import DeepLabV3Plus
from xprism.networks.fcn import FCN
from xprism.networks.invertednet import InvertedNet
from xprism.networks.mosegnet import MOSegNet
from xprism.networks.pix2pix import Pix2PixGenerator
from xprism.networks.pspnet import PSPNet
from xprism.networks.scan import Scan
from xprism.networks.segnet import SegNet, SegNetBasic
from xprism.networks.smanet import SMANet
from xprism.networks.unet import UNet
from xprism.networks.xnet import SegNetBasicAuthors, XNet

NETWORKS: dict[str, Callable[..., nn.Module]] = {
    "compact_unet": CompactUNet,
    "unet": UNet,
    "pix2pix": Pix2PixGenerator,
    "segnet": SegNet,
    "fcn": FCN,
    "invertednet": InvertedNet,
    "pspnet": PSPNet,
    "smanet": SMANet,
    "deeplab": DeepLabV3Plus,
    "autoencoder": AutoEncoder,
    "scan": Scan,
    "mosegnet": MOSegNet,
    "xnet": XNet,
    "segnet_basic": SegNetBasic,
    "segnet_basic_authors": SegNetBasicAuthors,
}
"""Every network by the name that recipes give it."""

__all__ = [
    "FCN",
    "NETWORKS",
    "AutoEncoder",
    "CompactUNet",
    "DeepLabV3Plus",
    "InvertedNet",
    "MOSegNet",
    "PSPNet",
    "Pix2PixGenerator",
    "SMANet",
    "Scan",
    "SegNet",
    "SegNetBasic",
    "SegNetBasicAuthors",
    "UNet",
    "XNet",
]
