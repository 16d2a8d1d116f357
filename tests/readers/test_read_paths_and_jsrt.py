"""What is no film at all is refused with cause and remedy; raw JSRT films are known by size and values."""

from __future__ import annotations

import numpy as np
import pytest

import xprism
from xprism.errors import CorruptFile, ReadError, UnsupportedFile
from xprism.readers.sniff import starts_like_dicom


def raw_jsrt(path, *, highest=4095):
    y, x = np.mgrid[:2048, :2048]
    values = ((x * 3 + y * 5) % (highest + 1)).astype(np.uint16)
    path.write_bytes(values.astype(">u2").tobytes())
    return values


@pytest.mark.parametrize("name", ["JPCLN001.IMG", "archive_copy"])
def test_raw_jsrt_is_read_big_endian_inverted_with_its_spacing(name, tmp_path):
    values = raw_jsrt(tmp_path / name)
    film = xprism.read(tmp_path / name)
    np.testing.assert_array_equal(film.stored, values)
    np.testing.assert_allclose(film.display, 1 - values / 4095, atol=1e-6)
    np.testing.assert_array_equal(film.to_stored(film.display), values)
    assert (film.spacing.row_mm, film.spacing.column_mm, film.spacing.origin) == (0.175, 0.175, "file")
    assert film.origin == "jsrt"


def test_raw_jsrt_takes_the_users_polarity(tmp_path):
    raw_jsrt(tmp_path / "a.IMG")
    assert not xprism.read(tmp_path / "a.IMG", polarity="display").mapping.inverted


def test_jsrt_of_another_size_says_so(tmp_path):
    (tmp_path / "a.IMG").write_bytes(bytes(1000))
    with pytest.raises(CorruptFile, match=r"8388608 bytes.*this file has 1000"):
        xprism.read(tmp_path / "a.IMG")


def test_jsrt_with_swapped_bytes_says_so(tmp_path):
    raw_jsrt(tmp_path / "a.IMG", highest=65535)
    with pytest.raises(CorruptFile, match="0 to 4095"):
        xprism.read(tmp_path / "a.IMG")


@pytest.mark.parametrize(
    ("name", "content", "kind", "words"),
    [
        ("empty.png", b"", CorruptFile, "empty"),
        ("notes.txt", b"patient came in walking", UnsupportedFile, "xprism reads DICOM, PNG"),
        ("film.dcm", b"this is not DICOM at all, sorry", CorruptFile, "named like DICOM"),
        ("film.png", b"this is not PNG at all, sorry", CorruptFile, "named like a picture"),
        ("page.html", b"<!doctype html><html></html>", UnsupportedFile, "not known"),
        ("one", b"x", UnsupportedFile, "not known"),
    ],
)
def test_files_that_are_no_films_are_typed_errors(name, content, kind, words, tmp_path):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(kind, match=words) as caught:
        xprism.read(path)
    assert str(path) in str(caught.value)


def test_missing_file_and_folder_are_typed_errors(tmp_path):
    with pytest.raises(ReadError, match="no such file"):
        xprism.read(tmp_path / "absent.dcm")
    with pytest.raises(ReadError, match="folder"):
        xprism.read(tmp_path)


def test_unknown_polarity_names_the_choices(tmp_path):
    with pytest.raises(ReadError, match="auto, display or inverted"):
        xprism.read(tmp_path / "a.png", polarity="negative")


@pytest.mark.parametrize(
    ("head", "is_dicom"),
    [
        (b"\x08\x00\x05\x00CS\x0a\x00ISO_IR 100", True),
        (b"\x00\x08\x00\x05CS\x00\x0aISO_IR 100", True),
        (b"\x08\x00\x05\x00\x0a\x00\x00\x00ISO_IR 100", True),
        (b"\x08\x00\x05\x00\xff\xff\xff\x7fISO_IR 100", False),
        (b"plain text file", False),
        (b"\x08\x00", False),
    ],
)
def test_dicom_without_preamble_is_known_by_its_first_element(head, is_dicom):
    assert starts_like_dicom(head) is is_dicom
