"""PNG files against what Pillow reads of them."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from xprism.png import png_of, save_png


@pytest.mark.parametrize("shape", [(1, 1), (3, 1), (1, 7), (40, 33)])
@pytest.mark.parametrize(("depth", "mode"), [(np.uint8, "L"), (np.uint16, "I;16")])
def test_grey_pictures_read_back_as_they_were(tmp_path: Path, depth: type, mode: str, shape: tuple[int, int]) -> None:
    most = np.iinfo(depth).max
    values = np.random.default_rng(3).integers(0, most, shape, endpoint=True).astype(depth)
    values.flat[0], values.flat[-1] = most, 0
    save_png(values, tmp_path / "grey.png")
    with Image.open(tmp_path / "grey.png") as image:
        assert image.mode.startswith(mode)
        image.verify()
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "grey.png")), values)


@pytest.mark.parametrize("shape", [(1, 1, 3), (20, 33, 3)])
def test_colour_pictures_read_back_as_they_were(shape: tuple[int, ...]) -> None:
    values = np.random.default_rng(3).integers(0, 256, shape).astype(np.uint8)
    with Image.open(io.BytesIO(png_of(values))) as image:
        assert image.mode == "RGB"
        np.testing.assert_array_equal(np.asarray(image), values)


def test_a_picture_may_be_a_view_of_another_in_any_order() -> None:
    values = np.random.default_rng(3).integers(0, 65536, (30, 20)).astype(np.uint16)
    for view in (values.T, values[::-1, ::2], np.asfortranarray(values)):
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(png_of(view)))), view)
