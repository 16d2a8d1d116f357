"""A recipe: one YAML file that says everything about a training, checked before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from xprism.card import InputSpec
from xprism.errors import RecipeError
from xprism.targets import TargetSet
from xprism.training.augment import AugmentSettings


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DataPart(_Part):
    """Which cases train: manifests, and the fold held out of them (null trains on all)."""

    manifests: tuple[Path, ...] = Field(min_length=1)
    folds: int = Field(3, ge=2)
    hold_out: int | None = None
    seed: int = 0

    @model_validator(mode="after")
    def _fold_exists(self) -> DataPart:
        if self.hold_out is not None and not 0 <= self.hold_out < self.folds:
            raise ValueError(f"hold_out must be null or 0 to {self.folds - 1}")
        return self


class CompactUNetPart(_Part):
    """Settings of ``networks.unet.CompactUNet``."""

    kind: Literal["compact_unet"] = "compact_unet"
    in_channels: Literal[1] = 1
    widths: tuple[int, ...] = (16, 32, 64, 128, 192, 192)
    blocks: tuple[int, ...] = (0, 0, 1, 1, 1, 1)

    @property
    def multiple(self) -> int:
        return int(2 ** len(self.widths))


class UNetPart(_Part):
    """Settings of ``networks.unet.UNet``."""

    kind: Literal["unet"]
    in_channels: Literal[1, 3] = 3
    width: int = Field(64, gt=0)
    levels: int = Field(5, ge=2)

    @property
    def multiple(self) -> int:
        return int(2 ** (self.levels - 1))


class Pix2PixPart(_Part):
    """Settings of ``networks.pix2pix.Pix2PixGenerator``."""

    kind: Literal["pix2pix"]
    in_channels: Literal[1, 3] = 3
    dilated: bool = False
    depth: int = Field(8, ge=2)
    width: int = Field(64, gt=0)
    test_as_trained: bool = False

    @property
    def multiple(self) -> int:
        return int(2**self.depth)


NetworkPart = Annotated[CompactUNetPart | UNetPart | Pix2PixPart, Field(discriminator="kind")]


class SupervisedPart(_Part):
    """Weights of ``objectives.supervised.SupervisedLoss``."""

    kind: Literal["supervised"] = "supervised"
    cross_entropy: float = Field(2.0, ge=0)
    dice: float = Field(1.0, ge=0)
    l1: float = Field(1.0, ge=0)


class AdversarialPart(_Part):
    """Settings of ``objectives.adversarial.AdversarialLoss``, its discriminator and its stop."""

    kind: Literal["adversarial"]
    l1_weight: float = Field(10.0, ge=0)
    eps: float = Field(1e-12, gt=0)
    discriminator_width: int = Field(64, gt=0)
    stop_l1: float | None = Field(0.005, gt=0)
    guard: int | None = Field(100, gt=0)


ObjectivePart = Annotated[SupervisedPart | AdversarialPart, Field(discriminator="kind")]


class Schedule(_Part):
    """How long and how fast: AdamW (Adam where nothing decays), warm-up, rate, EMA weights, checkpoints."""

    steps: int = Field(gt=0)
    batch: int = Field(8, gt=0)
    learning_rate: float = Field(2e-3, gt=0)
    decline: Literal["cosine", "constant"] = "cosine"
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = Field(0.02, ge=0)
    warmup: int = Field(100, ge=0)
    ema: float = Field(0.998, ge=0, lt=1)
    clip: float = Field(2.0, gt=0)
    precision: Literal["32-true", "bf16-mixed"] = "bf16-mixed"
    checkpoint_every: int = Field(200, gt=0)
    threads: int = Field(0, ge=0, description="CPU threads of torch; 0 takes all")
    seed: int = 0


class Recipe(_Part):
    """Everything about one training.

    ``start_from`` is the folder of an earlier run whose network to go on from, at any input size;
    ``{fold}`` in it stands for the held-out fold, or ``all`` where everything trains. ``augment: null``
    trains on the films as they are.
    """

    name: str
    start_from: str | None = None
    data: DataPart
    targets: TargetSet
    input: InputSpec
    network: NetworkPart = CompactUNetPart()
    objective: ObjectivePart = SupervisedPart()
    augment: AugmentSettings | None = AugmentSettings()
    schedule: Schedule

    @property
    def starting_run(self) -> Path | None:
        """The run to start from, with the fold filled in."""
        fold = "all" if self.data.hold_out is None else str(self.data.hold_out)
        return None if self.start_from is None else Path(self.start_from.replace("{fold}", fold))

    @model_validator(mode="after")
    def _size_fits_network(self) -> Recipe:
        multiple = self.network.multiple
        if any(side % multiple for side in self.input.size):
            raise ValueError(f"input.size must be multiples of {multiple} for this network, not {self.input.size}")
        return self


def load_recipe(path: Path | str, *, changes: tuple[str, ...] = ()) -> Recipe:
    """Read a recipe; ``changes`` are ``key.path=value`` texts with YAML values.

    Manifests are relative to the recipe. Raises ``RecipeError`` naming the setting and what to write.
    """
    path = Path(path)
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RecipeError("no such recipe", where=str(path), remedy="see the folder recipes/") from None
    except yaml.YAMLError as error:
        raise RecipeError(f"not valid YAML: {error}", where=str(path)) from None
    if not isinstance(content, dict):
        raise RecipeError("a recipe is a mapping of settings", where=str(path))
    for change in changes:
        _apply(content, change)
    try:
        recipe = Recipe.model_validate(content)
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        raise RecipeError("; ".join(lines), where=str(path)) from None
    manifests = tuple((path.parent / manifest).resolve() for manifest in recipe.data.manifests)
    start = None if recipe.start_from is None else str((path.parent / recipe.start_from).resolve())
    data = recipe.data.model_copy(update={"manifests": manifests})
    return recipe.model_copy(update={"data": data, "start_from": start})


def _apply(content: dict[str, Any], change: str) -> None:
    key, equals, value = change.partition("=")
    if not equals:
        raise RecipeError(f"cannot read {change!r}", remedy="write --set key.path=value")
    *parents, last = key.split(".")
    for parent in parents:
        content = content.setdefault(parent, {})
        if not isinstance(content, dict):
            raise RecipeError(f"{parent!r} in {key!r} holds no settings of its own")
    content[last] = yaml.safe_load(value)
