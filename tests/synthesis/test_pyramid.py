"""Pyramids against Pillow's and scikit-image's ways to shrink."""

import numpy as np
import pytest
from PIL import Image
from skimage.measure import block_reduce

from xprism.errors import DataError
from xprism.synthesis.dots import STRUCTURES, Dot, Dots
from xprism.synthesis.pyramid import pyramid


def test_levels_double_from_four_pixels() -> None:
    for how in ("average", "nearest", "brightest"):
        assert [level.shape for level in pyramid(np.zeros((2, 64, 64)), how)] == [
            (2, side, side) for side in (4, 8, 16, 32, 64)
        ]
    assert len(pyramid(np.zeros((1024, 1024), np.uint8))) == 9


def test_an_average_is_the_mean_of_each_block() -> None:
    picture = np.random.default_rng(0).normal(size=(32, 32))
    for level, block in zip(pyramid(picture), (8, 4, 2, 1), strict=True):
        np.testing.assert_allclose(level, block_reduce(picture, block, np.mean), atol=1e-6)


def test_nearest_takes_the_pixel_that_pillow_takes() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (32, 32)).astype(np.uint8)
    for level, side in zip(pyramid(picture, "nearest"), (4, 8, 16, 32), strict=True):
        pillow = Image.fromarray(picture).resize((side, side), Image.Resampling.NEAREST)
        np.testing.assert_array_equal(level, np.asarray(pillow))


def test_only_nearest_keeps_codes() -> None:
    dots = Dots(dots={name: Dot(row=9 + 10 * k, column=8 + 11 * k) for k, name in enumerate(STRUCTURES)})
    codes = np.unique(dots.picture()).tolist()
    halved, averaged = (pyramid(dots.picture(), how)[-2] for how in ("nearest", "average"))
    # A block of three pixels holds a pixel of every other row and column, so no dot is lost at half the size.
    assert np.unique(halved).tolist() == codes
    assert not set(np.unique(averaged).tolist()) <= set(codes)


def test_brightest_is_the_maximum_of_each_block_and_loses_no_dot() -> None:
    dots = Dots(dots={name: Dot(row=8 + 16 * (k % 4), column=8 + 16 * (k // 4)) for k, name in enumerate(STRUCTURES)})
    codes = np.unique(dots.picture()).tolist()
    for level, block in zip(pyramid(dots.picture(), "brightest"), (16, 8, 4, 2, 1), strict=True):
        np.testing.assert_array_equal(level, block_reduce(dots.picture(), block, np.max))
        assert np.unique(level).tolist() == codes


@pytest.mark.parametrize("shape", [(48, 48), (32, 64), (2, 2), (0, 0)])
def test_other_sizes_are_refused(shape: tuple[int, int]) -> None:
    with pytest.raises(DataError, match="has no pyramid"):
        pyramid(np.zeros(shape))
