"""A predicted class map, with the probabilities behind it where a model made it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xprism.errors import DataError
from xprism.evaluation.class_planes import nearest
from xprism.grid import Placement, resize
from xprism.result import Result
from xprism.targets import Classes, TargetSet

SAMPLED_PX = 40_000
"""Pixels of a film that a temperature is fitted to at most, so that memory does not grow with the films' size."""


@dataclass(frozen=True)
class ClassMap:
    """Class numbers uint8 [H, W] of one film on its own grid.

    Of a model there are also the ``raw`` outputs [K, h, w] of the film's part of the network's grid, and the
    ``place`` of that grid on the film.
    """

    target: Classes
    index: NDArray[np.uint8]
    raw: NDArray[Any] | None = None
    place: Placement | None = None

    def probabilities(self, temperature: float) -> NDArray[np.float32] | None:
        """Probabilities [K, H, W] at a temperature, as they are when a map is read out; None where they are not known.

        Wide blank borders, which the network is not shown, are of the first class for certain.
        """
        if self.raw is None or self.place is None:
            return None
        target, place = self.target.model_copy(update={"temperature": temperature}), self.place
        return np.stack(
            [
                place.paste(resize(plane, place.window_shape), outside=float(k == 0))
                for k, plane in enumerate(target.activate(self.raw))
            ]
        )

    def sample(self, truth: NDArray[np.uint8]) -> tuple[NDArray[Any], NDArray[np.uint8]] | None:
        """Raw outputs [K, n] and true classes [n] of evenly spread pixels of the network's grid, all where few.

        The true class of such a pixel is that of the film's pixel [H, W] at its centre. None where there are no raw
        outputs.
        """
        if self.raw is None or self.place is None:
            return None
        step = int(np.ceil(np.sqrt(self.place.grid[0] * self.place.grid[1] / SAMPLED_PX)))
        true = nearest(self.place.cut(truth), (self.place.height, self.place.width))[::step, ::step]
        raw = self.raw[:, ::step, ::step]
        return raw.reshape(len(raw), -1), true.ravel()


def class_maps(targets: TargetSet, result: Result, raw: NDArray[Any] | None, place: Placement) -> dict[str, ClassMap]:
    """The class maps of a result by target, with the raw outputs [K, h, w] that they were read out of."""
    return {
        target.name: ClassMap(
            target,
            result.classes[target.name],
            None if raw is None else place.crop(raw[targets.slices[target.name]]),
            place,
        )
        for target in targets
        if isinstance(target, Classes) and target.name in result.classes
    }


def stored_class_map(reading: Mapping[str, Any], index: NDArray[np.uint8]) -> ClassMap:
    """A class map [H, W] that was read from a folder of results, by what its record says."""
    return ClassMap(Classes(name=reading["target"], labels=tuple(reading["labels"])), index)


def refuse_unknown_numbers(name: str, truth: NDArray[Any], labels: tuple[str, ...]) -> None:
    """Raise ``DataError`` where a true class map [H, W] holds a number that no label has."""
    if truth.size and int(truth.max()) >= len(labels):
        raise DataError(
            f"the true {name} holds {int(truth.max())}, the model's classes go from 0 to {len(labels) - 1}",
            remedy="number the classes as the model's card lists them",
        )
