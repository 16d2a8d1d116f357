"""What ``xprism predict`` shows while it works and when it is done."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import typer

from xprism.progress import Progress

if TYPE_CHECKING:
    from xprism.batch import Outcome, Summary
    from xprism.inference.runtimes import RuntimeId


class FilmProgress(Progress):
    """Shows each failure and refusal as it happens, and how far the run has come."""

    def __init__(self, total: int) -> None:
        super().__init__("films", total)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        if isinstance(error, KeyboardInterrupt):
            self.say("stopped; what is finished is kept, the same command goes on from there")

    def show(self, outcome: Outcome) -> None:
        """Count a film; say so where it failed or was refused."""
        if outcome.state in ("failed", "refused"):
            self.say(f"{outcome.state:8} {outcome.film}: {outcome.cause} [{outcome.code}]")
        self.step()


def conclude(summary: Summary, out: Path, *, licence: str, runtimes: Sequence[RuntimeId]) -> None:
    """Print the closing lines: counts, where the results lie, what ran the networks, and the permitted use."""
    counts = {
        "predicted": summary.done,
        "refused": summary.refused,
        "up to date": summary.skipped,
        "failed": summary.failed,
    }
    words = ", ".join(f"{number} {word}" for word, number in counts.items() if number) or "no films in this part"
    typer.echo(f"{words}; results in {out}")
    typer.echo(f"network run by {' and '.join(dict.fromkeys(map(str, runtimes)))}")
    if summary.failed:
        typer.echo(f"reasons of the failures: {out / 'errors.csv'}")
    typer.echo(notice(licence))


def notice(licence: str) -> str:
    """The sentence on permitted use, with the licence it follows from."""
    from xprism.writers.record import notice_for

    return f"{notice_for(licence)} Licence of the model: {licence}."
