"""Class maps from labels of any kind: one number a pixel, in the order in which the classes are named."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xprism.data.importers.files import assignments, check_label
from xprism.data.importers.legend import Legend, Value, split_labels
from xprism.errors import DataError

HOW = "write --classes NAME=CLASS,CLASS such as --classes tissue=open_beam,soft_tissue,bone"


@dataclass(frozen=True)
class ClassNames:
    """A class map's name, and its classes by their number from 0; the first is where no other is."""

    name: str
    labels: tuple[str, ...]

    def __post_init__(self) -> None:
        check_label(self.name)
        for label in self.labels:
            check_label(label)
        if len(set(self.labels)) != len(self.labels) or not 2 <= len(self.labels) <= 256:
            raise DataError(f"{self.name!r} needs two or more classes of different names", remedy=HOW)

    @property
    def numbers(self) -> Legend:
        """The legend of a map that holds the classes' own numbers."""
        return Legend(tuple((label, (number,)) for number, label in enumerate(self.labels)))

    def check(self, labels: tuple[str, ...]) -> None:
        """Raise ``DataError`` where one of ``labels`` is none of the classes."""
        strange = sorted(set(labels) - set(self.labels))
        if strange:
            raise DataError(f"{', '.join(strange)}: no class of {self.name!r}", remedy=f"{HOW}, or correct the labels")

    def joined(self, masks: Mapping[str, NDArray[np.bool_]], shape: tuple[int, int]) -> NDArray[np.uint8]:
        """Class numbers [H, W] of masks by class; where masks overlap, the class that is named last counts."""
        numbers = np.zeros(shape, np.uint8)
        for number, label in enumerate(self.labels):
            if label in masks:
                numbers[masks[label]] = number
        return numbers


def read_class_names(text: str) -> ClassNames:
    """What ``--classes`` says, ``NAME=CLASS,CLASS``; raises ``DataError`` where it is not understood."""
    ((name, labels),) = assignments([text], option="--classes NAME=CLASS,CLASS").items()
    return ClassNames(name, tuple(label.strip() for label in labels.split(",")))


def class_map(
    values: NDArray[np.generic], legend: Legend, names: ClassNames, *, tolerance: int = 0
) -> tuple[NDArray[np.uint8], Counter[Value]]:
    """Class numbers [H, W] of a label map [H, W] or [H, W, 3], and how often unlisted values occur.

    What is in no listed colour is of the first class, as labels may be painted over the film. Raises ``DataError`` for
    colours of which none is listed, and for whole numbers that are not listed.
    """
    masks, unlisted = split_labels(values, legend, tolerance=tolerance)
    shape = (int(values.shape[0]), int(values.shape[1]))
    if unlisted and not legend.colours:
        often = ", ".join(f"{value} ({count} pixels)" for (value,), count in sorted(unlisted.items()))
        raise DataError(f"numbers that the legend does not list: {often}")
    if unlisted and not any(mask.any() for mask in masks.values()):
        often = "; ".join(",".join(map(str, value)) for value, _ in unlisted.most_common(3))
        raise DataError(f"none of the legend's colours is there (most frequent are {often})")
    return names.joined(masks, shape), unlisted
