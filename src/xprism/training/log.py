"""What a training says while it runs: progress, ``metrics.jsonl``, TensorBoard. Only the first device speaks."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from xprism.errors import XprismError
from xprism.progress import Progress
from xprism.training.boards import Board
from xprism.training.curves import loss_curves


class TrainingLog:
    """Takes in one line a step; lines of steps after ``done`` are forgotten at the start, as they are taken again.

    Where steps take unlike times, ``work`` says how much of the training is done after so many.
    """

    def __init__(
        self, folder: Path, *, steps: int, done: int, silent: bool = False, work: Callable[[int], float] = float
    ) -> None:
        self._folder, self._steps, self._done, self._silent, self._work = folder, steps, done, silent, work
        self._open = ExitStack()

    def __enter__(self) -> Self:
        if not self._silent:
            path = self._folder / "metrics.jsonl"
            _forget_after(path, self._done)
            self._shown = self._open.enter_context(Progress("training", self._steps, done=self._done, work=self._work))
            self._lines = self._open.enter_context(path.open("a", encoding="utf-8"))
            self._board = self._open.enter_context(Board(self._folder, done=self._done))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def add(self, line: dict[str, Any], losses: dict[str, float], remarks: tuple[str, ...] = ()) -> None:
        """One step is done: its line for the files, its losses for the eye, and remarks worth a line of their own."""
        if self._silent:
            return
        self._shown.step(", ".join(f"{name} {value:.4f}" for name, value in losses.items()))
        self._lines.write(json.dumps(line) + "\n")
        self._board.add(line)
        for remark in remarks:
            self._shown.say(f"step {line['step']}: {remark}")

    def say(self, text: str) -> None:
        """A line of its own for the eye."""
        if not self._silent:
            self._shown.say(text)

    def flush(self) -> None:
        """Bring everything so far to disk."""
        if not self._silent:
            self._lines.flush()
            self._board.flush()

    def draw(self) -> None:
        """Draw the loss curves; a picture is no reason for a training to fail."""
        if not self._silent:
            self.flush()
            try:
                self._shown.say(f"loss curves: {loss_curves(self._folder)}")
            except XprismError as why:
                self._shown.say(str(why))


def _forget_after(path: Path, step: int) -> None:
    if path.exists():
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line and _step(line) <= step]
        partial = path.with_name(path.name + ".partial")
        partial.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
        partial.replace(path)


def _step(line: str) -> int:
    return int(json.loads(line)["step"])
