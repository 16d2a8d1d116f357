"""What kind of file this is, told from its first bytes and its size."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from xprism.errors import CorruptFile

Kind = Literal["dicom", "jsrt", "png", "tiff", "jpeg", "gif", "bmp", "unknown"]

PICTURES: dict[Kind, str] = {"png": ".png", "tiff": ".tif", "jpeg": ".jpg", "gif": ".gif", "bmp": ".bmp"}
JSRT_BYTES = 2048 * 2048 * 2

_MAGIC: tuple[tuple[bytes, Kind], ...] = (
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"II*\x00", "tiff"),
    (b"MM\x00*", "tiff"),
    (b"II+\x00", "tiff"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"BM", "bmp"),
)
_VALUE_TYPES = frozenset(
    b"AE AS AT CS DA DS DT FD FL IS LO LT OB OD OF OL OV OW PN SH SL SQ SS ST SV TM UC UI UL UN UR US UT UV".split()
)
_FIRST_GROUPS = (0x0002, 0x0004, 0x0008)


def kind_of(path: Path) -> Kind:
    """The kind of a file; raises ``CorruptFile`` when it is empty and ``OSError`` when it cannot be opened."""
    with path.open("rb") as stream:
        head = stream.read(256)
    if not head:
        raise CorruptFile("the file is empty", remedy="copy or export the film again")
    if head[128:132] == b"DICM":  # before the pictures: a DICOM preamble may hold a TIFF header
        return "dicom"
    if path.suffix.lower() == ".img":
        return "jsrt"
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if starts_like_dicom(head):
        return "dicom"
    return "jsrt" if _is_jsrt(path) else "unknown"


def starts_like_dicom(head: bytes) -> bool:
    """Whether bytes without a preamble start with a plausible DICOM data element of a low group."""
    if len(head) < 8:
        return False
    little, big = (int.from_bytes(head[:2], order) for order in ("little", "big"))
    if head[4:6] in _VALUE_TYPES:
        return little in _FIRST_GROUPS or big in _FIRST_GROUPS
    # Implicit: a 32-bit length follows the tag; identifying elements are short.
    return little in _FIRST_GROUPS and int.from_bytes(head[4:8], "little") <= 128


def _is_jsrt(path: Path) -> bool:
    """Whether a headerless file of unknown name has JSRT's exact size and twelve big-endian bits a pixel."""
    if path.stat().st_size != JSRT_BYTES:
        return False
    high_bytes = path.read_bytes()[::2]
    return max(high_bytes) <= 0x0F and min(high_bytes) != max(high_bytes)
