"""Real films of several hospitals and syntaxes; skipped where the private data sets are absent."""

from __future__ import annotations

import time

import numpy as np
import pytest
from PIL import Image

import xprism
from xprism.errors import ReadError
from xprism.readers.polarity import judge

TIBIA_LOSSLESS = ["rle", "jpll", "jlsl", "j2kr"]


@pytest.fixture(scope="module")
def radiographs(shared_data):
    return shared_data / "dicom" / "radiographs"


def test_every_radiograph_is_read_and_its_stored_values_come_back(radiographs):
    films = sorted(radiographs.iterdir())
    assert len(films) == 14
    for path in films:
        film = xprism.read(path)
        np.testing.assert_array_equal(film.to_stored(film.display), film.stored, err_msg=path.name)


def test_lossless_twins_hold_identical_values(radiographs):
    for picture, others in (
        ("tibia_cr_mono1_10bit", ["unc", *TIBIA_LOSSLESS]),
        ("hip_cr_mono2_10bit", ["rle", "j2kr"]),
    ):
        films = [xprism.read(radiographs / f"{picture}_{syntax}.dcm") for syntax in others]
        for other in films[1:]:
            np.testing.assert_array_equal(films[0].stored, other.stored)


@pytest.mark.parametrize(("syntax", "most", "mean"), [("j2ki", 9, 0.8), ("jlsn", 4, 1.6), ("jply", 48, 1.8)])
def test_lossy_twins_are_close_to_the_original(radiographs, syntax, most, mean):
    original = xprism.read(radiographs / "tibia_cr_mono1_10bit_unc.dcm").stored.astype(int)
    error = np.abs(xprism.read(radiographs / f"tibia_cr_mono1_10bit_{syntax}.dcm").stored - original)
    assert 0 < error.mean() <= mean
    assert error.max() <= most


def test_chest_with_zero_spacing_has_none(radiographs):
    film = xprism.read(radiographs / "chest_cr_mono1_15bit_jlsn.dcm")
    assert (film.spacing, film.view, film.body_part, film.mapping.inverted) == (None, "PA", "CHEST", True)


def outcome_of(path):
    """``read``, or the code of the typed error; anything else escapes and fails the test."""
    try:
        film = xprism.read(path)
    except ReadError as error:
        return error.code if error.remedy and error.where == str(path) else "unexplained"
    return "read" if np.array_equal(film.to_stored(film.display), film.stored) else "not exact"


def test_every_odd_file_is_read_or_refused_by_a_typed_error_in_time(shared_data):
    outcomes = {}
    for path in sorted((shared_data / "dicom" / "odd").iterdir()):
        began = time.monotonic()
        outcomes[path.stem] = outcome_of(path)
        assert time.monotonic() - began < 5
    read = {name for name, outcome in outcomes.items() if outcome == "read"}
    assert read == {"JLSL_08_07_0_1F", "JLSL_16_15_1_1F", "image_dfl", "mlut_18", "vlut_04"}
    assert set(outcomes.values()) == {"read", "corrupt", "not_a_radiograph"}
    assert {name for name, outcome in outcomes.items() if outcome == "corrupt"} == {"no_meta", "meta_missing_tsyntax"}


@pytest.mark.parametrize("pictures", ["jsrt/images/*.png", "lungs_normal_cxr/images/*", "dual_energy_pairs/*_cxr.png"])
def test_polarity_of_chests_is_right_both_ways(shared_data, pictures):
    for path in sorted(shared_data.glob(pictures)):
        grey = np.asarray(Image.open(path).convert("L"))
        assert judge(grey).inverted is False, path.name
        assert judge(255 - grey).inverted is True, path.name


@pytest.mark.parametrize("name", ["hip_cr_mono2_10bit_rle", "tibia_cr_mono1_10bit_rle", "chest_cr_mono1_15bit_jlsn"])
def test_polarity_of_dicom_films_without_their_tags_is_right_both_ways(radiographs, name):
    display = xprism.read(radiographs / f"{name}.dcm").display
    assert judge(display).inverted is False
    assert judge(1 - display).inverted is True
