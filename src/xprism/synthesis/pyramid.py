"""A picture at every size that a progressively growing network learns from."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from xprism.errors import DataError

SMALLEST = 4
Way = Literal["average", "nearest", "brightest"]


def pyramid(picture: NDArray[Any], how: Way = "average") -> list[NDArray[np.float32]]:
    """A picture [..., H, H] at 4x4, 8x8 and so on up to its own size, smallest first.

    ``average`` takes the mean of each block, as progressive growing does, and so makes values between codes;
    ``nearest`` the pixel at the lower right of a block's centre, so that codes stay codes but what is smaller than a
    block may be lost; ``brightest`` the largest value of each block, so that codes stay codes and dots on a black
    ground are never lost, unless two share a block. Raises ``DataError`` where H is no power of two from 4 on, or the
    picture not square.
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
    shrink = np.max if how == "brightest" else np.mean
    return [np.asarray(shrink(_blocks(whole, block), axis=(-3, -1))) for block in blocks]


def _blocks(picture: NDArray[np.float32], block: int) -> NDArray[np.float32]:
    side = picture.shape[-1] // block
    return picture.reshape(*picture.shape[:-2], side, block, side, block)
