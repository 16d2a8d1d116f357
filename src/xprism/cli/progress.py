"""What ``xprism predict`` shows while it works: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from rich.progress import Progress

    from xprism.batch import Outcome, Summary

_EVERY = 50


class FilmProgress:
    """Shows each failure and refusal as it happens, and how far the run has come."""

    def __init__(self, total: int) -> None:
        self._total, self._count = total, 0
        self._bar: Progress | None = None

    def __enter__(self) -> FilmProgress:
        if self._total > 1 and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            columns = (TextColumn("films"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            self._bar = Progress(*columns, console=Console(stderr=True))
            self._bar.add_task("films", total=self._total)
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
        if kind is KeyboardInterrupt:
            typer.echo("stopped; what is finished is kept, the same command goes on from there", err=True)

    def show(self, outcome: Outcome) -> None:
        """Count a film; say so where it failed or was refused."""
        self._count += 1
        if outcome.state == "failed":
            self._line(f"failed   {outcome.film}: {outcome.cause} [{outcome.code}]")
        elif outcome.state == "refused":
            self._line(f"refused  {outcome.film}: {outcome.cause} [{outcome.code}]")
        if self._bar is not None:
            self._bar.advance(self._bar.task_ids[0])
        elif self._count % _EVERY == 0 and self._count < self._total:
            self._line(f"{self._count} of {self._total} films")

    def conclude(self, summary: Summary, out: Path, *, licence: str) -> None:
        """The closing lines: counts, where the results lie, and the permitted use."""
        counts = {
            "predicted": summary.done,
            "refused": summary.refused,
            "up to date": summary.skipped,
            "failed": summary.failed,
        }
        words = ", ".join(f"{number} {word}" for word, number in counts.items() if number) or "no films in this part"
        typer.echo(f"{words}; results in {out}")
        if summary.failed:
            typer.echo(f"reasons of the failures: {out / 'errors.csv'}")
        typer.echo(notice(licence))

    def _line(self, text: str) -> None:
        if self._bar is not None:
            self._bar.console.print(text, markup=False, highlight=False)
        else:
            typer.echo(text, err=True)


def notice(licence: str) -> str:
    """The sentence on permitted use, with the licence it follows from."""
    from xprism.writers.record import notice_for

    return f"{notice_for(licence)} Licence of the model: {licence}."
