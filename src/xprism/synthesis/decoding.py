"""Dots read from what a network drew, and why a drawing is turned down."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from xprism.errors import DataError
from xprism.synthesis.codes import as_grey, nearest_number
from xprism.synthesis.dots import NUMBERS, STRUCTURES, Dot, Dots, Structure

Reason = Literal["missing", "several"]
_EIGHT = np.ones((3, 3), bool)


@dataclass(frozen=True)
class Problem:
    """What is wrong with a drawing: a structure has no piece, or several."""

    structure: Structure
    reason: Reason


@dataclass(frozen=True)
class Drawing:
    """A drawn dot map of which every value is a code.

    ``picture`` has the grey values [size, size] without the pieces that were too small; ``dots`` lie in the middle of
    each structure's largest piece. One with ``problems`` should be turned down.
    """

    picture: NDArray[np.uint8]
    dots: Dots
    problems: tuple[Problem, ...]


def decoded(signal: NDArray[Any], *, smallest: int = 1) -> Drawing:
    """A dot map [size, size] as a network draws it, about -1 to 1, with each pixel brought to the nearest code.

    Pieces of fewer than ``smallest`` pixels become background; pixels that touch at corners are of one piece.
    """
    if signal.ndim != 2 or signal.shape[0] != signal.shape[1]:
        raise DataError(f"a dot map is square, not {list(signal.shape)}")
    numbers = nearest_number(signal, NUMBERS)
    dots: dict[Structure, Dot] = {}
    problems = []
    for number, structure in enumerate(STRUCTURES, start=1):
        pieces, count = ndimage.label(numbers == number, structure=_EIGHT)
        areas = np.bincount(pieces.ravel(), minlength=count + 1)[1:]
        kept = 1 + np.flatnonzero(areas >= smallest)
        numbers[(pieces > 0) & ~np.isin(pieces, kept)] = 0
        if len(kept) != 1:
            problems.append(Problem(structure, "several" if len(kept) else "missing"))
        if len(kept):
            dots[structure] = _middle(pieces == 1 + areas.argmax())
    return Drawing(as_grey(numbers, NUMBERS), Dots(size=len(signal), dots=dots), tuple(problems))


def _middle(piece: NDArray[np.bool_]) -> Dot:
    """The dot whose block covers a piece best: its middle, and the radius of a square of its area."""
    row, column = (math.floor(pixels.mean() + 0.5) for pixels in np.nonzero(piece))
    return Dot(row=row, column=column, radius=round((math.sqrt(piece.sum()) - 1) / 2))
