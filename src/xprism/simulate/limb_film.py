"""What is between a limb and its picture: the beam's field, lead letters, the detector, and how the film is shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter

from xprism.simulate.display import Display, show
from xprism.simulate.film import Noise, expose
from xprism.simulate.limb_parts import Technique
from xprism.simulate.limb_solids import Floats
from xprism.simulate.parameters import Exposure
from xprism.simulate.spectrum import Beam, with_beam

Mask = NDArray[np.bool_]
Borders = Literal["none", "blades", "shutter"]

_BLADES_MM, _LETTER_MM = 9.0, 2.5
"""Thickness of collimator blades and of lead letters, in mm of copper, which stands for lead."""

# Letters of 5 x 7, row by row.
_LETTERS = {
    "L": (16, 16, 16, 16, 16, 16, 31),
    "R": (30, 17, 17, 30, 20, 18, 17),
}


@dataclass(frozen=True)
class Field:
    """The part of a film that the beam reaches, in shares of its side from its middle.

    ``edges`` are left, right, top, bottom (0.5 and more is beyond the film), turned by ``turn`` radians; a ``round``
    field is a circle of the first edge. Beyond it ``borders`` are unexposed (blades) or painted black (shutter).
    """

    borders: Borders
    edges: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)
    turn: float = 0.0
    round: bool = False
    penumbra_mm: float = 1.0

    def lit(self, shape: tuple[int, int]) -> Mask:
        """Where a film of ``shape`` is reached, bool [H, W]."""
        height, width = shape
        v = (np.arange(height)[:, None] - (height - 1) / 2) / max(shape)
        u = (np.arange(width)[None, :] - (width - 1) / 2) / max(shape)
        if self.borders == "none":
            return np.ones(shape, bool)
        if self.round:
            return np.asarray(np.hypot(u, v) <= self.edges[0])
        cos, sin = np.cos(self.turn), np.sin(self.turn)
        a, b = cos * u + sin * v, cos * v - sin * u
        left, right, top, bottom = self.edges
        return np.asarray((a >= -left) & (a <= right) & (b >= -top) & (b <= bottom))


def draw_field(rng: np.random.Generator) -> Field:
    """Draw how a film is collimated: four films in ten not visibly, the others at one to four sides."""
    kind = rng.choice(["none", "blades", "shutter"], p=[0.4, 0.38, 0.22])
    closed = rng.random(4) < 0.6
    edges = np.where(closed, 0.5 - rng.uniform(0.02, 0.2, 4), 1.0)
    turn, penumbra, is_round = rng.normal(0, 0.02), rng.uniform(0.5, 3.0), rng.random() < 0.06
    if kind == "none":
        return Field("none")
    if is_round:
        edges[0] = rng.uniform(0.42, 0.55)
    left, right, top, bottom = (float(edge) for edge in edges)
    return Field(
        "blades" if kind == "blades" else "shutter", (left, right, top, bottom), float(turn), is_round, float(penumbra)
    )


def draw_exposure(rng: np.random.Generator, technique: Technique) -> Exposure:
    """Draw the beam and the detector of a film; contrast and speed are set when the film is shown."""
    kilovolt = float(rng.uniform(*technique.kilovolt))
    base = Exposure(
        energies=(60.0,),
        shares=(1.0,),
        scatter=float(rng.uniform(*technique.scatter)),
        scatter_reach=float(rng.uniform(12, 40)),
        quanta=float(np.exp(rng.uniform(np.log(4e4), np.log(1e6)))),
        blur=float(rng.uniform(0.1, 0.35)),
        contrast=1.0,
        speed=1.0,
        texture=1.0,
    )
    return with_beam(base, Beam(kilovolt, aluminium_mm=float(rng.uniform(2.5, 3.5))), bins=5)


def obstacles(
    rng: np.random.Generator, field: Field, shape: tuple[int, int], *, spacing_mm: float
) -> Mapping[str, Floats]:
    """What else lies in the beam, in mm [H, W]: blades and a lead letter (copper), at times a pad's edge (adipose)."""
    copper, pad = np.zeros(shape), np.zeros(shape)
    if rng.random() < 0.45:
        copper += _LETTER_MM * _letter(rng, shape, spacing_mm=spacing_mm)
    if rng.random() < 0.08:
        side = rng.standard_normal(2)
        side /= np.linalg.norm(side)
        v, u = np.mgrid[: shape[0], : shape[1]] / max(shape) - 0.5
        pad += np.where(side[0] * u + side[1] * v > rng.uniform(0.1, 0.4), rng.uniform(4, 18), 0.0)
    if field.borders == "blades":
        copper += _BLADES_MM * gaussian_filter((~field.lit(shape)).astype(float), field.penumbra_mm / spacing_mm)
    return {name: plane for name, plane in (("copper", copper), ("adipose", pad)) if plane.any()}


def _letter(rng: np.random.Generator, shape: tuple[int, int], *, spacing_mm: float) -> Floats:
    """A lead R or L near a corner of the film, at times turned over: 0 to 1."""
    rows = _LETTERS["R" if rng.random() < 0.5 else "L"]
    bits = np.array([[row >> (4 - k) & 1 for k in range(5)] for row in rows], bool)
    bits = np.rot90(bits[:, ::-1] if rng.random() < 0.3 else bits, int(rng.choice([0, 0, 0, 1, 2, 3])))
    tall, across, down = rng.uniform(8, 16), rng.uniform(0.06, 0.2), rng.uniform(0.06, 0.45)
    corner = rng.random(2) < 0.5
    large = max(3, round(float(tall) / spacing_mm))
    size = (max(2, round(large * bits.shape[1] / 7)), max(2, round(large * bits.shape[0] / 7)))
    drawn = np.asarray(Image.fromarray(bits.astype(np.uint8) * 255).resize(size, Image.Resampling.BILINEAR)) / 255
    plane = np.zeros(shape)
    top, left = int(down * (shape[0] - drawn.shape[0])), int(across * (shape[1] - drawn.shape[1]))
    rows_at = slice(top, top + drawn.shape[0])
    plane[rows_at, left : left + drawn.shape[1]] = drawn[: shape[0] - top, : shape[1] - left]
    plane = plane[:, ::-1] if corner[0] else plane
    return np.asarray(plane[::-1] if corner[1] else plane)


def log_signal_of(
    rng: np.random.Generator, thickness: Mapping[str, Floats], exposure: Exposure, *, spacing_mm: float
) -> Floats:
    """The log signal [H, W] behind path lengths, with noise, and with the beam's fall towards one side."""
    shape = next(iter(thickness.values())).shape
    signal = expose(thickness, exposure, spacing_mm=spacing_mm, noise=Noise.draw(rng, (shape[0], shape[1])))
    slope = rng.normal(0, 0.12, 2)
    v, u = np.mgrid[: shape[0], : shape[1]] / max(shape) - 0.5
    return np.asarray(signal + slope[0] * v + slope[1] * u)


@dataclass(frozen=True)
class Look:
    """How a log signal is shown: an exposure's film curve or a window, or, where ``power`` is not 0, the bare signal.

    The bare signal, as a detector gives it, is shown as ``1 - signal ** power`` between the window's ends.
    """

    exposure: Exposure
    display: Display
    power: float = 0.0

    def __call__(self, log_signal: Floats, *, spacing_mm: float) -> NDArray[np.float32]:
        """Display values float32 [H, W] in [0, 1], bone bright."""
        if not self.power or self.display.window is None:
            return show(log_signal, self.exposure, self.display, spacing_mm=spacing_mm)
        ends = np.exp(-self.power * np.array(self.display.window))
        bare = np.exp(-self.power * log_signal)
        return np.asarray(np.clip((ends[0] - bare) / (ends[0] - ends[1]), 0, 1), np.float32)


def draw_look(
    rng: np.random.Generator,
    log_signal: Floats,
    exposure: Exposure,
    *,
    tissue: Mask,
    bone: Mask,
    detail: tuple[float, float],
) -> Look:
    """Draw how a film is shown, about the signals of what it shows: many systems, some films too dark or too bright.

    ``tissue`` and ``bone`` are where the beam reached soft tissue and bone without metal, ``detail`` is that of
    the body part's ``Technique``.
    """
    soft = np.quantile(log_signal[tissue], (0.02, 0.12, 0.9)) if tissue.any() else np.zeros(3)
    hard = np.quantile(log_signal[bone], (0.5, 0.94)) if bone.any() else soft[1:] + 0.5
    spread = max(float(hard[1] - soft[0]), 0.4)
    kind, burnt, clipped = rng.random(3)
    kind = max(kind, 0.3) if detail[0] > 0 else kind  # film alone shows too little of thick parts
    low = float(soft[0] * rng.uniform(-0.1, 0.9) if burnt < 0.7 else rng.uniform(soft[0], soft[1]))
    high = float(hard[1] + rng.uniform(0.0, 0.7) * spread if clipped < 0.7 else rng.uniform(hard[0], hard[1]))
    high = max(high, low + 0.35 * spread)
    fine, wide = float(rng.uniform(0.5, 2.0)), float(rng.uniform(6, 30))
    gains = (float(rng.uniform(0, 0.8)), float(rng.uniform(*detail)))
    gamma = float(np.exp(rng.normal(0, 0.3)))
    if kind < 0.3:
        shown = replace(exposure, contrast=float(rng.uniform(4, 7)) / (high - low), speed=(low + high) / 2)
        return Look(shown, Display(gamma=gamma))
    if kind < 0.8:
        return Look(exposure, Display(((fine, gains[0]), (wide, gains[1])), (low, high), gamma))
    return Look(exposure, Display(window=(low, high)), power=float(rng.uniform(0.5, 1.5)) / (high - low))


def finish(rng: np.random.Generator, film: NDArray[np.float32], field: Field) -> NDArray[np.float32]:
    """The film with its shutter closed and, on some, letters burnt in."""
    found = np.where(field.lit(film.shape[:2]), film, 0).astype(np.float32) if field.borders == "shutter" else film
    if rng.random() >= 0.12:
        return found
    height, width = found.shape
    words = "".join(rng.choice(list("0123456789LRAP-:"), int(rng.integers(3, 9))))
    canvas = Image.new("L", (width, height))
    at = (int(rng.integers(2, max(3, width // 2))), 2 if rng.random() < 0.5 else height - 14)
    ImageDraw.Draw(canvas).text(at, words, fill=255)
    return np.maximum(found, np.asarray(canvas, np.float32) / 255)
