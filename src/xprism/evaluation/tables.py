"""Records as CSV text: one column a field, empty where something does not apply."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import astuple, fields
from pathlib import Path
from typing import Any


def csv_text(kind: type[Any], records: Iterable[Any]) -> str:
    """A table of dataclass records of one ``kind``: None is empty, NaN ``nan``, numbers have six digits."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([field.name for field in fields(kind)])
    writer.writerows([_cell(value) for value in astuple(record)] for record in records)
    return stream.getvalue()


def write_csv(path: Path, kind: type[Any], records: Iterable[Any]) -> None:
    """Write such a table; the file appears whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_text(csv_text(kind, records), encoding="utf-8", newline="")
    partial.replace(path)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)
