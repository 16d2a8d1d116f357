"""JPEG extended with 12 bits by way of GDCM, which pydicom's plugins decline to try.

GDCM also accepts scan headers whose spectral end is not 63, as some old archives wrote them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xprism.errors import CorruptFile

if TYPE_CHECKING:
    from xprism.readers.dicom_pixels import Layout


def decode_frame(frame: bytes, layout: Layout) -> NDArray[Any]:
    """Decode one grey JPEG extended frame to [rows, columns]; raises ``CorruptFile`` when GDCM cannot."""
    import gdcm

    fragment = gdcm.Fragment()
    fragment.SetByteStringValue(frame)
    fragments = gdcm.SequenceOfFragments.New()
    fragments.AddFragment(fragment)
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetValue(fragments.__ref__())
    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((layout.columns, layout.rows, 1))
    image.SetDataElement(element)
    image.SetPhotometricInterpretation(gdcm.PhotometricInterpretation(gdcm.PhotometricInterpretation.MONOCHROME2))
    image.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGExtendedProcess2_4))
    # The code stream's own precision picks GDCM's codec; told of fewer bits, it would wrap around what
    # lossy coding carries beyond them.
    bits, signed = _precision(frame), int(layout.signed)
    image.SetPixelFormat(gdcm.PixelFormat(1, bits, bits, bits - 1, signed))
    try:
        pixels = image.GetBuffer().encode("utf-8", "surrogateescape")
        kind = f"<{'i' if layout.signed else 'u'}{layout.allocated // 8}"
        return np.frombuffer(pixels, kind).reshape(layout.rows, layout.columns).astype(kind[1:])
    except Exception as error:  # SWIG raises many kinds
        raise CorruptFile("JPEG extended data cannot be decoded", remedy="send or export the film again") from error


def _precision(frame: bytes) -> int:
    """Bits a sample by the frame header of a sequential JPEG stream."""
    at = 2
    while at + 4 < len(frame) and frame[at] == 0xFF:  # from segment to segment: markers inside them do not count
        if frame[at + 1] in (0xC0, 0xC1) and frame[at + 4] in (8, 12):
            return frame[at + 4]
        at += 2 + int.from_bytes(frame[at + 2 : at + 4], "big")
    raise CorruptFile("no sequential JPEG frame header", remedy="send or export the film again")
