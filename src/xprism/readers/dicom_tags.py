"""What a DICOM header says of a film: spacing, view, side, body part. Runs in the decoding process."""

from __future__ import annotations

import re

from pydicom.dataset import Dataset

from xprism.readers.dicom_kind import text
from xprism.readers.dicom_lut import numbers

Found = tuple[str | None, list[str]]

_VIEW_POSITIONS = {"PA": "PA", "AP": "AP", "LL": "LATERAL", "RL": "LATERAL", "LAT": "LATERAL", "LATERAL": "LATERAL"}
_VIEW_CODES = {
    "272479007": "PA",
    "R-40888": "PA",
    "R-10214": "PA",
    "399348003": "AP",
    "R-10206": "AP",
    "399067008": "LATERAL",
    "R-102CD": "LATERAL",
    "399173006": "LATERAL",
    "R-10236": "LATERAL",
    "399198007": "LATERAL",
    "R-10232": "LATERAL",
}
_VIEW_WORDS = {
    "PA": r"P\.?A\.?|POST?ERO[- ]?ANTERIOR|DORSO[- ]?VENTRAL",
    "AP": r"A\.?P\.?|ANTERO[- ]?POSTERIOR|VENTRO[- ]?DORSAL",
    "LATERAL": r"LAT|LATERAL|LL|RL|PROFIL",
}
_BODY_WORDS = {
    "CHEST": "CHEST|THORAX|TORAX|LUNGS?|CXR",
    "ABDOMEN": "ABDOMEN|ABD",
    "PELVIS": "PELVIS|BECKEN",
    "HIP": "HIPS?|HUEFTE",
    "KNEE": "KNEES?|KNIE",
    "ANKLE": "ANKLES?",
    "FOOT": "FOOT|FEET",
    "HAND": "HANDS?",
    "WRIST": "WRISTS?",
    "ELBOW": "ELBOWS?",
    "SHOULDER": "SHOULDERS?",
    "SKULL": "SKULL|HEAD",
    "SPINE": "[CTL]?-?SPINE",
    "BREAST": "BREASTS?|MAMMO",
}
_FILM_TEXTS = ("SeriesDescription", "ProtocolName", "AcquisitionDeviceProcessingDescription")


def spacing_of(dataset: Dataset) -> tuple[tuple[float, float, str] | None, list[str]]:
    """Row and column spacing in mm with the name of its origin, or None, with sentences for the log."""
    notes: list[str] = []
    for keyword in ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing"):
        if keyword not in dataset:
            continue
        found = numbers(dataset, keyword)
        if len(found) != 2 or min(found) <= 0:
            notes.append(f"{keyword} {text(dataset, keyword)!r} is zero, negative or malformed; not used.")
            continue
        row, column, origin = found[0], found[1], keyword
        if keyword == "ImagerPixelSpacing":
            row, column, origin = _at_the_body(dataset, row, column, notes)
        notes.append(f"Spacing {row:g} x {column:g} mm from {origin}.")
        if not 0.02 <= min(row, column) <= max(row, column) <= 2:
            notes.append("That spacing is unusual for a radiograph: check lengths against something known.")
        return (row, column, origin), notes
    return None, [*notes, "Pixel spacing is unknown, so lengths are in pixels."]


def _at_the_body(dataset: Dataset, row: float, column: float, notes: list[str]) -> tuple[float, float, str]:
    keyword = "EstimatedRadiographicMagnificationFactor"
    factor = numbers(dataset, keyword)[:1]
    if factor and 1 <= factor[0] <= 10:
        return row / factor[0], column / factor[0], "ImagerPixelSpacing/magnification"
    if text(dataset, keyword):
        notes.append(f"{keyword} {text(dataset, keyword)!r} is not a factor from 1 to 10; not used.")
    notes.append("This spacing is that of the detector: lengths in the body read too long.")
    return row, column, "ImagerPixelSpacing"


def view_of(dataset: Dataset) -> Found:
    """``PA``, ``AP``, ``LATERAL`` or None from position, code, orientation or description."""
    position = text(dataset, "ViewPosition").upper()
    if position in _VIEW_POSITIONS:
        return _VIEW_POSITIONS[position], []
    if position:
        return None, [f"ViewPosition {position} is none of PA, AP and lateral."]
    code, meaning = _code(dataset, "ViewCodeSequence")
    if code:
        view = _VIEW_CODES.get(code)
        return view, [f"View from ViewCodeSequence: {meaning or code}{'' if view else ', not one that is used'}."]
    rows = text(dataset, "PatientOrientation").strip("[]").replace("'", "").split(",")[0].strip().upper()
    if rows[:1] in ("A", "P"):
        return "LATERAL", [f"View lateral because PatientOrientation has rows running to {rows}."]
    for keyword in _FILM_TEXTS:
        said = [view for view, words in _VIEW_WORDS.items() if _mentions(text(dataset, keyword), words)]
        if len(said) == 1:
            return said[0], [f"View {said[0]} from {keyword}."]
    return None, ["The view is not stated."]


def laterality_of(dataset: Dataset) -> Found:
    """``L``, ``R``, ``B`` or None."""
    for keyword in ("ImageLaterality", "Laterality"):
        side = text(dataset, keyword).upper()
        if side in ("L", "R", "B"):
            return side, []
    return None, []


def body_part_of(dataset: Dataset) -> Found:
    """The body part in upper case or None, from its own tag, a code or a description."""
    stated = text(dataset, "BodyPartExamined").upper()
    if stated:
        return stated, []
    _, meaning = _code(dataset, "AnatomicRegionSequence")
    if meaning:
        return meaning.upper(), ["Body part from AnatomicRegionSequence."]
    for keyword in (*_FILM_TEXTS, "StudyDescription"):
        said = [part for part, words in _BODY_WORDS.items() if _mentions(text(dataset, keyword), words)]
        if len(said) == 1:
            return said[0], [f"Body part {said[0]} from {keyword}."]
    return None, ["The body part is not stated."]


def inverted_by_tags(dataset: Dataset) -> tuple[bool | None, list[str]]:
    """Whether low modality values show bright; None where no tag says so."""
    photometric = text(dataset, "PhotometricInterpretation").upper()
    shape = text(dataset, "PresentationLUTShape").upper()
    if not photometric and shape not in ("INVERSE", "IDENTITY"):
        return None, ["PhotometricInterpretation is missing."]
    inverted = photometric == "MONOCHROME1" or shape == "INVERSE"
    notes = [
        f"{photometric or shape}: low values are {'bright, so the scale was turned over' if inverted else 'dark'}."
    ]
    if (photometric == "MONOCHROME1" and shape == "IDENTITY") or (photometric == "MONOCHROME2" and shape == "INVERSE"):
        notes.append(f"{photometric} and PresentationLUTShape {shape} disagree; the one that turns over was followed.")
    return inverted, notes


def padding_of(dataset: Dataset) -> Found:
    """The value that marks pixels outside the film, as text, or None."""
    value = text(dataset, "PixelPaddingValue")
    return (value, [f"Pixels of value {value} are padding outside the film."]) if value else (None, [])


def _code(dataset: Dataset, sequence: str) -> tuple[str, str]:
    try:
        item = dataset[sequence].value[0]
    except Exception:  # absent, empty or malformed
        return "", ""
    return text(item, "CodeValue"), text(item, "CodeMeaning")


def _mentions(said: str, words: str) -> bool:
    return re.search(rf"(?<![A-Z0-9])(?:{words})(?![A-Z0-9])", said.upper()) is not None
