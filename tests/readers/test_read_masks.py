"""Masks of one structure and masks of bit flags."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from xprism.errors import CorruptFile, NotARadiograph, ReadError
from xprism.readers import read_flags, read_mask


@pytest.mark.parametrize("name", ["m.png", "m.gif"])
def test_mask_is_grey_128_and_more(name, tmp_path):
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    Image.fromarray(grey).save(tmp_path / name)
    mask = read_mask(tmp_path / name)
    assert mask.dtype == bool
    np.testing.assert_array_equal(mask, grey >= 128)


@pytest.mark.parametrize("name", ["m.png", "m.gif"])
def test_palette_is_applied_before_the_threshold(name, tmp_path):
    index = (np.indices((8, 8)).sum(axis=0) % 2).astype(np.uint8)
    image = Image.fromarray(index).convert("P")
    image.putdata(index.ravel().tolist())
    image.putpalette([255, 255, 255, 0, 0, 0])
    image.save(tmp_path / name)
    np.testing.assert_array_equal(read_mask(tmp_path / name), index == 0)


def test_one_bit_and_sixteen_bit_masks_are_read(tmp_path):
    inside = np.indices((8, 8))[0] > 3
    Image.fromarray(inside).save(tmp_path / "one.png")
    Image.fromarray(inside.astype(np.uint16) * 65535).save(tmp_path / "sixteen.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "one.png"), inside)
    np.testing.assert_array_equal(read_mask(tmp_path / "sixteen.png"), inside)


def test_every_combination_of_flags_is_taken_apart(tmp_path):
    flags = np.arange(32, dtype=np.uint8).reshape(4, 8)
    Image.fromarray(flags).save(tmp_path / "f.png")
    found = read_flags(tmp_path / "f.png")
    assert list(found) == ["right_lung", "left_lung", "heart", "right_clavicle", "left_clavicle"]
    rebuilt = sum(mask.astype(np.uint8) << k for k, mask in enumerate(found.values()))
    np.testing.assert_array_equal(rebuilt, flags)


def test_unknown_flags_colours_damage_and_absence_are_typed_errors(tmp_path):
    Image.fromarray(np.full((4, 4), 255, np.uint8)).save(tmp_path / "white.png")
    with pytest.raises(CorruptFile, match="0 to 31"):
        read_flags(tmp_path / "white.png")
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (4, 4, 3), np.uint8)).save(tmp_path / "colour.png")
    with pytest.raises(NotARadiograph):
        read_mask(tmp_path / "colour.png")
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(CorruptFile):
        read_mask(tmp_path / "text.png")
    with pytest.raises(ReadError, match="no such file"):
        read_mask(tmp_path / "absent.png")
