"""Films in an object store: listed under a prefix, fetched one by one. Needs fsspec and the store's own package."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from xprism.batch.films import Film, is_no_film
from xprism.errors import DataError, MissingExtra, ReadError


def is_url(given: str | Path) -> bool:
    """Whether this names an object store, such as ``s3://bucket/films``, and no file or folder."""
    return "://" in str(given)


def list_films(url: str) -> list[Film]:
    """Every object under a prefix that may be a film, in the order of their names; the prefix itself may be a film.

    Raises ``MissingExtra`` where the package for that kind of store is not installed, ``DataError`` where nothing is
    found, the store does not answer, or a name cannot be the name of a result folder.
    """
    files, root = _open(url)
    try:
        found = sorted(path for path in files.find(root) if not path.endswith("/"))
        urls = {path: files.unstrip_protocol(path) for path in found}
    except Exception as error:
        raise DataError(
            f"cannot be listed: {_said(error)}", where=url, remedy="check the URL and the rights"
        ) from error
    above = root if found != [root] else root.rpartition("/")[0]
    names = {path: path.removeprefix(above).lstrip("/") for path in found}
    films = [Film(Path(name), name, url=urls[path]) for path, name in names.items() if not is_no_film(name)]
    if not films:
        raise DataError("no films found", where=url, remedy="give a prefix under which films lie")
    _check_names([film.name for film in films], url)
    return films


@contextmanager
def at_hand(film: Film, scratch: Path) -> Iterator[Path]:
    """The film as a file: its own, or for as long as it is needed a copy in ``scratch``.

    Raises ``ReadError`` where the store does not hand it out.
    """
    if film.url is None:
        yield film.path
        return
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        copy = Path(folder) / film.path.name
        try:
            files, path = _open(film.url)
            files.get_file(path, str(copy))
        except Exception as error:
            what = f"the film cannot be fetched: {_said(error)}"
            raise ReadError(what, where=film.url, remedy="check the connection to the store and the rights") from error
        yield copy


def _open(url: str) -> tuple[Any, str]:
    """The file system of a URL, and the path in it."""
    try:
        from fsspec.core import url_to_fs
    except ImportError:
        raise MissingExtra(
            "films in an object store need fsspec", where=url, remedy="pip install 'xprism[cluster]'"
        ) from None
    try:
        files, path = url_to_fs(url)
    except ImportError as error:
        raise MissingExtra(
            f"this kind of store needs a package: {_said(error)}", where=url, remedy="install it with pip, such as s3fs"
        ) from error
    except Exception as error:
        raise DataError(_said(error), where=url, remedy="check the URL, such as s3://bucket/films") from error
    return files, str(path)


def _check_names(names: list[str], url: str) -> None:
    """Names of objects are free text; those of folders are not, and must not lead out of the output folder."""
    folders = {str(above) for name in names for above in PurePosixPath(name).parents}
    for name in names:
        steps = name.split("/")
        if {"", ".", ".."} & set(steps) or "\0" in name or name in folders:
            remedy = (
                "rename the object: each part of its name must be a file's or folder's, and no film lie below another"
            )
            raise DataError(f"{name!r} cannot be the name of a result", where=url, remedy=remedy)


def _said(error: Exception) -> str:
    return str(error).strip() or type(error).__name__
