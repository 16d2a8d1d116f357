"""Dots lie where centroids are, can be moved, and survive their file."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from xprism.errors import DataError, OutputError
from xprism.synthesis.dots import STRUCTURES, Dot, Dots, dots_of, enlarged

CODES = {"right_lung": 51, "left_lung": 102, "heart": 153, "right_clavicle": 204, "left_clavicle": 255}


@pytest.fixture
def masks() -> dict[str, np.ndarray]:
    """Ragged ellipses on a grid of 200 x 240."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:200, :240]
    centres = {"right_lung": (95, 60), "left_lung": (90, 180), "heart": (130, 130)}
    centres |= {"right_clavicle": (30, 70), "left_clavicle": (31, 170)}
    return {
        name: ((rows - row) ** 2 + (columns - column) ** 2 < 400) & (rng.random((200, 240)) < 0.7)
        for name, (row, column) in centres.items()
    }


@pytest.fixture
def dots() -> Dots:
    return Dots(dots={name: Dot(row=10 + 9 * k, column=8 * k + 3) for k, name in enumerate(STRUCTURES)})


def test_a_dot_lies_at_the_centroid_of_its_mask(masks: dict[str, np.ndarray]) -> None:
    dots = dots_of(masks)
    for name, mask in masks.items():
        row, column = ndimage.center_of_mass(mask)
        assert (dots.dots[name].row, dots.dots[name].column) == (
            math.floor(row * 64 / 200),
            math.floor(column * 64 / 240),
        )


def test_a_map_holds_a_block_of_three_pixels_of_each_code(masks: dict[str, np.ndarray]) -> None:
    dots = dots_of(masks)
    picture = dots.picture()
    assert picture.shape == (64, 64)
    for name, code in CODES.items():
        rows, columns = np.nonzero(picture == code)
        dot = dots.dots[name]
        block = {(dot.row + down, dot.column + right) for down in (-1, 0, 1) for right in (-1, 0, 1)}
        assert set(zip(rows.tolist(), columns.tolist(), strict=True)) == block
    assert set(np.unique(picture).tolist()) == {0, *CODES.values()}


def test_other_sizes_and_radii_can_be_drawn(masks: dict[str, np.ndarray]) -> None:
    picture = dots_of(masks, size=100, radius=2).picture()
    assert {code: int((picture == code).sum()) for code in CODES.values()} == dict.fromkeys(CODES.values(), 25)


def test_a_block_is_cut_off_at_the_border(dots: Dots) -> None:
    corner = dots.moved("right_lung", down=-10, right=-3)
    rows, columns = np.nonzero(corner.numbers() == 1)
    assert sorted(zip(rows.tolist(), columns.tolist(), strict=True)) == [(0, 0), (0, 1), (1, 0), (1, 1)]


@pytest.mark.parametrize("lacking", [{}, {"heart": np.zeros((200, 240), bool)}])
def test_a_mask_without_pixels_has_no_dot(masks: dict[str, np.ndarray], lacking: dict[str, np.ndarray]) -> None:
    del masks["heart"]
    with pytest.raises(DataError, match="heart has no pixels"):
        dots_of(masks | lacking)


def test_one_dot_is_moved_and_the_others_stay(dots: Dots) -> None:
    moved = dots.moved("heart", down=4, right=-2)
    assert moved.dots["heart"] == Dot(row=dots.dots["heart"].row + 4, column=dots.dots["heart"].column - 2)
    assert {name: dot for name, dot in moved.dots.items() if name != "heart"} == {
        name: dot for name, dot in dots.dots.items() if name != "heart"
    }
    here, there = (one.numbers() == 3 for one in (dots, moved))
    np.testing.assert_array_equal(np.roll(here, (4, -2), (0, 1)), there)


def test_one_dot_is_made_larger_or_removed(dots: Dots) -> None:
    assert [int((dots.scaled("heart", radius).numbers() == 3).sum()) for radius in (0, 1, 3)] == [1, 9, 49]
    without = dots.removed("heart")
    assert 3 not in without.numbers()
    assert set(without.dots) == set(STRUCTURES) - {"heart"}
    assert "heart" in dots.dots


def test_edits_that_cannot_be_are_refused(dots: Dots) -> None:
    with pytest.raises(DataError, match=r"heart would lie at 92, 19 .*0 to 63"):
        dots.moved("heart", down=64)
    with pytest.raises(DataError, match="no dot of 'spleen'"):
        dots.moved("spleen", down=1)
    with pytest.raises(DataError, match="no dot of 'heart'"):
        dots.removed("heart").removed("heart")
    with pytest.raises(DataError, match="radius of heart"):
        dots.scaled("heart", -1)


def test_dots_survive_their_file(dots: Dots, tmp_path: Path) -> None:
    dots.save(tmp_path / "dots.json")
    assert Dots.load(tmp_path / "dots.json") == dots
    said = json.loads((tmp_path / "dots.json").read_text())
    assert said["dots"]["heart"] == {"row": 28, "column": 19, "radius": 1}


def test_a_file_may_leave_out_the_radius_and_structures(tmp_path: Path) -> None:
    (tmp_path / "dots.json").write_text('{"dots": {"heart": {"row": 5, "column": 6}}}')
    for radius in (1, 2):
        wanted = Dots(size=64, dots={"heart": Dot(row=5, column=6, radius=radius)})
        assert Dots.load(tmp_path / "dots.json", radius=radius) == wanted


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"dots": {"liver": {"row": 5, "column": 6}}}', r"dots\.liver.*structures are right_lung"),
        ('{"dots": {"heart": {"row": 5}}}', r"dots\.heart\.column: Field required"),
        ('{"dots": {"heart": {"row": -1, "column": 6}}}', r"dots\.heart\.row: .*greater than or equal to 0"),
        ('{"dots": {"heart": {"row": 64, "column": 6}}}', "heart lies at 64, 6, outside a map of 64 pixels"),
        ('{"dots": {"heart": {"row": 5, "column": 6, "colour": 1}}}', r"dots\.heart\.colour"),
        ('{"dots": ', "Invalid JSON"),
        ("{}", "dots: Field required"),
    ],
)
def test_a_wrong_file_is_refused_with_its_name_and_entry(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "dots.json"
    path.write_text(text)
    with pytest.raises(DataError, match=said) as raised:
        Dots.load(path)
    assert str(path) in str(raised.value)


def test_files_that_cannot_be_read_or_written_are_named(dots: Dots, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        Dots.load(tmp_path / "dots.json")
    with pytest.raises(DataError, match="cannot read"):
        Dots.load(tmp_path)
    with pytest.raises(OutputError, match="cannot write"):
        dots.save(tmp_path / "none" / "dots.json")


@pytest.mark.parametrize("size", [64, 128, 1024])
def test_enlarging_repeats_pixels(dots: Dots, size: int) -> None:
    picture = dots.picture()
    pillow = np.asarray(Image.fromarray(picture).resize((size, size), Image.Resampling.NEAREST))
    np.testing.assert_array_equal(enlarged(picture, size), pillow)
    with pytest.raises(DataError, match=f"cannot be enlarged to {size + 1}"):
        enlarged(picture, size + 1)
