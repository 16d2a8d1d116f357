"""Scalars for TensorBoard, where it is installed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

FLUSH_SECONDS = 20
"""How long a curve may lag behind the training."""


class Board:
    """Writes the numbers of log lines to ``<run>/tensorboard``; does nothing where TensorBoard is not installed.

    ``done`` steps were taken before: what an earlier, broken-off training wrote of later steps is
    forgotten. Nothing is written before the first line comes.
    """

    def __init__(self, run_folder: Path, *, done: int) -> None:
        self._folder, self._done = run_folder / "tensorboard", done
        self._wanted = find_spec("tensorboard") is not None
        self._writer: SummaryWriter | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is not None:
            self._writer.close()

    def add(self, line: Mapping[str, Any]) -> None:
        """Write the numbers of a line at its ``step``; nested ones are named by path, as ``outputs/heart/spread``."""
        if not self._wanted:
            return
        if self._writer is None:
            # Its import takes a second or two, so it comes here, after everything that may refuse a training.
            from torch.utils.tensorboard import SummaryWriter

            self._writer = SummaryWriter(self._folder, purge_step=self._done + 1, flush_secs=FLUSH_SECONDS)
        for name, value in _numbers(line):
            if name != "step":
                self._writer.add_scalar(name, value, line["step"])

    def flush(self) -> None:
        """Bring everything added so far to disk, as a checkpoint does."""
        if self._writer is not None:
            self._writer.flush()


def _numbers(line: Mapping[str, Any], *, prefix: str = "") -> Iterator[tuple[str, float]]:
    for name, value in line.items():
        if isinstance(value, Mapping):
            yield from _numbers(value, prefix=f"{prefix}{name}/")
        elif isinstance(value, int | float):
            yield prefix + name, value
