"""Overlapping structures as one map of exclusive labels, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from xprism.errors import DataError

LABELS = (
    "background",
    "right_lung",
    "left_lung",
    "heart",
    "right_clavicle_in_lung",
    "left_clavicle_in_lung",
    "clavicle_outside_lungs",
)
"""What the numbers of a map stand for; a map without clavicles has the first four."""
_SIDES = ("right", "left")


def label_map_of(masks: Mapping[str, NDArray[Any]], *, clavicles: bool = True) -> NDArray[np.uint8]:
    """One number a pixel [H, W] from masks [H, W] of lungs, heart and, if they are wanted, clavicles.

    Nothing is lost but the lung behind the heart (0.4 % of the heart) and, of clavicles outside the lungs, the side.
    Raises ``DataError`` where a mask is missing or masks differ in size.
    """
    wanted = ["right_lung", "left_lung", "heart", *(f"{side}_clavicle" for side in _SIDES if clavicles)]
    missing = [name for name in wanted if name not in masks]
    if missing:
        raise DataError(f"a label map needs masks of {', '.join(missing)}")
    if len(shapes := {masks[name].shape for name in wanted}) > 1:
        raise DataError(f"masks of one film differ in size: {sorted(shapes)}")
    on = {name: np.asarray(masks[name]) > 0 for name in wanted}
    numbers = np.zeros(on["heart"].shape, np.uint8)
    for side in _SIDES:
        numbers[on[f"{side}_lung"]] = LABELS.index(f"{side}_lung")
    if clavicles:
        bone = on["right_clavicle"] | on["left_clavicle"]
        numbers[bone] = LABELS.index("clavicle_outside_lungs")
        for side in _SIDES:
            numbers[bone & on[f"{side}_lung"]] = LABELS.index(f"{side}_clavicle_in_lung")
    numbers[on["heart"]] = LABELS.index("heart")
    return numbers


def masks_of(numbers: NDArray[Any]) -> dict[str, NDArray[np.bool_]]:
    """Masks [H, W] of lungs, heart and clavicles from a map of numbers; a lung holds the clavicle in front of it.

    What lies outside the lungs belongs to the clavicle that is nearer within them; it is left out where a map has
    no clavicle within the lungs. Raises ``DataError`` for numbers that stand for nothing.
    """
    if numbers.min() < 0 or numbers.max() >= len(LABELS):
        raise DataError(f"label maps hold 0 to {len(LABELS) - 1}, not {numbers.min()} to {numbers.max()}")
    on = {label: numbers == number for number, label in enumerate(LABELS)}
    within = {side: on[f"{side}_clavicle_in_lung"] for side in _SIDES}
    clavicles = {side: inside.copy() for side, inside in within.items()}
    outside = on["clavicle_outside_lungs"]
    if outside.any() and any(inside.any() for inside in within.values()):
        apart = np.stack([_distance(within[side]) for side in _SIDES])
        nearest = apart.argmin(0)
        for number, side in enumerate(_SIDES):
            clavicles[side] |= outside & (nearest == number)
    lungs = {f"{side}_lung": on[f"{side}_lung"] | within[side] for side in _SIDES}
    return {**lungs, "heart": on["heart"], **{f"{side}_clavicle": clavicles[side] for side in _SIDES}}


def _distance(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """How far every pixel lies from a mask; infinitely far from an empty one."""
    if not mask.any():
        return np.full(mask.shape, np.inf)
    return np.asarray(ndimage.distance_transform_edt(~mask))
