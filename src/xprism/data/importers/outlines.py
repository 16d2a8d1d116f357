"""Outlines drawn by hand, from LabelMe (one JSON a film), COCO (one JSON for all) or a table of points, as masks.

Points are (x, y) in pixels from the film's upper left corner, so that the first pixel's middle is (0.5, 0.5). A table
has the columns film, label, polygon, row and column; there, as in other tables, the first pixel's middle is (0, 0).
"""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xprism.data.importers.files import check_label, named_files, need
from xprism.errors import DataError

Shape = list[float] | dict[str, Any]
"""A polygon as x, y, x, y ..., or COCO's run lengths."""


@dataclass(frozen=True)
class Outlined:
    """What is outlined on one film: its (height, width) where stated, and (label, shape) pairs."""

    size: tuple[int, int] | None
    shapes: tuple[tuple[str, Shape], ...]
    where: str


def read_outlines(where: Path | str) -> dict[str, Outlined | DataError]:
    """The outlined films by stem, from a COCO file, a table, a LabelMe file or a folder (or pattern) of LabelMe files.

    What is wrong with a film's own LabelMe file stands in its place. Raises ``DataError`` for a damaged COCO file or
    table.
    """
    path = Path(where)
    if path.is_file():
        return dict(_read(path))
    outlined: dict[str, Outlined | DataError] = {}
    for file in named_files(where, ending=".json").values():
        try:
            found: dict[str, Any] = dict(_read(file))
        except DataError as error:
            found = {file.stem: error}
        for stem in found.keys() & outlined.keys():
            raise DataError(f"{stem!r} is outlined twice", where=str(file), remedy="keep one file a film")
        outlined |= found
    return outlined


def _read(path: Path) -> dict[str, Outlined]:
    try:
        text = path.read_text(encoding="utf-8-sig")
        if path.suffix.lower() == ".csv":
            return _table(text, str(path))
        found = json.loads(text)
        if "shapes" in found:
            return {path.stem: _labelme(found, str(path))}
        if "images" in found and "annotations" in found:
            return _coco(found, str(path))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"the outlines are damaged: {error!r}", where=str(path), remedy="export them again") from None
    raise DataError("neither LabelMe nor COCO", where=str(path), remedy="save as one of the two, or as a .csv table")


def _table(text: str, where: str) -> dict[str, Outlined]:
    """Polygons of a table: points of one film, label and polygon number in their order."""
    polygons: dict[str, dict[tuple[str, str], list[float]]] = {}
    for row in csv.DictReader(text.splitlines()):
        of_film = polygons.setdefault(Path(row["film"]).stem, {})
        points = of_film.setdefault((check_label(row["label"]), row["polygon"]), [])
        points += [float(row["column"]) + 0.5, float(row["row"]) + 0.5]
    return {
        film: Outlined(None, tuple((label, _checked(shape, where)) for (label, _), shape in of_film.items()), where)
        for film, of_film in polygons.items()
    }


def _labelme(found: dict[str, Any], where: str) -> Outlined:
    shapes = []
    for shape in found["shapes"]:
        kind = shape.get("shape_type") or "polygon"
        points = [[float(x), float(y)] for x, y in shape["points"]]
        if kind == "rectangle" and len(points) == 2:
            (left, top), (right, bottom) = points
            points = [[left, top], [right, top], [right, bottom], [left, bottom]]
        elif kind != "polygon":
            raise DataError(f"a {kind} is not read", where=where, remedy="draw polygons or rectangles")
        polygon = [number for point in points for number in point]
        shapes.append((check_label(str(shape["label"])), _checked(polygon, where)))
    return Outlined(_size(found.get("imageHeight"), found.get("imageWidth")), tuple(shapes), where)


def _coco(found: dict[str, Any], where: str) -> dict[str, Outlined]:
    labels = {entry["id"]: check_label(str(entry["name"])) for entry in found.get("categories", ())}
    shapes: dict[Any, list[tuple[str, Shape]]] = {image["id"]: [] for image in found["images"]}
    for note in found["annotations"]:
        if note["image_id"] not in shapes or note["category_id"] not in labels:
            raise DataError(f"annotation {note.get('id')} is of no image or category", where=where)
        area = note["segmentation"]
        for shape in area if isinstance(area, list) else [area]:
            shapes[note["image_id"]].append((labels[note["category_id"]], _checked(shape, where)))
    outlined: dict[str, Outlined] = {}
    for image in found["images"]:
        stem = Path(str(image["file_name"])).stem
        if stem in outlined:
            raise DataError(f"two images named {stem!r}", where=where, remedy="give each film its own name")
        size = _size(image.get("height"), image.get("width"))
        outlined[stem] = Outlined(size, tuple(shapes[image["id"]]), where)
    return outlined


def _size(height: Any, width: Any) -> tuple[int, int] | None:
    return (int(height), int(width)) if height and width else None


def _checked(shape: Shape, where: str) -> Shape:
    """A shape that encloses something: pycocotools would take four numbers for a box."""
    if isinstance(shape, dict):
        return shape
    if len(shape) < 6 or len(shape) % 2 or not np.isfinite(np.asarray(shape, np.float64)).all():
        raise DataError(f"an outline of {len(shape) / 2:g} points is no area", where=where, remedy="use three or more")
    return shape


def labels_of(outlined: Sequence[Outlined]) -> tuple[str, ...]:
    """Every label that stands on any film, once, in alphabetical order."""
    return tuple(sorted({label for film in outlined for label, _ in film.shapes}))


def draw(outlined: Outlined, labels: Sequence[str], *, size: tuple[int, int]) -> dict[str, NDArray[np.bool_]]:
    """A mask, bool [H, W], of each label; ``size`` (height, width) holds where the outlines state none.

    A label without an outline on this film is absent from it: its mask is empty.
    """
    coco = need("pycocotools.mask")
    height, width = outlined.size or size
    masks = {label: np.zeros((height, width), bool) for label in labels}
    for label, shape in outlined.shapes:
        if isinstance(shape, dict) and list(shape["size"]) != [height, width]:
            raise DataError(f"run lengths for {shape['size']}, not {[height, width]}", where=outlined.where)
        if isinstance(shape, dict) and not isinstance(shape["counts"], list):
            runs = shape
        else:
            runs = coco.frPyObjects(shape if isinstance(shape, dict) else [shape], height, width)
        drawn = coco.decode(runs)
        masks[label] |= (drawn[..., 0] if drawn.ndim == 3 else drawn).astype(bool)
    return masks
