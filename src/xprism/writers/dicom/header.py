"""The film's header as results may carry it: public, well formed, nothing added."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO

from pydicom import dcmread
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag

from xprism.errors import OutputError
from xprism.radiograph import Radiograph
from xprism.writers.dicom.values import (
    Malformed,
    checked,
    encodings_of,
    lenient,
    name_of,
    representation,
    shown,
    unknown_terms,
)

FILED_UNDER = (
    "SOPClassUID",
    "SOPInstanceUID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "PatientName",
    "PatientID",
    "AccessionNumber",
    "StudyID",
)
"""What archives file an object under. These are carried over as they stand, well formed or not: a result that
lands under another patient is worse than a malformed value that the archive holds already."""

TYPE_2 = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "ReferringPhysicianName",
    "StudyID",
    "AccessionNumber",
)
"""What every object must have, if only empty."""

FILMS = {
    "1.2.840.10008.5.1.4.1.1.1": "CR",
    "1.2.840.10008.5.1.4.1.1.1.1": "DX for presentation",
    "1.2.840.10008.5.1.4.1.1.1.1.1": "DX for processing",
    "1.2.840.10008.5.1.4.1.1.1.2": "mammography for presentation",
    "1.2.840.10008.5.1.4.1.1.1.2.1": "mammography for processing",
    "1.2.840.10008.5.1.4.1.1.1.3": "intra-oral for presentation",
    "1.2.840.10008.5.1.4.1.1.1.3.1": "intra-oral for processing",
    "1.2.840.10008.5.1.4.1.1.7": "secondary capture",
}
"""SOP classes of films that results can be written beside."""

_LOSSY = frozenset(f"1.2.840.10008.1.2.4.{last}" for last in (50, 51, 81, 91))
_CHARACTER_SET = 0x00080005
_NO_CONTENT = frozenset((0x0002, 0x0004, 0x4FFE, 0xFFFA, 0xFFFC))  # file meta, media, MAC, signatures, padding
_REMEDY = "leave 'dicom' out of --to, or give the film as the archive holds it"


def source_header(film: Radiograph) -> tuple[Dataset, list[str]]:
    """The header of a DICOM film that results carry over, and a sentence for each value that they cannot.

    Raises ``OutputError`` for a film without a DICOM header, or one that no archive could hold.
    """
    if not film.header:
        raise OutputError("only a DICOM film can have DICOM results: nothing says whose this one is", remedy=_REMEDY)
    notes: list[str] = []
    header = cleaned(dcmread(BytesIO(film.header), force=True), notes)
    for keyword in FILED_UNDER[:4]:
        if not header.get(keyword):
            raise OutputError(f"the film states no {keyword}, so no result can refer to it", remedy=_REMEDY)
    if header.SOPClassUID not in FILMS:
        known = ", ".join(FILMS.values())
        raise OutputError(f"DICOM results go with {known}; this film is of class {header.SOPClassUID}", remedy=_REMEDY)
    if film.attributes.get("transfer_syntax_uid") in _LOSSY:
        header.LossyImageCompression = "01"
    fill(header, TYPE_2)
    return header, notes


def cleaned(found: Dataset, notes: list[str]) -> Dataset:
    """A data set without private and malformed attributes; ``notes`` gets a sentence for each of the latter."""
    kept = _public(found, notes, [], where="")
    _drop_embedded_overlays(kept, notes)
    return kept


def fill(header: Dataset, keywords: tuple[str, ...]) -> None:
    """Write attributes that the header lacks, empty."""
    for keyword in keywords:
        tag = tag_for_keyword(keyword)
        if tag is not None and tag not in header:
            header.add_new(tag, dictionary_VR(tag), [] if dictionary_VR(tag) == "SQ" else None)


def _public(found: Dataset, notes: list[str], encodings: list[str], *, where: str) -> Dataset:
    kept = Dataset()
    terms = _character_set(found)
    if encodings_of(terms):
        kept.SpecificCharacterSet, encodings = terms, encodings_of(terms)
    elif unknown_terms(terms):
        notes.append(f"{where}SpecificCharacterSet {terms} is unknown: only ASCII text is carried over.")
    for tag in sorted(found.keys()):
        if not _carried(tag):
            continue
        element, place = found.get_item(tag), f"{where}{name_of(tag)}"
        try:
            kept[tag] = _element(found, tag, notes, encodings, place=place)
        except Malformed as reason:
            end = "left out of DICOM results"
            if not where and name_of(tag) in FILED_UNDER and isinstance(element, RawDataElement):
                kept[tag] = lenient(element, encodings)
                end = "kept, as the archive files by it"
            notes.append(f"{' '.join(f'{place} {shown(element)}'.split())} {reason}: {end}.")
    return kept


def _character_set(found: Dataset) -> list[str]:
    value = found.get("SpecificCharacterSet")
    return [str(one).strip() for one in ([value] if isinstance(value, str) else value or [])]


def _carried(tag: BaseTag) -> bool:
    return not tag.is_private and tag.element != 0 and tag.group not in _NO_CONTENT and tag != _CHARACTER_SET


def _element(found: Dataset, tag: BaseTag, notes: list[str], encodings: list[str], *, place: str) -> DataElement:
    element = found.get_item(tag)
    if isinstance(element, RawDataElement) and not _is_sequence(element):
        return checked(element, encodings)
    if isinstance(element, DataElement) and element.VR != "SQ":  # empty, or needed by pydicom itself to read on
        return DataElement(tag, representation(tag, element.VR), element.value, already_converted=True)
    try:
        items = list(found[tag].value or [])
    except Exception as error:  # a broken sequence provokes many kinds
        raise Malformed("cannot be parsed") from error
    if not all(isinstance(item, Dataset) for item in items):
        raise Malformed("is no sequence")
    return DataElement(tag, "SQ", Sequence(_public(item, notes, encodings, where=f"{place}.") for item in items))


def _is_sequence(element: RawDataElement) -> bool:
    try:
        return dictionary_VR(element.tag) == "SQ" and element.VR in (None, "SQ", "UN")
    except KeyError:
        return False


def _drop_embedded_overlays(kept: Dataset, notes: list[str]) -> None:
    """Overlays in unused bits of the pixels cannot be carried over: those bits are not."""
    for group in _overlay_groups(kept):
        if (group << 16) + 0x3000 not in kept:
            for tag in sorted(kept.keys()):
                if tag.group == group:
                    del kept[tag]
            notes.append(f"The overlay of group {group:04X} lies in unused bits of the pixels: left out.")


def _overlay_groups(kept: Dataset) -> Iterator[int]:
    yield from sorted({tag.group for tag in sorted(kept.keys()) if 0x6000 <= tag.group <= 0x601E})
