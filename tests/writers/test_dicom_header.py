"""What of a film's header results carry over, and what stays behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmwrite
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian

import dicom_results as dr
import xprism
from xprism.errors import OutputError
from xprism.radiograph import DisplayMapping, Radiograph
from xprism.writers.dicom.header import source_header

STORED = np.arange(12 * 10, dtype=np.uint16).reshape(12, 10)


def header_of(folder: Path, **options: Any) -> tuple[Dataset, list[str]]:
    return source_header(xprism.read(dr.write_film(folder / "film.dcm", STORED, bits=12, **options)))


def test_what_is_well_formed_is_carried_over_unchanged(tmp_path: Path) -> None:
    header, notes = header_of(tmp_path, KVP="120.50", PixelSpacing=["0.200", "0.25"], StudyDescription="Chest, erect")
    assert notes == []
    assert header.PatientName == "Phantom^Paula"
    assert header["KVP"].value.original_string == "120.50"
    assert [one.original_string for one in header.PixelSpacing] == ["0.200", "0.25"]
    assert header.StudyDescription == "Chest, erect"
    assert "PixelData" not in header


@pytest.mark.parametrize(
    ("keyword", "value", "reason"),
    [
        ("PatientAge", b"81", "no valid AS"),
        ("PatientBirthDate", b"19500231", "no valid DA"),
        ("StudyDate", b"20240101-20240105", "range"),
        ("StudyTime", b"256161", "no valid TM"),
        ("KVP", b"120 kV", "no valid DS"),
        ("KVP", b"1e999 ", "no valid DS"),
        ("ExposureTime", b"99999999999 ", "no valid IS"),
        ("PixelSpacing", b"0.000\\0.000 ", "not positive"),
        ("ImagerPixelSpacing", b"-0.1\\0.1 ", "not positive"),
        ("PixelSpacing", b"0.1 ", "1 values, not 2"),
        ("PatientSex", b"X ", "none of M, F and O"),
        ("BodyPartExamined", b"Chest ", "no valid CS"),
        ("StationName", b"a station of too many letters ", "no valid SH"),
        ("StudyDescription", b"a\x07b ", "control characters"),
        ("StudyDescription", b"Th\xf6rax", "character set"),
        ("LossyImageCompressionRatio", b"nan ", "no valid DS"),
        ("SamplesPerPixelUsed", b"\x01", "multiple of 2"),
        ("DetectorTimeSinceLastExposure", b"1\\2 ", "2 values, not 1"),
        ("ExposureTimeInms", b"\x00\x00\x00\x00\x00\x00\xf8\x7f", "finite"),
    ],
)
def test_a_malformed_value_is_dropped_and_said(tmp_path: Path, keyword: str, value: bytes, reason: str) -> None:
    header, notes = header_of(tmp_path, **{keyword: value})
    assert len(notes) == 1
    assert notes[0].startswith(keyword)
    assert reason in notes[0]
    assert not header.get(keyword)


def test_the_log_does_not_repeat_what_may_name_somebody(tmp_path: Path) -> None:
    _, notes = header_of(tmp_path, PatientComments=b"Paula\x07", OperatorsName=b"Dora\x07 ", KVP=b"12O ")
    assert [note.partition(" ")[0] for note in notes] == ["OperatorsName", "PatientComments", "KVP"]
    assert not any(name in " ".join(notes) for name in ("Paula", "Dora"))
    assert "'12O'" in notes[2]


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("PatientID", b"a number of more letters than sixty-four, as some system once made it, alas"),
        ("PatientName", b"M\xfcller^Anna"),
        ("StudyInstanceUID", b"1.2.03.4"),
        ("AccessionNumber", b"2024-0229-CHEST-0017"),
    ],
)
def test_what_archives_file_by_is_kept_as_it_stands(tmp_path: Path, keyword: str, value: bytes) -> None:
    header, notes = header_of(tmp_path, **{keyword: value})
    assert str(header[keyword].value).encode("latin-1") == value
    assert len(notes) == 1
    assert "kept" in notes[0]


def test_type_2_attributes_that_the_film_lacks_are_written_empty(tmp_path: Path) -> None:
    lacking = ("PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "ReferringPhysicianName", "StudyID")
    header, notes = header_of(tmp_path, **dict.fromkeys((*lacking, "PatientName", "AccessionNumber")))
    assert notes == []
    assert all(keyword in header and header[keyword].is_empty for keyword in lacking)
    assert header["PatientName"].is_empty


def test_private_attributes_stay_behind_also_inside_sequences(tmp_path: Path) -> None:
    film = dr.film_dataset(STORED, bits=12)
    film.private_block(0x0011, "MAKER", create=True).add_new(1, "LO", "secret")
    item = Dataset()
    item.RequestedProcedureID = "R1"
    item.private_block(0x0013, "MAKER", create=True).add_new(1, "LO", "secret")
    film.RequestAttributesSequence = [item]
    film.save_as(tmp_path / "film.dcm", enforce_file_format=True)
    header, notes = source_header(xprism.read(tmp_path / "film.dcm"))
    assert notes == []
    assert header.RequestAttributesSequence[0].RequestedProcedureID == "R1"
    assert "secret" not in str(header)
    assert len(header.RequestAttributesSequence[0]) == 1


def test_a_malformed_value_inside_a_sequence_costs_itself_only(tmp_path: Path) -> None:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator = "1", "L"
    item["CodeMeaning"] = dr.raw("CodeMeaning", b"bad\x07")
    header, notes = header_of(tmp_path, ProcedureCodeSequence=[item])
    assert header.ProcedureCodeSequence[0].CodeValue == "1"
    assert "CodeMeaning" not in header.ProcedureCodeSequence[0]
    assert notes == [
        "ProcedureCodeSequence.CodeMeaning holds control characters: left out of DICOM results.",
    ]


@pytest.mark.parametrize(
    ("term", "name"),
    [("ISO_IR 100", "Müller^Anna"), ("ISO_IR 192", "山田^太郎"), (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎")],
)
def test_text_survives_in_its_character_set(tmp_path: Path, term: Any, name: str) -> None:
    header, notes = header_of(tmp_path, SpecificCharacterSet=term, PatientName=name)
    assert notes == []
    assert str(header.PatientName) == name
    assert header.SpecificCharacterSet == term


@pytest.mark.filterwarnings("ignore:Unknown encoding")
def test_an_unknown_character_set_leaves_plain_text(tmp_path: Path) -> None:
    header, notes = header_of(tmp_path, SpecificCharacterSet=b"KLINGON ", StudyDescription=b"Th\xf6rax")
    assert "SpecificCharacterSet" not in header
    assert "StudyDescription" not in header
    assert header.PatientID == "P-17"
    assert any("character set" in note for note in notes)


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_the_encoding_of_the_film_does_not_matter(tmp_path: Path, syntax: str) -> None:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = "1", "L", "one"
    tags: dict[str, Any] = {"ProcedureCodeSequence": [item], "PixelPaddingValue": 7, "KVP": "120"}
    plain, _ = header_of(tmp_path, **tags)
    film = dr.film_dataset(STORED, bits=12, **tags)
    film.file_meta.TransferSyntaxUID = syntax
    if syntax == ExplicitVRBigEndian:
        film.PixelData = STORED.astype(">u2").tobytes()
    order = {"implicit_vr": syntax == ImplicitVRLittleEndian, "little_endian": syntax != ExplicitVRBigEndian}
    dcmwrite(tmp_path / "other.dcm", film, enforce_file_format=True, **order)
    other, notes = source_header(xprism.read(tmp_path / "other.dcm"))
    assert notes == []
    differing = {
        element.keyword
        for element in plain
        if element.keyword not in other or str(other[element.tag].value) != str(element.value)
    }
    # Its representation follows from the pixels', which implicit files do not repeat.
    assert differing <= {"PixelPaddingValue"}
    assert {element.tag for element in plain} == {element.tag for element in other}


def test_an_overlay_plane_is_carried_unless_it_lies_in_the_pixels(tmp_path: Path) -> None:
    film = dr.film_dataset(STORED, bits=12)
    for group, where in ((0x6000, 0), (0x6002, 12)):
        film.add_new((group, 0x0010), "US", 12)
        film.add_new((group, 0x0011), "US", 10)
        film.add_new((group, 0x0102), "US", where)
    film.add_new((0x6000, 0x3000), "OW", bytes(16))
    film.save_as(tmp_path / "film.dcm", enforce_file_format=True)
    header, notes = source_header(xprism.read(tmp_path / "film.dcm"))
    assert (0x6000, 0x3000) in header
    assert not any(tag.group == 0x6002 for tag in sorted(header.keys()))
    assert len(notes) == 1
    assert "6002" in notes[0]


def test_no_result_can_follow_from_a_picture_without_a_header() -> None:
    with pytest.raises(OutputError, match="only a DICOM film") as caught:
        source_header(Radiograph(STORED, DisplayMapping(0, 4095)))
    assert "--to" in caught.value.remedy


@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "SeriesInstanceUID"])
def test_a_film_that_no_archive_could_hold_is_declined(tmp_path: Path, keyword: str) -> None:
    with pytest.raises(OutputError, match=f"no {keyword}"):
        header_of(tmp_path, **{keyword: None})


def test_a_film_of_another_class_is_declined(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="this film is of class"):
        header_of(tmp_path, sop_class="1.2.840.10008.5.1.4.1.1.1.4", Modality="DX")
