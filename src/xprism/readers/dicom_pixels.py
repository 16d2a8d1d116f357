"""Pixel data of one DICOM frame, exactly as stored. Runs in the decoding process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.encaps import get_frame
from pydicom.pixels.decoders.base import get_decoder

from xprism.errors import CorruptFile, DecodeLimit, NotARadiograph, UnsupportedFile
from xprism.readers.dicom_kind import text

MOST_PIXELS = 80_000_000
_AGAIN = "send or export the film again"
_FASTEST = {  # each checked against its lossless twins; the others remain as a second try
    uid.RLELossless: "pylibjpeg",
    uid.JPEG2000Lossless: "pylibjpeg",
    uid.JPEG2000: "pylibjpeg",
    uid.JPEGLSLossless: "pyjpegls",
    uid.JPEGLSNearLossless: "pyjpegls",
    uid.JPEGLossless: "gdcm",
    uid.JPEGLosslessSV1: "gdcm",
    uid.JPEGBaseline8Bit: "pillow",
}
_END_MARKER = b"\xff\xd9"  # ends JPEG, JPEG-LS and JPEG 2000 alike


@dataclass(frozen=True)
class Layout:
    """How pixels lie in their words."""

    rows: int
    columns: int
    allocated: int
    stored: int
    high_bit: int
    signed: bool

    @property
    def ends(self) -> tuple[int, int]:
        """Lowest and highest value that the stored bits can hold."""
        if self.signed:
            return -(2 ** (self.stored - 1)), 2 ** (self.stored - 1) - 1
        return 0, 2**self.stored - 1


def layout_of(dataset: Dataset) -> Layout:
    """Check and collect the pixel layout; raises ``CorruptFile``, ``UnsupportedFile`` or ``DecodeLimit``."""
    rows, columns, allocated = (_whole(dataset, k) for k in ("Rows", "Columns", "BitsAllocated"))
    if not rows or not columns or not allocated:
        raise CorruptFile("rows, columns or bits allocated are missing or zero", remedy=_AGAIN)
    if allocated == 1:
        raise NotARadiograph("one bit a pixel: a mask, not a film", remedy="give the film itself")
    if allocated not in (8, 16):
        raise UnsupportedFile(f"{allocated} bits a pixel", remedy="export the film with 8 or 16 bits a pixel")
    if rows * columns > MOST_PIXELS:
        raise DecodeLimit(f"{rows} x {columns} pixels are more than {MOST_PIXELS // 10**6} million", remedy=_AGAIN)
    stored = _whole(dataset, "BitsStored") or allocated
    high = _whole(dataset, "HighBit")
    high_bit = stored - 1 if high is None else high
    if not 1 < stored <= allocated or not stored - 1 <= high_bit < allocated:
        raise CorruptFile(f"{stored} bits stored up to bit {high_bit} of {allocated} cannot be", remedy=_AGAIN)
    return Layout(rows, columns, allocated, stored, high_bit, _whole(dataset, "PixelRepresentation") == 1)


def read_pixels(dataset: Dataset, layout: Layout) -> tuple[NDArray[Any], Layout, list[str]]:
    """Stored values [rows, columns], the layout they turned out to have, and sentences about oddities."""
    syntax = dataset.file_meta.TransferSyntaxUID
    if not syntax.is_encapsulated:
        _refuse_short(dataset, layout)
        return unpack(_decode(dataset, syntax, ""), layout)
    frame = _frame(dataset)
    if syntax != uid.RLELossless and _END_MARKER not in frame[-32:]:
        raise CorruptFile("the compressed pixel data ends too early", remedy=_AGAIN)
    if syntax == uid.JPEGExtended12Bit:
        from xprism.readers.jpeg_extended import decode_frame

        return widen(decode_frame(frame, layout), layout)
    values = _decode(dataset, syntax, _FASTEST.get(syntax, ""))
    return unpack(values, layout) if syntax == uid.RLELossless else widen(values, layout)


def unpack(words: NDArray[Any], layout: Layout) -> tuple[NDArray[Any], Layout, list[str]]:
    """The stored bits of words: shifted down, without what lies above them, with their sign."""
    if layout.stored == layout.allocated:
        return words, layout, []
    kind = np.dtype(f"{'i' if layout.signed else 'u'}{layout.allocated // 8}")
    raw = words.view(f"u{layout.allocated // 8}")
    # Up to the top, dropping what lies above, and down again: the second shift repeats the sign.
    up = layout.allocated - 1 - layout.high_bit
    values = (raw << raw.dtype.type(up)).view(kind) >> kind.type(layout.allocated - layout.stored)
    if np.array_equal(values, words):
        return words, layout, []
    return (
        values,
        layout,
        ["Bits above BitsStored (an overlay, left-overs or an odd sign) are no part of the pixels; masked off."],
    )


def widen(values: NDArray[Any], layout: Layout) -> tuple[NDArray[Any], Layout, list[str]]:
    """Decoded values as they are; when BitsStored is far too small for them, a layout that holds them."""
    low, high = layout.ends
    least, most = int(values.min()), int(values.max())
    if low <= least and most <= high:
        return values, layout, []
    if max(low - least, most - high) <= (high - low) // 8:
        return values, layout, [f"Lossy compression overshoots BitsStored ({least} to {most}); kept, not clipped."]
    bits = max(most.bit_length(), (-least - 1).bit_length() if least < 0 else 0) + (least < 0)
    wider = Layout(layout.rows, layout.columns, layout.allocated, bits, bits - 1, least < 0)
    return values, wider, [f"BitsStored {layout.stored} is too small for the decoded values; {bits} bits were taken."]


def _whole(dataset: Dataset, keyword: str) -> int | None:
    found = text(dataset, keyword)
    return int(found) if found.isdigit() else None


def _refuse_short(dataset: Dataset, layout: Layout) -> None:
    have, need = len(dataset.PixelData or b""), layout.rows * layout.columns * layout.allocated // 8
    if have < need:
        raise CorruptFile(f"truncated pixel data: {have} of {need} bytes", remedy=_AGAIN)


def _frame(dataset: Dataset) -> bytes:
    try:
        return get_frame(dataset.PixelData, 0, number_of_frames=1)
    except Exception as error:  # pydicom raises many kinds here
        raise CorruptFile(f"the compressed pixel data is damaged: {error}", remedy=_AGAIN) from error


def _decode(dataset: Dataset, syntax: uid.UID, plugin: str) -> NDArray[Any]:
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError:
        raise UnsupportedFile(f"transfer syntax {syntax.name}", remedy="export the film as JPEG 2000 or raw") from None
    options: dict[str, Any] = {"raw": True, "index": 0, "correct_unused_bits": False, "number_of_frames": 1}
    options |= {"photometric_interpretation": "MONOCHROME2", "samples_per_pixel": 1}  # colour was refused before
    try:
        try:
            values, _ = decoder.as_array(dataset, decoding_plugin=plugin, **options)
        except RuntimeError:
            if not plugin:
                raise
            values, _ = decoder.as_array(dataset, **options)
    except MemoryError:
        raise
    except Exception as error:  # codecs raise many kinds
        raise CorruptFile(f"the pixel data cannot be decoded: {_brief(error)}", remedy=_AGAIN) from error
    return np.ascontiguousarray(values, values.dtype.newbyteorder("="))


def _brief(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
