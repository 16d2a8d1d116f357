"""Augmentation for few films, as for XNet: flips, affine and elastic warps, crops and blur, film and labels alike.

Everything is drawn first; what was drawn is one position on the film for every pixel, so film and labels are read
at the same places, and only once. A position beyond a border is reflected there at each stage, as if the stages
had been applied one after the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator
from scipy import ndimage
from torch import Tensor
from torch.nn import functional as F

from xprism.targets import Classes, TargetSet

Array = NDArray[np.float64]
Share = Annotated[float, Field(ge=0, le=1)]
Amount = Annotated[float, Field(ge=0)]
Part = Annotated[float, Field(ge=0, lt=1)]


class SmallDataAugment(BaseModel):
    """The augmentation of XNet (Bullock et al. 2019), in this order: flips, affine, elastic, crop, blur.

    Borders are reflected. Amounts are drawn evenly up to those given, or between the two given; pixels are those of
    the grid. With `data.oversample` an epoch shows every film once as it is, and its copies augmented; without
    it every film is augmented whenever it comes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: Literal["small_data"]
    flip_probability: Share = Field(0.5, description="left and right exchanged; masks called right_ and left_ too")
    turn_over_probability: Share = Field(0.5, description="top and bottom exchanged")
    shift: Amount = Field(0.01, description="part of the side by which films move either way")
    rotate_degrees: Amount = Field(15.0, description="largest rotation either way")
    shear_degrees: Amount = Field(2.0, description="largest shear either way")
    elastic_probability: Share = Field(0.5, description="an elastic warp")
    elastic_alpha: tuple[Amount, Amount] = Field((50.0, 60.0), description="its strength in pixels")
    elastic_sigma: float = Field(16.0, gt=0, description="smoothness of its field in pixels")
    crop: tuple[Part, Part] = Field((0.1, 0.4), description="part of height, and of width, that a crop takes off")
    blur: tuple[Amount, Amount] = Field((0.0, 0.4), description="standard deviation of the film's blur in pixels")

    @model_validator(mode="after")
    def _ranges_rise(self) -> SmallDataAugment:
        for name in ("elastic_alpha", "crop", "blur"):
            low, high = getattr(self, name)
            if low > high:
                raise ValueError(f"{name} goes from the smaller to the larger, not {low} to {high}")
        return self


@dataclass(frozen=True)
class Warp:
    """One draw. ``flipped`` (left-right, top-bottom); ``linear`` [2, 2] and ``shift`` (x, y) px of the affine map.

    ``elastic`` [2, h, w] are shifts (x, y) in px, or None. The crop begins at ``corner`` (x, y) px and is ``part``
    (x, y) of the sides wide. ``blur`` is in px.
    """

    flipped: tuple[bool, bool]
    linear: Array
    shift: Array
    elastic: Array | None
    corner: Array
    part: Array
    blur: float


def draw_warp(rng: np.random.Generator, settings: SmallDataAugment, size: tuple[int, int]) -> Warp:
    """Draw one warp and blur for a grid of ``size`` (height, width)."""
    s, sides = settings, np.array([size[1], size[0]], float)
    flipped = bool(rng.random() < s.flip_probability), bool(rng.random() < s.turn_over_probability)
    shift = rng.uniform(-1, 1, 2) * s.shift * sides
    angle, shear = np.deg2rad(rng.uniform(-1, 1, 2) * (s.rotate_degrees, s.shear_degrees))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    elastic = None
    if rng.random() < s.elastic_probability:
        elastic = draw_elastic(rng, size, alpha=float(rng.uniform(*s.elastic_alpha)), sigma=s.elastic_sigma)
    part = 1 - rng.uniform(*s.crop, 2)
    corner = rng.random(2) * (1 - part) * sides
    sheared = turn @ np.array([[1, np.tan(shear)], [0, 1]])
    return Warp(flipped, sheared, shift, elastic, corner, part, float(rng.uniform(*s.blur)))


def draw_elastic(rng: np.random.Generator, size: tuple[int, int], *, alpha: float, sigma: float) -> Array:
    """A smooth field [2, h, w] of shifts (x, y) in px: uniform noise in [-1, 1], Gaussian-smoothed, times ``alpha``."""
    noise = rng.uniform(-1, 1, (2, *size))
    field: Array = alpha * ndimage.gaussian_filter(noise, (0, sigma, sigma))
    return field


def positions(warp: Warp, size: tuple[int, int]) -> Array:
    """Where on the film each pixel of the grid is read: (x, y) in px [h, w, 2], where (0, 0) is the film's corner."""
    sides = np.array([size[1], size[0]], float)
    rows, columns = np.mgrid[: size[0], : size[1]] + 0.5
    place = warp.corner + np.stack([columns, rows], axis=-1) * warp.part
    if warp.elastic is not None:
        at = [place[..., 1] - 0.5, place[..., 0] - 0.5]
        moved = [ndimage.map_coordinates(shifts, at, order=1, mode="nearest") for shifts in warp.elastic]
        place = _reflected(place + np.stack(moved, axis=-1), sides)
    centre = sides / 2
    place = _reflected((place - centre) @ warp.linear.T + centre + warp.shift, sides)
    return np.where(warp.flipped, sides - place, place)


def warp_film(films: Tensor, place: Array, warp: Warp) -> Tensor:
    """Films [K, h, w] in [0, 1] read at ``positions``, cubic, and blurred."""
    read = _read(films, place, "bicubic").clamp(0, 1)
    if warp.blur:
        blurred: NDArray[Any] = ndimage.gaussian_filter(read.numpy(), (0, warp.blur, warp.blur))
        read = torch.from_numpy(blurred)
    return read


def warp_labels(planes: Tensor, place: Array) -> Tensor:
    """Truth planes [P, h, w] read at ``positions``, bilinear."""
    return _read(planes, place, "bilinear")


def one_class_a_pixel(planes: Tensor, known: Tensor, targets: TargetSet) -> Tensor:
    """Truth planes [P, h, w] whose classes were mixed along their edges, with the largest share alone.

    ``known`` [P] says which planes count. A pixel that has no class, as beside a film, keeps none.
    """
    planes = planes.clone()
    for target in targets:
        part = targets.slices[target.name]
        if isinstance(target, Classes) and bool(known[part].all()):
            mixed = planes[part]
            alone = F.one_hot(mixed.argmax(0), len(mixed)).permute(2, 0, 1)
            planes[part] = alone * (mixed.sum(0) > 0.5)
    return planes


def _read(planes: Tensor, place: Array, mode: str) -> Tensor:
    height, width = planes.shape[-2:]
    grid = torch.from_numpy((2 * place / (width, height) - 1).astype(np.float32))
    return F.grid_sample(planes[None], grid[None], mode=mode, padding_mode="reflection", align_corners=False)[0]


def _reflected(place: Array, sides: Array) -> Array:
    """Positions brought into [0, side] by mirrors at both ends."""
    return sides - np.abs(place % (2 * sides) - sides)
