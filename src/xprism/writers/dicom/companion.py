"""What a layer leaves of a film, such as the film without its bones, as a derived image of the film's own kind.

The object is the film's own header with new pixels: same SOP class, grey scale, bit depth, window and study, in a
series of its own. The layer is taken off in stored values, so that a MONOCHROME1 film stays one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sr.coding import Code
from pydicom.uid import UID, ExplicitVRLittleEndian

from xprism import __version__
from xprism.radiograph import Radiograph, robust_range
from xprism.targets import Layer
from xprism.writers.dicom.codes import PROCESSING, SOURCE, SUBTRACTION
from xprism.writers.dicom.header import fill
from xprism.writers.dicom.origin import MAKER, Origin, plain

NOT_CARRIED = (
    "InstanceCreationDate",
    "InstanceCreationTime",
    "InstanceCreatorUID",
    "SeriesDate",
    "SeriesTime",
    "SmallestImagePixelValue",
    "LargestImagePixelValue",
    "SmallestPixelValueInSeries",
    "LargestPixelValueInSeries",
    "IconImageSequence",
    "HistogramSequence",
    "PixelDataProviderURL",
    "OriginalAttributesSequence",
    "ReferencedPerformedProcedureStepSequence",
)
"""What is true of the film's own pixels, file or series only."""

TYPE_2 = ("Manufacturer", "PatientOrientation")
TYPE_2_OF = {
    "1.2.840.10008.5.1.4.1.1.1": ("BodyPartExamined", "ViewPosition"),
    **dict.fromkeys(
        ("1.2.840.10008.5.1.4.1.1.1.1", "1.2.840.10008.5.1.4.1.1.1.1.1"),
        ("AnatomicRegionSequence", "PositionerType", "DetectorType", "AcquisitionContextSequence"),
    ),
}
"""What images, and CR and DX images, must have, if only empty."""


def companion(origin: Origin, layer: Layer, *, labelled: bool) -> Dataset:
    """The film less a layer; ``labelled`` burns words into it that say so."""
    film = origin.result.radiograph
    pixels = pixels_of(origin, layer)
    if labelled:
        words = f"{layer.leaves.replace('_', ' ').upper()} - NOT FOR DIAGNOSIS"
        burn_in(pixels, words, film)
    made = _carried(origin)
    _describe(made, origin, layer, name_of(layer, labelled=labelled))
    _put_pixels(made, film, pixels)
    origin.settle(made)
    return made


def name_of(layer: Layer, *, labelled: bool) -> str:
    """What the film less a layer is called, in files and in series."""
    return f"{layer.leaves}_labelled" if labelled else layer.leaves


def pixels_of(origin: Origin, layer: Layer) -> NDArray[Any]:
    """Stored values [H, W] of the film less a layer, within its bits; padding outside the film stays what it is."""
    film = origin.result.radiograph
    low, high = ends(film)
    pixels: NDArray[Any] = np.clip(film.to_stored(origin.result.pictures[layer.leaves]), low, high)
    padding = _padding(origin.header, film)
    if padding is not None:
        outside = (film.stored >= padding[0]) & (film.stored <= padding[1])
        pixels[outside] = film.stored[outside]
    return pixels


def bits_of(film: Radiograph) -> int:
    """How many bits a stored value of the film has."""
    return int(film.attributes.get("bits_stored") or 8 * film.stored.itemsize)


def ends(film: Radiograph) -> tuple[int, int]:
    """Lowest and highest value that the film's bits can hold."""
    bits = bits_of(film)
    return (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if film.stored.dtype.kind == "i" else (0, 2**bits - 1)


def burn_in(pixels: NDArray[Any], words: str, film: Radiograph) -> None:
    """Write words into the lower left corner of stored values [H, W]: bright letters on a dark ground, as displayed."""
    rows, columns = pixels.shape
    size = max(8, min(rows // 30, int(1.6 * columns / max(len(words), 1))))
    font = ImageFont.load_default(size)
    box = ImageDraw.Draw(Image.new("L", (1, 1))).textbbox((0, 0), words, font=font)
    width, height = (min(side, int(end) + size) for side, end in zip((columns, rows), box[2:], strict=True))
    plate = Image.new("L", (width, height))
    ImageDraw.Draw(plate).text((size // 2, size // 2), words, fill=255, font=font)
    letters = np.asarray(plate) > 127
    low, high = film.window or robust_range(film.display, 0.5, 99.5)
    dark, bright = np.clip(film.to_stored(np.array([low, high])), *ends(film))
    pixels[rows - height :, :width] = np.where(letters, bright, dark)


def _padding(header: Dataset, film: Radiograph) -> tuple[int, int] | None:
    """The stored values that mark what is outside of the film."""
    found = []
    for keyword in ("PixelPaddingValue", "PixelPaddingRangeLimit"):
        value = header.get(keyword)
        if isinstance(value, bytes):  # its representation depends on the pixels'
            value = int.from_bytes(value, "little", signed=film.stored.dtype.kind == "i")
        if isinstance(value, int):
            found.append(value)
    return (min(found), max(found)) if found else None


def _carried(origin: Origin) -> FileDataset:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    for element in origin.header:
        if element.keyword not in NOT_CARRIED:
            # A copy, for setting a value changes the element itself.
            made[element.tag] = DataElement(element.tag, element.VR, element.value, already_converted=True)
    fill(made, (*TYPE_2, *TYPE_2_OF.get(str(made.SOPClassUID), ())))
    if "ImageLaterality" not in made and not made.get("BodyPartExamined"):
        fill(made, ("Laterality",))  # it must not be there for a part that is not paired, and this may be one that is
    return made


def _describe(made: FileDataset, origin: Origin, layer: Layer, name: str) -> None:
    series = origin.made("companion", name, words=name.replace("_", " "))
    made.SOPInstanceUID = series["sop_instance_uid"]
    made.file_meta.MediaStorageSOPClassUID = UID(str(made.SOPClassUID))
    made.file_meta.MediaStorageSOPInstanceUID = UID(made.SOPInstanceUID)
    made.SeriesInstanceUID, made.SeriesNumber = series["series_instance_uid"], series["series_number"]
    made.SeriesDescription, made.InstanceNumber = series["series_description"], 1
    kept = list(origin.header.get("ImageType") or ())
    made.ImageType = ["DERIVED", *(kept[1:] or ["PRIMARY"])]
    earlier = str(origin.header.get("DerivationDescription") or "")
    words = f"{layer.name} taken from the film by {MAKER} {__version__}, model {origin.model_words}. {origin.notice}"
    made.DerivationDescription = (f"{earlier}; {words}" if earlier else words)[:1024]
    made.DerivationCodeSequence = [_code(SUBTRACTION)]
    made.SourceImageSequence = [source_item(origin.header, aligned=True)]
    made.ContributingEquipmentSequence = [*made.get("ContributingEquipmentSequence", ()), _equipment(series, origin)]


def source_item(header: Dataset, *, aligned: bool) -> Dataset:
    """A reference to the film; ``aligned`` where the new image lies pixel on pixel with it."""
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = header.SOPClassUID, header.SOPInstanceUID
    item.PurposeOfReferenceCodeSequence = [_code(SOURCE)]
    item.SpatialLocationsPreserved = "YES" if aligned else "NO"
    return item


def _equipment(series: dict[str, Any], origin: Origin) -> Dataset:
    """The algorithm as the equipment that processed the image: General Image has no other place for it."""
    item = Dataset()
    item.PurposeOfReferenceCodeSequence = [_code(PROCESSING)]
    item.Manufacturer, item.ManufacturerModelName = MAKER, series["manufacturer_model_name"]
    item.DeviceSerialNumber, item.SoftwareVersions = series["device_serial_number"], series["software_versions"]
    item.ContributionDescription = plain(f"algorithm {origin.model_words}") + f", sha256 {origin.result.model.sha256}"
    return item


def _code(code: Code) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code.value, code.scheme_designator, code.meaning
    return item


def _put_pixels(made: FileDataset, film: Radiograph, pixels: NDArray[Any]) -> None:
    made.Rows, made.Columns = pixels.shape
    made.SamplesPerPixel = 1
    bits, allocated = bits_of(film), 8 * pixels.itemsize
    made.BitsAllocated, made.BitsStored, made.HighBit = allocated, bits, bits - 1
    made.PixelRepresentation = int(pixels.dtype.kind == "i")
    if not made.get("PhotometricInterpretation"):
        made.PhotometricInterpretation = "MONOCHROME1" if film.mapping.inverted else "MONOCHROME2"
    little = pixels.astype(pixels.dtype.newbyteorder("<")).tobytes()
    made.PixelData = little + b"\0" * (len(little) % 2)
    made["PixelData"].VR = "OW" if allocated > 8 else "OB"
