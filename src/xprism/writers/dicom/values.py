"""Which DICOM values are well formed: by their representation, number, character set and sense."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pydicom import config
from pydicom.charset import decode_bytes, python_encoding
from pydicom.datadict import dictionary_VM, dictionary_VR, keyword_for_tag
from pydicom.dataelem import DataElement, RawDataElement, convert_raw_data_element
from pydicom.tag import BaseTag
from pydicom.valuerep import DA, DT, STR_VR_REGEXES, TEXT_VR_DELIMS, TM, validate_value

TEXT = frozenset(("SH", "LO", "ST", "LT", "UC", "UT", "PN"))
"""Representations whose characters the data set's character set decides."""

_PLAIN = frozenset(("AE", "AS", "CS", "DA", "DS", "DT", "IS", "TM", "UI", "UR"))
_ONE_VALUE = frozenset(("ST", "LT", "UT", "UR"))
_SIZES = {"US": 2, "SS": 2, "UL": 4, "SL": 4, "FL": 4, "FD": 8, "AT": 4, "UV": 8, "SV": 8, "US or SS": 2}
_POSITIVE = frozenset(("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing"))
_SEXES = frozenset(("M", "F", "O"))
_SHOWN = 40


class Malformed(Exception):
    """A value that is not what its attribute demands; the text says why."""


def checked(raw: RawDataElement, encodings: Sequence[str]) -> DataElement:
    """The element with its value converted, or ``Malformed``; sequences are not looked into."""
    wanted = representation(raw.tag, raw.VR)
    value = raw.value or b""
    if wanted in TEXT or wanted in _PLAIN:
        return DataElement(raw.tag, wanted, _texts(raw.tag, wanted, value, encodings), validation_mode=config.IGNORE)
    if raw.VR not in (None, "UN", wanted) and wanted not in ("OB or OW", "US or SS", "US or OW", "US or SS or OW"):
        raise Malformed(f"is stored as {raw.VR}, not {wanted}")
    size = _SIZES.get(wanted)
    if size:
        if len(value) % size:
            raise Malformed(f"has {len(value)} bytes, no multiple of {size}")
        _check_count(raw.tag, len(value) // size)
    try:
        element = convert_raw_data_element(raw, encoding=list(encodings))
    except Exception as error:  # a broken value provokes many kinds
        raise Malformed("cannot be converted") from error
    if wanted in ("FL", "FD") and not all(math.isfinite(one) for one in _several(element.value)):
        raise Malformed("is no finite number")
    return element


def lenient(raw: RawDataElement, encodings: Sequence[str]) -> DataElement:
    """An element with its text exactly as it stands, well formed or not."""
    wanted = dictionary_VR(raw.tag)
    value = raw.value or b""
    text = _decoded(value, encodings if _decodes(value, encodings) else ()).rstrip("\0 ")
    return DataElement(raw.tag, wanted, text, validation_mode=config.IGNORE)


def representation(tag: BaseTag, found: str | None) -> str:
    """The representation that the dictionary demands of an attribute; ``Malformed`` where none fits."""
    try:
        wanted = dictionary_VR(tag)
    except KeyError:
        raise Malformed("is no attribute of the standard") from None
    if found in (None, "UN", wanted) or {found, wanted} <= TEXT | _PLAIN or " or " in wanted:
        return wanted
    raise Malformed(f"is stored as {found}, not {wanted}")


def name_of(tag: BaseTag) -> str:
    """An attribute's keyword, or its number where it has none."""
    return keyword_for_tag(tag) or str(tag)


def shown(raw: DataElement | RawDataElement | None) -> str:
    """A value as it may stand in a log: of the acquisition or the image only, for others may name somebody."""
    if raw is None or raw.tag.group not in (0x0018, 0x0028) or not isinstance(raw.value, bytes):
        return ""
    text = raw.value.decode("latin-1").strip("\0 ")
    short = text if len(text) <= _SHOWN else text[:_SHOWN] + "..."
    return f"'{short}'" if short.isprintable() else repr(short)


def _texts(tag: BaseTag, wanted: str, value: bytes, encodings: Sequence[str]) -> str | list[str]:
    if not _decodes(value, encodings if wanted in TEXT else ()):
        raise Malformed("holds characters outside of its character set")
    text = _decoded(value, encodings if wanted in TEXT else ()).rstrip("\0 ")
    parts = [text] if wanted in _ONE_VALUE else text.split("\\")
    if not text:
        return ""
    _check_count(tag, len(parts))
    for part in parts:
        _check_text(wanted, part)
    keyword = keyword_for_tag(tag)
    if keyword in _POSITIVE and min(float(part) for part in parts) <= 0:
        raise Malformed("is not positive")
    if keyword == "PatientSex" and text not in _SEXES:
        raise Malformed("is none of M, F and O")
    return parts if len(parts) > 1 else parts[0]


def _check_text(wanted: str, part: str) -> None:
    allowed = "\t\n\f\r\x1b" if wanted in ("ST", "LT", "UT") else "\x1b"
    if any(ord(letter) < 32 and letter not in allowed for letter in part):
        raise Malformed("holds control characters")
    if wanted in ("DA", "TM", "DT") and "-" in part[: -5 if wanted == "DT" else None]:
        raise Malformed(f"is a range, not one {wanted}")
    try:
        validate_value(wanted, part.strip() if wanted in STR_VR_REGEXES and wanted != "DS" else part, config.RAISE)
        if part.strip():
            _sensible(wanted, part.strip())
    except (ValueError, OverflowError):
        raise Malformed(f"is no valid {wanted}") from None


def _sensible(wanted: str, part: str) -> None:
    """Raise ``ValueError`` for what has the form but no meaning, such as the 31st of February."""
    if wanted == "DS" and not math.isfinite(float(part)):
        raise ValueError
    if wanted == "IS" and not -(2**31) <= int(part) < 2**31:
        raise ValueError
    kind = {"DA": DA, "TM": TM, "DT": DT}.get(wanted)
    if kind is not None:
        kind(part)


def _check_count(tag: BaseTag, count: int) -> None:
    low, dash, high = dictionary_VM(tag).partition("-")
    least = int(low.rstrip("n") or 1)
    if not count:
        return
    if not dash:
        good = count == least
    elif high.endswith("n"):
        good = count >= least and count % int(high.rstrip("n") or 1) == 0
    else:
        good = least <= count <= int(high)
    if not good:
        raise Malformed(f"has {count} values, not {dictionary_VM(tag)}")


def _decoded(value: bytes, encodings: Sequence[str]) -> str:
    # Without a character set pydicom writes Latin-1, so that bytes beyond ASCII come out as they went in.
    return decode_bytes(value, encodings, TEXT_VR_DELIMS) if encodings else value.decode("latin-1")


def _decodes(value: bytes, encodings: Sequence[str]) -> bool:
    """Whether bytes are text in their character set; without one only ASCII is."""
    if value.isascii() and (b"\x1b" not in value or len(encodings) > 1):
        return True
    if not encodings:
        return False
    if len(encodings) > 1:  # code extensions switch between sets; pydicom knows how
        return True
    try:
        value.decode(encodings[0])
    except (UnicodeDecodeError, LookupError):
        return False
    return True


def encodings_of(terms: Sequence[str]) -> list[str]:
    """Python's encodings of the terms of a character set; none where it is the default or unknown."""
    plain = all(term in ("", "ISO_IR 6") for term in terms)
    return [] if plain or unknown_terms(terms) else [python_encoding[term] for term in terms]


def unknown_terms(terms: Sequence[str]) -> bool:
    """Whether a character set names what no standard knows."""
    return any(term not in python_encoding for term in terms)


def _several(value: object) -> list[float]:
    if value is None or value == "":
        return []
    return [float(one) for one in value] if hasattr(value, "__iter__") else [float(value)]  # type: ignore[arg-type]
