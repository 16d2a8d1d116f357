"""Measurements from masks on the film's own grid.

Positions are (row, column) with (0, 0) the centre of the first pixel, so that a mask that fills
columns 3 to 5 reaches from 2.5 to 5.5 and is 3 px wide.

The cardiothoracic ratio is read as on paper films (Danzer 1919): the heart's greatest extent to the
right plus its greatest extent to the left, over the greatest inner width of the thorax. Both extents
start from the same vertical midline, so that their sum is the heart's transverse width.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from xprism.inference.postprocess import bounding_window
from xprism.radiograph import Radiograph, Spacing
from xprism.result import Measurement, Point, Structure

Mask = NDArray[np.bool_]
Line = tuple[Point, Point]


def structure_of(label: str, mask: Mask, spacing: Spacing | None) -> Structure:
    """Area, centroid and box of one mask [H, W]."""
    window = bounding_window(mask)
    if window is None:
        return Structure(label, 0, None if spacing is None else 0.0, None, None)
    part = mask[window].view(np.uint8)
    by_row, by_column = part.sum(axis=1, dtype=np.uint32), part.sum(axis=0, dtype=np.uint32)
    area = int(by_row.sum())
    rows, columns = window
    centroid = (
        rows.start + float(by_row @ np.arange(len(by_row))) / area,
        columns.start + float(by_column @ np.arange(len(by_column))) / area,
    )
    area_mm2 = None if spacing is None else area * spacing.row_mm * spacing.column_mm
    return Structure(label, area, area_mm2, centroid, (rows.start, columns.start, rows.stop, columns.stop))


def thoracic_line(right_lung: Mask, left_lung: Mask) -> Line | None:
    """The widest horizontal line from the outer edge of one lung to that of the other, or None.

    Only rows that cut both lungs count; of equally wide rows the uppermost is taken.
    """
    rows = np.flatnonzero(right_lung.any(axis=1) & left_lung.any(axis=1))
    if not rows.size:
        return None
    both = right_lung[rows] | left_lung[rows]
    first = both.argmax(axis=1)
    last = both.shape[1] - 1 - both[:, ::-1].argmax(axis=1)
    widest = int(np.argmax(last - first))
    row = float(rows[widest])
    return (row, float(first[widest]) - 0.5), (row, float(last[widest]) + 0.5)


def heart_lines(heart: Mask, midline: float) -> tuple[Line, Line] | None:
    """Two horizontal lines from the midline to the heart's outermost columns, or None for no heart.

    A midline outside the heart is moved to its nearer border, so that the lengths always add up to
    the heart's width.
    """
    window = bounding_window(heart)
    if window is None:
        return None
    rows, columns = window
    midline = min(max(midline, columns.start - 0.5), columns.stop - 0.5)
    left_row = rows.start + _middle(heart[rows, columns.start])
    right_row = rows.start + _middle(heart[rows, columns.stop - 1])
    left = (left_row, columns.start - 0.5), (left_row, midline)
    right = (right_row, midline), (right_row, columns.stop - 0.5)
    return left, right


def _middle(column: Mask) -> float:
    return float(np.flatnonzero(column).mean())


def measure(masks: Mapping[str, Mask], film: Radiograph) -> dict[str, Measurement]:
    """Cardiothoracic ratio, heart and thoracic width and lung areas, as far as the masks allow.

    Names end in ``_mm``/``_mm2`` where the film's spacing is known and in ``_px`` otherwise.
    """
    found: dict[str, Measurement] = {}
    if {"right_lung", "left_lung"} <= masks.keys():
        thorax = thoracic_line(masks["right_lung"], masks["left_lung"])
        heart = None
        if thorax is not None and "heart" in masks:
            heart = heart_lines(masks["heart"], (thorax[0][1] + thorax[1][1]) / 2)
        for made in (_ratio(heart, thorax, film), _width("heart_width", heart, film), _thorax(thorax, film)):
            found.update(made)
    for label in ("right_lung", "left_lung"):
        if label in masks and masks[label].any():
            found.update(_area(f"{label}_area", masks[label], film))
    return found


def _ratio(heart: tuple[Line, Line] | None, thorax: Line | None, film: Radiograph) -> dict[str, Measurement]:
    if heart is None or thorax is None:
        return {}
    value = _length(*heart) / _length(thorax)
    reliable, note = _view_note(film)
    return {"ctr": Measurement("ctr", value, "ratio", reliable, note, (*heart, thorax))}


def _view_note(film: Radiograph) -> tuple[bool, str]:
    if film.view == "PA":
        return True, ""
    if film.view is None:
        return True, "the view is not stated; the ratio holds for an erect PA film only"
    return False, f"{film.view} film: the heart is magnified, the ratio reads too high"


def _thorax(thorax: Line | None, film: Radiograph) -> dict[str, Measurement]:
    return {} if thorax is None else _width("thoracic_width", (thorax,), film)


def _width(name: str, lines: tuple[Line, ...] | None, film: Radiograph) -> dict[str, Measurement]:
    if lines is None:
        return {}
    pixels = _length(*lines)
    if film.spacing is None:
        return {f"{name}_px": Measurement(f"{name}_px", pixels, "px", lines=lines)}
    value = pixels * film.spacing.column_mm
    return {f"{name}_mm": Measurement(f"{name}_mm", value, "mm", note=_spacing_note(film.spacing), lines=lines)}


def _area(name: str, mask: Mask, film: Radiograph) -> dict[str, Measurement]:
    pixels = float(np.count_nonzero(mask))
    if film.spacing is None:
        return {f"{name}_px": Measurement(f"{name}_px", pixels, "px")}
    value = pixels * film.spacing.row_mm * film.spacing.column_mm
    return {f"{name}_mm2": Measurement(f"{name}_mm2", value, "mm2", note=_spacing_note(film.spacing))}


def _spacing_note(spacing: Spacing) -> str:
    if spacing.origin == "ImagerPixelSpacing":
        return "measured at the detector: lengths in the body are shorter by the magnification, often 5 to 15 %"
    return ""


def _length(*lines: Line) -> float:
    return sum(abs(end[1] - start[1]) for start, end in lines)
