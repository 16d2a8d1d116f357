"""Are DICOM files fit for an archive? What is wrong with them, one by one and among each other."""

from __future__ import annotations

import shutil
import subprocess
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydicom import dcmread
from pydicom.datadict import keyword_for_tag
from pydicom.dataset import Dataset, FileDataset
from pydicom.errors import InvalidDicomError
from pydicom.sequence import Sequence as Items

from xprism.writers.dicom.header import FILED_UNDER, TYPE_2, cleaned

VALIDATOR = "dciodvfy"
"""The validator of dicom3tools, asked where it is installed."""

_SECONDS = 60
_PIXELS = 0x7FE0


@dataclass(frozen=True)
class Finding:
    """One thing about one file: an ``error``, or a ``note`` that harms nothing."""

    file: str
    level: Literal["error", "note"]
    what: str


@dataclass(frozen=True)
class Checked:
    """A file, what kind of object it holds, and what was found."""

    file: str
    kind: str
    findings: tuple[Finding, ...]

    @property
    def well(self) -> bool:
        """Whether nothing is wrong with it."""
        return not any(one.level == "error" for one in self.findings)


def validator() -> str | None:
    """Path of dciodvfy, or None where it is not installed."""
    return shutil.which(VALIDATOR)


def check_files(paths: Sequence[Path]) -> list[Checked]:
    """Look at files one by one, then at how they refer to each other."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what pydicom warns of is found and told here
        read = {path: _read(path) for path in paths}
        # Each alone first: following references converts values, and what was malformed no longer shows.
        alone = {path: _alone(path, one) for path, one in read.items() if isinstance(one, FileDataset)}
        done = []
        for path, found in read.items():
            if isinstance(found, Finding):
                done.append(Checked(str(path), "no DICOM", (found,)))
            else:
                done.append(Checked(str(path), _kind(found), (*alone[path], *_among(path, read), *_validated(path))))
        return done


def _kind(found: FileDataset) -> str:
    name: str = getattr(_value(found, "SOPClassUID"), "name", "")
    return name or "no SOP class"


def _value(found: Dataset, keyword: str) -> Any:
    """A value, or None where it is missing or cannot be converted."""
    try:
        return found.get(keyword)
    except Exception:  # a malformed value provokes many kinds
        return None


def _read(path: Path) -> FileDataset | Finding:
    try:
        found = dcmread(path)
        list(found.keys())
    except InvalidDicomError:
        return Finding(str(path), "error", "is no DICOM file: its preamble is missing")
    except Exception as error:  # a broken file provokes many kinds
        return Finding(str(path), "error", f"cannot be read: {' '.join(str(error).split())[:200]}")
    return found


def _alone(path: Path, found: FileDataset) -> list[Finding]:
    """Values, identity and pixels of one file."""
    malformed: list[str] = []
    cleaned(_without_pixels(found), malformed)  # first of all: asking for a value converts it
    wrong = [sentence.rpartition(": ")[0] or sentence for sentence in malformed]
    for keyword in ("SOPClassUID", "SOPInstanceUID"):
        if _value(found.file_meta, f"MediaStorage{keyword}") != _value(found, keyword):
            wrong.append(f"{keyword} of the object differs from that of the file")
    wrong += [f"{keyword} is missing or empty" for keyword in FILED_UNDER[:4] if not _value(found, keyword)]
    wrong += [f"{keyword} is missing; it may be empty" for keyword in TYPE_2 if keyword not in found]
    wrong += _pixels(found)
    private = any(tag.is_private for tag in sorted(found.keys()))
    notes = [Finding(str(path), "note", "has private attributes")] if private else []
    return [*(Finding(str(path), "error", what) for what in wrong), *notes]


def _without_pixels(found: FileDataset) -> Dataset:
    kept = Dataset()
    for tag in sorted(found.keys()):
        if tag.group < _PIXELS:
            kept[tag] = found.get_item(tag)
    return kept


def _pixels(found: FileDataset) -> list[str]:
    syntax = _value(found.file_meta, "TransferSyntaxUID")
    if syntax is None:
        return ["TransferSyntaxUID is missing"]
    if "PixelData" not in found or syntax.is_encapsulated:
        return []
    try:
        pixels = int(found.Rows) * int(found.Columns) * int(found.get("NumberOfFrames") or 1)
        needed = (pixels * int(found.SamplesPerPixel) * int(found.BitsAllocated) + 7) // 8
    except (AttributeError, TypeError, ValueError):
        return ["rows, columns, samples, frames or bits of the pixels are missing or malformed"]
    have = len(found.PixelData or b"")
    return [] if have == needed + needed % 2 else [f"has {have} bytes of pixels where {needed + needed % 2} are due"]


def _among(path: Path, read: dict[Path, FileDataset | Finding]) -> Iterator[Finding]:
    """Instances that share a UID, and references that do not fit what they refer to."""
    found = read[path]
    if not isinstance(found, FileDataset):
        return
    others = {other: one for other, one in read.items() if isinstance(one, FileDataset)}
    instance = _value(found, "SOPInstanceUID")
    for other, one in others.items():
        if other != path and _value(one, "SOPInstanceUID") == instance is not None and not _same(found, one):
            yield Finding(str(path), "error", f"has the SOP instance UID of {other.name}, but another content")
    known = {_value(one, "SOPInstanceUID"): one for one in others.values()}
    for sop_class, uid in sorted(set(_references(found))):
        target = known.get(uid)
        if target is None:
            yield Finding(str(path), "note", f"refers to {uid}, which is not among these files")
        elif _value(target, "SOPClassUID") != sop_class:
            yield Finding(str(path), "error", f"refers to {uid} by another SOP class than it has")
        elif _value(target, "StudyInstanceUID") != _value(found, "StudyInstanceUID"):
            yield Finding(str(path), "error", f"refers to {uid}, which is of another study")


def _references(found: Dataset) -> Iterator[tuple[str, str]]:
    uid = _value(found, "ReferencedSOPInstanceUID")
    if uid:
        yield str(_value(found, "ReferencedSOPClassUID") or ""), str(uid)
    for tag in sorted(found.keys()):
        if tag.group < _PIXELS and not tag.is_private and keyword_for_tag(tag).endswith("Sequence"):
            items = _value(found, keyword_for_tag(tag))
            for item in items if isinstance(items, Items) else ():
                yield from _references(item)


def _same(one: FileDataset, other: FileDataset) -> bool:
    """Whether two files hold the same object; pixels are compared where they are encoded alike."""
    if cleaned(_without_pixels(one), []) != cleaned(_without_pixels(other), []):
        return False
    first, second = (_value(each.file_meta, "TransferSyntaxUID") for each in (one, other))
    return first != second or bool(_value(one, "PixelData") == _value(other, "PixelData"))


def _validated(path: Path) -> Iterator[Finding]:
    """What dciodvfy calls an error."""
    program = validator()
    if program is None:
        return
    try:
        done = subprocess.run([program, str(path)], capture_output=True, timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        yield Finding(str(path), "error", f"{VALIDATOR} did not end within {_SECONDS} s")
        return
    lines = (done.stdout + done.stderr).decode("utf-8", "replace").splitlines()
    for line in dict.fromkeys(line.strip() for line in lines):
        if "Error - " in line or line.startswith("Abort"):
            yield Finding(str(path), "error", f"{VALIDATOR}: {line}")
