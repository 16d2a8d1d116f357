"""Masks from files: one structure a file (SCR), several as bit flags, or exclusive classes by their numbers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from xprism.errors import CorruptFile, NotARadiograph, ReadError

FLAGS = {"right_lung": 1, "left_lung": 2, "heart": 4, "right_clavicle": 8, "left_clavicle": 16}


def read_mask(path: str | os.PathLike[str]) -> NDArray[np.bool_]:
    """Read one structure's mask, bool [H, W]: grey 128 and more is inside, after any palette.

    Raises ``ReadError`` when the file cannot be read and ``NotARadiograph`` when it is coloured.
    """
    grey = _pixels(Path(path), as_shown=True)
    full = 65535 if grey.dtype == np.uint16 else 255
    return np.asarray(grey.astype(np.int64) * 255 >= 128 * full)


def read_flags(path: str | os.PathLike[str]) -> dict[str, NDArray[np.bool_]]:
    """Read overlapping organ masks, bool [H, W] each, from the bits of an 8-bit picture.

    Bits: 1 right lung, 2 left lung, 4 heart, 8 right clavicle, 16 left clavicle (the patient's sides).
    Raises ``CorruptFile`` when other bits are set.
    """
    flags = _pixels(Path(path), as_shown=False)
    if int(flags.max()) > sum(FLAGS.values()):
        raise CorruptFile(
            f"a flag mask holds 0 to {sum(FLAGS.values())}, this one {int(flags.max())}",
            where=str(path),
            remedy="read a mask of one structure with read_mask",
        )
    return {label: (flags & bit) != 0 for label, bit in FLAGS.items()}


def read_class_map(path: str | os.PathLike[str]) -> NDArray[np.uint8]:
    """Read exclusive classes, uint8 [H, W], from an 8-bit picture whose values, before any palette, are their numbers.

    Raises ``ReadError`` when the file cannot be read, ``NotARadiograph`` for colours without a palette and
    ``CorruptFile`` for more than 8 bits.
    """
    numbers = _pixels(Path(path), as_shown=False)
    if numbers.dtype == np.uint16:
        raise CorruptFile("class numbers take 8 bits, not 16", where=str(path), remedy="save the map as an 8-bit PNG")
    return np.asarray(numbers, np.uint8)


def _pixels(path: Path, *, as_shown: bool) -> NDArray[Any]:
    """Grey [H, W] of a picture; ``as_shown`` applies a palette, else its indices are kept."""
    try:
        with Image.open(path) as image:
            if image.mode == "P" and not as_shown:
                return np.asarray(image)
            if image.mode in ("L", "P", "I;16", "1"):
                return _grey(image)
            if image.mode in ("RGB", "RGBA", "LA"):
                return _grey(image.convert("RGB"))
            raise NotARadiograph(f"pictures of mode {image.mode} are no masks", where=str(path), remedy="save as PNG")
    except UnidentifiedImageError:
        raise CorruptFile("this is no picture", where=str(path), remedy="masks are PNG or GIF files") from None
    except FileNotFoundError:
        raise ReadError("there is no such file", where=str(path), remedy="check the path") from None
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise CorruptFile(f"the mask cannot be read: {error}", where=str(path), remedy="copy it again") from error


def _grey(image: Image.Image) -> NDArray[Any]:
    if image.mode in ("L", "I;16"):
        return np.asarray(image)
    colours = np.asarray(image.convert("RGB"))
    if not (np.array_equal(colours[..., 0], colours[..., 1]) and np.array_equal(colours[..., 0], colours[..., 2])):
        raise NotARadiograph("a mask has no colours", remedy="save it as black and white")
    return colours[..., 0]
