"""Polarity judged from the picture: right both ways, sure of nothing it cannot see."""

from __future__ import annotations

import dicom_films as films
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import xprism
from xprism.readers.polarity import judge, open_beam_score, thorax_score


def chest(*, size=(300, 340), shift=0.0, scale=1.0, seed=0):
    """A drawn chest, bone bright, that shares nothing with the reader's own analytic thorax."""
    y, x = ((np.arange(n) + 0.5) / n for n in size)
    u, v = (x[None] - 0.5 - shift) / scale, (y[:, None] - 0.45) / scale
    film = np.full(size, 0.6)
    film[(np.abs(u) > 0.44) & (v > -0.25) | (v < -0.38) & (np.abs(u) > 0.2)] = 0.05
    for side in (-1, 1):
        film[((u - side * 0.2) / 0.14) ** 2 + (v / 0.3) ** 2 < 1] = 0.2
    film[(np.abs(u) < 0.07) | (v > 0.33) & (np.abs(u) < 0.4)] = 0.85
    return film + np.random.default_rng(seed).normal(0, 0.03, size)


def limb(*, angle=0, shutter=0.0, size=200, seed=0):
    """A drawn forearm in an open beam, with or without a collimated (unexposed, bright) rim."""
    y, x = np.mgrid[:size, :size] / size - 0.5
    film = np.full((size, size), 0.03)
    across = np.abs(x + 0.08 * y)
    film[across < 0.2] = 0.45 + 0.2 * np.sqrt(np.clip(1 - (across[across < 0.2] / 0.2) ** 2, 0, 1))
    film[(np.abs(x + 0.08 * y - 0.06) < 0.03) | (np.abs(x + 0.08 * y + 0.08) < 0.03)] = 0.9
    if shutter:
        film[np.abs(x) > 0.5 - shutter] = 0.97
    return np.rot90(film, angle // 90) + np.random.default_rng(seed).normal(0, 0.01, film.shape)


@pytest.mark.parametrize("shift", [-0.04, 0, 0.05])
@pytest.mark.parametrize("scale", [0.9, 1.0, 1.1])
@pytest.mark.parametrize("gamma", [0.4, 1, 2.5])
def test_chest_is_judged_right_both_ways_whatever_its_contrast(shift, scale, gamma):
    film = np.clip(chest(shift=shift, scale=scale), 0, 1) ** gamma
    assert judge(film).inverted is False
    assert judge(-1000 * film + 5).inverted is True


@pytest.mark.parametrize("angle", [0, 90])
@pytest.mark.parametrize("shutter", [0, 0.12])
def test_limb_is_judged_by_its_open_beam_both_ways(angle, shutter):
    film = limb(angle=angle, shutter=shutter)
    assert judge(film).inverted is False
    assert judge(1 - film).inverted is True


@given(st.integers(0, 2**31), st.integers(3, 40))
@settings(max_examples=25, deadline=None)
def test_scores_change_their_sign_when_any_picture_is_inverted(seed, cells):
    noise = np.random.default_rng(seed).normal(size=(cells, cells)).astype(np.float32)
    film = np.asarray(Image.fromarray(noise).resize((160, 160), Image.Resampling.BILINEAR))
    assert thorax_score(-film) == pytest.approx(-thorax_score(film), abs=1e-9)
    assert open_beam_score(-film) == pytest.approx(-open_beam_score(film), abs=1e-9)


@pytest.mark.parametrize("film", [np.zeros((50, 60)), np.ones((1, 1)), np.random.default_rng(5).normal(size=(99, 99))])
def test_picture_that_does_not_tell_is_taken_as_display_and_says_so(film):
    opinion = judge(film)
    assert opinion.inverted is None
    assert "check it" in opinion.evidence


def test_reading_a_png_both_ways_gives_the_same_display(tmp_path):
    grey = np.rint(np.clip(chest(), 0, 1) * 255).astype(np.uint8)
    for name, picture in (("a.png", grey), ("b.png", 255 - grey)):
        Image.fromarray(picture).save(tmp_path / name)
    one, other = xprism.read(tmp_path / "a.png"), xprism.read(tmp_path / "b.png")
    np.testing.assert_array_equal(one.display, other.display)
    assert any("judged from the picture as inverted" in sentence for sentence in other.log)
    assert xprism.read(tmp_path / "b.png", polarity="display").mapping.inverted is False


@pytest.mark.parametrize(("photometric", "warned"), [("MONOCHROME1", True), ("MONOCHROME2", False)])
def test_tags_win_over_the_picture_but_a_clear_contradiction_is_logged(photometric, warned, tmp_path):
    stored = np.rint(np.clip(chest(), 0, 1) * 4095).astype(np.uint16)
    film = xprism.read(films.write(tmp_path / "f.dcm", stored, bits=12, PhotometricInterpretation=photometric))
    assert film.mapping.inverted is warned
    assert any("other polarity" in sentence for sentence in film.log) is warned


def test_dicom_without_any_polarity_tag_is_judged_from_the_picture(tmp_path):
    stored = 4095 - np.rint(np.clip(chest(), 0, 1) * 4095).astype(np.uint16)
    film = xprism.read(films.write(tmp_path / "f.dcm", stored, bits=12, PhotometricInterpretation=None))
    assert film.mapping.inverted is True
    assert any("judged from the picture" in sentence for sentence in film.log)
