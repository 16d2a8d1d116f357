"""``result.json``: everything about one film's result that is not a picture.

The same film, model and options give the same bytes: no times, no absolute paths, keys in a fixed order.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path, PurePath
from typing import Any

from xprism import __version__
from xprism.result import Measurement, Result, Structure
from xprism.writers.images import ImageFile

SCHEMA = "xprism.result"
SCHEMA_VERSION = 1
FILE_NAME = "result.json"

_READ_AGAIN = {
    "input": dict,
    "model": dict,
    "options_sha256": str,
    "quality": dict,
    "measurements": dict,
    "lesions": list,
    "kinds": list,
    "files": list,
}


def options_sha256(options: Mapping[str, Any]) -> str:
    """Hash of the options of a prediction, whatever their order."""
    return hashlib.sha256(json.dumps(dict(options), sort_keys=True).encode()).hexdigest()


def record_of(
    result: Result, *, kinds: Iterable[str], images: Iterable[ImageFile], files: Iterable[str]
) -> dict[str, Any]:
    """The content of ``result.json``, made of plain lists, numbers and words."""
    model = asdict(result.model)
    model["notice"] = notice_of(result)
    record = {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "xprism": __version__,
        "input": _input(result),
        "model": model,
        "options": dict(sorted(result.options.items())),
        "options_sha256": options_sha256(result.options),
        "refused": None if result.refused is None else asdict(result.refused),
        "overridden": None if result.overridden is None else asdict(result.overridden),
        "quality": asdict(result.quality),
        "structures": {label: _structure(one) for label, one in result.structures.items()},
        "measurements": {name: _measurement(one) for name, one in result.measurements.items()},
        "lesion_labels": list(result.lesion_labels),
        "lesions": [asdict(lesion) for lesion in result.lesions],
        "images": {image.file: {"target": image.target, "kind": image.kind, **image.reading} for image in images},
        "log": [*result.radiograph.log, *result.log],
        "kinds": sorted(set(kinds)),
        "files": sorted(files),
    }
    plain: dict[str, Any] = _finite(record)
    return plain


def write_record(record: Mapping[str, Any], folder: Path) -> None:
    """Write ``result.json`` into ``folder``."""
    text = json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False)
    # A file name that is no proper text keeps its odd bytes as JSON escapes.
    (folder / FILE_NAME).write_text(text + "\n", encoding="utf-8", errors="backslashreplace")


def read_record(folder: Path) -> dict[str, Any] | None:
    """The record in a prediction folder, or None where there is none that this version understands."""
    try:
        record = json.loads((folder / FILE_NAME).read_bytes())
    except (OSError, ValueError):
        return None
    if not isinstance(record, dict) or (record.get("schema"), record.get("schema_version")) != (SCHEMA, SCHEMA_VERSION):
        return None
    return record if all(isinstance(record.get(key), kind) for key, kind in _READ_AGAIN.items()) else None


def notice_of(result: Result) -> str:
    """The sentence on permitted use that goes with a result."""
    return notice_for(result.model.licence)


def notice_for(licence: str) -> str:
    """The sentence on permitted use that goes with the licence of a model."""
    restricted = "research" in licence.lower()
    use = "Research use only: these weights may not be used commercially. " if restricted else ""
    return f"{use}Not a medical device: not for diagnosis."


def _input(result: Result) -> dict[str, Any]:
    film = result.radiograph
    source = PurePath(film.source)
    return {
        "file": source.name if source.is_absolute() else source.as_posix(),
        "sha256": film.sha256,
        "format": film.origin,
        "rows": film.shape[0],
        "columns": film.shape[1],
        "spacing": None if film.spacing is None else asdict(film.spacing),
        "modality": film.modality,
        "body_part": film.body_part,
        "view": film.view,
        "laterality": film.laterality,
    }


def _structure(structure: Structure) -> dict[str, Any]:
    found = asdict(structure)
    del found["label"]
    return found


def _measurement(measurement: Measurement) -> dict[str, Any]:
    found = asdict(measurement)
    del found["name"]
    return found


def _finite(value: Any) -> Any:
    """The same with numbers rounded to six decimals and null for what is no finite number."""
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    return value
