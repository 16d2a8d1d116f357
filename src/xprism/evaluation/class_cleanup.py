"""Tidying the bones of a class map as XNet's authors do in their code and on their poster."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from xprism.errors import DataError

OPENING_PX = 10
BEAM, TISSUE, BONE = "open_beam", "soft_tissue", "bone"


def tidied_bones(index: NDArray[Any], labels: tuple[str, ...], *, dilation_px: int) -> NDArray[np.uint8]:
    """A class map [H, W] whose bones are opened by a square of 10 pixels, then dilated by one of ``dilation_px``.

    Open beam stays open beam, and what is neither open beam nor bone then is soft tissue. Bones are taken to go on
    beyond the film's edges. The authors' maps have 200 x 200 pixels. Raises ``DataError`` where the map's ``labels``
    are not these three classes.
    """
    if set(labels) != {BEAM, TISSUE, BONE}:
        raise DataError(
            f"bones can be tidied in maps of {BEAM}, {TISSUE} and {BONE}, not of {', '.join(labels)}",
            remedy="leave the bones as they are",
        )
    beam, tissue, bone = (labels.index(name) for name in (BEAM, TISSUE, BONE))
    square = np.ones((OPENING_PX, OPENING_PX), bool)
    opened = ndimage.binary_dilation(ndimage.binary_erosion(index == bone, square, border_value=1), square)
    dilated = ndimage.binary_dilation(opened, np.ones((dilation_px, dilation_px), bool))
    tidy = np.where(dilated, bone, tissue)
    return np.where(index == beam, beam, tidy).astype(np.uint8)
