"""Which films there are to predict, and under which name each result goes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from xprism.errors import DataError, OutputError
from xprism.writers.record import FILE_NAME, SCHEMA

_NO_FILMS = frozenset({"DICOMDIR", "THUMBS.DB", "DESKTOP.INI"})
_TABLES = ("results", "errors")


@dataclass(frozen=True)
class Film:
    """One file to predict and its ``name``: the path below the common folder, with ``/`` and its extension.

    A film with a ``url`` lies in an object store; its ``path`` is then no file, but its name below the prefix.
    """

    path: Path
    name: str
    url: str | None = None


@dataclass(frozen=True)
class Part:
    """One of ``of`` shares of the films, counted from 1; a film's share depends on its name only."""

    number: int
    of: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.of:
            raise DataError(f"there is no part {self.number} of {self.of}", remedy="write --part 1/4 to --part 4/4")

    @classmethod
    def parse(cls, text: str) -> Part:
        """A part written as ``i/n``. Raises ``DataError`` for anything else."""
        number, slash, of = text.partition("/")
        if not (slash and number.strip().isdecimal() and of.strip().isdecimal()):
            raise DataError(f"{text!r} is no part", remedy="write it as i/n, such as 1/4")
        return cls(int(number), int(of))

    def holds(self, name: str) -> bool:
        """Whether the film of this name belongs to the part."""
        digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()
        return int.from_bytes(digest[:8], "big") % self.of == self.number - 1


def find_films(inputs: Sequence[str | Path], out: str | Path) -> list[Film]:
    """Every film in the given files and folders, in the order of their names.

    Folders are searched through and through, files without an extension included. Left out are
    hidden files, DICOMDIR, ``out`` itself and older prediction folders. Names are relative to the
    folder given, or to the common folder of all that is given. A single URL names the films below it
    in an object store.
    Raises ``DataError`` for a path that is not there or where nothing is found, ``OutputError``
    where ``out`` is the folder of the films itself, ``MissingExtra`` where a package for the store is missing.
    """
    from xprism.batch.store import is_url, list_films

    if any(map(is_url, inputs)):
        if len(inputs) > 1:
            raise DataError("one URL at a time, and no folders beside it", remedy="predict each by itself")
        return list_films(str(inputs[0]))
    given = [_existing(Path(path)) for path in inputs]
    target = Path(os.path.abspath(out))
    root = _root(given)
    if target == root or target in given:
        raise OutputError(
            "results cannot go into the folder of the films itself",
            where=str(out),
            remedy="name another folder with -o",
        )
    found = {path for start in given for path in _walk(start, target)}
    if not found:
        where = ", ".join(str(path) for path in inputs)
        raise DataError("no films found", where=where, remedy="give a file, or a folder that holds films")
    films = [Film(path, path.relative_to(root).as_posix()) for path in found]
    return sorted(films, key=lambda film: film.name)


def _existing(path: Path) -> Path:
    if not path.exists():
        raise DataError("there is no such file or folder", where=str(path), remedy="check the path")
    return Path(os.path.abspath(path))


def _root(given: Sequence[Path]) -> Path:
    folders = [path if path.is_dir() else path.parent for path in given]
    try:
        return Path(os.path.commonpath(folders))
    except ValueError:
        raise DataError("the films lie on different drives", remedy="predict each drive by itself") from None


def _walk(start: Path, out: Path) -> Iterator[Path]:
    if start.is_file():
        yield start
        return
    for folder, folders, files in os.walk(start):
        here = Path(folder)
        folders[:] = [name for name in folders if not name.startswith(".") and here / name != out]
        if FILE_NAME in files and is_prediction(here):
            folders[:] = []
            continue
        yield from (here / name for name in files if _may_be_film(here, name))


def is_no_film(name: str) -> bool:
    """Whether the name, path included, says that this is no film: hidden, in a hidden folder, or a known other file."""
    *folders, file = name.split("/")
    # "." and ".." are not hidden: a store's listing that has them must be refused, not shortened.
    hidden = any(step.startswith(".") and step.strip(".") for step in (*folders, file))
    return hidden or file.upper() in _NO_FILMS


def _may_be_film(folder: Path, name: str) -> bool:
    if is_no_film(name):
        return False
    own_table = name.endswith(".csv") and name.split(".")[0] in _TABLES
    return not own_table and (folder / name).is_file()


def is_prediction(folder: Path) -> bool:
    """Whether a folder is a prediction folder, by the first bytes of its record."""
    try:
        with (folder / FILE_NAME).open("rb") as stream:
            return f'"{SCHEMA}"'.encode() in stream.read(80)
    except OSError:
        return False
