"""Label maps: one picture whose colours or integers say what lies where, and the legend that explains them."""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from xprism.data.importers.files import check_label, need
from xprism.errors import CorruptFile, DataError

Value = tuple[int, ...]
"""One number, or the three of a colour."""

HOW = "write 'lung=1; heart=2' or 'lung=255,0,0; heart=0,255,0', or name a .yaml or .csv file"


@dataclass(frozen=True)
class Legend:
    """Which values belong to which label: (label, value) pairs, all of one length.

    A label may stand several times (all its values are inside), and so may a value (labels overlap there).
    """

    entries: tuple[tuple[str, Value], ...]

    def __post_init__(self) -> None:
        lengths = {len(value) for _, value in self.entries}
        if not lengths:
            raise DataError("the legend is empty", remedy=HOW)
        if len(lengths) > 1 or not lengths <= {1, 3}:
            raise DataError("a legend holds whole numbers or colours of three numbers, not both", remedy=HOW)
        for label, value in self.entries:
            check_label(label)
            if min(value) < 0 or (self.colours and max(value) > 255):
                raise DataError(f"{label!r} has the value {list(value)}", remedy="colours go from 0 to 255")

    @property
    def colours(self) -> bool:
        """Whether values are colours."""
        return len(self.entries[0][1]) == 3

    @property
    def labels(self) -> tuple[str, ...]:
        """Each label once, in order."""
        return tuple(dict.fromkeys(label for label, _ in self.entries))


def read_legend(text: str) -> Legend:
    """A legend from ``LABEL=VALUE; ...``, a YAML file (label: value) or a CSV file (label, then its numbers).

    Raises ``DataError`` where it is not understood, ``MissingExtra`` for YAML without the package.
    """
    path = Path(text)
    if path.suffix.lower() not in (".yaml", ".yml", ".csv"):
        return Legend(tuple(_entry(part) for part in text.split(";") if part.strip()))
    if not path.is_file():
        raise DataError("no such legend", where=text, remedy=HOW)
    content = path.read_text(encoding="utf-8-sig")
    if path.suffix.lower() == ".csv":
        rows = [[cell.strip() for cell in row] for row in csv.reader(content.splitlines()) if any(row)]
        body = rows if rows and all(cell.isdigit() for cell in rows[0][1:]) else rows[1:]
        return Legend(tuple(_entry(f"{row[0]}={','.join(row[1:])}") for row in body))
    return Legend(tuple(_from_yaml(content, path)))


def _entry(part: str) -> tuple[str, Value]:
    label, _, numbers = part.partition("=")
    try:
        return label.strip(), tuple(int(number) for number in numbers.split(","))
    except ValueError:
        raise DataError(f"{part.strip()!r} is not understood", where="legend", remedy=HOW) from None


def _from_yaml(content: str, path: Path) -> list[tuple[str, Value]]:
    yaml = need("yaml")
    try:
        found = yaml.safe_load(content)
    except yaml.YAMLError as error:
        raise DataError(f"this is no YAML: {error}", where=str(path), remedy=HOW) from None
    if not isinstance(found, dict):
        raise DataError("a legend has one line 'label: value' a label", where=str(path), remedy=HOW)
    entries = []
    for label, value in found.items():
        several = value if isinstance(value, list) and value and isinstance(value[0], list) else [value]
        for one in several:
            numbers = one if isinstance(one, list) else [one]
            entries.append(_entry(f"{label}={','.join(map(str, numbers))}"))
    return entries


def read_label_map(path: Path, *, colours: bool) -> NDArray[Any]:
    """A label map's colours, uint8 [H, W, 3], or its integers [H, W]; a palette's indices count as integers.

    What is mostly transparent is black: painting programs keep colours that were rubbed out.

    Raises ``CorruptFile`` where it cannot be read, ``DataError`` for a coloured picture read as integers.
    """
    try:
        with Image.open(path) as image:
            if colours:
                pixels = np.array(image.convert("RGBA"))
                pixels[pixels[..., 3] < 128] = 0
                return pixels[..., :3]
            if image.mode in ("P", "L", "1", "I;16", "I;16B", "I"):
                return np.asarray(image).astype(np.int64)
            several = np.asarray(image.convert("RGB")).astype(np.int64)
    except FileNotFoundError:
        raise DataError("there is no such file", where=str(path)) from None
    except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise CorruptFile(f"the label map cannot be read: {error}", where=str(path), remedy="export it again") from None
    if not (several == several[..., :1]).all():
        raise DataError(
            "the picture has colours, the legend whole numbers",
            where=str(path),
            remedy="write colours into the legend: 'lung=255,0,0'",
        )
    return np.asarray(several[..., 0])


def split_labels(
    values: NDArray[Any], legend: Legend, *, tolerance: int = 0
) -> tuple[dict[str, NDArray[np.bool_]], Counter[Value]]:
    """A mask, bool [H, W], of each label in a label map [H, W] or [H, W, 3], and how often unlisted values occur.

    A pixel takes the listed value, or the background zero, nearest to its own if no channel differs by more
    than ``tolerance``; else it belongs to no label and is counted as unlisted.
    """
    listed = list(dict.fromkeys(value for _, value in legend.entries))
    background = (0,) * len(listed[0])
    shape = (int(values.shape[0]), int(values.shape[1]))
    present, place, counts = np.unique(_packed(values), return_inverse=True, return_counts=True)
    found = _unpacked(present, channels=len(background))
    known = np.array(listed if background in listed else [*listed, background])
    distance = np.abs(found[:, None] - known[None]).max(axis=2)
    nearest = np.where(distance.min(axis=1) <= tolerance, distance.argmin(axis=1), -1)
    chosen = nearest[place.reshape(-1)].reshape(shape)
    masks = {label: np.zeros(shape, bool) for label in legend.labels}
    for label, value in legend.entries:
        masks[label] |= chosen == listed.index(value)
    unlisted = {
        tuple(map(int, value)): int(count)
        for value, count, index in zip(found, counts, nearest, strict=True)
        if index < 0
    }
    return masks, Counter(unlisted)


def _packed(values: NDArray[Any]) -> NDArray[np.int64]:
    """One number a pixel: colours as red, green and blue bytes."""
    wide = values.astype(np.int64)
    return wide if wide.ndim == 2 else wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2]


def _unpacked(packed: NDArray[np.int64], *, channels: int) -> NDArray[np.int64]:
    """The channels [N, C] of packed values [N]."""
    if channels == 1:
        return packed[:, None]
    return np.stack([packed >> 16, packed >> 8 & 255, packed & 255], axis=1)


def remark_on(unlisted: Counter[Value], *, colours: bool, taken_for: str = "") -> tuple[str, ...]:
    """A sentence on values that the legend does not list, which count as no label or are ``taken_for`` one."""
    if not unlisted:
        return ()
    often = "; ".join(",".join(map(str, value)) for value, _ in unlisted.most_common(5))
    advice = "list them, or take nearby colours by --tolerance" if colours else "list them if they matter"
    so = f" are {taken_for}" if taken_for else ""
    return (f"{sum(unlisted.values())} pixels of {len(unlisted)} values outside the legend ({often}){so}: {advice}",)
