"""What a network must produce: named targets, the channels they own, and how to read them out."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from xprism.errors import DataError

Array = NDArray[Any]

UNIONS = {"lungs": ("right_lung", "left_lung")}
"""Unions that are known wherever their parts are, also where no target set names them."""


class _Target(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str = Field(description="of the target; pictures and class maps are found in manifests under it")

    @property
    def channel_labels(self) -> tuple[str, ...]:
        raise AttributeError


class Masks(_Target):
    """Independent masks that may overlap, one channel a label.

    ``activation`` turns raw outputs into probabilities: ``sigmoid``, or ``tanh`` mapped to [0, 1]
    as the pix2pix family has it. ``unions`` names masks that cover several labels at once, such as
    ``{"lungs": ("right_lung", "left_lung")}``, for cases where only those are known.
    """

    kind: Literal["masks"] = "masks"
    labels: tuple[str, ...] = Field(min_length=1, description="one channel each")
    unions: dict[str, tuple[str, ...]] = Field(default_factory=dict, description="masks of several labels at once")
    activation: Literal["sigmoid", "tanh"] = Field("sigmoid", description="how outputs become probabilities")
    threshold: float = Field(0.5, gt=0, lt=1, description="probability from which a pixel belongs to the mask")

    @model_validator(mode="after")
    def _unions_cover_labels(self) -> Masks:
        for union, members in self.unions.items():
            unknown = set(members) - set(self.labels)
            if unknown or len(members) < 2:
                raise ValueError(f"union {union!r} must list two or more of {self.labels}, not {members}")
        return self

    @property
    def channel_labels(self) -> tuple[str, ...]:
        return self.labels

    def activate(self, raw: Array) -> Array:
        return _sigmoid(raw if self.activation == "sigmoid" else 2 * raw)

    def encode(self, known: Mapping[str, Array]) -> dict[str, Array]:
        wanted = (*self.labels, *self.unions)
        return {label: known[label].astype(np.float32) for label in wanted if label in known}


Share = Annotated[float, Field(gt=0, lt=1)]


class Classes(_Target):
    """Exclusive classes, one channel a label, softmax over them; truth is one integer map by the target's name.

    A pixel is given the class of the largest probability. A class with a threshold is given wherever its probability
    is above that, and nowhere else, where the largest of the others counts. ``temperature`` and thresholds serve a
    model in use; they change nothing about how it learns. ``from_masks`` makes the map of a case that has none of its
    masks: where masks lie over each other, the later label counts, and the first one where there is none.
    """

    kind: Literal["classes"] = "classes"
    labels: tuple[str, ...] = Field(min_length=2, description="the classes by their number, from 0")
    temperature: float = Field(1.0, gt=0, description="raw outputs are divided by it before the softmax")
    thresholds: dict[str, Share] = Field(default_factory=dict, description="by class; at least one class has none")
    part_thresholds: dict[str, dict[str, Share]] = Field(
        default_factory=dict, description="by part of the body, then by class, in place of those for all films"
    )
    from_masks: bool = Field(
        False, description="maps are painted of masks by the labels' names where a case has none, in the labels' order"
    )

    @model_validator(mode="after")
    def _thresholds_leave_a_class(self) -> Classes:
        for part in (None, *self.part_thresholds):
            given = self.thresholds_for(part).keys()
            if given - set(self.labels) or given == set(self.labels):
                raise ValueError(f"thresholds must be of some of {self.labels}, not of all, and not {sorted(given)}")
        return self

    @property
    def channel_labels(self) -> tuple[str, ...]:
        return self.labels

    def thresholds_for(self, part: str | None) -> dict[str, float]:
        """The thresholds by class for films of a part of the body, ``neck of femur`` being ``NECK_OF_FEMUR`` too."""
        own = {plain_name(name): of_part for name, of_part in self.part_thresholds.items()}
        return self.thresholds | own.get(plain_name(part or ""), {})

    def activate(self, raw: Array) -> Array:
        raw = raw / self.temperature
        shifted = np.exp(raw - raw.max(axis=-3, keepdims=True))
        return np.asarray(shifted / shifted.sum(axis=-3, keepdims=True))

    def encode(self, known: Mapping[str, Array]) -> dict[str, Array]:
        if self.name not in known:
            return self._painted(known) if self.from_masks else {}
        index = known[self.name]
        if index.min() < 0 or index.max() >= len(self.labels):
            raise DataError(
                f"{self.name!r} must hold 0 to {len(self.labels) - 1}, found {index.min()} to {index.max()}"
            )
        return {label: (index == k).astype(np.float32) for k, label in enumerate(self.labels)}

    def _painted(self, known: Mapping[str, Array]) -> dict[str, Array]:
        if not set(self.labels[1:]) <= known.keys():
            return {}
        index = np.zeros(known[self.labels[1]].shape, np.uint8)
        for k, label in enumerate(self.labels[1:], start=1):
            index[np.asarray(known[label]) >= 0.5] = k
        return {label: (index == k).astype(np.float32) for k, label in enumerate(self.labels)}


class Picture(_Target):
    """A translated image of one or three channels whose values lie in ``range``.

    ``activation`` turns raw outputs into values: ``tanh`` brought to ``range``, or ``none`` where the network
    makes the values itself; those are clipped to ``range`` when they are used, but not while it learns.
    Known pictures hold display values in [0, 1], which ``range`` stands for; ``full_range`` stretches
    each from its smallest to its largest value, as the papers do with films and pictures alike.
    ``inverted`` exchanges dark and bright (their films show lungs bright). ``within`` names masks of
    the same case: outside of all of them the truth is the low end of the range, as the papers cut
    the bone-suppressed film to the lungs.
    """

    kind: Literal["picture"] = "picture"
    range: tuple[float, float] = Field((0.0, 1.0), description="values that the network makes of display values 0 to 1")
    activation: Literal["tanh", "none"] = Field("tanh", description="none: the network's outputs are the values")
    channels: Literal[1, 3] = Field(1, description="3: the picture three times, as in the papers")
    within: tuple[str, ...] = Field((), description="masks outside of which the picture is blank")
    full_range: bool = Field(False, description="each picture stretched from its smallest to its largest value")
    inverted: bool = Field(False, description="dark and bright exchanged")

    @property
    def channel_labels(self) -> tuple[str, ...]:
        return (self.name,) if self.channels == 1 else tuple(f"{self.name}_{k}" for k in range(self.channels))

    def activate(self, raw: Array) -> Array:
        low, high = self.range
        return np.clip(raw, low, high) if self.activation == "none" else low + (high - low) * (np.tanh(raw) + 1) / 2

    def encode(self, known: Mapping[str, Array]) -> dict[str, Array]:
        if self.name not in known or not set(self.within) <= known.keys():
            return {}
        image = np.atleast_3d(known[self.name].astype(np.float32))
        if self.full_range:
            image = (image - image.min()) / max(float(image.max() - image.min()), 1e-12)
        if self.inverted:
            image = 1 - image
        image = self.range[0] + (self.range[1] - self.range[0]) * image
        if self.within:
            inside = np.logical_or.reduce([known[label] >= 0.5 for label in self.within])
            image = np.where(inside[..., None], image, np.float32(self.range[0]))
        if np.isnan(image).any():
            raise DataError(f"picture {self.name!r} is known in a region only", remedy="learn it as a layer")
        image = np.broadcast_to(image, (*image.shape[:2], self.channels))
        return {label: image[..., k] for k, label in enumerate(self.channel_labels)}


class Layer(_Target):
    """What is taken from a film to leave a picture: the film minus the layer is the picture ``leaves``.

    The network makes the layer in units of its input (see ``InputSpec``), so that what no layer covers passes
    from film to picture untouched. Known is the picture itself, on the film's own grey scale; a case's truth
    plane holds that picture until the film's scaling is known, and the layer from then on.
    """

    kind: Literal["layer"] = "layer"
    leaves: str = Field(description="name of the picture that remains; it is found in manifests under it")

    @property
    def channel_labels(self) -> tuple[str, ...]:
        return (self.name,)

    def activate(self, raw: Array) -> Array:
        return raw

    def encode(self, known: Mapping[str, Array]) -> dict[str, Array]:
        return {self.name: known[self.leaves].astype(np.float32)} if self.leaves in known else {}


class Lesions(_Target):
    """A mask channel read out as boxes with scores; truth is a mask by the label's name, or places and sizes.

    Each connected piece of the mask (pixels that touch at corners count as joined) is a finding whose score is its
    highest probability. A ``threshold`` below ``report_from`` lets fainter findings be recorded, for curves of
    sensitivity against false positives, which pictures and reports do not show.
    """

    kind: Literal["lesions"] = "lesions"
    label: str = Field(description="name of the mask; manifests know it as mask:LABEL or lesions:LABEL")
    threshold: float = Field(0.5, gt=0, lt=1, description="probability from which a pixel belongs to a lesion")
    report_from: float = Field(0.5, ge=0, le=1, description="score from which a finding is shown and counted")
    min_area_px: int = Field(0, ge=0, description="pieces of fewer pixels of the network's grid are dropped")
    shape: Literal["square", "disc"] = Field(
        "square", description="what is drawn of a lesion whose centre and diameter are known"
    )

    @property
    def channel_labels(self) -> tuple[str, ...]:
        return (self.label,)

    def activate(self, raw: Array) -> Array:
        return _sigmoid(raw)

    def encode(self, known: Mapping[str, Array]) -> dict[str, Array]:
        return {self.label: known[self.label].astype(np.float32)} if self.label in known else {}


Target = Annotated[Masks | Classes | Picture | Layer | Lesions, Field(discriminator="kind")]


@dataclass(frozen=True)
class Truth:
    """What is known of one case: ``planes`` float32 [P, H, W] and ``known`` bool [P], P = channels + unions."""

    planes: NDArray[np.float32]
    known: NDArray[np.bool_]


class TargetSet(BaseModel):
    """An ordered list of targets: the single place that knows which output channel means what.

    A network made for it returns raw outputs [B, K, H, W] with K = ``channels``. Truth has P >= K
    planes: one a channel, then one a union; what a case lacks is marked unknown and costs nothing.
    In files a set may be written as the plain list of its targets.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    targets: tuple[Target, ...] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _from_list(cls, value: Any) -> Any:
        return {"targets": value} if isinstance(value, list) else value

    @model_validator(mode="after")
    def _names_are_unique(self) -> TargetSet:
        names = [target.name for target in self.targets]
        planes = [*self.channel_labels, *self.unions]
        for what in (names, planes):
            twice = {name for name in what if what.count(name) > 1}
            if twice:
                raise ValueError(f"each name may stand once in a target set; twice: {sorted(twice)}")
        return self

    def __iter__(self) -> Iterator[Target]:  # type: ignore[override]
        return iter(self.targets)

    def __getitem__(self, name: str) -> Target:
        for target in self.targets:
            if target.name == name:
                return target
        raise DataError(f"no target {name!r}", remedy=f"there are {[t.name for t in self.targets]}")

    @property
    def channel_labels(self) -> tuple[str, ...]:
        """One name an output channel, in order."""
        return tuple(label for target in self.targets for label in target.channel_labels)

    @property
    def channels(self) -> int:
        """How many output channels a network for this set has."""
        return len(self.channel_labels)

    @property
    def slices(self) -> dict[str, slice]:
        """The channels of each target, by target name."""
        found, start = {}, 0
        for target in self.targets:
            stop = start + len(target.channel_labels)
            found[target.name] = slice(start, stop)
            start = stop
        return found

    @property
    def unions(self) -> dict[str, tuple[int, ...]]:
        """Output channels covered by each union mask, in the order of the truth's extra planes."""
        place = {label: k for k, label in enumerate(self.channel_labels)}
        return {
            union: tuple(place[member] for member in members)
            for target in self.targets
            if isinstance(target, Masks)
            for union, members in target.unions.items()
        }

    @property
    def plane_labels(self) -> tuple[str, ...]:
        """Names of the truth's planes: the channels, then the unions."""
        return (*self.channel_labels, *self.unions)

    @property
    def other_side(self) -> tuple[int, ...]:
        """For every truth plane the plane of the same structure on the other side; itself where there is none."""
        place = {label: k for k, label in enumerate(self.plane_labels)}
        return tuple(place.get(_other_side(label), k) for label, k in place.items())

    @property
    def is_layer(self) -> NDArray[np.bool_]:
        """Which truth planes [P] are layers taken from the film."""
        layers = [target.name for target in self.targets if isinstance(target, Layer)]
        return np.isin(self.plane_labels, layers)

    def part(self, names: Collection[str]) -> tuple[TargetSet, list[int], list[int]]:
        """The set of some of the targets, their output channels, and their truth planes, in this set's numbers."""
        chosen = TargetSet(targets=tuple(target for target in self if target.name in names))
        place = {label: k for k, label in enumerate(self.plane_labels)}
        planes = [place[label] for label in chosen.plane_labels]
        return chosen, planes[: chosen.channels], planes

    def encode(self, known: Mapping[str, Array], shape: tuple[int, int]) -> Truth:
        """Truth planes of a case from the masks, class maps and pictures known of it, each [H, W]."""
        planes = np.zeros((len(self.plane_labels), *shape), np.float32)
        have = np.zeros(len(self.plane_labels), bool)
        place = {label: k for k, label in enumerate(self.plane_labels)}
        for target in self.targets:
            for label, plane in target.encode(known).items():
                if plane.shape != shape:
                    raise DataError(f"{label!r} is {list(plane.shape)}, the film {list(shape)}")
                planes[place[label]], have[place[label]] = plane, True
        return Truth(planes, have)

    def activate(self, raw: Array) -> NDArray[np.float32]:
        """Probabilities and pictures [..., K, H, W] of raw outputs of the same shape."""
        if raw.shape[-3] != self.channels:
            raise DataError(f"expected {self.channels} channels, got {raw.shape[-3]}")
        parts = [target.activate(raw[..., self.slices[target.name], :, :]) for target in self.targets]
        return np.concatenate(parts, axis=-3, dtype=np.float32)

    def planes_of(self, values: Array) -> dict[str, Array]:
        """Each channel [..., H, W] of values [..., K, H, W] by its label."""
        return {label: values[..., k, :, :] for k, label in enumerate(self.channel_labels)}


def plain_name(part: str) -> str:
    """A part of the body as it is compared: lower case, with underscores."""
    return part.strip().lower().replace("-", "_").replace(" ", "_")


def _other_side(label: str) -> str:
    for side, other in (("right_", "left_"), ("left_", "right_")):
        if label.startswith(side):
            return other + label.removeprefix(side)
    return label


def _sigmoid(raw: Array) -> Array:
    found = 0.5 * raw
    np.tanh(found, out=found)
    found += 1
    found *= 0.5
    return found
