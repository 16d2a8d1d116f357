"""What a recipe may say: the settings of one training, checked before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from xprism.card import InputSpec
from xprism.targets import TargetSet
from xprism.training.augment import AugmentSettings, PaperAugment

Count = Annotated[int, Field(gt=0)]
Weight = Annotated[float, Field(ge=0)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SimulatePart(_Part):
    """Simulated chest films to learn from, made beside the run where there are none yet."""

    count: Count = Field(description="how many films")
    size: Count = Field(256, description="side of a film in pixels")
    seed: int = Field(0, description="equal seeds give equal films")


class DataPart(_Part):
    """Which cases train, and which are held out of them."""

    manifests: tuple[Path, ...] = Field((), description="manifests, relative to the file that names them")
    simulate: SimulatePart | None = Field(None, description="films to simulate, instead of manifests")
    split: Literal["k_fold", "leave_one_out", "official", "lists"] = Field(
        "k_fold", description="k_fold by subject; one subject a fold; SCR's odd and even numbers; or `lists`"
    )
    folds: int = Field(3, ge=2, description="number of folds of k_fold")
    lists: tuple[Path, ...] = Field((), description="one text file of case or subject names a fold")
    stratify: str = Field("group", description="attribute of the cases that k_fold spreads evenly")
    hold_out: int | None = Field(None, ge=0, description="the fold kept out of training; null trains on all")
    seed: int = Field(0, description="seed of the folds of k_fold")
    take: Count | None = Field(None, description="learn from so many subjects only, drawn at random")
    draw: int = Field(0, ge=0, description="another number draws other subjects to `take`")
    repeat: dict[str, Count] = Field(
        default_factory=dict, description="how often an epoch shows the cases of a `source`; once where not given"
    )

    @model_validator(mode="after")
    def _says_where_films_are(self) -> DataPart:
        if not self.manifests and self.simulate is None:
            raise ValueError("name `manifests`, or films to `simulate`")
        if (self.split == "lists") != bool(self.lists):
            raise ValueError("`split: lists` and `lists` go together")
        if self.split == "k_fold" and self.hold_out is not None and self.hold_out >= self.folds:
            raise ValueError(f"hold_out must be null or 0 to {self.folds - 1}")
        return self


class CompactUNetPart(_Part):
    """A small residual U-Net made for CPUs (``networks.CompactUNet``)."""

    kind: Literal["compact_unet"] = "compact_unet"
    in_channels: Literal[1] = Field(1, description="1: the film as it is")
    widths: tuple[Count, ...] = Field((16, 32, 64, 128, 192, 192), description="channels of each level")
    blocks: tuple[Annotated[int, Field(ge=0)], ...] = Field((0, 0, 1, 1, 1, 1), description="more blocks, a level")

    @property
    def multiple(self) -> int:
        return int(2 ** len(self.widths))


class UNetPart(_Part):
    """The plain U-Net (``networks.UNet``); 31,031,875 parameters as it stands."""

    kind: Literal["unet"]
    in_channels: Literal[1, 3] = Field(3, description="3: the film three times")
    width: Count = Field(64, description="channels of the first level")
    levels: int = Field(5, ge=2, description="number of levels")

    @property
    def multiple(self) -> int:
        return int(2 ** (self.levels - 1))


class Pix2PixPart(_Part):
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


NetworkPart = Annotated[CompactUNetPart | UNetPart | Pix2PixPart, Field(discriminator="kind")]


class SupervisedPart(_Part):
    """Weighted sum of cross-entropy, soft Dice and L1 (``objectives.SupervisedLoss``)."""

    kind: Literal["supervised"] = "supervised"
    cross_entropy: Weight = Field(2.0, description="weight of cross-entropy, for masks")
    dice: Weight = Field(1.0, description="weight of soft Dice, for masks and classes")
    l1: Weight = Field(1.0, description="weight of the absolute difference, for pictures")
    weights: dict[str, Weight] = Field(
        default_factory=dict, description="how often the mask of a label counts; once where not given"
    )


class AdversarialPart(_Part):
    """Generator against discriminator, plus L1 (``objectives.AdversarialLoss``); targets may be left to supervision."""

    kind: Literal["adversarial"]
    targets: tuple[str, ...] = Field((), description="names of the targets that are judged; all where none is given")
    rest: SupervisedPart = Field(SupervisedPart(), description="how the targets that are not judged are learnt")
    l1_weight: Weight = Field(10.0, description="lambda of the paper")
    eps: float = Field(1e-12, gt=0, description="added inside the logarithms")
    discriminator_width: Count = Field(64, description="channels of the discriminator's first layer")
    stop_l1: float | None = Field(0.005, gt=0, description="stop where the smoothed L1 falls below; null never stops")
    guard: Count | None = Field(100, description="stop after so many checks at which the discriminator was ahead")


ObjectivePart = Annotated[SupervisedPart | AdversarialPart, Field(discriminator="kind")]


def _augment_kind(value: Any) -> str:
    return str(value.get("kind", "random") if isinstance(value, dict) else value.kind)


AugmentPart = Annotated[
    Annotated[AugmentSettings, Tag("random")] | Annotated[PaperAugment, Tag("paper")], Discriminator(_augment_kind)
]


class Schedule(_Part):
    """How long and how fast: AdamW, which is Adam where nothing decays."""

    steps: Count = Field(description="number of steps")
    batch: Count = Field(8, description="films a step")
    learning_rate: float = Field(2e-3, gt=0, description="highest rate")
    decline: Literal["cosine", "constant"] = Field("cosine", description="how the rate goes on after the warm-up")
    betas: tuple[float, float] = Field((0.9, 0.999), description="of Adam")
    weight_decay: Weight = Field(0.02, description="of AdamW")
    warmup: int = Field(100, ge=0, description="steps in which the rate rises")
    ema: float = Field(0.998, ge=0, lt=1, description="decay of the averaged weights, which are the ones kept")
    clip: float = Field(2.0, gt=0, description="largest norm of a gradient; supervised training only")
    precision: Literal["32-true", "bf16-mixed"] = Field("bf16-mixed", description="bf16 is two to three times faster")
    checkpoint_every: Count = Field(200, description="steps between checkpoints")
    threads: int = Field(0, ge=0, description="CPU threads; 0 takes all")
    devices: Count = Field(1, description="processes or GPUs that share each step's films")
    seed: int = Field(0, description="of weights, order and augmentation")

    @model_validator(mode="after")
    def _batch_is_shared_evenly(self) -> Schedule:
        if self.batch % self.devices:
            raise ValueError(f"a batch of {self.batch} cannot be shared by {self.devices} devices")
        return self


class Recipe(_Part):
    """Everything about one training."""

    name: str = Field(description="of the model that it makes")
    start_from: str | None = Field(
        None,
        description="a shipped model's name, or the path of a model or run to go on from; {fold} is the held-out fold",
    )
    data: DataPart
    targets: TargetSet = Field(description="what the network learns to produce")
    input: InputSpec
    network: NetworkPart = CompactUNetPart()
    objective: ObjectivePart = SupervisedPart()
    augment: AugmentPart | None = Field(AugmentSettings(), description="null trains on the films as they are")
    schedule: Schedule

    @property
    def starting_point(self) -> str | None:
        """The model or run to start from, with the fold filled in."""
        fold = "all" if self.data.hold_out is None else str(self.data.hold_out)
        return None if self.start_from is None else self.start_from.replace("{fold}", fold)

    @model_validator(mode="after")
    def _size_fits_network(self) -> Recipe:
        multiple = self.network.multiple
        if any(side % multiple for side in self.input.size):
            raise ValueError(f"input.size must be multiples of {multiple} for this network, not {self.input.size}")
        return self

    @model_validator(mode="after")
    def _weights_name_labels(self) -> Recipe:
        supervised = self.objective.rest if isinstance(self.objective, AdversarialPart) else self.objective
        unknown = set(supervised.weights) - set(self.targets.channel_labels)
        if unknown:
            raise ValueError(f"objective.weights names {sorted(unknown)}; there are {self.targets.channel_labels}")
        return self

    @model_validator(mode="after")
    def _judged_targets_exist(self) -> Recipe:
        names = [target.name for target in self.targets]
        unknown = set(self.objective.targets) - set(names) if isinstance(self.objective, AdversarialPart) else set()
        if unknown:
            raise ValueError(f"objective.targets names {sorted(unknown)}; there are {names}")
        return self
