"""Which DICOM objects are projection radiographs, and why the others are refused."""

from __future__ import annotations

from pydicom.dataset import Dataset

from xprism.errors import NotARadiograph, UnsupportedFile

XRAY = frozenset({"CR", "DX", "RG", "MG", "PX", "IO", "XA", "RF", "DF", "BMD"})
UNSURE = frozenset({"OT", "SC", "HC", "FILM", "DOC", ""})  # captured screens and scanned films: the picture decides

_OTHER_MODALITIES = {
    "CT": "a CT slice",
    "MR": "an MR slice",
    "NM": "a nuclear medicine image",
    "PT": "a PET image",
    "US": "an ultrasound image",
    "IVUS": "an ultrasound image",
    "SEG": "a segmentation",
    "SR": "a structured report",
    "PR": "a presentation state",
    "KO": "a key object selection",
    "REG": "a registration",
    "ECG": "a waveform",
    "RTDOSE": "a radiotherapy dose",
    "RTPLAN": "a radiotherapy plan",
    "RTSTRUCT": "radiotherapy structures",
    "RTRECORD": "a radiotherapy record",
    "RTIMAGE": "a radiotherapy portal image",
    "XC": "a photograph",
    "GM": "a microscope image",
    "SM": "a slide image",
    "ES": "an endoscope image",
    "OP": "an eye photograph",
    "OCT": "an optical tomography image",
}
_OTHER_CLASSES = (
    ("1.2.840.10008.1.3.10", "a media directory (DICOMDIR)"),
    ("1.2.840.10008.5.1.4.1.1.2", "a CT object"),
    ("1.2.840.10008.5.1.4.1.1.3", "an ultrasound object"),
    ("1.2.840.10008.5.1.4.1.1.4", "an MR object"),
    ("1.2.840.10008.5.1.4.1.1.6", "an ultrasound object"),
    ("1.2.840.10008.5.1.4.1.1.9", "a waveform"),
    ("1.2.840.10008.5.1.4.1.1.11", "a presentation state"),
    ("1.2.840.10008.5.1.4.1.1.20", "a nuclear medicine object"),
    ("1.2.840.10008.5.1.4.1.1.66", "a segmentation or registration"),
    ("1.2.840.10008.5.1.4.1.1.77", "a visible-light object"),
    ("1.2.840.10008.5.1.4.1.1.88", "a structured report"),
    ("1.2.840.10008.5.1.4.1.1.104", "an encapsulated document"),
    ("1.2.840.10008.5.1.4.1.1.128", "a PET object"),
    ("1.2.840.10008.5.1.4.1.1.130", "a PET object"),
    ("1.2.840.10008.5.1.4.1.1.481", "a radiotherapy object"),
    ("1.2.840.10008.5.1.4.1.1.13.1", "a tomosynthesis or 3-D X-ray object"),
)
_XRAY_CLASSES = ("1.2.840.10008.5.1.4.1.1.1", "1.2.840.10008.5.1.4.1.1.12")
_CAPTURE_CLASS = "1.2.840.10008.5.1.4.1.1.7"
REMEDY = "give one projection radiograph (CR, DX, MG, XA, RF or a captured film)"


def text(dataset: Dataset, keyword: str) -> str:
    """A header value as stripped text; empty when absent or malformed."""
    try:
        value = dataset.get(keyword)
    except Exception:  # a header may break in any way when it is converted
        return ""
    return "" if value is None else str(value).strip()


def refuse_other_objects(dataset: Dataset) -> list[str]:
    """Raise ``NotARadiograph`` for what is no projection X-ray; return sentences about doubtful cases."""
    modality, sop_class = text(dataset, "Modality").upper(), text(dataset, "SOPClassUID")
    media_class = text(getattr(dataset, "file_meta", Dataset()), "MediaStorageSOPClassUID")
    if modality in _OTHER_MODALITIES:
        raise NotARadiograph(f"{_OTHER_MODALITIES[modality]} (modality {modality})", remedy=REMEDY)
    for root, what in _OTHER_CLASSES:
        if _within(sop_class or media_class, root):
            raise NotARadiograph(f"{what} (SOP class {sop_class or media_class})", remedy=REMEDY)
    if modality in XRAY:
        return []
    if modality in UNSURE:
        said = f"Modality {modality}" if modality else "No modality"
        return [f"{said} does not say that this is a radiograph; read because it is a single grey image."]
    if any(_within(sop_class, root) for root in (*_XRAY_CLASSES, _CAPTURE_CLASS)):
        return [f"Modality {modality} is not in the standard's list for X-ray; read because of the SOP class."]
    raise NotARadiograph(f"modality {modality} is no projection X-ray", remedy=REMEDY)


def refuse_other_pixels(dataset: Dataset) -> list[str]:
    """Raise for pixel layouts that are no single grey image; return sentences about oddities."""
    if "PixelData" not in dataset:
        if "FloatPixelData" in dataset or "DoubleFloatPixelData" in dataset:
            raise UnsupportedFile("floating-point pixels", remedy="export the film with 8 or 16 bits a pixel")
        raise NotARadiograph("no image in this DICOM file", remedy=REMEDY)
    photometric = text(dataset, "PhotometricInterpretation").upper()
    if text(dataset, "SamplesPerPixel") not in ("", "1") or photometric not in ("MONOCHROME1", "MONOCHROME2", ""):
        raise NotARadiograph(f"a colour image ({photometric})", remedy="export the film as greyscale")
    frames = text(dataset, "NumberOfFrames")
    if frames.isdigit() and int(frames) > 1:
        raise NotARadiograph(f"{frames} frames: a series or a cine run", remedy="export one frame as a film")
    if frames and not frames.isdigit():
        return [f"NumberOfFrames {frames!r} is malformed; taken as one frame."]
    return []


def _within(uid: str, root: str) -> bool:
    return uid == root or uid.startswith(root + ".")
