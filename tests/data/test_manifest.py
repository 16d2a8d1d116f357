"""Manifests: written, read back, loaded."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from xprism.data.manifest import Case, read_manifest, write_manifest
from xprism.errors import CorruptFile, DataError


def _picture(path: Path, values: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values.astype(np.uint8)).save(path)
    return path


def test_a_manifest_reads_back_as_written(tmp_path: Path) -> None:
    cases = (
        Case("a", "s1", tmp_path / "a.png", tmp_path / "a_flags.png", attributes={"source": "x"}),
        Case("b", "s2", tmp_path / "b.png", masks={"lungs": tmp_path / "m.png"}, pictures={"soft": tmp_path / "p.png"}),
    )
    write_manifest(tmp_path / "m.csv", cases)
    assert read_manifest(tmp_path / "m.csv") == cases
    assert str(tmp_path) not in (tmp_path / "m.csv").read_text()


def test_a_case_loads_what_its_files_hold(tmp_path: Path) -> None:
    film = np.arange(64).reshape(8, 8) * 4
    flags = np.zeros((8, 8))
    flags[2:5, 1:3], flags[4:7, 2:6] = 1, 4
    flags[4, 2] = 5
    case = Case(
        "a",
        "a",
        _picture(tmp_path / "f.png", film),
        _picture(tmp_path / "m.png", flags),
        attributes={"polarity": "display"},
    )
    truth = case.load_truth()
    np.testing.assert_allclose(case.load_film(), film / 255, atol=1e-6)
    np.testing.assert_array_equal(truth["right_lung"], flags.astype(int) & 1 > 0)
    np.testing.assert_array_equal(truth["heart"], flags.astype(int) & 4 > 0)
    assert not truth["left_clavicle"].any()


def test_a_class_map_is_read_as_its_numbers(tmp_path: Path) -> None:
    numbers = np.random.default_rng(0).integers(0, 3, (8, 6)).astype(np.uint8)
    coloured = Image.fromarray(numbers)
    coloured.putpalette([0, 0, 0, 255, 0, 0, 255, 255, 255])
    coloured.save(tmp_path / "palette.png")
    for path in (_picture(tmp_path / "grey.png", numbers), tmp_path / "palette.png"):
        case = Case("a", "a", tmp_path / "f.png", classes={"tissue": path})
        write_manifest(tmp_path / "m.csv", [case])
        assert read_manifest(tmp_path / "m.csv") == (case,)
        assert "classes:tissue" in (tmp_path / "m.csv").read_text()
        found = case.load_truth()["tissue"]
        assert found.dtype == np.uint8
        np.testing.assert_array_equal(found, numbers)


def test_a_class_map_of_16_bits_is_refused(tmp_path: Path) -> None:
    Image.fromarray(np.ones((4, 4), np.uint16)).save(tmp_path / "deep.png")
    with pytest.raises(CorruptFile, match="8 bits, not 16"):
        Case("a", "a", tmp_path / "f.png", classes={"tissue": tmp_path / "deep.png"}).load_truth()


@pytest.mark.parametrize(
    ("text", "message"),
    [("case,film\na,a.png\n", "columns missing: subject"), ("case,subject,film\na,s,a.png\na,s,b.png\n", "twice: a")],
)
def test_a_manifest_that_cannot_be_right_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "m.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        read_manifest(tmp_path / "m.csv")


def test_a_missing_manifest_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="data import"):
        read_manifest(tmp_path / "none.csv")
