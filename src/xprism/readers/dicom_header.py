"""A film's DICOM header as bytes, for results that are to lie beside it. Runs in the decoding process."""

from __future__ import annotations

from pydicom import uid
from pydicom.charset import python_encoding
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_data_element, write_file_meta_info

LARGEST = 2**20
"""An attribute of more bytes is no header: embedded documents, odd tables."""

_PIXELS, _CHARACTER_SET = 0x7FE0, 0x00080005


def header_of(dataset: FileDataset) -> bytes:
    """The public attributes without pixels as a small DICOM file, each encoded exactly as it was.

    Attributes that cannot be encoded are left out, and so is a character set that nobody knows; nothing else is
    judged here.
    """
    implicit, little = (bool(one) for one in dataset.original_encoding)
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = _syntax(implicit, little)
    written = DicomBytesIO()
    written.write(b"\0" * 128 + b"DICM")
    write_file_meta_info(written, meta, enforce_standard=False)
    for tag in sorted(dataset.keys()):
        element = dataset.get_item(tag)
        if element is None or tag.is_private or not 0x0008 <= tag.group < _PIXELS or not tag.element:
            continue
        if tag != _CHARACTER_SET or _known(element):
            written.write(_encoded(element, implicit=implicit, little=little))
    return written.getvalue()


def _known(character_set: DataElement | RawDataElement) -> bool:
    value = character_set.value
    return all(term in python_encoding for term in ([value] if isinstance(value, str) else value or []))


def _encoded(element: DataElement | RawDataElement, *, implicit: bool, little: bool) -> bytes:
    """One attribute's bytes, none where it is too large or too broken; a raw one comes out as it went in."""
    if isinstance(element.value, bytes) and len(element.value) > LARGEST:
        return b""
    stream = DicomBytesIO()
    stream.is_implicit_VR, stream.is_little_endian = implicit, little
    try:
        write_data_element(stream, element)
    except Exception:  # one broken element must not cost the others
        return b""
    return stream.getvalue()


def _syntax(implicit: bool, little: bool) -> uid.UID:
    if implicit:
        return uid.ImplicitVRLittleEndian
    return uid.ExplicitVRLittleEndian if little else uid.ExplicitVRBigEndian
