"""Progress of long work: a bar with time left on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


@contextmanager
def progress(what: str, total: int, *, done: int = 0, every_seconds: float = 15.0) -> Iterator[Callable[[str], None]]:
    """Yield a function to call once a step with a short remark; lines appear at most every ``every_seconds``."""
    console = Console(stderr=True)
    if console.is_terminal:
        columns = (
            TextColumn(what),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[remark]}"),
        )
        with Progress(*columns, console=console) as bar:
            task = bar.add_task(what, total=total, completed=done, remark="")
            yield lambda remark: bar.update(task, advance=1, remark=remark)
        return
    started = said = time.monotonic()
    count = done

    def tick(remark: str) -> None:
        nonlocal count, said
        count += 1
        now = time.monotonic()
        if now - said >= every_seconds or count == total:
            said = now
            left = (now - started) / max(1, count - done) * (total - count)
            sys.stderr.write(f"{what} {count}/{total}, {left / 60:.1f} min left, {remark}\n")
            sys.stderr.flush()

    yield tick
