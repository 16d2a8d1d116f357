"""``results.csv``, one row a film, and ``errors.csv``, one row a failure."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from xprism.batch.films import Part, is_prediction
from xprism.writers.record import FILE_NAME, read_record

Row = dict[str, Any]
Packed = bytes
"""A row as JSON: less than half the memory of the dictionary, and a run keeps one a film."""

ERROR_COLUMNS = ("film", "code", "cause", "remedy")
_FIRST = ("film", "refused", "forced", "quality", "remarks", "ctr", "ctr_reliable")
_LAST = ("findings", "rows", "columns", "view", "model", "model_version", "model_sha256", "input_sha256")


def table_names(part: Part | None) -> tuple[str, str]:
    """File names of the two tables, of the whole run or of one part of it."""
    middle = f".part-{part.number}-of-{part.of}" if part is not None else ""
    return f"results{middle}.csv", f"errors{middle}.csv"


def row_of(film: str, record: Mapping[str, Any]) -> Row:
    """One row of ``results.csv`` from the film's record."""
    row: Row = {
        "film": film,
        "refused": record["refused"]["code"] if record["refused"] else "",
        "forced": record["overridden"]["code"] if record["overridden"] else "",
        "quality": record["quality"]["score"],
        "remarks": "; ".join(record["quality"]["remarks"]),
    }
    for name, one in record["measurements"].items():
        row[name] = one["value"]
        if name == "ctr":
            row["ctr_reliable"] = "yes" if one["reliable"] else "no"
    row["findings"] = sum(lesion.get("reported", True) for lesion in record["lesions"])
    row |= {"rows": record["input"]["rows"], "columns": record["input"]["columns"]}
    row |= {"view": record["input"]["view"] or "", "model": record["model"]["name"]}
    row |= {"model_version": record["model"]["version"], "model_sha256": record["model"]["sha256"]}
    return row | {"input_sha256": record["input"]["sha256"]}


def pack(row: Row) -> Packed:
    """A row in little memory."""
    return json.dumps(row, separators=(",", ":")).encode()


def unpack(packed: Packed) -> Row:
    """The row again."""
    row: Row = json.loads(packed)
    return row


def results_lines(rows: Mapping[str, Packed]) -> Iterator[str]:
    """``results.csv`` line by line, films in the order of their names; measurements in the alphabet's between."""
    middle = sorted({name for packed in rows.values() for name in unpack(packed)} - {*_FIRST, *_LAST})
    return _lines((*_FIRST, *middle, *_LAST), (unpack(rows[film]) for film in sorted(rows)))


def errors_lines(rows: Iterable[Row]) -> Iterator[str]:
    """``errors.csv`` line by line, films in the order of their names."""
    return _lines(ERROR_COLUMNS, sorted(rows, key=lambda row: str(row["film"])))


def scan(out: Path) -> dict[str, Packed]:
    """Packed rows of all prediction folders below ``out``, by the film's name."""
    rows = {}
    for name, record in _records(out):
        # A record that somebody changed by hand costs its own row only.
        with suppress(KeyError, TypeError):
            rows[name] = pack(row_of(name, record))
    return rows


def read_errors(path: Path) -> dict[str, Row]:
    """Rows of an earlier ``errors.csv`` by film; none where there is no such file."""
    try:
        with path.open(encoding="utf-8", errors="surrogateescape", newline="") as stream:
            return {row["film"]: dict(row) for row in csv.DictReader(stream) if row.get("film")}
    except OSError:
        return {}


def _records(out: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for folder, folders, files in os.walk(out):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        here = Path(folder)
        if FILE_NAME in files and is_prediction(here):
            folders[:] = []
            record = read_record(here)
            if record is not None:
                yield here.relative_to(out).as_posix(), record


def _lines(columns: Iterable[str], rows: Iterable[Row]) -> Iterator[str]:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, tuple(columns), restval="", lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    for row in rows:
        yield stream.getvalue()
        stream.seek(0)
        stream.truncate()
        writer.writerow(row)
    yield stream.getvalue()
