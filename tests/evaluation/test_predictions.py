"""Which prediction belongs to which case, and what is read of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from xprism.card import sha256_of
from xprism.data.manifest import Case
from xprism.errors import CorruptFile, DataError
from xprism.protocols.predictions import NoPrediction, PlainSource, match, open_source


def _case(path: Path, content: str, *, name: str = "") -> Case:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return Case(name or path.stem, path.stem, path)


def test_the_hash_goes_before_the_name(tmp_path: Path) -> None:
    first, second = _case(tmp_path / "a" / "x.png", "one"), _case(tmp_path / "a" / "y.png", "two")
    swapped = {"x.png": sha256_of(second.film), "y.png": sha256_of(first.film)}
    assert match([first, second], swapped) == {"x": ("y.png", "sha256"), "y": ("x.png", "sha256")}


def test_a_film_of_other_content_is_found_by_its_path_then_by_its_last_part(tmp_path: Path) -> None:
    case = _case(tmp_path / "a" / "b" / "x.png", "one")
    assert match([case], {"b/x.png": "0" * 64, "c/x.png": "1" * 64}) == {"x": ("b/x.png", "name")}
    assert match([case], {"elsewhere/x.png": "0" * 64, "y.png": "1" * 64}) == {"x": ("elsewhere/x.png", "name")}
    assert match([case], {"c/x.png": "0" * 64, "d/x.png": "1" * 64}) == {}


def test_a_case_never_gets_the_prediction_of_another_cases_film(tmp_path: Path) -> None:
    first = _case(tmp_path / "a" / "x.png", "one", name="first")
    second = _case(tmp_path / "b" / "x.png", "two", name="second")
    assert match([first, second], {"x.png": sha256_of(first.film)}) == {"first": ("x.png", "sha256")}


def test_a_prediction_that_two_films_lay_claim_to_belongs_to_neither(tmp_path: Path) -> None:
    first = _case(tmp_path / "a" / "x.png", "one", name="first")
    second = _case(tmp_path / "b" / "x.png", "two", name="second")
    assert match([first, second], {"x.png": "0" * 64}) == {}


def test_of_two_predictions_of_equal_films_the_one_of_the_same_path_is_taken(tmp_path: Path) -> None:
    first = _case(tmp_path / "x.png", "same", name="first")
    second = _case(tmp_path / "y.png", "same", name="second")
    same = sha256_of(first.film)
    found = match([first, second], {"x.png": same, "y.png": same})
    assert found == {"first": ("x.png", "sha256"), "second": ("y.png", "sha256")}


def test_plain_files_are_flags_masks_and_pictures(tmp_path: Path) -> None:
    case = Case("c1", "c1", tmp_path / "film.png", pictures={"soft": tmp_path / "real.png"})
    for folder in ("spine", "soft"):
        (tmp_path / "out" / folder).mkdir(parents=True)
    flags = np.array([[1, 3, 0], [4, 20, 0]], np.uint8)
    Image.fromarray(flags).save(tmp_path / "out" / "c1.png")
    Image.fromarray(np.array([[0, 127, 128], [255, 0, 0]], np.uint8)).save(tmp_path / "out" / "spine" / "c1.gif")
    Image.fromarray(np.array([[0, 51, 255]], np.uint8)).save(tmp_path / "out" / "soft" / "c1.png")
    found = PlainSource(tmp_path / "out", [case], card=None)(case)
    np.testing.assert_array_equal(found.masks["heart"], [[0, 0, 0], [1, 1, 0]])
    np.testing.assert_array_equal(found.masks["spine"], [[0, 0, 1], [1, 0, 0]])
    np.testing.assert_allclose(found.pictures["soft"][1], [[0, 0.2, 1]], atol=1e-6)


def test_a_case_without_files_has_no_prediction(tmp_path: Path) -> None:
    case = Case("c1", "c1", tmp_path / "film.png")
    with pytest.raises(NoPrediction, match=r"no c1.png and no LABEL/c1.png"):
        open_source(str(tmp_path), [case])(case)


def test_one_structure_in_place_of_flags_is_explained(tmp_path: Path) -> None:
    case = Case("c1", "c1", tmp_path / "film.png")
    Image.fromarray(np.full((2, 2), 255, np.uint8)).save(tmp_path / "c1.png")
    with pytest.raises(CorruptFile, match=r"LABEL/CASE\.png"):
        PlainSource(tmp_path, [case], card=None)(case)


def test_what_is_neither_model_nor_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="neither a model nor a folder"):
        open_source(str(tmp_path / "nothing"), [])
