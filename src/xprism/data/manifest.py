"""A manifest: a CSV of cases, the one form in which films and their truth reach training and evaluation.

Columns: ``case``, ``subject``, ``film``; optionally ``flags`` (one 8-bit image of organ bit flags),
``mask:LABEL`` (a mask image for one label or union), ``picture:NAME`` (a translated image) and ``region:NAME``
(a mask of where the picture NAME is known, such as the lungs).
Paths are relative to the manifest. Every other column is an attribute. An empty cell is "not known".
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xprism.errors import DataError
from xprism.readers import read
from xprism.readers.masks import read_flags, read_mask


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

    def load_film(self) -> NDArray[Any]:
        """The film as display values, float32 [H, W]; polarity is as stated by the ``polarity`` attribute."""
        return read(self.film, polarity=self.attributes.get("polarity", "auto")).display

    def load_truth(self) -> dict[str, NDArray[Any]]:
        """Every known mask (bool [H, W]) and picture (float32 [H, W], NaN beyond its region) by label."""
        truth: dict[str, NDArray[Any]] = dict(read_flags(self.flags)) if self.flags else {}
        truth.update({label: read_mask(path) for label, path in self.masks.items()})
        truth.update({name: read(path, polarity="display").display for name, path in self.pictures.items()})
        for name, path in self.regions.items():
            truth[name] = np.where(self._region(path, truth[name]), truth[name], np.float32("nan"))
        return truth

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
    if regions.keys() - pictures.keys():
        raise DataError(
            f"a region of no picture: {', '.join(sorted(regions.keys() - pictures.keys()))}", where=row["case"]
        )
    fixed = {"case", "subject", "film", "flags"}
    rest = {k: v for k, v in cells.items() if k not in fixed and not k.startswith(("mask:", "picture:", "region:"))}
    flags = base / cells["flags"] if "flags" in cells else None
    return Case(cells["case"], cells["subject"], base / cells["film"], flags, masks, pictures, rest, regions)


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
    return {**row, **case.attributes}
