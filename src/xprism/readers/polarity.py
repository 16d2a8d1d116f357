"""Which way round a film without tags is: bone bright (display) or bone dark (inverted).

Three questions are put to a small copy of the film, in this order; each answers with a number that
changes its sign when the film is inverted, so that both polarities are judged by the same yardstick:

1. Chest: do two dark lungs with a bright mediastinum between and a bright belly below fit? The
   best correlation with an analytic thorax over a few sizes and places; both halves of the film must
   agree, so a limb on one side does not pass for a lung. 0.5 and more settles it.
2. Open beam: inside the collimated field, is the middle brighter than the rim, and does a dark, flat
   open beam outweigh the brightest tissue? A body part is thickest in its middle. Both must agree, or the
   middle must stand out clearly (0.5). It counts from 0.1 and from half the first answer.
3. A weaker thorax, from 0.25.

Otherwise the film is taken as it is, and the log says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from xprism.errors import ReadError

Polarity = Literal["auto", "display", "inverted"]
Floats = NDArray[np.float64]

THORAX_SURE, THORAX_LIKELY, OPEN_BEAM_LIKELY, MIDDLE_SURE = 0.5, 0.25, 0.1, 0.5
THORAX_GRID, FIELD_GRID = 48, 128
STRAIGHT, LEAST_FIELD = 0.5, 0.35


@dataclass(frozen=True)
class Opinion:
    """``inverted`` is None where the picture does not tell; ``evidence`` is a sentence for the reading log."""

    inverted: bool | None
    evidence: str


def check_choice(polarity: str) -> Polarity:
    """The polarity asked for, or ``ReadError`` when it is none of auto, display and inverted."""
    if polarity in get_args(Polarity):
        return cast(Polarity, polarity)
    raise ReadError(f"unknown polarity {polarity!r}", remedy="choose auto, display or inverted")


def resolve(stored: NDArray[Any], polarity: Polarity) -> tuple[bool, str]:
    """Whether stored values [H, W] without tags are inverted, with the sentence for the log."""
    if polarity != "auto":
        return polarity == "inverted", f"Polarity was given by the user as {polarity}."
    opinion = judge(stored)
    return bool(opinion.inverted), opinion.evidence


def judge(film: NDArray[Any]) -> Opinion:
    """Judge the polarity of a film [H, W] of any scale from its picture alone."""
    thorax = thorax_score(film)
    if abs(thorax) >= THORAX_SURE:
        return _opinion(thorax, f"the correlation with an analytic chest is {thorax:+.2f}")
    beam = open_beam_score(film)
    if abs(beam) >= max(OPEN_BEAM_LIKELY, abs(thorax) / 2):
        return _opinion(beam, f"the open-beam score is {beam:+.2f} (thorax {thorax:+.2f})")
    if abs(thorax) >= THORAX_LIKELY:
        return _opinion(thorax, f"the weak correlation with an analytic chest is {thorax:+.2f}")
    scores = f"thorax {thorax:+.2f}, open beam {beam:+.2f}"
    return Opinion(None, f"The picture does not tell its polarity ({scores}); taken as display, bone bright: check it.")


def _opinion(score: float, reason: str) -> Opinion:
    word = "inverted, bone dark" if score < 0 else "display, bone bright"
    return Opinion(score < 0, f"Polarity judged from the picture as {word}: {reason}.")


def thorax_score(film: NDArray[Any]) -> float:
    """Correlation in [-1, 1] of grey ranks with the best-fitting analytic thorax; negative when inverted."""
    ranks, half = _ranks(_thumbnail(film, THORAX_GRID)), THORAX_GRID // 2
    left_fits, right_fits = _thorax_halves()
    left = left_fits @ _unit(ranks[:, :half])
    right = right_fits @ _unit(ranks[:, half:])
    agreed = np.where(left * right > 0, np.sign(left) * np.minimum(np.abs(left), np.abs(right)), 0)
    return float(agreed[np.argmax(np.abs(agreed))])


def open_beam_score(film: NDArray[Any]) -> float:
    """How far middle-over-rim brightness and dark-over-bright flat area agree, in [-1, 1], else 0.

    A middle that stands out clearly needs no second witness: a belly leaves little open beam.
    """
    field = _beam_field(_thumbnail(film, FIELD_GRID))
    y, x = (np.abs((np.arange(n) + 0.5) / n - 0.5) for n in field.shape)
    middle = float(_unit(_ranks(field)) @ _unit(-np.maximum(y[:, None], x[None, :])))
    if abs(middle) >= MIDDLE_SURE:
        return middle
    low, high = np.percentile(field, (1, 99))
    margin = 0.15 * (high - low)
    dark, bright = float(np.mean(field < low + margin)), float(np.mean(field > high - margin))
    weight = (dark - bright) / max(dark + bright, 1e-9)
    return float(np.sign(middle) * min(abs(middle), abs(weight))) if middle * weight > 0 else 0.0


def _beam_field(film: Floats) -> Floats:
    """The part of a film [N, N] inside straight collimator edges, or all of it where there are none."""
    (top, bottom), (left, right) = _edges(film), _edges(film.T)
    return film[top:bottom, left:right]


def _edges(film: Floats, step: int = 3) -> tuple[int, int]:
    """Rows between the outermost straight lines along which most of the film jumps the same way.

    Straight bones draw such lines too, so what they would leave must be a fair part of the film.
    """
    low, high = np.percentile(film, (1, 99))
    jump = (film[step:] - film[:-step]) / max(high - low, 1e-9)
    straight = np.maximum((jump > 0.2).mean(axis=1), (jump < -0.2).mean(axis=1)) > STRAIGHT
    rows = np.flatnonzero(straight)
    before, after = rows[rows < len(straight) / 2], rows[rows >= len(straight) / 2]
    top = int(before[0]) + step + 1 if before.size else 0
    bottom = int(after[-1]) if after.size else film.shape[0]
    return (top, bottom) if bottom - top >= LEAST_FIELD * film.shape[0] else (0, film.shape[0])


@cache
def _thorax_halves() -> tuple[Floats, Floats]:
    """Left and right halves of 81 analytic thoraces of several places and sizes, one a row."""
    half = THORAX_GRID // 2
    thoraces = [
        _thorax(centre=(cx, cy), reach=(rx, ry))
        for cx in (0.45, 0.5, 0.55)
        for cy in (0.38, 0.45, 0.52)
        for rx in (0.36, 0.42, 0.48)
        for ry in (0.34, 0.42, 0.5)
    ]
    return np.array([_unit(t[:, :half]) for t in thoraces]), np.array([_unit(t[:, half:]) for t in thoraces])


def _thorax(*, centre: tuple[float, float], reach: tuple[float, float]) -> Floats:
    """Dark lungs (-1), bright mediastinum and belly (+1) and chest wall (+0.5); places as parts of the film."""
    at = (np.arange(THORAX_GRID) + 0.5) / THORAX_GRID
    u, v = (at[None, :] - centre[0]) / reach[0], (at[:, None] - centre[1]) / reach[1]
    lungs = np.exp(-(((np.abs(u) - 0.52) / 0.3) ** 4) - (v / 0.62) ** 2)
    mediastinum = np.exp(-((u / 0.16) ** 4) - (v / 0.9) ** 4)
    belly = np.exp(-((u / 0.75) ** 4) - ((v - 1.15) / 0.28) ** 4)
    wall = np.exp(-(((np.abs(u) - 1.02) / 0.13) ** 4) - (v / 0.6) ** 4)
    return np.asarray(mediastinum + belly + 0.5 * wall - lungs, np.float64)


def _thumbnail(film: NDArray[Any], size: int) -> Floats:
    # Thinned before averaging: a fraction of the time on large films, and the same answer.
    step = max(1, min(film.shape) // (4 * size))
    image = Image.fromarray(np.ascontiguousarray(film[::step, ::step], np.float32))
    return np.asarray(image.resize((size, size), Image.Resampling.BOX), np.float64)


def _ranks(values: Floats) -> Floats:
    """Grey ranks in [-1, 1], ties sharing their middle: blind to contrast, odd under inversion."""
    _, index, counts = np.unique(values, return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - counts / 2
    return np.asarray((middle[index] / values.size * 2 - 1).reshape(values.shape), np.float64)


def _unit(values: Floats) -> Floats:
    flat = values.ravel() - values.mean()
    return np.asarray(flat / max(float(np.linalg.norm(flat)), 1e-9), np.float64)
