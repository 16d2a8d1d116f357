"""From probabilities on the network's grid to masks on the film's own grid.

Masks are independent: each is the threshold of its own enlarged probabilities, never the largest
of several, so that the heart may overlap a lung and a clavicle a lung.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

_EIGHT = np.ones((3, 3), bool)

Window = tuple[slice, slice]


@dataclass(frozen=True)
class Cleaning:
    """What cleaning did to one mask: ``removed`` pieces, and the parts of its area taken away and filled in."""

    removed: int = 0
    removed_fraction: float = 0.0
    filled_fraction: float = 0.0


@dataclass(frozen=True)
class Piece:
    """A connected piece of a mask: its window, which pixels of the window are ``inside``, its highest probability."""

    window: Window
    inside: NDArray[np.bool_]
    score: float

    @property
    def area(self) -> int:
        """Number of pixels."""
        return int(np.count_nonzero(self.inside))

    @property
    def centre(self) -> tuple[float, float]:
        """Mean row and column of its pixels."""
        rows, columns = np.nonzero(self.inside)
        return self.window[0].start + float(rows.mean()), self.window[1].start + float(columns.mean())


def bounding_window(mask: NDArray[np.bool_]) -> Window | None:
    """Smallest window of rows and columns that holds the whole mask [h, w], or None for an empty one."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return None
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def clean_plane(plane: NDArray[Any], threshold: float, *, keep: int = 1) -> tuple[NDArray[np.float32], Cleaning]:
    """Probabilities [h, w] whose mask is one piece, or up to ``keep``, without holes, and what had to be done for it.

    Pieces other than the largest (pixels that touch at corners count as joined) get probability 0,
    holes get 1. A bilinear enlargement mixes only neighbours, so that what was removed stays removed.
    """
    cleaned = np.array(plane, np.float32)
    mask = cleaned >= threshold
    window = bounding_window(mask)
    if window is None:
        return cleaned, Cleaning()
    inside, part = mask[window], cleaned[window]
    area = int(np.count_nonzero(inside))
    pieces, count = ndimage.label(inside, structure=_EIGHT)
    largest = 1 + np.argsort(-np.bincount(pieces.ravel())[1:], kind="stable")[:keep]
    kept = np.isin(pieces, largest)
    part[inside & ~kept] = 0
    kept_area = int(np.count_nonzero(kept))
    holes = _holes(kept)
    part[holes] = 1
    filled = int(np.count_nonzero(holes))
    return cleaned, Cleaning(count - len(largest), 1 - kept_area / area, filled / kept_area)


def _holes(piece: NDArray[np.bool_]) -> NDArray[np.bool_]:
    outside = np.pad(~piece, 1, constant_values=True)
    regions, count = ndimage.label(outside)
    if count == 1:
        return np.zeros_like(piece)
    holes: NDArray[np.bool_] = outside & (regions != regions[0, 0])
    return holes[1:-1, 1:-1]


def enlarge_mask(plane: NDArray[Any], threshold: float, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Mask bool [H, W] of probabilities [h, w]: bilinear enlargement, then the threshold.

    Only the window that holds the mask is enlarged; outside it no pixel can reach the threshold.
    """
    result = np.zeros(shape, bool)
    window = bounding_window(plane >= threshold)
    if window is None:
        return result
    (top, bottom), (left, right) = (
        _onto(side, small, large) for side, small, large in zip(window, plane.shape, shape, strict=True)
    )
    rows, columns = plane.shape[0] / shape[0], plane.shape[1] / shape[1]
    image = Image.fromarray(np.ascontiguousarray(plane, np.float32))
    box = (left * columns, top * rows, min(right * columns, plane.shape[1]), min(bottom * rows, plane.shape[0]))
    part = image.resize((right - left, bottom - top), Image.Resampling.BILINEAR, box=box)
    result[top:bottom, left:right] = np.asarray(part) >= threshold
    return result


def _onto(side: slice, small: int, large: int) -> tuple[int, int]:
    margin = int(np.ceil(max(1.0, small / large))) + 1
    start, stop = max(0, side.start - margin), min(small, side.stop + margin)
    return int(start * large / small), min(large, int(np.ceil(stop * large / small)))


def find_pieces(plane: NDArray[Any], threshold: float) -> list[Piece]:
    """The connected pieces of the mask of probabilities [h, w], best first."""
    mask = plane >= threshold
    whole = bounding_window(mask)
    if whole is None:
        return []
    pieces, _ = ndimage.label(mask[whole], structure=_EIGHT)
    part, (top, left) = plane[whole], (whole[0].start, whole[1].start)
    found = []
    for number, window in enumerate(ndimage.find_objects(pieces), start=1):
        inside = pieces[window] == number
        rows, columns = (
            slice(side.start + start, side.stop + start) for side, start in zip(window, (top, left), strict=True)
        )
        found.append(Piece((rows, columns), inside, float(part[window][inside].max())))
    return sorted(found, key=lambda piece: -piece.score)
