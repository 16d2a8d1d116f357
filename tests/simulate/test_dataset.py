"""A simulated data set: whole, readable, equal whatever the number of processes."""

from __future__ import annotations

import csv
import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest

from xprism.data.manifest import read_manifest
from xprism.errors import DataError, OutputError
from xprism.protocols.bone_suppression import read_regions
from xprism.simulate.dataset import FLAGS, DatasetRequest, case_of, flags_of, nodules_of, simulate_dataset


def digests(folder: Path) -> dict[str, str]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def command(*words: str | Path) -> subprocess.CompletedProcess[str]:
    start = [sys.executable, "-c", "import xprism.cli as c; c.main()", "data", "simulate"]
    return subprocess.run([*start, *map(str, words)], capture_output=True, text=True, check=False)


def test_the_command_writes_a_data_set_that_the_manifest_reads(tmp_path: Path) -> None:
    done = command("-o", tmp_path / "set", "--count", "2", "--size", "96", "--seed", "11", "--nodules", "1")
    assert done.returncode == 0, done.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["set"]
    request = DatasetRequest(2, 96, 11, nodules=1)
    for number, case in enumerate(read_manifest(tmp_path / "set" / "manifest.csv")):
        made = case_of(request, number)
        np.testing.assert_allclose(case.load_film(), made.film, atol=1e-5)
        truth = case.load_truth()
        np.testing.assert_allclose(truth["bone_suppressed"], made.film_without_bone, atol=1e-5)
        assert all(np.array_equal(truth[name], made.masks[name]) for name in (*FLAGS, "bones"))
        assert case.attributes["spacing_mm"] == f"{358.4 / 96:.6f}"
        assert case.attributes["nodules"] == "1"
        assert 0.3 < float(case.attributes["ctr"]) < 0.65


def test_files_do_not_depend_on_the_number_of_processes(tmp_path: Path) -> None:
    request = DatasetRequest(2, 64, 2, nodules=1)
    for jobs in (1, 2):
        simulate_dataset(tmp_path / str(jobs), request, jobs=jobs)
    first = digests(tmp_path / "1")
    assert first == digests(tmp_path / "2")
    assert len(first) == 2 * 4 + 2


def test_every_chest_has_the_nodules_that_were_asked_for(tmp_path: Path) -> None:
    done = command("-o", tmp_path / "set", "--count", "2", "--size", "96", "--nodules", "10mm, 10mm,5.5mm")
    assert done.returncode == 0, done.stderr
    with (tmp_path / "set" / "nodules.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["case"][-1], float(row["diameter_mm"]), float(row["density"])) for row in rows] == [
        (case, diameter, 0.9) for case in "01" for diameter in (10, 10, 5.5)
    ]
    regions = read_regions(tmp_path / "set" / "nodules.csv")
    assert [(one.case, f"{one.row:.2f}", f"{one.column:.2f}") for one in regions] == [
        (row["case"], row["row"], row["column"]) for row in rows
    ]
    for case in read_manifest(tmp_path / "set" / "manifest.csv"):
        truth = case.load_truth()
        lungs = truth["right_lung"] | truth["left_lung"]
        for row in (row for row in rows if row["case"] == case.case):
            assert lungs[round(float(row["row"])), round(float(row["column"]))]


def test_nodules_change_nothing_else_of_a_chest() -> None:
    plain, with_nodules = (case_of(DatasetRequest(1, 64, 3, nodules=n), 0) for n in (0, (20.0,)))
    apart = np.abs(with_nodules.film_without_bone - plain.film_without_bone)
    spot = with_nodules.nodules[0]
    down, along = np.mgrid[:64, :64] - np.array([spot.row, spot.column])[:, None, None]
    near = np.hypot(down, along) * with_nodules.spacing_mm < 20
    assert apart[near].max() > 10 * apart[~near].max()
    assert np.array_equal(plain.masks["bones"], with_nodules.masks["bones"])


@pytest.mark.parametrize(
    ("text", "nodules"), [("0", 0), ("3", 3), ("5mm", (5.0,)), ("10mm,10mm, 5.5mm", (10.0, 10.0, 5.5))]
)
def test_nodules_are_a_count_or_diameters(text: str, nodules: int | tuple[float, ...]) -> None:
    assert nodules_of(text) == nodules


@pytest.mark.parametrize("text", ["", "two", "10mm,5", "-1", "mm", "10mm,,5mm"])
def test_other_words_are_no_nodules(text: str) -> None:
    with pytest.raises(DataError, match="a count or diameters"):
        nodules_of(text)


def test_a_longer_data_set_begins_with_the_shorter_one() -> None:
    first, same, other = (case_of(DatasetRequest(n, 64, s), 1).film for n, s in ((2, 5), (9, 5), (2, 6)))
    assert np.array_equal(first, same)
    assert not np.array_equal(first, other)


def test_dicom_films_are_valid_dx_and_hold_the_film(tmp_path: Path) -> None:
    request = DatasetRequest(1, 96, 4, "dicom")
    case = read_manifest(simulate_dataset(tmp_path / "set", request))[0]
    found, made = pydicom.dcmread(case.film), case_of(request, 0)
    assert found.SOPClassUID.name == "Digital X-Ray Image Storage - For Presentation"
    assert (found.Modality, found.BodyPartExamined, found.ViewPosition) == ("DX", "CHEST", "PA")
    assert (found.PhotometricInterpretation, found.BitsStored) == ("MONOCHROME2", 12)
    np.testing.assert_allclose(found.pixel_array / 4095, made.film, atol=0.5 / 4095 + 1e-6)
    assert [float(v) for v in found.ImagerPixelSpacing] == pytest.approx([made.spacing_mm] * 2, rel=1e-5)
    body = made.spacing_mm / made.parameters.pose.magnification
    assert float(found.PixelSpacing[0]) == pytest.approx(body, rel=1e-5)
    np.testing.assert_allclose(case.load_film(), made.film, atol=1e-3)
    np.testing.assert_allclose(case.load_truth()["bone_suppressed"], made.film_without_bone, atol=1e-3)


def test_dicom_identifiers_follow_from_the_seed(tmp_path: Path) -> None:
    uids = []
    for folder, seed in (("a", 4), ("b", 4), ("c", 5)):
        case = read_manifest(simulate_dataset(tmp_path / folder, DatasetRequest(1, 64, seed, "dicom")))[0]
        film, bare = pydicom.dcmread(case.film), pydicom.dcmread(case.pictures["bone_suppressed"])
        assert film.StudyInstanceUID == bare.StudyInstanceUID
        assert film.SOPInstanceUID != bare.SOPInstanceUID
        uids.append(film.SOPInstanceUID)
    assert uids[0] == uids[1] != uids[2]


def test_flags_hold_every_organ_mask() -> None:
    case = case_of(DatasetRequest(1, 96, 1), 0)
    flags = flags_of(case)
    assert flags.dtype == np.uint8
    for name, bit in {"right_lung": 1, "left_lung": 2, "heart": 4, "right_clavicle": 8, "left_clavicle": 16}.items():
        assert np.array_equal((flags & bit) > 0, case.masks[name])
        assert case.masks[name].any()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--count", "0"], "1 to 1000000 cases"),
        (["--count", "1", "--size", "7"], "pixels a side"),
        (["--count", "1", "--format", "gif"], "png or dicom"),
        (["--count", "1", "--size", "64", "--jobs", "0"], "jobs"),
        (["--count", "1", "--size", "64", "--nodules", "10cm"], "a count or diameters"),
        (["--count", "1", "--size", "64", "--nodules", "90mm"], "3 to 40 mm"),
    ],
)
def test_the_command_refuses_nonsense_and_leaves_nothing(tmp_path: Path, words: list[str], said: str) -> None:
    done = command("-o", tmp_path / "set", *words)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_an_existing_folder_is_never_touched(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "mine.txt").write_text("keep")
    with pytest.raises(OutputError, match="exists already"):
        simulate_dataset(tmp_path / "set", DatasetRequest(1, 64))
    assert [p.name for p in tmp_path.rglob("*.*")] == ["mine.txt"]


def test_a_run_that_stops_leaves_nothing_half_written(tmp_path: Path) -> None:
    def stop(name: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate_dataset(tmp_path / "set", DatasetRequest(3, 64), on_case=stop)
    assert not list(tmp_path.iterdir())


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file"):
        simulate_dataset(tmp_path / "file" / "set", DatasetRequest(1, 64))
    with pytest.raises(DataError, match="seed"):
        DatasetRequest(1, 64, seed=-3)
