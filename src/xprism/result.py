"""What prediction returns: masks, pictures, lesions, measurements and the reasons to trust them or not."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xprism.card import Card
from xprism.radiograph import Radiograph
from xprism.targets import Classes, Lesions

Point = tuple[float, float]


@dataclass(frozen=True)
class Structure:
    """One structure's geometry on the source grid.

    ``centroid_px`` is (row, column), ``box_px`` (top, left, bottom, right), ends excluded.
    """

    label: str
    area_px: int
    area_mm2: float | None
    centroid_px: Point | None
    box_px: tuple[int, int, int, int] | None


@dataclass(frozen=True)
class Measurement:
    """One number taken from the masks, with its unit (``ratio``, ``mm``, ``px``), the lines it was read
    from as ((row, column), (row, column)) pairs in source pixels, and whether it may be relied on."""

    name: str
    value: float
    unit: str
    reliable: bool = True
    note: str = ""
    lines: tuple[tuple[Point, Point], ...] = ()


@dataclass(frozen=True)
class Refusal:
    """Why a model declined a film: a stable ``code`` and a sentence."""

    code: str
    reason: str


@dataclass(frozen=True)
class Quality:
    """How far to trust the result: ``score`` in [0, 1] and the remarks behind it."""

    score: float
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Lesion:
    """One finding in source pixels: box (top, left, bottom, right; ends excluded), score in [0, 1], centre of area.

    ``diameter_mm`` is the longer side of the box, None where the film's spacing is not known. A finding that is not
    ``reported`` is too faint to be shown or counted; it is kept for curves.
    """

    label: str
    box_px: tuple[int, int, int, int]
    score: float
    centre_px: Point
    diameter_mm: float | None = None
    reported: bool = True


@dataclass(frozen=True)
class ModelId:
    """Which model made a result."""

    name: str
    version: str
    sha256: str
    licence: str


@dataclass(frozen=True)
class Result:
    """Everything a model says about one film, on the film's own grid.

    ``masks`` bool [H, W] by label; ``probabilities`` (float32 [h, w] by label, the film's part of the
    network's grid, for looking closer); ``pictures`` float32 [H, W] or [H, W, 3] by target;
    ``classes`` uint8 [H, W] by target; ``refused`` set when the gate declined the film, and then
    there are no masks and no measurements; ``overridden`` is a refusal that the user overrode;
    ``card`` the whole card of the model, where it is known; ``window`` the part of the film (top, left, height,
    width) that ``probabilities`` cover, None for all of it.
    """

    radiograph: Radiograph
    model: ModelId
    masks: dict[str, NDArray[np.bool_]] = field(default_factory=dict)
    probabilities: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    pictures: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    classes: dict[str, NDArray[np.uint8]] = field(default_factory=dict)
    lesions: tuple[Lesion, ...] = ()
    structures: dict[str, Structure] = field(default_factory=dict)
    measurements: dict[str, Measurement] = field(default_factory=dict)
    quality: Quality = Quality(1.0)
    refused: Refusal | None = None
    overridden: Refusal | None = None
    log: tuple[str, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)
    card: Card | None = None
    window: tuple[int, int, int, int] | None = None

    @property
    def lesion_labels(self) -> tuple[str, ...]:
        """Labels of the lesions that the model looks for, whether it found any or not."""
        targets = self.card.targets if self.card is not None else ()
        sought = [target.label for target in targets if isinstance(target, Lesions)]
        return tuple(dict.fromkeys([*sought, *(lesion.label for lesion in self.lesions)]))

    @property
    def class_labels(self) -> dict[str, tuple[str, ...]]:
        """The labels of every class map, by target."""
        targets = self.card.targets if self.card is not None else ()
        return {target.name: target.labels for target in targets if isinstance(target, Classes)}

    def reported(self, label: str) -> tuple[Lesion, ...]:
        """The findings of a label that are shown and counted, best first."""
        return tuple(lesion for lesion in self.lesions if lesion.label == label and lesion.reported)

    def save(self, folder: str | Path, *, to: tuple[str, ...] = ("masks", "json", "overlay", "report")) -> Path:
        """Write the result into ``folder`` (made if needed) and return it; ``to`` picks the kinds of file."""
        from xprism.writers.folder import write_result

        return write_result(self, Path(folder), to=to)
