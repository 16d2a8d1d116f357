"""JSRT films with SCR organ masks, as PNG with bit flags or as they were published.

PNG: ``images/NAME.png`` and ``masks/NAME.png`` (bit flags). Published: ``NAME.IMG`` films in any folder below,
one mask a structure as ``masks/heart/NAME.gif`` (SCR's ``fold1`` and ``fold2``, GIF or PNG). Where a folder has
``images/``, those are the films. SCR's left and right are the patient's.

Nodules come from ``nodules.csv`` (columns image, x, y, diameter_mm, subtlety), or from JSRT's own
``CLNDAT_EN.txt``: file name, subtlety, size in mm, age, sex, x, y, then words, all parted by tabs; copies in
circulation have lost their line ends, so records are told apart by the file name. Both give places on the
2048-pixel film; a case's ``nodule_x`` and ``nodule_y`` are pixels of its own film. A film without a nodule is known
to have none; one whose nodule stands in no table is not known.
"""

from __future__ import annotations

import csv
import filecmp
import re
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from xprism.data.importers.files import named_files
from xprism.data.lesions import LesionPlace, write_places
from xprism.data.manifest import Case
from xprism.errors import CorruptFile, DataError
from xprism.readers.jsrt import SIDE, SPACING_MM

STRUCTURES = {
    "right lung": "right_lung",
    "left lung": "left_lung",
    "heart": "heart",
    "right clavicle": "right_clavicle",
    "left clavicle": "left_clavicle",
}
NORMAL = "no nodule"
_RECORD = re.compile(r"(JPCLN\d{3})\.IMG\s+(\d+)\s+([\d.]+)\s+\S+\s+\S+\s+(\d+)\s+(\d+)", re.IGNORECASE)


@dataclass(frozen=True)
class Nodule:
    """One nodule: its place on the 2048-pixel film, size in mm, and subtlety from 5 (obvious) to 1."""

    x: float
    y: float
    diameter_mm: float
    subtlety: int


def jsrt_cases(folder: Path | str, *, bones: str | None = None, lesions: Path | None = None) -> tuple[Case, ...]:
    """Cases of a JSRT folder; each film is its own subject.

    ``bones`` is a folder (or a pattern) of bone-suppressed pictures named like the films; without it those of
    ``bone_suppression/NAME_bs.png`` are taken. ``lesions`` is a table to be written of the nodules, if they are known,
    for the cases to refer to. Raises ``DataError`` where nothing fits.
    """
    cases = _cases(Path(folder), bones)
    known = {case.case for case in cases if "nodule_x" in case.attributes}
    if lesions is None or not known:
        return cases
    write_places(lesions, ((case.case, _place(case.attributes)) for case in cases if case.case in known))
    normal = {case.case for case in cases if case.attributes["group"] == NORMAL}
    return tuple(replace(case, lesions={"nodule": lesions}) if case.case in known | normal else case for case in cases)


def _place(attributes: dict[str, str]) -> LesionPlace:
    row, column, diameter = (float(attributes[name]) for name in ("nodule_y", "nodule_x", "nodule_diameter_mm"))
    return LesionPlace(row, column, diameter, int(attributes["subtlety"]))


def _cases(folder: Path, bones: str | None) -> tuple[Case, ...]:
    films = _films(folder)
    masks = {label: _structure(folder, words) for words, label in STRUCTURES.items()}
    nodules = _nodules(folder)
    without_bones = _without_bones(folder, films, bones)
    return tuple(
        Case(
            name,
            name,
            film,
            _flags(folder, film),
            {label: files[name] for label, files in masks.items() if name in files},
            {"bone_suppressed": without_bones[name]} if name in without_bones else {},
            _attributes(film, nodules.get(name)),
        )
        for name, film in films.items()
    )


def _films(folder: Path) -> dict[str, Path]:
    found = sorted((folder / "images").glob("JPC*.png"))
    if not found:
        found = sorted(path for path in folder.rglob("JPC*") if path.suffix.lower() == ".img")
    films: dict[str, Path] = {}
    for path in found:
        name = path.stem.upper()
        if name in films and not filecmp.cmp(films[name], path, shallow=False):
            raise DataError(f"{name} is there twice: {films[name]} and {path}", remedy="keep the one that is whole")
        films.setdefault(name, path)
    if not films:
        raise DataError(
            "no JSRT films: neither images/JPC*.png nor JPC*.IMG below",
            where=str(folder),
            remedy="give the folder that holds images/ and masks/, or the unpacked .IMG films and SCR's fold1, fold2",
        )
    return films


def _structure(folder: Path, words: str) -> dict[str, Path]:
    found = sorted(folder.rglob(f"masks/{words}/JPC*"))
    return {path.stem.upper(): path for path in found if path.suffix.lower() in (".gif", ".png")}


def _flags(folder: Path, film: Path) -> Path | None:
    flags = folder / "masks" / film.name
    return flags if film.suffix == ".png" and flags.is_file() else None


def _without_bones(folder: Path, films: dict[str, Path], bones: str | None) -> dict[str, Path]:
    if bones is None:
        own = sorted((folder / "bone_suppression").glob("JPC*_bs.png"))
        return {path.name.removesuffix("_bs.png"): path for path in own}
    found = {name.upper(): path for name, path in named_files(bones).items()}
    if not found.keys() & films.keys():
        raise DataError(
            "no picture is named like a film",
            where=bones,
            remedy="name them like JPCLN001.png, or give 'FOLDER/*_bs.png'",
        )
    return found


def _attributes(film: Path, nodule: Nodule | None) -> dict[str, str]:
    raw = film.suffix.lower() == ".img"
    width, height = (SIDE, SIDE) if raw else _size(film)
    attributes = {
        "source": "jsrt",
        "group": "nodule" if film.stem.upper().startswith("JPCLN") else NORMAL,
        "spacing_mm": f"{SPACING_MM * SIDE / width:g}",
        "polarity": "inverted" if raw else "display",
    }
    if nodule:
        attributes |= {
            "nodule_x": f"{nodule.x * width / SIDE:g}",
            "nodule_y": f"{nodule.y * height / SIDE:g}",
            "nodule_diameter_mm": f"{nodule.diameter_mm:g}",
            "subtlety": str(nodule.subtlety),
        }
    return attributes


def _size(film: Path) -> tuple[int, int]:
    try:
        with Image.open(film) as image:
            return image.size
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError) as error:
        raise CorruptFile(f"the film cannot be read: {error}", where=str(film), remedy="copy it again") from None


def _nodules(folder: Path) -> dict[str, Nodule]:
    """Nodules by film, of the first table there is; films of JSRT have one at most."""
    table = folder / "nodules.csv"
    if table.is_file():
        return _from_csv(table)
    records = sorted(path for path in folder.rglob("*") if path.name.upper() == "CLNDAT_EN.TXT")
    return _from_records(records[0]) if records else {}


def _from_csv(table: Path) -> dict[str, Nodule]:
    try:
        with table.open(newline="", encoding="utf-8") as stream:
            return {
                row["image"]: Nodule(float(row["x"]), float(row["y"]), float(row["diameter_mm"]), int(row["subtlety"]))
                for row in csv.DictReader(stream)
            }
    except (KeyError, ValueError, TypeError) as error:
        raise DataError(
            f"the table of nodules is damaged: {error!r}",
            where=str(table),
            remedy="it needs the columns image, x, y, diameter_mm, subtlety",
        ) from None


def _from_records(table: Path) -> dict[str, Nodule]:
    text = table.read_text(encoding="latin-1")
    found = {
        name.upper(): Nodule(float(x), float(y), float(size), int(subtlety))
        for name, subtlety, size, x, y in _RECORD.findall(text)
    }
    named = set(re.findall(r"JPCLN\d{3}", text))
    if not found or named - found.keys():
        raise DataError(
            f"records not understood: {', '.join(sorted(named - found.keys())[:5]) or 'all'}",
            where=str(table),
            remedy="each is: name.IMG, subtlety, size, age, sex, x, y, parted by tabs",
        )
    return found
