"""Records as CSV text: one column a field, empty where something does not apply."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import astuple, fields
from pathlib import Path
from typing import Any, TypeVar, get_args, get_type_hints

from xprism.errors import DataError

Record = TypeVar("Record")


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


def read_csv(path: Path, kind: type[Record]) -> list[Record]:
    """The records of such a table; columns that ``kind`` does not have are passed over.

    Raises ``DataError`` where the file or a column is missing, or a cell does not fit its column.
    """
    if not path.is_file():
        raise DataError("no such table", where=str(path), remedy="make it again with the command that wrote the folder")
    readings = {name: _reading(hint) for name, hint in get_type_hints(kind).items()}
    with path.open(newline="", encoding="utf-8") as stream:
        rows = csv.DictReader(stream)
        missing = readings.keys() - set(rows.fieldnames or ())
        if missing:
            raise DataError(f"columns missing: {', '.join(sorted(missing))}", where=str(path))
        try:
            return [kind(**{name: reading(row[name]) for name, reading in readings.items()}) for row in rows]
        except ValueError as error:
            raise DataError(f"line {rows.line_num}: {error}", where=str(path)) from error


def _reading(hint: Any) -> Any:
    """How a cell becomes a value of a field's type: the type itself, or None where the cell is empty and may be."""
    parts = get_args(hint)
    if type(None) not in parts:
        return hint
    (kind,) = (part for part in parts if part is not type(None))
    return lambda cell: kind(cell) if cell else None


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)
