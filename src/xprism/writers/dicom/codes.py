"""Coded words: what a label is, on which of the patient's sides, in SNOMED CT where it is known there."""

from __future__ import annotations

from dataclasses import dataclass

from pydicom.sr.coding import Code

SCHEME = "99XPRISM"
"""Private scheme for what no public scheme was found to name."""

ANATOMY = Code("91723000", "SCT", "Anatomical Structure")
ABNORMAL = Code("49755003", "SCT", "Morphologically Abnormal Structure")
TISSUE = Code("85756007", "SCT", "Tissue")
RIGHT, LEFT = Code("24028007", "SCT", "Right"), Code("7771000", "SCT", "Left")
HEART, THORAX = Code("80891009", "SCT", "Heart"), Code("816094009", "SCT", "Thorax")
AREA, WIDTH = Code("42798000", "SCT", "Area"), Code("103355008", "SCT", "Width")
DIAMETER = Code("81827009", "SCT", "Diameter")
CERTAINTY = Code("111012", "DCM", "Certainty of Finding")
COMMENT = Code("121106", "DCM", "Comment")
LEARNT = Code("123110", "DCM", "Artificial Intelligence")
SUBTRACTION = Code("113062", "DCM", "Pixel by pixel subtraction")
SOURCE = Code("121322", "DCM", "Source image for image processing operation")
PROCESSING = Code("109102", "DCM", "Processing Equipment")
IMAGING = Code("363680008", "SCT", "Radiographic imaging procedure")
RATIO = Code("ctr", SCHEME, "Cardiothoracic ratio")
QUALITY = Code("quality", SCHEME, "Quality of the result, 0 to 1")
UNITS = {
    "mm": Code("mm", "UCUM", "mm"),
    "mm2": Code("mm2", "UCUM", "mm2"),
    "px": Code("{pixels}", "UCUM", "pixels"),
    "ratio": Code("{ratio}", "UCUM", "ratio"),
    "one": Code("1", "UCUM", "no units"),
    "percent": Code("%", "UCUM", "%"),
}

_STRUCTURES = {
    "lung": Code("39607008", "SCT", "Lung"),
    "heart": HEART,
    "clavicle": Code("51299004", "SCT", "Clavicle"),
    "rib": Code("113197003", "SCT", "Rib"),
    "bone": Code("272673000", "SCT", "Bone"),
    "spine": Code("421060004", "SCT", "Spine"),
    "scapula": Code("79601000", "SCT", "Scapula"),
    "mediastinum": Code("72410000", "SCT", "Mediastinum"),
    "diaphragm": Code("5798000", "SCT", "Diaphragm"),
}
_FINDINGS = {"nodule": Code("27925004", "SCT", "Nodule")}


@dataclass(frozen=True)
class Meaning:
    """What a label means: ``category``, ``kind``, the patient's ``side`` where it has one, and words for people."""

    category: Code
    kind: Code
    side: Code | None
    words: str


def meaning_of(label: str, *, category: Code = ANATOMY) -> Meaning:
    """The meaning of a label such as ``right_lung``; an unknown one gets a private code and ``category``."""
    words = label.replace("_", " ")
    side, _, rest = words.partition(" ")
    sided = {"right": RIGHT, "left": LEFT}.get(side) if rest else None
    name = rest if sided else words
    single = name.removesuffix("s")
    shown = words[:1].upper() + words[1:]
    for known, kind_of in ((_STRUCTURES, ANATOMY), (_FINDINGS, ABNORMAL)):
        found = known.get(name) or known.get(single)
        if found is not None:
            return Meaning(kind_of, found, sided, shown)
    return Meaning(category, Code(name[:64], SCHEME, name[:64]), sided, shown)
