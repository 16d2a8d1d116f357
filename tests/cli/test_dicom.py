"""``xprism dicom check``, and predicting for an archive."""

from __future__ import annotations

import csv
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread

import dicom_results as dr
from xprism.cli.app import run


def here(monkeypatch: pytest.MonkeyPatch, *words: str | Path) -> int:
    """Run a command in this process and return its exit code."""
    monkeypatch.setattr(sys, "argv", ["xprism", *map(str, words)])
    with pytest.raises(SystemExit) as end:
        run()
    return int(end.value.code or 0)


@pytest.fixture
def film(tmp_path: Path) -> Path:
    (tmp_path / "films").mkdir()
    return dr.write_film(tmp_path / "films" / "film.dcm", dr.chest(), bits=12)


@pytest.fixture
def without_validator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xprism.writers.dicom.check.validator", lambda: None)


def test_a_film_and_its_results_are_well(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("highdicom", reason="needs the extra 'dicom'")
    dr.full_model(tmp_path / "model")
    words = ("predict", film, "-o", tmp_path / "out", "--model", tmp_path / "model", "--to", "dicom")
    assert here(monkeypatch, *words) == 0
    results = dr.objects(tmp_path / "out" / "film.dcm")
    capsys.readouterr()
    assert here(monkeypatch, "dicom", "check", film, *results) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if not line.startswith("dciodvfy is not")]
    assert len(lines) == 5
    assert all(line.startswith("ok ") for line in lines)
    assert any("Comprehensive SR" in line for line in lines)


def test_what_is_wrong_is_said_and_ends_with_3(
    tmp_path: Path, without_validator: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tags = {"PixelSpacing": b"0\\0 ", "PatientBirthDate": None, "StudyInstanceUID": ""}
    bad = dr.write_film(tmp_path / "bad.dcm", dr.chest(), bits=12, **tags)
    cut = dcmread(dr.write_film(tmp_path / "cut.dcm", dr.chest(), bits=12))
    cut.PixelData = cut.PixelData[:-4]
    cut.save_as(tmp_path / "cut.dcm")
    (tmp_path / "none.dcm").write_bytes(b"no DICOM at all")
    assert here(monkeypatch, "dicom", "check", bad, tmp_path / "cut.dcm", tmp_path / "none.dcm") == 3
    said = capsys.readouterr().out
    assert "dciodvfy is not installed" in said
    for sentence in (
        "PixelSpacing '0\\0' is not positive",
        "PatientBirthDate is missing; it may be empty",
        "StudyInstanceUID is missing or empty",
        "has 15356 bytes of pixels where 15360 are due",
        "its preamble is missing",
    ):
        assert sentence in said


def test_files_that_contradict_each_other_are_found(
    film: Path,
    tmp_path: Path,
    without_validator: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    same = tmp_path / "same.dcm"
    shutil.copy(film, same)
    assert here(monkeypatch, "dicom", "check", film, same) == 0
    twin = dr.write_film(tmp_path / "twin.dcm", dr.chest(seed=5), bits=12)
    source = dr.code("1", "x")
    source.ReferencedSOPClassUID, source.ReferencedSOPInstanceUID = dr.DX, dcmread(film).SOPInstanceUID
    child = dr.film_dataset(dr.chest(), bits=12, SOPInstanceUID="1.2.3.4", SourceImageSequence=[source])
    child.save_as(tmp_path / "child.dcm", enforce_file_format=True)
    source.ReferencedSOPClassUID, child.StudyInstanceUID, child.SOPInstanceUID = dr.CR, "1.2.3.5", "1.2.3.6"
    child.file_meta.MediaStorageSOPInstanceUID = "1.2.3.6"
    child.save_as(tmp_path / "stray.dcm", enforce_file_format=True)
    capsys.readouterr()
    assert here(monkeypatch, "dicom", "check", film, twin) == 3
    assert "SOP instance UID of twin.dcm, but another content" in capsys.readouterr().out
    assert here(monkeypatch, "dicom", "check", film, tmp_path / "child.dcm", tmp_path / "stray.dcm") == 3
    said = capsys.readouterr().out
    assert "by another SOP class than it has" in said
    assert "which is of another study" in said
    assert here(monkeypatch, "dicom", "check", tmp_path / "child.dcm") == 0
    assert "not among these files" in capsys.readouterr().out


def test_what_dciodvfy_finds_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    dr.need("dciodvfy")
    film = dr.write_film(tmp_path / "film.dcm", dr.chest().astype(np.uint8), sop_class=dr.SC, ConversionType=None)
    assert here(monkeypatch, "dicom", "check", film) == 3
    assert "dciodvfy: Error - Missing attribute Type 1 Required Element=<ConversionType>" in capsys.readouterr().out


def test_a_path_that_is_not_there_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert here(monkeypatch, "dicom", "check", tmp_path / "gone.dcm") == 2
    assert "no such file" in capsys.readouterr().err


def test_without_highdicom_the_command_says_so_before_it_starts(
    film: Path, tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("xprism.writers.dicom.find_spec", lambda name: None)
    words = ("predict", film, "-o", tmp_path / "out", "--model", tiny_model, "--to", "dicom")
    assert here(monkeypatch, *words) == 2
    assert "xprism[dicom]" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_among_dicom_films_a_picture_fails_alone_and_a_rerun_skips_the_rest(
    film: Path, tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("highdicom", reason="needs the extra 'dicom'")
    Image.fromarray(dr.chest(bits=8).astype(np.uint8)).save(film.parent / "film.png")
    words = ("predict", film.parent, "-o", tmp_path / "out", "--model", tiny_model, "--to", "masks,dicom")
    assert here(monkeypatch, *words) == 3
    with (tmp_path / "out" / "errors.csv").open() as stream:
        (row,) = csv.DictReader(stream)
    assert (row["film"], row["code"]) == ("film.png", "output")
    assert "leave 'dicom' out of --to" in row["remedy"]
    names = {path.name for path in (tmp_path / "out" / "film.dcm").iterdir()}
    assert names == {"masks.png", "result.json", "masks.dcm", "measurements.dcm", "overlay.dcm"}
    capsys.readouterr()
    here(monkeypatch, *words)
    assert "1 up to date, 1 failed" in capsys.readouterr().out
