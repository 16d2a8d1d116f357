"""Files found by name, and folders that are written whole: what every importer needs."""

from __future__ import annotations

import glob
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xprism.errors import CorruptFile, DataError, MissingExtra, OutputError
from xprism.png import save_png
from xprism.readers.sniff import kind_of

QUOTES = "give a folder, or a pattern in quotes such as 'films/*_cxr.png' whose star stands for the case's name"


def named_files(where: Path | str, *, ending: str = "") -> dict[str, Path]:
    """The files of a folder by their stem, or those of a pattern by what its one star stands for.

    Of a folder only films and pictures count, known by their content, or with ``ending`` the files that
    end so. Raises ``DataError`` where there are none, or two of one name.
    """
    found = _by_pattern(str(where)) if "*" in str(where) else _in_folder(Path(where), ending)
    if not found:
        raise DataError("no files found", where=str(where), remedy=QUOTES)
    named: dict[str, Path] = {}
    for name, path in found:
        if name in named:
            raise DataError(
                f"two files for {name!r}: {named[name].name} and {path.name}", where=str(where), remedy="keep one"
            )
        named[name] = path
    return named


def _by_pattern(pattern: str) -> list[tuple[str, Path]]:
    if pattern.count("*") != 1:
        raise DataError("a pattern has exactly one star", where=pattern, remedy=QUOTES)
    before, after = pattern.split("*")
    found = sorted(glob.glob(f"{glob.escape(before)}*{glob.escape(after)}"))
    return [(path[len(before) : len(path) - len(after)], Path(path)) for path in found if Path(path).is_file()]


def _in_folder(folder: Path, ending: str) -> list[tuple[str, Path]]:
    if not folder.is_dir():
        what = "this is a file" if folder.is_file() else "no such folder"
        raise DataError(what, where=str(folder), remedy=QUOTES)
    paths = [path for path in sorted(folder.iterdir()) if path.is_file() and not path.name.startswith(".")]
    wanted = [path for path in paths if path.suffix.lower() == ending] if ending else filter(_is_picture, paths)
    return [(path.stem, path) for path in wanted]


def _is_picture(path: Path) -> bool:
    """Whether a file may hold a film; an empty one may, so that it is reported and not passed over."""
    try:
        return kind_of(path) != "unknown"
    except CorruptFile:
        return True


def folder_name(where: Path | str) -> str:
    """The name of a folder, or of the folder in which a pattern's star stands."""
    text = str(where)
    folder = Path(text.split("*")[0] + "star").parent if "*" in text else Path(text)
    return folder.resolve().name


def assignments(items: Sequence[str], *, option: str) -> dict[str, str]:
    """``NAME=VALUE`` items as a dictionary; ``option`` is how the user was to write them.

    Raises ``DataError`` for items without both sides, a name given twice or one that cannot name a column.
    """
    found: dict[str, str] = {}
    for item in items:
        name, _, value = (part.strip() for part in item.partition("="))
        if not name or not value:
            raise DataError(f"{item!r} is not understood", remedy=f"write {option}")
        if name in found:
            raise DataError(f"{name!r} is given twice", remedy=f"write {option} once for each name")
        found[check_label(name)] = value
    return found


def check_label(label: str) -> str:
    """The label itself, or ``DataError`` where it could not name a column and a folder."""
    if not re.fullmatch(r"\w[\w .+-]*", label):
        raise DataError(
            f"{label!r} cannot be a label", remedy="use letters, digits, spaces and _ . + - after a first letter"
        )
    return label


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """A partial folder that takes the name of ``folder`` when all went well and vanishes when not.

    Raises ``OutputError`` where ``folder`` is there already.
    """
    if folder.exists():
        raise OutputError("the folder is there already", where=str(folder), remedy="remove it, or choose another -o")
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def save_mask(mask: NDArray[Any], path: Path) -> None:
    """Write a mask, bool [H, W], as an 8-bit PNG: 255 inside, 0 outside."""
    save_png(np.where(mask, np.uint8(255), np.uint8(0)), path)


def need(module: str) -> Any:
    """A package of the extra ``train``, imported; ``MissingExtra`` where it is not installed."""
    try:
        return import_module(module)
    except ImportError:
        raise MissingExtra(f"this needs {module.split('.')[0]}", remedy="pip install 'xprism[train]'") from None
