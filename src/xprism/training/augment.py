"""Augmentation: one draw for film, masks and pictures; randomness first, application second.

Every draw comes from the ``numpy.random.Generator`` that is passed in, so a case is augmented the
same way whenever its generator is seeded the same way, and resuming needs no stored state.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor
from torch.nn import functional as F

Rng = np.random.Generator


NO_PLACES: NDArray[np.float64] = np.zeros((0, 2))
Share = Annotated[float, Field(ge=0, le=1)]
Amount = Annotated[float, Field(ge=0)]


class AugmentSettings(BaseModel):
    """How strongly to augment at random; lengths are fractions of the grid's side.

    A flipped film shows its right side where the left one was: masks called ``right_`` and ``left_`` change
    places, so that each stays on its side of the picture. ``flip_keeps_labels`` leaves them with the organ.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: Literal["random"] = "random"
    flip_probability: Share = Field(0.0, description="left and right exchanged")
    flip_keeps_labels: bool = Field(False, description="left organs stay left organs where films are flipped")
    rotate_degrees: Amount = Field(12.0, description="two standard deviations of the rotation")
    shear_degrees: Amount = Field(5.0, description="two standard deviations of the shear")
    scale: Amount = Field(0.25, description="largest logarithm of the enlargement")
    aspect: Amount = Field(0.1, description="two standard deviations of the logarithm of the stretch")
    shift: Amount = Field(0.08, description="standard deviation of the shift, where 2 is the side")
    elastic: Amount = Field(0.012, description="strength of elastic shifts")
    crop_probability: Share = Field(0.12, description="a close crop")
    crop_scale: Annotated[float, Field(ge=1.2)] = Field(1.9, description="largest enlargement of a close crop")
    lesion_probability: Share = Field(
        0.0, description="of films with lesions: share of samples that are a close crop about one of them"
    )
    insert_lesions: Share = Field(
        0.0,
        description="of films whose lesions and lungs are known: share into which one to three simulated nodules go",
    )
    gamma: Amount = Field(0.5, description="largest logarithm of the exponent")
    window: Amount = Field(6.0, description="largest percentile cut off at either end")
    local_contrast: Amount = Field(0.6, description="largest gain of local contrast")
    bias: Amount = Field(0.25, description="standard deviation of a slowly varying brightness")
    blur: Amount = Field(0.004, description="largest standard deviation of a blur")
    noise: Amount = Field(0.045, description="largest standard deviation of noise; films lie in [0, 1]")
    border_probability: Share = Field(0.3, description="collimation borders")
    border: Share = Field(0.1, description="largest width of a border")
    marks_probability: Share = Field(0.35, description="burnt-in letters")
    invert_probability: Share = Field(0.08, description="dark and bright exchanged")
    exchange_layers: Share = Field(
        0.0, description="the layer of another case laid over what remains of this one; such a sample teaches it alone"
    )
    tissue_probability: Share = Field(
        0.0, description="nodules, vessels and gratings of soft tissue drawn over the film and what layers leave of it"
    )


class PaperAugment(BaseModel):
    """The augmentation of Eslami et al. 2020, as published and, beyond it, as their code has it.

    ``copies`` adds four copies of every film: turned by 10 degrees clockwise and by 5 counter-clockwise, shifted
    by (30, 10) and (-20, -10) pixels right and down at 512, filled with zeros. The first published
    code also flips (the channels of left and right stay as they are) and crops 512 of 540 pixels;
    the second only flips.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: Literal["paper"]
    copies: bool = Field(True, description="the paper's four copies of every film")
    flip_probability: Share = Field(0.0, description="0.5 in the authors' code")
    crop_from: int | None = Field(None, gt=512, description="540 in the authors' first code, of which 512 are cropped")


@dataclass(frozen=True)
class Geometry:
    """One spatial draw: an affine map [2, 3] of output to input positions in [-1, 1], plus coarse shifts [2, n, n].

    ``flipped`` says that the map turns left to right.
    """

    affine: NDArray[np.float32]
    shifts: NDArray[np.float32]
    replicate: bool
    flipped: bool = False


def draw_geometry(rng: Rng, settings: AugmentSettings, lesions: NDArray[Any] = NO_PLACES) -> Geometry:
    """Draw rotation, shear, scale, aspect, shift and elastic shifts; at times a close crop.

    ``lesions`` [n, 2] are places (x, y) on the grid in [-1, 1], one of which crops may be made about.
    """
    angle, shear = np.deg2rad(rng.normal(0, 0.5, 2) * (settings.rotate_degrees, settings.shear_degrees))
    zoom = np.exp(rng.uniform(-1, 1) * settings.scale)
    shift = rng.normal(0, settings.shift, 2)
    if rng.random() < settings.crop_probability:
        zoom = rng.uniform(1.2, settings.crop_scale)
        shift = rng.uniform(-1, 1, 2) * (1 - 1 / zoom)
    about = None
    if len(lesions) and settings.lesion_probability and rng.random() < settings.lesion_probability:
        about, zoom = lesions[rng.integers(len(lesions))], rng.uniform(1.2, settings.crop_scale)
    stretch = np.exp(rng.normal(0, 0.5) * settings.aspect)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = turn @ np.array([[1, np.tan(shear)], [0, 1]]) @ np.diag([1 / stretch, stretch]) / zoom
    coarse = rng.normal(0, settings.elastic * 2, (2, 5, 5)) * rng.random()
    replicate = bool(rng.random() < 0.3)
    flipped = bool(rng.random() < settings.flip_probability)
    if flipped:
        linear = linear @ np.diag([-1, 1])
    if about is not None:  # in the middle of the crop or up to halfway to its border, and the crop inside the film
        shift = np.clip(about - linear @ rng.uniform(-0.5, 0.5, 2), 1 / zoom - 1, 1 - 1 / zoom)
    affine = np.concatenate([linear, shift[:, None]], 1)
    return Geometry(affine.astype(np.float32), coarse.astype(np.float32), replicate, flipped)


def paper_copies(size: tuple[int, int]) -> tuple[Geometry | None, ...]:
    """The film as it is (None) and the four copies of ``PaperAugment`` on a grid of ``size``."""
    return (None, _turned(10), _turned(-5), _shifted(30, 10, size), _shifted(-20, -10, size))


def draw_paper_geometry(rng: Rng, settings: PaperAugment) -> Geometry | None:
    """What the authors' code does to every film or copy at random; None where nothing is asked for."""
    flipped = bool(rng.random() < settings.flip_probability)
    offset = rng.integers(0, (settings.crop_from or 512) - 512 + 1, 2)
    if not flipped and settings.crop_from is None:
        return None
    zoom = 512 / (settings.crop_from or 512)
    shift = (2 * offset / 512 + 1) * zoom - 1
    linear = np.diag([-zoom if flipped else zoom, zoom])
    return _affine(linear, shift, flipped=flipped)


def _turned(degrees: float) -> Geometry:
    """Clockwise about the centre of a square grid."""
    angle = np.deg2rad(degrees)
    return _affine(np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]), np.zeros(2))


def _shifted(right: float, down: float, size: tuple[int, int]) -> Geometry:
    """By pixels of a grid of 512, in proportion at other sizes, rounded to whole pixels."""
    pixels = np.round([right * size[1] / 512, down * size[0] / 512])
    return _affine(np.eye(2), -2 * pixels / (size[1], size[0]))


def _affine(linear: NDArray[np.float64], shift: NDArray[np.float64], *, flipped: bool = False) -> Geometry:
    affine = np.concatenate([linear, np.reshape(shift, (2, 1))], 1).astype(np.float32)
    return Geometry(affine, np.zeros((2, 2, 2), np.float32), replicate=False, flipped=flipped)


def sampling_grid(geometry: Geometry, size: tuple[int, int]) -> Tensor:
    """Input position (x, y) in [-1, 1] of every output pixel, [1, height, width, 2]."""
    grid = F.affine_grid(torch.from_numpy(geometry.affine)[None], [1, 1, *size], align_corners=False)
    if not geometry.shifts.any():
        return grid
    shifts = F.interpolate(torch.from_numpy(geometry.shifts)[None], size=size, mode="bicubic", align_corners=True)
    return grid + shifts.permute(0, 2, 3, 1)


def resample(planes: Tensor, grid: Tensor, *, replicate: bool = False, cubic: bool = False) -> Tensor:
    """Planes [C, H, W] at the positions of ``grid``; outside is zero, or the nearest edge.

    Bilinear, or ``cubic``, which keeps the fine detail that a film has when it is shrunk to the grid at once.
    """
    padding, mode = "border" if replicate else "zeros", "bicubic" if cubic else "bilinear"
    return F.grid_sample(planes[None], grid, mode=mode, padding_mode=padding, align_corners=False)[0]


@dataclass(frozen=True)
class Look:
    """One photometric draw; the names follow ``AugmentSettings``."""

    gamma: float
    window: tuple[float, float]
    local_contrast: float
    local_sigma: float
    bias: NDArray[np.float32]
    blur: float
    noise: float
    noise_seed: int
    borders: tuple[float, float, float, float]
    border_value: float
    invert: bool
    marks: tuple[Mark, ...] = field(default=())


@dataclass(frozen=True)
class Mark:
    """A burnt-in letter or line: place and size as fractions of the grid, grey value in [0, 1]."""

    text: str
    row: float
    column: float
    size: float
    value: float


def draw_look(rng: Rng, settings: AugmentSettings) -> Look:
    """Draw grey scale, processing, noise, collimation borders, burnt-in marks and polarity."""
    s = settings

    def sometimes(probability: float, value: float) -> float:
        return value if rng.random() < probability else 0.0

    has_border = rng.random() < s.border_probability
    borders = rng.uniform(0, s.border, 4) * (rng.random(4) < 0.6) * has_border
    marks = tuple(_draw_mark(rng) for _ in range(rng.integers(1, 4))) if rng.random() < s.marks_probability else ()
    return Look(
        gamma=float(np.exp(rng.uniform(-1, 1) * s.gamma)),
        window=(sometimes(0.5, rng.uniform(0, s.window)), 100 - sometimes(0.5, rng.uniform(0, s.window))),
        local_contrast=sometimes(0.5, rng.uniform(-0.4, 1) * s.local_contrast),
        local_sigma=float(np.exp(rng.uniform(np.log(0.01), np.log(0.12)))),
        bias=(rng.normal(0, s.bias, (3, 3)) * (rng.random() < 0.4)).astype(np.float32),
        blur=sometimes(0.3, rng.uniform(0, s.blur)),
        noise=sometimes(0.4, rng.uniform(0, s.noise)),
        noise_seed=int(rng.integers(2**31)),
        borders=(float(borders[0]), float(borders[1]), float(borders[2]), float(borders[3])),
        border_value=float(rng.choice([0.0, 0.0, 1.0, rng.random()])),
        invert=bool(rng.random() < s.invert_probability),
        marks=marks,
    )


def _draw_mark(rng: Rng) -> Mark:
    text = str(rng.choice(["L", "R", "PA", "AP", "R 12", "ERECT", "/", "_"]))
    row, column = rng.random(2)
    if rng.random() < 0.7:
        column = rng.choice([0.15, 0.85]) + rng.uniform(-0.15, 0.1)
    return Mark(
        text,
        float(row),
        float(column),
        float(rng.uniform(0.02, 0.09)),
        float(rng.choice([1.0, 1.0, 0.0, rng.random()])),
    )


def apply_look(films: Tensor, look: Look) -> Tensor:
    """Films [K, H, W] in [0, 1] as another machine, exposure or processing might have shown them, in [0, 1].

    What the draw leaves to the film's own grey values is measured on the first, so that all are shown alike.
    """
    shape = films.shape[-2:]
    side = max(shape)
    out = _unit(films, *look.window) ** look.gamma
    if look.local_contrast:
        out = out + look.local_contrast * (out - _blur(out, look.local_sigma * side))
    if look.bias.any():
        field_ = F.interpolate(torch.from_numpy(look.bias)[None, None], shape, mode="bicubic", align_corners=True)
        out = out + 0.5 * field_[0, 0]
    if look.blur:
        out = _blur(out, look.blur * side)
    out = _unit(out, 0, 100)
    out = _draw_marks(out, look.marks)
    if look.noise:
        noise = np.random.default_rng(look.noise_seed).standard_normal(shape, np.float32)
        out = out + look.noise * torch.from_numpy(noise)
    top, bottom, left, right = (round(part * side) for part in look.borders)
    frame = torch.ones(shape, dtype=torch.bool)
    frame[top : shape[0] - bottom, left : shape[1] - right] = False
    out = torch.where(frame, look.border_value, out)
    return (1 - out if look.invert else out).clamp(0, 1)


def _unit(values: Tensor, low_percent: float, high_percent: float) -> Tensor:
    sample = values[0, ::4, ::4].flatten().sort().values
    low = sample[int(low_percent / 100 * (len(sample) - 1))]
    high = sample[int(high_percent / 100 * (len(sample) - 1))]
    return ((values - low) / (high - low).clamp(min=1e-6)).clamp(0, 1)


def _blur(values: Tensor, sigma: float) -> Tensor:
    """Gaussian blur of films [K, H, W]; wide ones run on a coarser grid, which they cannot be told from."""
    step = max(1, int(sigma / 3))
    small = F.avg_pool2d(values[:, None], step) if step > 1 else values[:, None]
    sigma /= step
    radius = max(1, int(3 * sigma + 0.5))
    taps = torch.exp(-0.5 * (torch.arange(-radius, radius + 1) / sigma) ** 2)
    taps = taps / taps.sum()
    for axis in (2, 3):
        pad = (0, 0, radius, radius) if axis == 2 else (radius, radius, 0, 0)
        shape = (1, 1, -1, 1) if axis == 2 else (1, 1, 1, -1)
        small = F.conv2d(F.pad(small, pad, mode="replicate"), taps.view(shape))
    if step > 1:
        small = F.interpolate(small, values.shape[-2:], mode="bilinear", align_corners=False)
    return small[:, 0]


def _draw_marks(films: Tensor, marks: tuple[Mark, ...]) -> Tensor:
    height, width = films.shape[-2:]
    out = films
    for mark in marks:
        stencil = Image.new("L", (width, height))
        place = (mark.column * width, mark.row * height)
        ImageDraw.Draw(stencil).text(
            place, mark.text, fill=255, font=ImageFont.load_default(max(8.0, mark.size * height))
        )
        ink = torch.from_numpy(np.array(stencil, np.float32)) / 255
        out = out + ink * (mark.value - out)
    return out
