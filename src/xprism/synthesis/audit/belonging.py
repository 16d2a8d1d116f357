"""Whether label maps belong to their films: edges of labels should lie on edges of the film, the right way round."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from xprism.synthesis.audit.sets import FilmSet

BLUR = 1 / 64
"""Films and masks are blurred by this part of the side, so that an edge is met within some pixels."""
_BRIGHT_INSIDE = {"heart": 1.0, "right_clavicle": 1.0, "left_clavicle": 1.0, "right_lung": -1.0, "left_lung": -1.0}
"""Lungs are darker than what surrounds them; heart and clavicles are brighter."""


def belonging(films: FilmSet, others: FilmSet, labels: tuple[str, ...], *, same: bool = False) -> NDArray[np.float64]:
    """How much better its own label map fits each film than label maps of others, by structure: [n, structures].

    Fit is the mean slope of the film across the edge of a mask, into the brighter side, over the film's usual slope.
    About 0 where labels have nothing to do with films. With ``same`` the others are these films: a film's own label
    map is no other one.
    """
    slopes = _slopes(films.films)
    slopes /= np.sqrt((slopes**2).mean(axis=1, keepdims=True)) + 1e-6
    found = []
    for label in labels:
        sign = _BRIGHT_INSIDE[label]
        own = sign * (slopes * _edges(films.masks[label])).sum(axis=1)
        fits = sign * slopes @ _edges(others.masks[label]).T
        if same:
            np.fill_diagonal(fits, 0)
        found.append(own - fits.sum(axis=1) / (len(others) - same))
    return np.stack(found, axis=1).astype(np.float64)


def _slopes(pictures: NDArray[Any]) -> NDArray[np.float32]:
    """Slopes down and right of blurred pictures [n, h, h], as rows [n, 2 h h]."""
    blur = BLUR * pictures.shape[-1]
    smooth = ndimage.gaussian_filter(np.asarray(pictures, np.float32), (0, blur, blur))
    return np.stack(np.gradient(smooth, axis=(1, 2)), axis=1).reshape(len(pictures), -1)


def _edges(planes: NDArray[np.bool_]) -> NDArray[np.float32]:
    """The slopes of masks, of which each has lengths that add up to 1 (to 0, of an empty mask): rows [n, 2 h h]."""
    slopes = _slopes(planes)
    lengths = np.hypot(*slopes.reshape(len(slopes), 2, -1).swapaxes(0, 1)).sum(axis=1)
    return np.asarray(slopes / np.maximum(lengths, 1e-6)[:, None])
