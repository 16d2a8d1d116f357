"""One DICOM file from path to facts and stored values. Runs in the decoding process."""

from __future__ import annotations

import logging
import warnings
from base64 import b64encode
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import config, dcmread, uid
from pydicom.dataset import Dataset, FileDataset

from xprism.errors import CorruptFile, ReadError
from xprism.readers.dicom_header import header_of
from xprism.readers.dicom_kind import REMEDY, refuse_other_objects, refuse_other_pixels, text
from xprism.readers.dicom_lut import Scale, scale_of, window_of
from xprism.readers.dicom_pixels import Layout, layout_of, read_pixels
from xprism.readers.dicom_tags import (
    body_part_of,
    inverted_by_tags,
    laterality_of,
    padding_of,
    spacing_of,
    view_of,
)
from xprism.readers.facts import Facts

config.settings.reading_validation_mode = config.IGNORE
logging.getLogger("pydicom").addHandler(logging.NullHandler())
_ITEM = b"\xfe\xff\x00\xe0"
_ATTRIBUTES = {
    "sop_class_uid": "SOPClassUID",
    "sop_instance_uid": "SOPInstanceUID",
    "study_instance_uid": "StudyInstanceUID",
    "series_instance_uid": "SeriesInstanceUID",
    "photometric_interpretation": "PhotometricInterpretation",
    "lossy_image_compression": "LossyImageCompression",
    "presentation_intent": "PresentationIntentType",
}


def read_file(path: Path) -> tuple[Facts, NDArray[Any]]:
    """Facts and stored values [H, W] of one DICOM radiograph; raises ``ReadError`` for all else."""
    log = refuse_other_objects(_parse(path, stop_before_pixels=True)[0])
    dataset, cut = _parse(path)
    if not len(dataset):
        raise CorruptFile("the DICOM header holds nothing that can be read", remedy="send or export the film again")
    if cut and "PixelData" not in dataset:
        raise CorruptFile("the file ends before its pixel data is complete", remedy="send or export the film again")
    header = header_of(dataset)
    log += refuse_other_pixels(dataset)
    log += _settle_transfer_syntax(dataset)
    stored, layout, notes = read_pixels(dataset, layout_of(dataset))
    signed = " signed" if layout.signed else ""
    first = f"Read as DICOM, {dataset.file_meta.TransferSyntaxUID.name}, {layout.stored} bits{signed} a pixel."
    scale, about_scale = scale_of(dataset, layout, stored)
    facts = _facts(dataset, scale, layout, [first, *log, *notes, *about_scale])
    return replace(facts, header=b64encode(header).decode("ascii")), np.ascontiguousarray(stored)


def _facts(dataset: FileDataset, scale: Scale, layout: Layout, log: list[str]) -> Facts:
    inverted, about_polarity = inverted_by_tags(dataset)
    window, about_window = window_of(dataset, scale)
    spacing, about_spacing = spacing_of(dataset)
    view, about_view = view_of(dataset)
    part, about_part = body_part_of(dataset)
    padding, about_padding = padding_of(dataset)
    about_all = (about_polarity, about_window, about_spacing, about_view, about_part, about_padding)
    attributes = {name: text(dataset, keyword) for name, keyword in _ATTRIBUTES.items()}
    attributes |= {
        "transfer_syntax_uid": str(dataset.file_meta.TransferSyntaxUID),
        "pixel_padding_value": padding or "",
        "bits_stored": str(layout.stored),
    }
    return Facts(
        low=scale.low,
        high=scale.high,
        inverted=None if inverted is None else inverted != scale.falls,
        table=None if scale.table is None else scale.table.tolist(),
        table_start=scale.table_start,
        window=window,
        spacing=spacing,
        modality=text(dataset, "Modality").upper() or None,
        body_part=part,
        view=view,
        laterality=laterality_of(dataset)[0],
        attributes={name: value for name, value in attributes.items() if value},
        log=[*log, *(sentence for about in about_all for sentence in about)],
    )


def _parse(path: Path, *, stop_before_pixels: bool = False) -> tuple[FileDataset, bool]:
    """The data set, and whether pydicom met the end of the file too early."""
    with warnings.catch_warnings(record=True) as met:
        warnings.simplefilter("always")
        try:
            dataset = dcmread(path, force=True, stop_before_pixels=stop_before_pixels)
            list(dataset.keys())
        except (MemoryError, ReadError):
            raise
        except Exception as error:  # a damaged header raises many kinds
            what = f"the DICOM header is damaged: {' '.join(str(error).split())[:200] or type(error).__name__}"
            raise CorruptFile(what, remedy="send or export the film again") from error
    return dataset, any("End of file" in str(warning.message) for warning in met)


def _settle_transfer_syntax(dataset: FileDataset) -> list[str]:
    """Give the data set a transfer syntax where the file has none, by how it could be parsed."""
    stated = getattr(dataset, "file_meta", None) and dataset.file_meta.get("TransferSyntaxUID")
    pixels = dataset.PixelData or b""
    wrapped = dataset["PixelData"].is_undefined_length or pixels[:4] == _ITEM
    if stated and uid.UID(stated).is_transfer_syntax:
        if not wrapped or uid.UID(stated).is_encapsulated:
            return []
        why = f"Transfer syntax {uid.UID(stated).name} does not fit compressed pixel data"
    else:
        why = f"Transfer syntax {stated!r} is unknown" if stated else "The file states no transfer syntax"
    implicit, little = dataset.original_encoding
    guess = _codec(pixels) if wrapped else uid.ImplicitVRLittleEndian if implicit else uid.ExplicitVRLittleEndian
    if not wrapped and not little:
        guess = uid.ExplicitVRBigEndian
    if not hasattr(dataset, "file_meta"):
        dataset.file_meta = Dataset()  # type: ignore[assignment]
    dataset.file_meta.TransferSyntaxUID = guess
    return [f"{why}; taken as {guess.name}."]


def _codec(pixels: bytes) -> uid.UID:
    """The transfer syntax of encapsulated pixel data by the first bytes of its code stream."""
    for marker, syntax in (
        (b"\xff\x4f\xff\x51", uid.JPEG2000),
        (b"\xff\xd8", None),
    ):
        at = pixels.find(marker, 0, 4096)
        if at >= 0:
            return syntax or _jpeg_process(pixels[at : at + 65536])
    return uid.RLELossless


def _jpeg_process(stream: bytes) -> uid.UID:
    frames = {
        b"\xff\xf7": uid.JPEGLSLossless,
        b"\xff\xc0": uid.JPEGBaseline8Bit,
        b"\xff\xc1": uid.JPEGExtended12Bit,
        b"\xff\xc3": uid.JPEGLossless,
    }
    places = {stream.find(marker): syntax for marker, syntax in frames.items() if marker in stream}
    if not places:
        raise CorruptFile("compressed pixel data of an unknown kind", remedy=REMEDY)
    return places[min(places)]
