"""Lesions known by their place and size: the table that a manifest names, and masks drawn from it.

A table is a CSV with the columns ``case``, ``row``, ``column`` (the centre, in the film's pixels, (0, 0) is the
centre of the first) and ``diameter_mm``; optionally ``subtlety`` (5 obvious to 1 extremely subtle). Others are passed
over. One row a lesion; a case whose manifest names the table and that has no row in it is known to have none.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from xprism.errors import DataError

Shape = Literal["square", "disc"]

COLUMNS = ("case", "row", "column", "diameter_mm", "subtlety")


@dataclass(frozen=True)
class LesionPlace:
    """One lesion: centre in the film's pixels, diameter in mm, and subtlety from 5 (obvious) to 1 where it is known."""

    row: float
    column: float
    diameter_mm: float
    subtlety: int | None = None


def read_places(table: Path) -> Mapping[str, tuple[LesionPlace, ...]]:
    """The lesions of every case that has a row in the table.

    Raises ``DataError`` where the table or a column is missing, or a cell is no number.
    """
    if not table.is_file():
        raise DataError("no such table of lesions", where=str(table), remedy="correct the manifest's column lesions:")
    return _read(table, table.stat().st_mtime_ns)


@lru_cache(maxsize=8)
def _read(table: Path, changed: int) -> Mapping[str, tuple[LesionPlace, ...]]:
    # Every case asks for its own lesions; the table is read once, and again only where it has ``changed``.
    places: dict[str, tuple[LesionPlace, ...]] = {}
    with table.open(newline="", encoding="utf-8") as stream:
        rows = csv.DictReader(stream)
        missing = set(COLUMNS[:4]) - set(rows.fieldnames or ())
        if missing:
            raise DataError(f"columns missing: {', '.join(sorted(missing))}", where=str(table))
        for row in rows:
            try:
                place = _place(row)
            except (TypeError, ValueError) as error:
                raise DataError(f"line {rows.line_num}: {error}", where=str(table)) from None
            places[row["case"]] = (*places.get(row["case"], ()), place)
    return places


def _place(row: Mapping[str, str]) -> LesionPlace:
    place = LesionPlace(
        float(row["row"]), float(row["column"]), float(row["diameter_mm"]), int(row.get("subtlety") or 0) or None
    )
    if not (math.isfinite(place.row + place.column + place.diameter_mm) and place.diameter_mm > 0):
        raise ValueError("a lesion has a finite place and a diameter above 0")
    return place


def write_places(table: Path, places: Iterable[tuple[str, LesionPlace]]) -> None:
    """Write lesions with their case's name as such a table; the file appears whole."""
    table.parent.mkdir(parents=True, exist_ok=True)
    partial = table.with_name(table.name + ".partial")
    with partial.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(COLUMNS)
        for case, one in places:
            numbers = (f"{value:g}" for value in (one.row, one.column, one.diameter_mm))
            writer.writerow([case, *numbers, one.subtlety or ""])
    partial.replace(table)


def sides_px(place: LesionPlace, spacing: tuple[float, float] | None) -> tuple[float, float]:
    """Height and width in pixels of the square whose side is the diameter.

    ``spacing`` is the distance of pixels (row, column) in mm. Raises ``DataError`` where it is not known.
    """
    if spacing is None:
        raise DataError(
            "lesions are known in mm, but the film's pixel spacing is not", remedy="give spacing_mm in the manifest"
        )
    return place.diameter_mm / spacing[0], place.diameter_mm / spacing[1]


def lesion_mask(
    places: Sequence[LesionPlace], film: tuple[int, int], spacing: tuple[float, float] | None, *, shape: Shape
) -> NDArray[np.bool_]:
    """Mask [H, W] of lesions on a ``film`` of H x W pixels: filled squares or discs, cut off at the film's border.

    A pixel belongs to a lesion where its centre lies inside, and so does the one that holds the lesion's centre; off
    the film there is none. Raises ``DataError`` where there are lesions and the spacing is not known.
    """
    mask = np.zeros(film, bool)
    rows, columns = np.arange(film[0]), np.arange(film[1])
    for place in places:
        height, width = sides_px(place, spacing)
        down, along = 2 * (rows - place.row) / height, 2 * (columns - place.column) / width  # -1 to 1 inside
        if shape == "square":
            mask[np.ix_((down >= -1) & (down < 1), (along >= -1) & (along < 1))] = True
        else:
            near = np.abs(down) <= 1, np.abs(along) <= 1
            mask[np.ix_(*near)] |= np.hypot(down[near[0], None], along[near[1]]) <= 1
        row, column = math.floor(place.row + 0.5), math.floor(place.column + 0.5)
        if 0 <= row < film[0] and 0 <= column < film[1]:
            mask[row, column] = True
    return mask
