"""JSRT films as PNG with SCR organ masks as bit flags (``images/NAME.png``, ``masks/NAME.png``)."""

from __future__ import annotations

from pathlib import Path

from xprism.data.manifest import Case
from xprism.errors import DataError


def jsrt_cases(folder: Path | str) -> tuple[Case, ...]:
    """Cases of a JSRT folder; each film is its own subject. Raises ``DataError`` where nothing fits."""
    folder = Path(folder)
    films = sorted((folder / "images").glob("JPC*.png"))
    if not films:
        raise DataError("no images/JPC*.png", where=str(folder), remedy="give the folder that holds images/ and masks/")
    return tuple(_case(film, folder / "masks" / film.name) for film in films)


def _case(film: Path, flags: Path) -> Case:
    kind = "nodule" if film.stem.startswith("JPCLN") else "no nodule"
    return Case(
        film.stem,
        film.stem,
        film,
        flags if flags.is_file() else None,
        attributes={"source": "jsrt", "group": kind, "spacing_mm": "0.35", "polarity": "display"},
    )
