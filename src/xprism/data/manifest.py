"""A manifest: a CSV of cases, the one form in which films and their truth reach training and evaluation.

Columns: ``case``, ``subject``, ``film``; optionally ``flags`` (one 8-bit image of organ bit flags),
``mask:LABEL`` (a mask image for one label or union), ``picture:NAME`` (a translated image), ``region:NAME``
(a mask of where the picture NAME is known, such as the lungs), ``classes:NAME`` (an 8-bit picture of class numbers,
the map of the target NAME) and ``lesions:LABEL`` (the table of lesions known by place and size, see ``lesions.py``;
cases that name it and have no row in it are known to have none).
Paths are relative to the manifest. Every other column is an attribute. An empty cell is "not known".
"""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xprism.data.lesions import LesionPlace, lesion_mask, read_places
from xprism.errors import DataError
from xprism.readers import read
from xprism.readers.masks import read_class_map, read_flags, read_mask
from xprism.targets import Lesions, TargetSet


@dataclass(frozen=True)
class Case:
    """One subject's sample: where the film and the known targets lie."""

    case: str
    subject: str
    film: Path
    flags: Path | None = None
    masks: dict[str, Path] = field(default_factory=dict)
    pictures: dict[str, Path] = field(default_factory=dict)
    attributes: dict[str, str] = field(default_factory=dict)
    regions: dict[str, Path] = field(default_factory=dict)
    lesions: dict[str, Path] = field(default_factory=dict)
    classes: dict[str, Path] = field(default_factory=dict)

    def load_film(self) -> NDArray[Any]:
        """The film as display values, float32 [H, W]; polarity is as stated by the ``polarity`` attribute."""
        return read(self.film, polarity=self.attributes.get("polarity", "auto")).display

    def load_truth(self) -> dict[str, NDArray[Any]]:
        """Every known mask (bool [H, W]), class map (uint8) and picture (float32, NaN beyond its region) by label."""
        truth: dict[str, NDArray[Any]] = dict(read_flags(self.flags)) if self.flags else {}
        truth.update({label: read_mask(path) for label, path in self.masks.items()})
        truth.update({name: read_class_map(path) for name, path in self.classes.items()})
        truth.update({name: read(path, polarity="display").display for name, path in self.pictures.items()})
        for name, path in self.regions.items():
            truth[name] = np.where(self._region(path, truth[name]), truth[name], np.float32("nan"))
        return truth

    def load_lesions(self) -> dict[str, tuple[LesionPlace, ...]]:
        """The lesions of every label of which they are known by place and size; none is known as well."""
        return {label: read_places(table).get(self.case, ()) for label, table in self.lesions.items()}

    def load_truth_for(self, targets: TargetSet, film: tuple[int, int]) -> dict[str, NDArray[Any]]:
        """``load_truth``, and a mask [H, W] of the ``film``'s size of every lesion target known by places and sizes."""
        truth = self.load_truth()
        places = self.load_lesions()
        for target in targets:
            if isinstance(target, Lesions) and target.label in places.keys() - truth.keys():
                known = places[target.label]
                spacing = self.load_spacing() if known else None
                truth[target.label] = lesion_mask(known, film, spacing, shape=target.shape)
        return truth

    def load_spacing(self) -> tuple[float, float] | None:
        """Distance of the film's pixels (row, column) in mm: as stated, else the film's own; None for neither."""
        if self.stated_spacing is not None or not self.film.is_file():
            return self.stated_spacing
        spacing = read(self.film, polarity=self.attributes.get("polarity", "auto")).spacing
        return None if spacing is None else (spacing.row_mm, spacing.column_mm)

    @property
    def stated_spacing(self) -> tuple[float, float] | None:
        """The attribute ``spacing_mm`` for rows and columns; None where it is not there. Raises ``DataError``."""
        stated = self.attributes.get("spacing_mm")
        if stated is None:
            return None
        try:
            value = float(stated)
        except ValueError:
            value = math.nan
        if not (value > 0 and math.isfinite(value)):
            raise DataError(f"spacing_mm {stated!r} is no length", remedy="give mm a pixel, or leave the cell empty")
        return value, value

    @staticmethod
    def _region(path: Path, picture: NDArray[Any]) -> NDArray[np.bool_]:
        region = read_mask(path)
        if region.shape != picture.shape:
            raise DataError(f"a region of {region.shape} on a picture of {picture.shape}", where=str(path))
        return region


def read_manifest(path: Path | str) -> tuple[Case, ...]:
    """All cases of a manifest, in its order.

    Raises ``DataError`` where the file or a needed column is missing or a case stands twice.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError("no such manifest", where=str(path), remedy="make one with 'xprism data import'")
    with path.open(newline="", encoding="utf-8") as stream:
        rows = csv.DictReader(stream)
        missing = {"case", "subject", "film"} - set(rows.fieldnames or ())
        if missing:
            raise DataError(f"columns missing: {', '.join(sorted(missing))}", where=str(path))
        cases = tuple(_case(row, path.parent) for row in rows)
    names = [case.case for case in cases]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(
            f"cases listed twice: {', '.join(twice[:5])}", where=str(path), remedy="give each film its own name"
        )
    return cases


def _case(row: dict[str, str], base: Path) -> Case:
    cells = {key: value for key, value in row.items() if value}
    masks = {key[5:]: base / value for key, value in cells.items() if key.startswith("mask:")}
    pictures = {key[8:]: base / value for key, value in cells.items() if key.startswith("picture:")}
    regions = {key[7:]: base / value for key, value in cells.items() if key.startswith("region:")}
    lesions = {key[8:]: base / value for key, value in cells.items() if key.startswith("lesions:")}
    classes = {key[8:]: base / value for key, value in cells.items() if key.startswith("classes:")}
    if regions.keys() - pictures.keys():
        raise DataError(
            f"a region of no picture: {', '.join(sorted(regions.keys() - pictures.keys()))}", where=row["case"]
        )
    fixed = {"case", "subject", "film", "flags"}
    named = ("mask:", "picture:", "region:", "lesions:", "classes:")
    rest = {key: value for key, value in cells.items() if key not in fixed and not key.startswith(named)}
    flags = base / cells["flags"] if "flags" in cells else None
    film = base / cells["film"]
    return Case(cells["case"], cells["subject"], film, flags, masks, pictures, rest, regions, lesions, classes)


def write_manifest(path: Path | str, cases: Sequence[Case]) -> None:
    """Write cases as a manifest whose paths are relative to it where they can be, absolute otherwise."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [_row(case, path.parent.resolve()) for case in cases]
    columns = list(dict.fromkeys(["case", "subject", "film", *(key for row in rows for key in row)]))
    partial = path.with_name(path.name + ".partial")
    with partial.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    partial.replace(path)


def _row(case: Case, base: Path) -> dict[str, str]:
    def near(target: Path) -> str:
        target = target.resolve()
        return str(target.relative_to(base)) if target.is_relative_to(base) else str(target)

    row = {"case": case.case, "subject": case.subject, "film": near(case.film)}
    if case.flags:
        row["flags"] = near(case.flags)
    row.update({f"mask:{label}": near(target) for label, target in case.masks.items()})
    row.update({f"picture:{name}": near(target) for name, target in case.pictures.items()})
    row.update({f"region:{name}": near(target) for name, target in case.regions.items()})
    row.update({f"lesions:{label}": near(table) for label, table in case.lesions.items()})
    row.update({f"classes:{name}": near(target) for name, target in case.classes.items()})
    return {**row, **case.attributes}
