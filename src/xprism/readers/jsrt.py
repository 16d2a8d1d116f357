"""Raw JSRT films: 2048 x 2048, 16 bits big-endian of which twelve are used, no header, bone dark."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from xprism.errors import CorruptFile
from xprism.radiograph import DisplayMapping, Radiograph, Spacing
from xprism.readers.polarity import Polarity
from xprism.readers.sniff import JSRT_BYTES

SIDE, SPACING_MM, HIGHEST = 2048, 0.175, 4095


def read_jsrt(path: Path, polarity: Polarity) -> Radiograph:
    """Read a raw JSRT film as uint16 [2048, 2048]; raises ``CorruptFile`` when size or values do not fit."""
    size = path.stat().st_size
    if size != JSRT_BYTES:
        raise CorruptFile(
            f"a raw JSRT film has {JSRT_BYTES} bytes (2048 x 2048 of 16 bits), this file has {size}",
            remedy="copy it again, or convert another kind of .img file to PNG or DICOM",
        )
    stored = np.fromfile(path, dtype=">u2").reshape(SIDE, SIDE).astype(np.uint16)
    if stored.max() > HIGHEST:
        raise CorruptFile(
            f"a raw JSRT film holds 0 to {HIGHEST}, this file holds up to {stored.max()}",
            remedy="its bytes may be swapped: JSRT films are big-endian",
        )
    inverted = polarity != "display"
    return Radiograph(
        stored=stored,
        mapping=DisplayMapping(0, HIGHEST, inverted=inverted),
        spacing=Spacing(SPACING_MM, SPACING_MM, "file"),
        origin="jsrt",
        log=(
            "Read as a raw JSRT film: 2048 x 2048, twelve bits, big-endian; the file has no header to confirm it.",
            f"Spacing {SPACING_MM} mm comes from the JSRT format.",
            "Raw JSRT films have dark bone, so the scale was turned over."
            if polarity == "auto"
            else f"Polarity was given by the user as {polarity}.",
        ),
    )
