"""Many simulated films as a data set: films, their exact truth, a manifest, and of chests a list of nodules."""

from __future__ import annotations

import csv
import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from xprism.data.manifest import Case, write_manifest
from xprism.errors import DataError, OutputError
from xprism.png import save_png
from xprism.simulate.dicom import write_dicom
from xprism.simulate.display import FILM
from xprism.simulate.limb_files import write_limb
from xprism.simulate.lowdose import PHOTONS, check_photons
from xprism.simulate.phantom import ChestCase, check_request, simulate_chest, summary
from xprism.simulate.slices import write_abdomen, write_brain

FileFormat = Literal["png", "dicom"]
Kind = Literal["chest", "ct", "mri", "limbs"]
Processing = Literal["film", "drawn"]

FLAGS = {"right_lung": 1, "left_lung": 2, "heart": 4, "right_clavicle": 8, "left_clavicle": 16}
MOST_CASES = 1_000_000
NODULE_DENSITY = 0.9
"""Density of nodules of given diameters, where 1 is soft tissue."""
_NODULE_COLUMNS = ("case", "row", "column", "diameter_mm", "density", "side")


@dataclass(frozen=True)
class DatasetRequest:
    """What to simulate: ``count`` subjects with square films of ``size`` pixels, from one seed.

    Of a ``kind`` chest a subject has one film, with ``nodules`` nodules, so many or of given diameters in mm; its
    ``display`` is that of film, or drawn from those of other systems as well. Of ct and mri it has ``slices`` axial
    slices; films of ct were made with ``photons`` a ray. Of limbs it has one film of one of 19 body parts, by number.
    """

    count: int
    size: int = 512
    seed: int = 0
    file_format: FileFormat = "png"
    nodules: int | tuple[float, ...] = 0
    kind: Kind = "chest"
    slices: int = 1
    photons: float = PHOTONS
    display: Processing = "film"

    def __post_init__(self) -> None:
        if min(self.count, self.slices) < 1 or self.films > MOST_CASES:
            raise DataError(f"a data set has 1 to {MOST_CASES} cases, not {self.count} times {self.slices}")
        if self.file_format not in ("png", "dicom"):
            raise DataError(f"films are written as png or dicom, not {self.file_format!r}")
        if self.kind not in ("chest", "ct", "mri", "limbs"):
            raise DataError(f"films are of the kind chest, ct, mri or limbs, not {self.kind!r}")
        if self.display not in ("film", "drawn"):
            raise DataError(f"films are shown as film or as drawn, not {self.display!r}")
        if self.kind in ("chest", "limbs") and self.slices > 1:
            raise DataError(
                f"a {self.kind.removesuffix('s')} has one film", remedy="slices are of the kinds ct and mri"
            )
        if self.kind != "chest" and (self.nodules or self.file_format == "dicom" or self.display == "drawn"):
            raise DataError(
                f"{self.kind} has no nodules, one display, and is written as png", remedy="leave these options out"
            )
        check_request(self.seed, self.size, self.nodules if isinstance(self.nodules, int) else len(self.nodules))
        check_photons(self.photons)

    @property
    def films(self) -> int:
        """How many films there will be."""
        return self.count * self.slices


def nodules_of(text: str) -> int | tuple[float, ...]:
    """What the nodules of a chest are by a word: a count such as 2, or diameters such as 10mm,5mm."""
    try:
        if text.strip().isdigit():
            return int(text)
        parts = [part.strip() for part in text.split(",")]
        if all(part.endswith("mm") for part in parts):
            return tuple(float(part.removesuffix("mm")) for part in parts)
    except ValueError:
        pass
    raise DataError(f"nodules are a count or diameters, not {text!r}", remedy="write 2, or 10mm,10mm,5mm")


@dataclass(frozen=True)
class _Written:
    number: int
    cases: list[Case]
    nodules: list[dict[str, Any]] = field(default_factory=list)


def flags_of(case: ChestCase) -> NDArray[np.uint8]:
    """The organ masks as bit flags [H, W]: 1 right lung, 2 left lung, 4 heart, 8 and 16 right and left clavicle."""
    flags = np.zeros(case.film.shape, np.uint8)
    for label, bit in FLAGS.items():
        flags |= case.masks[label].astype(np.uint8) * np.uint8(bit)
    return flags


def case_of(request: DatasetRequest, number: int) -> ChestCase:
    """Case ``number`` (from 0) of a data set; it depends on the seed and its number alone."""
    rng = np.random.default_rng(np.random.SeedSequence([request.seed, number]))
    wanted = request.nodules
    nodules = wanted if isinstance(wanted, int) else [(diameter, NODULE_DENSITY) for diameter in wanted]
    return simulate_chest(rng, request.size, nodules=nodules, display=FILM if request.display == "film" else "drawn")


def simulate_dataset(
    out: Path | str, request: DatasetRequest, *, jobs: int = 1, on_case: Callable[[str], None] | None = None
) -> Path:
    """Simulate a data set into the new folder ``out`` and return its manifest's path.

    The folder is made under another name and renamed when it is whole; files do not depend on
    ``jobs`` (processes). ``on_case`` is called with each case's name as it is done. Raises DataError
    for a request that cannot be and OutputError where ``out`` exists or cannot be written.
    """
    if jobs < 1:
        raise DataError(f"jobs must be at least 1, not {jobs}")
    out = Path(out)
    with _whole_folder(out) as partial:
        written = []
        for done in _write_all(partial, request, jobs=jobs):
            written.append(done)
            for case in done.cases:
                if on_case is not None:
                    on_case(case.case)
        written.sort(key=lambda done: done.number)
        write_manifest(partial / "manifest.csv", [case for done in written for case in done.cases])
        if request.kind == "chest":
            _write_nodules(partial / "nodules.csv", [row for done in written for row in done.nodules])
    return out / "manifest.csv"


@contextmanager
def _whole_folder(out: Path) -> Iterator[Path]:
    partial = out.with_name(f".{out.name}.{os.getpid()}.partial")
    try:
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise OutputError("exists already", where=str(out), remedy="name a new folder or remove this one")
        partial.mkdir(parents=True)
    except OSError as error:
        raise OutputError(f"cannot write here: {error}", where=str(out), remedy="choose another folder") from error
    try:
        yield partial
        if out.is_dir():
            out.rmdir()
        partial.rename(out)
    except OSError as error:
        raise OutputError(
            f"cannot write: {error}", where=str(out), remedy="free space or choose another folder"
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _write_all(folder: Path, request: DatasetRequest, *, jobs: int) -> Iterator[_Written]:
    if jobs == 1:
        yield from (_write_subject(folder, request, number) for number in range(request.count))
        return
    with ProcessPoolExecutor(min(jobs, request.count), mp_context=get_context("spawn")) as pool:
        futures = [pool.submit(_write_subject, folder, request, number) for number in range(request.count)]
        try:
            for future in as_completed(futures):
                yield future.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _write_subject(folder: Path, request: DatasetRequest, number: int) -> _Written:
    title = "phantom" if request.kind == "chest" else request.kind
    name = f"{title}-{request.seed}-{number:0{max(4, len(str(request.count - 1)))}d}"
    seed, slices, size = (request.seed, number), request.slices, request.size
    if request.kind == "ct":
        return _Written(number, write_abdomen(folder, name, seed, slices=slices, size=size, photons=request.photons))
    if request.kind == "mri":
        return _Written(number, write_brain(folder, name, seed, slices=slices, size=size))
    if request.kind == "limbs":
        return _Written(number, [write_limb(folder, name, *seed, size=size)])
    return _write_chest(folder, request, number, name)


def _write_chest(folder: Path, request: DatasetRequest, number: int, name: str) -> _Written:
    case = case_of(request, number)
    suffix = "dcm" if request.file_format == "dicom" else "png"
    paths = {kind: folder / kind / f"{name}.{suffix}" for kind in ("films", "bone_suppressed")}
    paths |= {kind: folder / kind / f"{name}.png" for kind in ("flags", "bones")}
    for path in paths.values():
        path.parent.mkdir(exist_ok=True)
    for kind, picture, display in (
        ("films", "film", case.film),
        ("bone_suppressed", "bone_suppressed", case.film_without_bone),
    ):
        if request.file_format == "dicom":
            write_dicom(case, display, paths[kind], name=name, picture=picture)
        else:
            stored = np.rint(display.astype(float) * 65535).astype(np.uint16)
            save_png(stored, paths[kind])
    save_png(flags_of(case), paths["flags"])
    save_png(case.masks["bones"].astype(np.uint8) * 255, paths["bones"])
    record = Case(
        case=name,
        subject=name,
        film=paths["films"],
        flags=paths["flags"],
        masks={"bones": paths["bones"]},
        pictures={"bone_suppressed": paths["bone_suppressed"]},
        attributes=_attributes(case),
        lesions={"nodule": folder / "nodules.csv"},
    )
    return _Written(number, [record], [{"case": name, **row} for row in _nodule_rows(case)])


def _attributes(case: ChestCase) -> dict[str, str]:
    facts = {
        "source": "phantom",
        "polarity": "display",
        "spacing_mm": f"{case.spacing_mm:.6f}",
        "nodules": str(len(case.nodules)),
    }
    return facts | {key: str(value) for key, value in summary(case).items()}


def _nodule_rows(case: ChestCase) -> list[dict[str, Any]]:
    return [
        {
            "row": f"{nodule.row:.2f}",
            "column": f"{nodule.column:.2f}",
            "diameter_mm": f"{nodule.diameter_mm:.2f}",
            "density": f"{nodule.density:.3f}",
            "side": nodule.side,
        }
        for nodule in case.nodules
    ]


def _write_nodules(path: Path, rows: list[dict[str, Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, _NODULE_COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
