"""Progress of long work: a bar with the time left on a terminal, plain lines now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

_SECONDS_BETWEEN_LINES = 15.0


class Progress:
    """Counts ``total`` steps of ``what`` on the error stream, from ``done`` on.

    Where steps take unlike times, ``work`` says how much of the whole is done after so many.
    """

    def __init__(self, what: str, total: int, *, done: int = 0, work: Callable[[int], float] = float) -> None:
        self._what, self._total, self._first, self._count, self._work = what, total, done, done, work
        self._started = self._said = time.monotonic()
        self._bar: Bar | None = None

    def __enter__(self) -> Self:
        if self._total > 1 and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as Bar

            counted = TextColumn("{task.fields[count]}/" + str(self._total))
            remark = TextColumn("{task.fields[remark]}")
            columns = (TextColumn(self._what), BarColumn(), counted, TimeRemainingColumn(), remark)
            self._bar = Bar(*columns, console=Console(stderr=True))
            whole, done = self._work(self._total), int(self._work(self._first))
            self._bar.add_task(self._what, total=whole, completed=done, count=self._first, remark="")
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def step(self, remark: str = "") -> None:
        """One more step is done; ``remark`` says something short about it."""
        self._count += 1
        if self._bar is not None:
            done = self._work(self._count)
            self._bar.update(self._bar.task_ids[0], completed=done, count=self._count, remark=remark)
            return
        now = time.monotonic()
        if now - self._said < _SECONDS_BETWEEN_LINES or self._count >= self._total:
            return
        self._said = now
        first, done, whole = (self._work(count) for count in (self._first, self._count, self._total))
        left = (now - self._started) / (done - first) * (whole - done)
        text = f"{self._what} {self._count}/{self._total}, {left / 60:.1f} min left"
        self.say(f"{text}, {remark}" if remark else text)

    def say(self, text: str) -> None:
        """A line of its own, above the bar where there is one."""
        if self._bar is not None:
            self._bar.console.print(text, markup=False, highlight=False)
        else:
            sys.stderr.write(text + "\n")
            sys.stderr.flush()
