"""What a made picture must beat to mean anything: the film itself in its place."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from xprism.errors import DataError

Levels = NDArray[np.float64]


def copied_pictures(film: NDArray[Any], real: NDArray[Any], lungs: NDArray[np.bool_]) -> dict[str, Levels]:
    """The film itself, cut to the true lungs, in five ways; grey levels [H, W] like ``film`` and ``real``.

    ``copy`` is the film inside the lungs and zero outside; ``linear_fit`` the same after the straight
    line through (film, real) inside the lungs; ``copy_larger`` and ``copy_smaller`` miss the lungs'
    outline by one pixel; ``black`` is zero everywhere. A network that does no better than ``linear_fit``
    inside the lungs has removed no bones. Raises ``DataError`` for masks without a pixel or other sizes.
    """
    if not film.shape == real.shape == lungs.shape or not lungs.any():
        raise DataError("film, picture and lungs must have one size, and lungs at least one pixel")
    film, lungs = film.astype(np.float64), lungs.astype(bool)
    return {
        "copy": np.where(lungs, film, 0.0),
        "linear_fit": np.where(lungs, _on_line(film, real, lungs), 0.0),
        "copy_larger": np.where(ndimage.binary_dilation(lungs), film, 0.0),
        "copy_smaller": np.where(ndimage.binary_erosion(lungs), film, 0.0),
        "black": np.zeros_like(film),
    }


def copied_frames(film: NDArray[Any], real: NDArray[Any]) -> dict[str, Levels]:
    """The film in place of a picture of the whole frame; grey levels [H, W] like ``film`` and ``real``.

    ``copy`` is the film as it is, ``linear_fit`` the film after the straight line through (film, real). Raises
    ``DataError`` where they differ in size.
    """
    if film.shape != real.shape:
        raise DataError("film and picture must have one size")
    return {"copy": film.astype(np.float64), "linear_fit": _on_line(film, real, np.ones(film.shape, bool))}


def _on_line(film: NDArray[Any], real: NDArray[Any], inside: NDArray[np.bool_]) -> Levels:
    """The film after the straight line of least squares through (film, real) inside a mask."""
    film = film.astype(np.float64)
    slope, offset = np.polyfit(film[inside], real[inside], 1) if np.ptp(film[inside]) else (0.0, real[inside].mean())
    return np.asarray(np.clip(slope * film + offset, 0, 255))
