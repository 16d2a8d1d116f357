"""Manifests, importers and splits."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from xprism.data.importers.folder import folder_cases
from xprism.data.importers.jsrt import jsrt_cases
from xprism.data.manifest import Case, read_manifest, write_manifest
from xprism.data.split import k_fold
from xprism.errors import DataError


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


def test_the_jsrt_importer_pairs_films_with_flags(tmp_path: Path) -> None:
    for name in ("JPCLN001", "JPCNN002"):
        _picture(tmp_path / "images" / f"{name}.png", np.zeros((4, 4)))
    _picture(tmp_path / "masks" / "JPCLN001.png", np.zeros((4, 4)))
    first, second = jsrt_cases(tmp_path)
    assert (first.attributes["group"], second.attributes["group"]) == ("nodule", "no nodule")
    assert (first.flags, second.flags) == (tmp_path / "masks" / "JPCLN001.png", None)


def test_the_jsrt_importer_finds_every_real_film(shared_data: Path) -> None:
    cases = jsrt_cases(shared_data / "jsrt")
    assert len(cases) == 124
    assert sum(case.attributes["group"] == "nodule" for case in cases) == 77
    assert all(case.flags for case in cases)


def test_the_folder_importer_names_films_without_a_mask(tmp_path: Path) -> None:
    _picture(tmp_path / "images" / "one.png", np.zeros((4, 4)))
    with pytest.raises(DataError, match=r"without a mask: one\.png"):
        folder_cases(tmp_path, label="lungs")


@given(count=st.integers(10, 60), folds=st.integers(2, 5), seed=st.integers(0, 5))
def test_folds_hold_out_every_subject_once_and_evenly(count: int, folds: int, seed: int) -> None:
    cases = [Case(f"c{i}", f"s{i // 2}", Path("x"), attributes={"group": "ab"[i % 4 // 2]}) for i in range(count)]
    held = k_fold(cases, folds=folds, seed=seed)
    assert held.keys() == {case.subject for case in cases}
    sizes = [list(held.values()).count(k) for k in range(folds)]
    assert max(sizes) - min(sizes) <= 1
    assert held == k_fold(list(reversed(cases)), folds=folds, seed=seed)


def test_too_few_subjects_for_the_folds_are_refused() -> None:
    with pytest.raises(DataError, match="cannot make 3 folds of 1"):
        k_fold([Case("a", "s", Path("x")), Case("b", "s", Path("x"))], folds=3, seed=0)
