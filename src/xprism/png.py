"""PNG files, written quickly rather than as small as can be."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

_GREY, _COLOUR = 0, 2


def save_png(pixels: NDArray[Any], path: Path) -> None:
    """Write a picture as ``png_of`` packs it; its folder is made where it is not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(png_of(pixels))


def png_of(pixels: NDArray[Any]) -> bytes:
    """A grey picture [H, W], uint8 or uint16, or a colour one [H, W, 3], uint8, as PNG.

    Every byte is stored as its difference to the same byte of the left neighbour (filter "Sub").
    """
    assert pixels.dtype in (np.uint8, np.uint16), pixels.dtype
    height, width = pixels.shape[:2]
    stored = pixels.astype(pixels.dtype.newbyteorder(">"), order="C").view(np.uint8).reshape(height, -1)
    step = stored.shape[1] // width
    lines = np.empty((height, 1 + stored.shape[1]), np.uint8)
    lines[:, 0] = 1
    lines[:, 1 : 1 + step] = stored[:, :step]
    np.subtract(stored[:, step:], stored[:, :-step], out=lines[:, 1 + step :])
    colour = _COLOUR if pixels.ndim == 3 else _GREY
    header = struct.pack(">IIBBBBB", width, height, 8 * pixels.itemsize, colour, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", isal_zlib.compress(lines, 1)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, content) for kind, content in parts)


def _chunk(kind: bytes, content: bytes) -> bytes:
    check = isal_zlib.crc32(content, isal_zlib.crc32(kind))
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)
