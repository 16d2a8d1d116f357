"""Every DICOM object is valid: beside real films, and beside films of odd sizes, spacings and missing attributes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("highdicom", reason="needs the extra 'dicom'")

import dicom_results as dr
import xprism
from xprism.errors import CorruptFile, NotARadiograph, UnsupportedFile
from xprism.inference.predictor import Predictor
from xprism.simulate.dataset import DatasetRequest, simulate_dataset

# Both environments write the same: of the 200 films the one without torch takes the last 40, the other the rest.
GENERATED, SHARES = (range(160) if find_spec("torch") else range(160, 200)), 4
OPTIONAL = (
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "ReferringPhysicianName",
    "StudyID",
    "AccessionNumber",
    "SeriesNumber",
    "InstanceNumber",
    "Manufacturer",
    "PatientOrientation",
    "BodyPartExamined",
    "ViewPosition",
    "PatientName",
    "PatientID",
    "ConversionType",
    "WindowCenter",
    "RescaleSlope",
    "ImageLaterality",
    "DetectorType",
    "PresentationLUTShape",
)
MALFORMED = {
    "PatientAge": b"81",
    "PatientBirthDate": b"1950-01-02",
    "StudyTime": b"25:61 ",
    "PatientSex": b"X ",
    "KVP": b"a lot ",
    "PixelSpacing": b"0\\0 ",
    "ImagerPixelSpacing": b"-1\\0.1",
    "StudyDate": b"20240231",
    "PatientComments": b"\x07\x07",
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    return dr.full_model(tmp_path_factory.mktemp("models") / "full")


def attributes(errors: list[str]) -> set[str]:
    """The attributes that errors are about, as letters only: dciodvfy spells names in two ways."""
    named = re.compile(r"Element=<([^>]+)>|attribute <([^>]+)>|\) [A-Z]{2} ([^<]+?) +[A-Z]{2} \[")
    found = set()
    for error in errors:
        names = next((group for match in named.finditer(error) for group in match.groups() if group), error)
        found.add(re.sub(r"[^a-z]", "", names.lower()))
    return found


def left_out(folder: Path) -> set[str]:
    """Attributes that the log says are malformed; some of them dciodvfy lets pass."""
    log = json.loads((folder / "result.json").read_text())["log"]
    return {line.split()[0].lower() for line in log if line.endswith("left out of DICOM results.")}


def judged(paths: list[Path]) -> dict[Path, tuple[list[str], list[str]]]:
    with ThreadPoolExecutor(4) as pool:
        return dict(
            zip(paths, pool.map(lambda path: (dr.errors_of(path), dr.dcmtk_complaints(path)), paths), strict=True)
        )


def readable(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*.dcm")):
        try:
            film = xprism.read(path)
        except (CorruptFile, NotARadiograph, UnsupportedFile):
            continue
        if "study_instance_uid" in film.attributes:
            yield path


def test_objects_of_every_real_film_carry_no_error_of_their_own(
    shared_data: Path, model: Predictor, tmp_path: Path
) -> None:
    dr.need("dciodvfy", "dcmdump", "dsrdump")
    films = list(readable(shared_data / "dicom"))
    assert len(films) >= 17
    for film in films:
        own = attributes(dr.errors_of(film))
        folder = dr.written(dr.predicted(model, film), tmp_path / film.name, *dr.ALL_KINDS)
        paths = dr.objects(folder)
        assert [path.name for path in paths] == sorted(dr.ALL_FILES)
        for path, (errors, complaints) in judged(paths).items():
            # The derived image is of the film's own kind; all other objects are ours alone.
            inherited = own if path.name.startswith("bone_suppressed") else set()
            assert attributes(errors) <= inherited, (film.name, path.name, errors)
            assert not complaints, (film.name, path.name, complaints)


def test_a_simulated_film_and_its_results_have_no_error(model: Predictor, tmp_path: Path) -> None:
    dr.need("dciodvfy", "dcmdump", "dsrdump")
    simulate_dataset(tmp_path / "data", DatasetRequest(count=1, size=64, seed=3, file_format="dicom"))
    films = sorted((tmp_path / "data").rglob("*.dcm"))
    folder = dr.written(dr.predicted(model, films[-1]), tmp_path / "out", *dr.ALL_KINDS)
    for path, said in judged([*films, *dr.objects(folder)]).items():
        assert said == ([], []), path.name


def drawn(number: int) -> dict[str, Any]:
    """One of the generated films: what its header says and how its pixels are stored."""
    rng = np.random.default_rng(number)
    sop_class = (dr.CR, dr.DX, dr.SC)[number % 3]
    bits = int(rng.choice([8, 10, 12, 15, 16])) if sop_class != dr.SC else 8
    rows, columns = (int(side) for side in rng.integers(33, 150, 2))
    stored = dr.chest((rows, columns), bits=bits, seed=number).astype(np.uint8 if bits == 8 else np.uint16)
    tags: dict[str, Any] = {}
    if rng.random() < 0.4:
        tags["PhotometricInterpretation"] = "MONOCHROME1"
        if sop_class == dr.DX:
            tags["PresentationLUTShape"] = "INVERSE"
    if rng.random() < 0.5:
        tags["PixelSpacing"] = [f"{side:.4f}" for side in rng.uniform(0.05, 3, 2)]
    return {"stored": stored, "bits": bits, "sop_class": sop_class, "tags": tags}


def complete(number: int) -> dict[str, Any]:
    return {key: value for key, value in {**drawn(number), **drawn(number)["tags"]}.items() if key != "tags"}


def damaged(number: int) -> dict[str, Any]:
    """The same film with attributes missing or malformed."""
    rng = np.random.default_rng([number, 1])
    options = complete(number)
    full = dr.film_dataset(**options)
    for keyword in rng.choice(OPTIONAL, 5, replace=False):
        if keyword in full and keyword not in options:
            options[keyword] = None
    for keyword in rng.choice(list(MALFORMED), 2, replace=False):
        options[keyword] = MALFORMED[keyword]
    return options


@pytest.mark.parametrize("share", range(SHARES))
def test_objects_of_generated_films_are_valid(share: int, model: Predictor, tmp_path: Path) -> None:
    dr.need("dciodvfy", "dcmdump", "dsrdump")
    made: dict[Path, list[Path]] = {}
    whole: set[Path] = set()
    for number in GENERATED[share::SHARES]:
        options = complete(number) if number % 8 < SHARES else damaged(number)
        film = dr.write_film(tmp_path / f"{number}.dcm", **options)
        made[film] = dr.objects(dr.written(dr.predicted(model, film), tmp_path / str(number)))
        assert len(made[film]) == 4
        if number % 8 < SHARES:
            whole.add(film)
    found = judged([*made, *(path for paths in made.values() for path in paths)])
    for film, paths in made.items():
        own = attributes(found[film][0]) | left_out(paths[0].parent)
        assert not (film in whole and own), (film.name, own)
        for path in paths:
            errors, complaints = found[path]
            inherited = own if path.name.startswith("bone_suppressed") else set()
            assert attributes(errors) <= inherited, (film.name, path.name, errors)
            assert not complaints, (film.name, path.name, complaints)
