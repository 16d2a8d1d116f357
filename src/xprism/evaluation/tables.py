"""Records as CSV text: one column a field, empty where something does not apply."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import astuple, fields
from typing import Any


def csv_text(kind: type[Any], records: Iterable[Any]) -> str:
    """A table of dataclass records of one ``kind``: None is empty, NaN ``nan``, numbers have six digits."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([field.name for field in fields(kind)])
    writer.writerows([_cell(value) for value in astuple(record)] for record in records)
    return stream.getvalue()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)
