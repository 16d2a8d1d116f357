"""The paper's six of every film: the film itself and five variants, drawn first and applied later."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Kind = Literal["original", "rotation", "horizontal", "vertical", "combined", "noise"]
Item = TypeVar("Item")


@dataclass(frozen=True)
class VariantLimits:
    """How far variants go: degrees and shifts (parts of the side) either way, the variance of grey values 0 to 255.

    The paper states the variance as "between 0.01 and 0.03 x 255", which is read as 0.01 x 255 to 0.03 x 255.
    """

    degrees: float = 2.0
    shift: float = 0.03
    variance: tuple[float, float] = (0.01 * 255, 0.03 * 255)


@dataclass(frozen=True)
class Variant:
    """One variant of a film: clockwise degrees, shifts in parts of the sides, noise; never a flip, which swaps sides.

    ``deviation`` is that of noise on films in [0, 1], which ``seed`` makes.
    """

    kind: Kind
    degrees: float = 0.0
    down: float = 0.0
    right: float = 0.0
    deviation: float = 0.0
    seed: int = 0

    def of_film(self, film: NDArray[Any]) -> NDArray[np.float32]:
        """The variant of a film [H, W] in [0, 1], linear between pixels; edges are repeated beyond the film."""
        made = self._laid(np.asarray(film, np.float32), order=1)
        if self.deviation:
            noise = np.random.default_rng(self.seed).standard_normal(made.shape, np.float32)
            made = np.clip(made + np.float32(self.deviation) * noise, 0, 1)
        return made

    def of_labels(self, labels: NDArray[Any]) -> NDArray[Any]:
        """The variant of a mask or label map [H, W] of that film: the nearest pixel's label."""
        return self._laid(labels.astype(np.uint8), order=0).astype(labels.dtype)

    def _laid(self, plane: NDArray[Any], *, order: int) -> NDArray[Any]:
        if not (self.degrees or self.down or self.right):
            return plane
        height, width = plane.shape
        angle = np.deg2rad(self.degrees)
        # From a place of the variant to the place of the film that is shown there.
        back = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        centre = np.array([height - 1, width - 1]) / 2
        shift = np.rint([self.down * height, self.right * width])
        offset = centre - back @ (centre + shift)
        return np.asarray(ndimage.affine_transform(plane, back, offset, order=order, mode="nearest"))


def draw_variants(rng: np.random.Generator, limits: VariantLimits | None = None) -> tuple[Variant, ...]:
    """The film as it is, then rotated, shifted along either axis and along both, and with noise."""
    limits = limits or VariantLimits()
    degrees = rng.uniform(-limits.degrees, limits.degrees)
    right, down, both_right, both_down = rng.uniform(-limits.shift, limits.shift, 4)
    variance = rng.uniform(*limits.variance)
    return (
        Variant("original"),
        Variant("rotation", degrees=float(degrees)),
        Variant("horizontal", right=float(right)),
        Variant("vertical", down=float(down)),
        Variant("combined", right=float(both_right), down=float(both_down)),
        Variant("noise", deviation=float(np.sqrt(variance)) / 255, seed=int(rng.integers(2**31))),
    )


def variants_of(items: Sequence[Item], seed: int, limits: VariantLimits | None = None) -> list[tuple[Item, Variant]]:
    """Six of every item, in order: 744 of the paper's 124 films, 66 of its 11.

    What is drawn for an item depends on the seed and its place in the list alone.
    """
    return [
        (item, variant)
        for place, item in enumerate(items)
        for variant in draw_variants(np.random.default_rng([seed, place]), limits)
    ]
