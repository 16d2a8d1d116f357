"""Numbers of structures as grey values that lie as far apart as they can, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from xprism.errors import DataError


def greys_of(count: int) -> NDArray[np.uint8]:
    """The grey values [count] of the numbers 0 to count - 1, equally spaced from 0 to 255 and rounded."""
    return np.rint(np.arange(count) * 255 / (count - 1)).astype(np.uint8)


def as_grey(numbers: NDArray[Any], count: int) -> NDArray[np.uint8]:
    """A map of numbers below ``count`` as a picture of grey values."""
    if numbers.min() < 0 or numbers.max() >= count:
        raise DataError(f"a map of {count} numbers holds {numbers.min()} to {numbers.max()}")
    return np.asarray(greys_of(count)[numbers])


def as_signal(grey: NDArray[Any]) -> NDArray[np.float32]:
    """Grey values 0 to 255 as networks see and make them, from -1 to 1."""
    return np.asarray(grey, np.float32) / np.float32(127.5) - np.float32(1)


def nearest_number(signal: NDArray[Any], count: int) -> NDArray[np.uint8]:
    """The number whose grey value lies nearest to each value of what a network made, from -1 to 1 or beyond.

    Raises ``DataError`` where a value is not finite.
    """
    if not np.isfinite(signal).all():
        raise DataError("the network made values that are no numbers", remedy="take weights of an earlier step")
    grey = (np.asarray(signal, float) + 1) * 127.5
    codes = greys_of(count).astype(float)
    return np.searchsorted((codes[1:] + codes[:-1]) / 2, grey).astype(np.uint8)
