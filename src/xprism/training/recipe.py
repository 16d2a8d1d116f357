"""What a recipe may say: the settings of one training, checked before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from xprism.card import InputSpec
from xprism.targets import Classes, Layer, Lesions, Masks, TargetSet
from xprism.training.augment import AugmentSettings, PaperAugment
from xprism.training.recipe_networks import CompactUNetPart, Count, NetworkPart, Part
from xprism.training.small_data import SmallDataAugment

Weight = Annotated[float, Field(ge=0)]


class SimulatePart(Part):
    """Simulated films to learn from, made beside the run where there are none yet."""

    kind: Literal["chest", "ct", "mri", "limbs"] = Field(
        "chest", description="ct: two doses; mri: several contrasts; limbs: 19 body parts with their tissue classes"
    )
    count: Count = Field(description="how many subjects; of chest and limbs one film")
    slices: Count = Field(1, description="slices a subject of ct and mri")
    size: Count = Field(256, description="side of a film in pixels")
    photons: float = Field(1e5, gt=0, description="dose of ct films, in photons a ray")
    display: Literal["film", "drawn"] = Field("film", description="drawn: chests as many systems show them")
    nodules: int = Field(0, ge=0, le=8, description="nodules in the lungs of every chest")
    seed: int = Field(0, description="equal seeds give equal films")


class DataPart(Part):
    """Which cases train, and which are held out of them."""

    manifests: tuple[Path, ...] = Field((), description="manifests, relative to the file that names them")
    simulate: SimulatePart | None = Field(None, description="films to simulate, instead of manifests")
    split: Literal["k_fold", "leave_one_out", "official", "lists", "stratified"] = Field(
        "k_fold",
        description="k_fold by subject; one subject a fold; SCR's odd and even numbers; `lists`; or stratified: fold 0 "
        "is the part `test` of every value of `stratify`, and all of a value that one film has",
    )
    folds: int = Field(3, ge=2, description="number of folds of k_fold")
    lists: tuple[Path, ...] = Field((), description="one text file of case or subject names a fold")
    stratify: str = Field("group", description="attribute of the cases that k_fold and stratified spread evenly")
    test: float = Field(0.15, gt=0, le=0.5, description="part of the subjects that stratified holds out")
    hold_out: int | None = Field(None, ge=0, description="the fold kept out of training; null trains on all")
    seed: int = Field(0, description="seed of the folds of k_fold and stratified")
    leave_out: dict[str, str] | None = Field(
        None, description="cases with one of these attributes are neither learnt from nor held out"
    )
    take: Count | None = Field(None, description="learn from so many subjects only, drawn at random")
    draw: int = Field(0, ge=0, description="another number draws other subjects to `take`")
    repeat: dict[str, Count] = Field(
        default_factory=dict, description="how often an epoch shows the cases of a `source`; once where not given"
    )
    oversample: Count | None = Field(
        None,
        description="an epoch shows films of every value of `stratify` so many times: of n films each once, and "
        "the whole part of oversample / n more times",
    )
    teaches: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="the targets that the cases of a `source` teach, where not all they know"
    )

    @model_validator(mode="after")
    def _says_where_films_are(self) -> DataPart:
        if not self.manifests and self.simulate is None:
            raise ValueError("name `manifests`, or films to `simulate`")
        if (self.split == "lists") != bool(self.lists):
            raise ValueError("`split: lists` and `lists` go together")
        if self.split == "k_fold" and self.hold_out is not None and self.hold_out >= self.folds:
            raise ValueError(f"hold_out must be null or 0 to {self.folds - 1}")
        if self.repeat and self.oversample:
            raise ValueError("`repeat` and `oversample` do not go together")
        return self


class FixedBalance(Part):
    """Tasks are weighed as it is said here."""

    kind: Literal["fixed"] = "fixed"
    weights: dict[str, Weight] = Field(
        default_factory=dict, description="how much the loss of a target counts; once where not given"
    )

    @property
    def values(self) -> tuple[dict[str, float], ...]:
        return (self.weights,)


class SweepBalance(Part):
    """Several trainings by one recipe, one for each way to weigh the tasks."""

    kind: Literal["sweep"]
    values: tuple[dict[str, Weight], ...] = Field(min_length=2, description="`weights` of each training, as of fixed")


class LearnedBalance(Part):
    """How much each task counts is learnt as its uncertainty (``objectives.UncertaintyBalance``)."""

    kind: Literal["learned"]

    @property
    def values(self) -> tuple[dict[str, float], ...]:
        return ({},)


BalancePart = Annotated[FixedBalance | SweepBalance | LearnedBalance, Field(discriminator="kind")]


class SupervisedPart(Part):
    """Weighted sum of differences from the truth (``objectives.SupervisedLoss``)."""

    kind: Literal["supervised"] = "supervised"
    cross_entropy: Weight = Field(2.0, description="weight of cross-entropy, for masks")
    dice: Weight = Field(1.0, description="weight of soft Dice, for masks and classes")
    l1: Weight = Field(1.0, description="weight of the absolute difference, for pictures")
    mse: Weight = Field(0.0, description="weight of the squared difference, for pictures")
    ms_ssim: Weight = Field(0.0, description="weight of 1 - MS-SSIM, for pictures")
    layer: Weight = Field(5.0, description="weight of the absolute difference, for layers")
    layer_edges: Weight = Field(5.0, description="weight of the difference of neighbouring pixels, for layers")
    layer_tissue: Weight = Field(0.0, description="weight of what of the film's tissue is in a layer's error")
    weights: dict[str, Weight] = Field(
        default_factory=dict, description="how often the mask of a label counts; once where not given"
    )
    class_weights: Literal["none", "paper", "equal"] = Field(
        "none",
        description="of cross-entropy's pixels, by how rare their class is in a batch; paper: (N - r) / r for r of N",
    )
    largest_class_weight: float = Field(1e4, gt=0, description="no pixel weighs more")
    kernel_l2: Weight = Field(
        0.0, description="times the sum of squares of the kernels of all convolutions, added as Keras does it"
    )
    balance: BalancePart = Field(FixedBalance(), description="how the targets of one network are weighed")

    @property
    def supervised(self) -> SupervisedPart:
        return self

    @property
    def loss(self) -> dict[str, Any]:
        """What ``SupervisedLoss`` is made with."""
        tasks = self.balance.weights if isinstance(self.balance, FixedBalance) else {}
        return self.model_dump(exclude={"kind", "balance", "kernel_l2"}) | {"tasks": tasks}


class AdversarialPart(Part):
    """Generator against discriminator, plus L1 (``objectives.AdversarialLoss``); targets may be left to supervision."""

    kind: Literal["adversarial"]
    targets: tuple[str, ...] = Field((), description="names of the targets that are judged; all where none is given")
    rest: SupervisedPart = Field(SupervisedPart(), description="how the targets that are not judged are learnt")
    l1_weight: Weight = Field(10.0, description="lambda of the paper")
    eps: float = Field(1e-12, gt=0, description="added inside the logarithms")
    discriminator_width: Count = Field(64, description="channels of the discriminator's first layer")
    stop_l1: float | None = Field(0.005, gt=0, description="stop where the smoothed L1 falls below; null never stops")
    guard: Count | None = Field(100, description="stop after so many checks at which the discriminator was ahead")

    @property
    def supervised(self) -> SupervisedPart:
        return self.rest


class CriticPart(Part):
    """Supervision of all targets, plus a critic that looks at whole cases, as in SCAN (``networks.ScanCritic``)."""

    kind: Literal["critic"]
    pixels: SupervisedPart = Field(SupervisedPart(), description="the supervision")
    weight: Weight = Field(0.01, description="weight of the critic's judgement")
    film: bool = Field(False, description="the critic sees the film as well")
    width: Count = Field(8, description="channels of the critic's first layer")

    @property
    def supervised(self) -> SupervisedPart:
        return self.pixels


ObjectivePart = Annotated[SupervisedPart | AdversarialPart | CriticPart, Field(discriminator="kind")]


def _augment_kind(value: Any) -> str:
    return str(value.get("kind", "random") if isinstance(value, dict) else value.kind)


AugmentPart = Annotated[
    Annotated[AugmentSettings, Tag("random")]
    | Annotated[PaperAugment, Tag("paper")]
    | Annotated[SmallDataAugment, Tag("small_data")],
    Discriminator(_augment_kind),
]


class Schedule(Part):
    """How long, how fast and by which optimiser; AdamW is Adam where nothing decays."""

    steps: Count = Field(description="number of steps")
    batch: Count = Field(8, description="films a step")
    optimizer: Literal["adamw", "muon"] = Field(
        "adamw", description="muon takes far fewer steps for a layer, and some more time for each"
    )
    learning_rate: float = Field(2e-3, gt=0, description="highest rate")
    decline: Literal["cosine", "constant"] | tuple[tuple[int, float], ...] = Field(
        "cosine", description="how the rate goes on after the warm-up; a list: from each step on, times the number"
    )
    betas: tuple[float, float] = Field((0.9, 0.999), description="of Adam")
    weight_decay: Weight = Field(0.02, description="of either optimiser")
    warmup: int = Field(100, ge=0, description="steps in which the rate rises")
    keep_norms: bool = Field(
        False, description="batch norms keep the statistics they start with, as suits small batches of unlike films"
    )
    ema: float = Field(0.998, ge=0, lt=1, description="decay of the averaged weights, which are the ones kept")
    settle_norms: int = Field(
        0,
        ge=0,
        description="batches over which the averaged weights measure the statistics of their batch norms before they "
        "are looked at or kept; 0: those are averaged too, and lag behind where their momentum is slow",
    )
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

    @model_validator(mode="after")
    def _norms_are_kept_or_settled(self) -> Schedule:
        if self.keep_norms and self.settle_norms:
            raise ValueError("`keep_norms` and `settle_norms` do not go together")
        return self


class ValidationPart(Part):
    """Subjects set aside to choose the weights by and to end early; they never train."""

    share: float = Field(0.1, gt=0, lt=1, description="part of the training subjects, spread as `data.stratify` says")
    manifests: tuple[Path, ...] = Field((), description="films to look at in place of a share of the training subjects")
    every: Count = Field(100, description="steps between looks")
    patience: Count = Field(10, description="end after so many looks that were no better than the best")
    measure: Literal["loss", "dice"] = Field("dice", description="loss: that of supervision; dice: mean over masks")


class Recipe(Part):
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
    validation: ValidationPart | None = Field(None, description="null trains on all films, to the end")

    @property
    def starting_point(self) -> str | None:
        """The model or run to start from, with the fold filled in."""
        fold = "all" if self.data.hold_out is None else str(self.data.hold_out)
        return None if self.start_from is None else self.start_from.replace("{fold}", fold)

    @model_validator(mode="after")
    def _size_fits_network(self) -> Recipe:
        multiple, name = self.network.multiple, "size" if self.input.window is None else "window"
        if any(side % multiple for side in self.input.seen):
            raise ValueError(f"input.{name} must be multiples of {multiple} for this network, not {self.input.seen}")
        return self

    @model_validator(mode="after")
    def _weights_name_labels(self) -> Recipe:
        unknown = set(self.objective.supervised.weights) - set(self.targets.channel_labels)
        if unknown:
            raise ValueError(f"objective.weights names {sorted(unknown)}; there are {self.targets.channel_labels}")
        return self

    @model_validator(mode="after")
    def _balance_names_targets(self) -> Recipe:
        balance, names = self.objective.supervised.balance, [target.name for target in self.targets]
        unknown = {name for value in balance.values for name in value} - set(names)
        if unknown:
            raise ValueError(f"objective.balance names {sorted(unknown)}; there are {names}")
        if balance.kind != "fixed" and not isinstance(self.objective, SupervisedPart):
            raise ValueError(f"objective.balance must be fixed beside a discriminator, not {balance.kind}")
        if self.objective.supervised.kernel_l2 and not isinstance(self.objective, SupervisedPart):
            raise ValueError("objective.kernel_l2 must be 0 beside a discriminator")
        return self

    @model_validator(mode="after")
    def _sources_teach_targets(self) -> Recipe:
        names = [target.name for target in self.targets]
        unknown = {name for taught in self.data.teaches.values() for name in taught} - set(names)
        if unknown:
            raise ValueError(f"data.teaches names {sorted(unknown)}; there are {names}")
        return self

    @model_validator(mode="after")
    def _judged_targets_exist(self) -> Recipe:
        names = [target.name for target in self.targets]
        unknown = set(self.objective.targets) - set(names) if isinstance(self.objective, AdversarialPart) else set()
        if unknown:
            raise ValueError(f"objective.targets names {sorted(unknown)}; there are {names}")
        return self

    @model_validator(mode="after")
    def _layers_are_supervised(self) -> Recipe:
        layers = {target.name for target in self.targets if isinstance(target, Layer)}
        judged = set(self.objective.targets) if isinstance(self.objective, AdversarialPart) else set()
        every = isinstance(self.objective, AdversarialPart) and not judged
        if layers and (every or layers & judged or isinstance(self.objective, CriticPart)):
            raise ValueError(f"layers cannot be judged: leave {sorted(layers)} out of objective.targets")
        return self

    @model_validator(mode="after")
    def _validation_can_be_measured(self) -> Recipe:
        measure = None if self.validation is None else self.validation.measure
        if measure == "loss" and isinstance(self.objective, AdversarialPart):
            raise ValueError("validation.measure must be dice here: an adversarial objective has no loss of its own")
        if measure == "dice" and not any(isinstance(one, Masks | Classes | Lesions) for one in self.targets):
            raise ValueError("validation.measure must be loss here: no target is a mask, which Dice needs")
        return self
