"""Class maps as one mask a class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xprism.targets import Classes, TargetSet


def class_masks(
    targets: TargetSet, maps: Mapping[str, NDArray[Any]], shape: tuple[int, int]
) -> dict[str, NDArray[np.bool_]]:
    """A mask, bool [H, W] of ``shape``, of every class of the class maps [h, w] among ``maps``."""
    return {
        label: nearest(maps[target.name], shape) == number
        for target in targets
        if isinstance(target, Classes) and target.name in maps
        for number, label in enumerate(target.labels)
    }


def nearest(plane: NDArray[Any], shape: tuple[int, int]) -> NDArray[Any]:
    """A plane [H, W] at another ``shape``, each pixel the one at its centre: class numbers cannot be mixed."""
    rows, columns = (
        ((np.arange(new) + 0.5) * old / new).astype(int) for new, old in zip(shape, plane.shape, strict=True)
    )
    return plane[np.ix_(rows, columns)]
