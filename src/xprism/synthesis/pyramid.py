"""A picture at every size that a progressively growing network learns from."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from xprism.errors import DataError

SMALLEST = 4


def pyramid(picture: NDArray[Any], how: Literal["average", "nearest"] = "average") -> list[NDArray[np.float32]]:
    """A picture [..., H, H] at 4x4, 8x8 and so on up to its own size, smallest first.

    ``average`` takes the mean of each block, as progressive growing does, and so makes values between codes;
    ``nearest`` the pixel at the lower right of a block's centre, so that codes stay codes but what is smaller than a
    block may be lost. Raises ``DataError`` where H is no power of two from 4 on, or the picture not square.
    """
    height, width = picture.shape[-2:]
    if height != width or height < SMALLEST or height & (height - 1):
        raise DataError(
            f"a picture of {height} x {width} pixels has no pyramid", remedy="squares of 4, 8, 16 ... pixels have"
        )
    whole = np.asarray(picture, np.float32)
    blocks = [2**level for level in reversed(range((height // SMALLEST).bit_length()))]
    if how == "nearest":
        return [np.ascontiguousarray(whole[..., block // 2 :: block, block // 2 :: block]) for block in blocks]
    return [_means(whole, block) for block in blocks]


def _means(picture: NDArray[np.float32], block: int) -> NDArray[np.float32]:
    side = picture.shape[-1] // block
    return np.asarray(picture.reshape(*picture.shape[:-2], side, block, side, block).mean((-3, -1)))
