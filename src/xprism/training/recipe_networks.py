"""The network part of a recipe: which network, and its settings."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Count = Annotated[int, Field(gt=0)]


class Part(BaseModel):
    """A part of a recipe; settings that it does not know are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class CompactUNetPart(Part):
    """A small residual U-Net made for CPUs (``networks.CompactUNet``)."""

    kind: Literal["compact_unet"] = "compact_unet"
    in_channels: Literal[1] = Field(1, description="1: the film as it is")
    widths: tuple[Count, ...] = Field((16, 32, 64, 128, 192, 192), description="channels of each level")
    blocks: tuple[Annotated[int, Field(ge=0)], ...] = Field((0, 0, 1, 1, 1, 1), description="more blocks, a level")
    gated: int = Field(0, ge=0, description="the last so many outputs are layers, made of the film's own detail")

    @property
    def multiple(self) -> int:
        return int(2 ** len(self.widths))


class UNetPart(Part):
    """The plain U-Net (``networks.UNet``); 31,031,875 parameters as it stands."""

    kind: Literal["unet"]
    in_channels: Literal[1, 3] = Field(3, description="3: the film three times")
    width: Count = Field(64, description="channels of the first level")
    levels: int = Field(5, ge=2, description="number of levels")
    norm: Literal["none", "bn", "gn"] = Field("none", description="after 3x3 convolutions; gn: group norm, 8 groups")
    split_heads: bool = Field(False, description="a head for each target, as in MO-SegNet, not one for all")

    @property
    def multiple(self) -> int:
        return int(2 ** (self.levels - 1))

    @model_validator(mode="after")
    def _groups_divide_width(self) -> UNetPart:
        if self.norm == "gn" and self.width % 8:
            raise ValueError(f"width must be a multiple of the 8 groups of group norm, not {self.width}")
        return self


class Pix2PixPart(Part):
    """The generator of Eslami et al. 2020 (``networks.Pix2PixGenerator``)."""

    kind: Literal["pix2pix"]
    in_channels: Literal[1, 3] = Field(3, description="3: the film three times, as in the paper")
    dilated: bool = Field(False, description="dilated encoder: MTdG and STdG have it, MT and ST do not")
    depth: int = Field(8, ge=2, description="number of layers of the encoder")
    width: Count = Field(64, description="channels of the first layer")
    test_as_trained: bool = Field(False, description="batch statistics and dropout in use too, as in the authors' code")

    @property
    def multiple(self) -> int:
        return int(2**self.depth)


class SegNetPart(Part):
    """SegNet with all of VGG16's convolutions (``networks.SegNet``); 29,444,739 parameters as it stands."""

    multiple: ClassVar[int] = 32
    kind: Literal["segnet"]
    in_channels: Literal[1, 3] = Field(3, description="3: the film three times")
    width: int = Field(64, ge=8, multiple_of=8, description="channels of the first level, a multiple of 8")


class InvertedNetPart(Part):
    """A reconstruction of InvertedNet (``networks.InvertedNet``); 3,140,771 parameters as it stands."""

    multiple: ClassVar[int] = 8
    kind: Literal["invertednet"]
    in_channels: Literal[1, 3] = Field(1, description="1: the film as it is")
    width: int = Field(256, ge=16, description="channels of the first level; each level has half as many")
    dropout: float = Field(0.3, ge=0, lt=1, description="share that is dropped after each convolution")


class _OnResNet(Part):
    """Settings of the ResNet below a head; as they stand, ResNet-50."""

    in_channels: Literal[3] = Field(3, description="3: the film three times, as ImageNet's weights want it")
    layers: tuple[Count, Count, Count, Count] = Field((3, 4, 6, 3), description="blocks of each stage")
    width: int = Field(64, ge=4, multiple_of=4, description="channels of the ResNet's stem, a multiple of 4")


class FCNPart(_OnResNet):
    """FCN on a dilated ResNet (``networks.FCN``); 32,947,779 parameters as it stands."""

    multiple: ClassVar[int] = 8
    kind: Literal["fcn"]


class PSPNetPart(_OnResNet):
    """Pyramid pooling on a dilated ResNet (``networks.PSPNet``); 46,583,363 parameters as it stands."""

    multiple: ClassVar[int] = 8
    kind: Literal["pspnet"]


class SMANetPart(_OnResNet):
    """A reconstruction of SMANet (``networks.SMANet``); 38,998,760 parameters with four classes."""

    multiple: ClassVar[int] = 1
    kind: Literal["smanet"]
    context: Literal["attention", "psp", "none"] = Field(
        "attention", description="how several scales are looked at; psp: pyramid pooling as in PSPNet"
    )


class DeepLabPart(_OnResNet):
    """DeepLabV3+ on a dilated ResNet (``networks.DeepLabV3Plus``); 40,347,555 parameters as it stands."""

    multiple: ClassVar[int] = 16
    kind: Literal["deeplab"]


class AutoEncoderPart(Part):
    """The auto-encoder with tied kernels (``networks.AutoEncoder``); 64,400 parameters as it stands."""

    kind: Literal["autoencoder"]
    in_channels: Literal[1, 3] = Field(1, description="channels of the film, and of the picture made of it")
    widths: tuple[Count, ...] = Field((16, 32, 64), description="channels of each level")

    @property
    def multiple(self) -> int:
        return int(2 ** len(self.widths))


class ScanPart(Part):
    """A reconstruction of SCAN's segmenter (``networks.Scan``); 272,030 parameters as it stands."""

    multiple: ClassVar[int] = 16
    kind: Literal["scan"]
    in_channels: Literal[1, 3] = Field(1, description="1: the film as it is")
    width: Count = Field(8, description="channels of the first level")


class MOSegNetPart(Part):
    """MO-SegNet of Park et al. 2020 (``networks.MOSegNet``), a head a target; 1,653,124 parameters with two targets."""

    multiple: ClassVar[int] = 16
    split_heads: ClassVar[bool] = True
    kind: Literal["mosegnet"]
    in_channels: Literal[1, 3] = Field(1, description="1: the film as it is")
    topology: Literal["deconvnet", "unet", "deconvnet_aspp", "unet_aspp"] = Field(
        "unet_aspp", description="of the paper's Fig. 3; unet: connections across, aspp: dilated pyramid"
    )
    norm: Literal["table", "gn", "bn"] = Field(
        "table", description="as in the paper's Table 1, or group norm or batch norm throughout"
    )
    groups: Count = Field(8, description="groups of group norm")
    width: Count = Field(16, description="channels of the first level, a multiple of `groups`")

    @model_validator(mode="after")
    def _groups_divide_width(self) -> MOSegNetPart:
        if self.width % self.groups and self.norm != "bn":
            raise ValueError(f"width must be a multiple of the {self.groups} groups, not {self.width}")
        return self


class XNetPart(Part):
    """XNet of Bullock et al. 2019 (``networks.XNet``); 11,734,851 parameters with three classes."""

    multiple: ClassVar[int] = 1
    kind: Literal["xnet"]
    in_channels: Literal[1, 3] = Field(1, description="1: the film as it is")
    width: Count = Field(64, description="channels of the first layer")


class SegNetBasicPart(Part):
    """SegNet-Basic of the SegNet papers (``networks.SegNetBasic``); 1,409,795 parameters with three classes."""

    multiple: ClassVar[int] = 1
    kind: Literal["segnet_basic"]
    in_channels: Literal[1, 3] = Field(1, description="1: the film as it is")
    width: Count = Field(64, description="channels of every layer")


class SegNetBasicAuthorsPart(Part):
    """What XNet's authors call SegNet-Basic (``networks.SegNetBasicAuthors``); 5,462,403 parameters, three classes."""

    multiple: ClassVar[int] = 1
    kind: Literal["segnet_basic_authors"]
    in_channels: Literal[1, 3] = Field(1, description="1: the film as it is")
    width: Count = Field(64, description="channels of the first layer")


NetworkPart = Annotated[
    CompactUNetPart
    | UNetPart
    | Pix2PixPart
    | SegNetPart
    | InvertedNetPart
    | FCNPart
    | PSPNetPart
    | SMANetPart
    | DeepLabPart
    | AutoEncoderPart
    | ScanPart
    | MOSegNetPart
    | XNetPart
    | SegNetBasicPart
    | SegNetBasicAuthorsPart,
    Field(discriminator="kind"),
]
