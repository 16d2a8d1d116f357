"""The two tables of an output folder, kept valid while films finish."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from xprism.batch.films import Part
from xprism.batch.outcome import Outcome
from xprism.batch.tables import Packed, errors_lines, pack, read_errors, results_lines, row_of, scan, table_names
from xprism.batch.workspace import locked, write_whole
from xprism.writers.record import read_record

_SECONDS = 2.0


class Ledger:
    """Writes ``results.csv`` and ``errors.csv`` whole, every few seconds and at the end.

    The tables describe the output folder: films of earlier runs keep their rows, and the last
    writing goes by what lies in the folder. A part of a run has two tables of its own, with its own
    films only; a run without parts replaces those of all parts.
    """

    def __init__(self, out: Path, scratch: Path, *, part: Part | None, films: Iterable[str]) -> None:
        self._out, self._scratch, self._part, self._films = out, scratch, part, frozenset(films)
        self._names = table_names(part)
        self._rows = self._scanned()
        earlier = read_errors(out / self._names[1]) if part is None else {}
        self._errors = {film: row for film, row in earlier.items() if film not in self._films | self._rows.keys()}
        self._written, self._cost = time.monotonic(), 0.0

    def add(self, outcome: Outcome) -> None:
        """Note what became of a film."""
        record = None if outcome.state == "failed" else read_record(self._out / outcome.film)
        if record is not None:
            self._rows[outcome.film] = pack(row_of(outcome.film, record))
        elif outcome.state == "failed":
            self._errors[outcome.film] = asdict(outcome)
        # Writing all rows costs more the more there are: never more than a twentieth of the time.
        if time.monotonic() - self._written > max(_SECONDS, 20 * self._cost):
            self._write()

    def close(self) -> None:
        """Write both tables from what lies in the folder."""
        with locked(self._out):
            self._rows = self._scanned()
            self._write()
            if self._part is None:
                for path in (*self._out.glob("results.part-*.csv"), *self._out.glob("errors.part-*.csv")):
                    path.unlink(missing_ok=True)

    def _scanned(self) -> dict[str, Packed]:
        rows = scan(self._out)
        return rows if self._part is None else {film: row for film, row in rows.items() if film in self._films}

    def _write(self) -> None:
        start = time.monotonic()
        write_whole(results_lines(self._rows), self._out / self._names[0], scratch=self._scratch)
        write_whole(errors_lines(self._errors.values()), self._out / self._names[1], scratch=self._scratch)
        self._written = time.monotonic()
        self._cost = self._written - start
