"""A folder of films beside a folder of masks of equal stems, for one label or union of labels."""

from __future__ import annotations

from pathlib import Path

from xprism.data.manifest import Case
from xprism.errors import DataError


def folder_cases(folder: Path | str, *, label: str, polarity: str = "auto") -> tuple[Case, ...]:
    """Cases of ``images/`` with masks of ``label`` in ``masks/``; each film is its own subject.

    Raises ``DataError`` where a film has no mask or there are no films.
    """
    folder = Path(folder)
    films = sorted(path for path in (folder / "images").glob("*.*") if not path.name.startswith("."))
    if not films:
        raise DataError("no films in images/", where=str(folder), remedy="put films in images/ and masks in masks/")
    masks = {path.stem: path for path in sorted((folder / "masks").glob("*.*"))}
    lonely = [film.name for film in films if film.stem not in masks]
    if lonely:
        raise DataError(f"films without a mask: {', '.join(lonely[:5])}", where=str(folder))
    shared = {"source": folder.name, "group": folder.name, "polarity": polarity}
    return tuple(Case(f.stem, f.stem, f, masks={label: masks[f.stem]}, attributes=dict(shared)) for f in films)
