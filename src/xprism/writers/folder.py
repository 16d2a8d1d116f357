"""One film's result as a folder, complete or not there at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from xprism.errors import OutputError
from xprism.result import Result
from xprism.writers import dicom
from xprism.writers.images import ImageFile, write_images, write_layers
from xprism.writers.record import FILE_NAME, read_record, record_of, write_record

KINDS = ("masks", "json", "overlay", "report", "layers", *dicom.KINDS)
"""What can be written: ``masks`` are all PNG pictures of the targets, ``layers`` what was taken from the film to
make some of them, ``dicom`` and its kin objects for the archive; ``json`` is always written."""

USUAL = ("masks", "json", "overlay", "report")
"""What is written unless other things are asked for."""

TEMPORARY = ".xprism-"
"""Temporary names begin so; a run cleans up what a killed one left behind."""


def check_kinds(kinds: Sequence[str]) -> tuple[str, ...]:
    """The kinds in their fixed order, ``json`` among them. Raises ``OutputError`` for an unknown one."""
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown:
        raise OutputError(f"cannot write {unknown[0]!r}", remedy=f"choose from {', '.join(KINDS)}")
    return tuple(kind for kind in KINDS if kind in kinds or kind == "json")


def write_result(result: Result, folder: Path, *, to: Sequence[str] = USUAL, scratch: Path | None = None) -> Path:
    """Write a result into ``folder`` so that it is complete or not there, and return the folder.

    A folder that holds an earlier result is replaced; files of other origin in it are left alone.
    ``scratch`` is where the temporary folder is made (on the same disk; default: beside ``folder``).
    Raises ``OutputError`` where it cannot be written.
    """
    kinds = check_kinds(to)
    try:
        parent = folder.absolute().parent
        parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=TEMPORARY, dir=scratch or parent))
        try:
            made = temporary / "new"
            made.mkdir()
            _fill(result, made, kinds)
            _publish(made, folder, old=temporary / "old")
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        raise OutputError(
            error.strerror or str(error), where=str(folder), remedy="choose a folder you may write to, with space left"
        ) from error
    return folder


def _fill(result: Result, folder: Path, kinds: Sequence[str]) -> None:
    images: list[ImageFile] = write_images(result, folder) if "masks" in kinds else []
    if "layers" in kinds:
        images += write_layers(result, folder)
    overlay = b""
    if {"overlay", "report", "dicom"} & set(kinds):
        from xprism.writers.overlay import overlay_png

        overlay = overlay_png(result)
    if set(dicom.KINDS) & set(kinds):
        dicom.need_dicom()
        from xprism.writers.dicom.results import write_dicom

        result = write_dicom(result, folder, kinds=kinds, overlay=overlay)
    if "overlay" in kinds:
        (folder / "overlay.png").write_bytes(overlay)
    if "report" in kinds:
        from xprism.writers.report import report_html

        (folder / "report.html").write_text(
            report_html(result, overlay=overlay), encoding="utf-8", errors="xmlcharrefreplace"
        )
    files = [*os.listdir(folder), FILE_NAME]
    write_record(record_of(result, kinds=kinds, images=images, files=files), folder)


def _publish(made: Path, folder: Path, *, old: Path) -> None:
    """Bring a complete folder to its final name by renaming."""
    if not folder.exists():
        os.rename(made, folder)
    elif _is_ours(folder):
        os.rename(folder, old)
        os.rename(made, folder)
    else:
        (folder / FILE_NAME).unlink(missing_ok=True)
        for path in sorted(made.iterdir(), key=lambda path: path.name == FILE_NAME):
            os.replace(path, folder / path.name)


def _is_ours(folder: Path) -> bool:
    """Whether everything in the folder is listed in the record of an earlier result."""
    found = set(os.listdir(folder))
    record = read_record(folder)
    return not found or (record is not None and found <= set(record["files"]))
