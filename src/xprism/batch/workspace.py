"""The output folder: a place for unfinished work, a lock, and the cleaning up after killed runs."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from xprism.errors import OutputError
from xprism.writers.folder import TEMPORARY

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


@contextmanager
def workspace(out: Path) -> Iterator[Path]:
    """Make ``out`` if needed, remove what killed runs left in it, and lend a folder for unfinished work.

    The folder is locked as long as its process lives, and gone afterwards; another process that
    works into the same ``out`` leaves it alone. Raises ``OutputError`` where ``out`` cannot be written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        with locked(out):
            _remove_leftovers(out)
            scratch = Path(tempfile.mkdtemp(prefix=TEMPORARY, dir=out))
            lock = _lock(scratch, wait=True)
    except OSError as error:
        raise OutputError(
            error.strerror or str(error), where=str(out), remedy="choose a folder you may write to with -o"
        ) from error
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        if lock is not None:
            os.close(lock)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder's lock, waiting for another process to let it go."""
    lock = _lock(folder, wait=True)
    try:
        yield
    finally:
        if lock is not None:
            os.close(lock)


def write_whole(lines: Iterable[str], path: Path, *, scratch: Path) -> None:
    """Write a text file under a temporary name in ``scratch`` and rename it to ``path``."""
    temporary = scratch / path.name
    with temporary.open("w", encoding="utf-8", errors="surrogateescape", newline="") as stream:
        stream.writelines(lines)
    os.replace(temporary, path)


def _remove_leftovers(out: Path) -> None:
    for folder in out.glob(f"{TEMPORARY}*"):
        lock = None
        with suppress(OSError):
            lock = _lock(folder, wait=False)
            shutil.rmtree(folder, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def _lock(folder: Path, *, wait: bool) -> int | None:
    """A lock on the folder itself, let go when the number is closed or the process dies; None on Windows.

    Raises ``OSError`` where another process holds it and ``wait`` is off.
    """
    if fcntl is None:
        return None
    number = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(number, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(number)
        raise
    return number
