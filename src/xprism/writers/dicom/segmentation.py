"""Masks as a DICOM Segmentation: one segment a structure, on the film's own pixels, without invented geometry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import highdicom as hd
import numpy as np
from highdicom.color import CIELabColor
from highdicom.seg import Segmentation, SegmentDescription
from numpy.typing import NDArray
from pydicom.sr.coding import Code
from pydicom.uid import ExplicitVRLittleEndian

from xprism.grid import resize
from xprism.result import Result
from xprism.writers.dicom.codes import ANATOMY, LEARNT, TISSUE, meaning_of
from xprism.writers.dicom.origin import Origin, plain
from xprism.writers.overlay import colour_of

Mask = NDArray[np.bool_]


def masks_of(result: Result) -> dict[str, Mask]:
    """Every mask [H, W] of a result by label: those of its targets, then one for each class of its class maps."""
    found = dict(result.masks)
    for name, labels in result.class_labels.items():
        for number, label in enumerate(labels):
            found.setdefault(label, result.classes[name] == number)
    return found


def binary(origin: Origin, masks: Mapping[str, Mask]) -> Segmentation:
    """The masks bool [H, W], each bit as it is; a structure that was not found has an empty frame."""
    stack = np.stack(list(masks.values()), axis=-1)[None]
    return _segmentation(origin, stack, tuple(masks), kind="BINARY", name="masks", words="masks")


def fractional(origin: Origin) -> Segmentation:
    """The probabilities of the masks, 0 to 255, brought from the network's grid to the film's own pixels."""
    result = origin.result
    whole = (0, 0, *result.radiograph.shape)
    top, left, height, width = result.window or whole
    stack = np.zeros((1, *result.radiograph.shape, len(result.probabilities)), np.float32)
    for number, plane in enumerate(result.probabilities.values()):
        stack[0, top : top + height, left : left + width, number] = np.clip(resize(plane, (height, width)), 0, 1)
    labels = tuple(result.probabilities)
    return _segmentation(origin, stack, labels, kind="FRACTIONAL", name="probabilities", words="probabilities")


def _segmentation(
    origin: Origin, stack: NDArray[Any], labels: tuple[str, ...], *, kind: str, name: str, words: str
) -> Segmentation:
    made = Segmentation(
        source_images=[origin.reference],
        pixel_array=stack,
        segmentation_type=kind,
        segment_descriptions=[
            _description(origin, label, number, labels) for number, label in enumerate(labels, start=1)
        ],
        omit_empty_frames=False,
        transfer_syntax_uid=ExplicitVRLittleEndian,
        content_label=name.upper(),
        content_description=plain(origin.notice),
        **origin.made(name, name, words=words),
    )
    # On the same rows and columns as the film; dciodvfy wants it wherever there is no position in space.
    made.PatientOrientation = origin.header.get("PatientOrientation")
    organisation = origin.uid(name, "dimensions")
    for sequence in (made.DimensionOrganizationSequence, made.DimensionIndexSequence):
        for item in sequence:
            item.DimensionOrganizationUID = organisation
    origin.settle(made)
    return made


def _description(origin: Origin, label: str, number: int, labels: tuple[str, ...]) -> SegmentDescription:
    meaning = meaning_of(label, category=_category(origin.result, label))
    made = SegmentDescription(
        segment_number=number,
        segment_label=plain(meaning.words),
        segmented_property_category=meaning.category,
        segmented_property_type=meaning.kind,
        algorithm_type="AUTOMATIC",
        algorithm_identification=hd.AlgorithmIdentificationSequence(
            name=plain(origin.result.model.name),
            family=LEARNT,
            version=plain(origin.result.model.version),
            parameters={"sha256": origin.result.model.sha256},
        ),
        display_color=CIELabColor.from_rgb(*colour_of(label, labels)),
    )
    if meaning.side is not None:
        kind = made.SegmentedPropertyTypeCodeSequence[0]
        kind.SegmentedPropertyTypeModifierCodeSequence = [hd.sr.CodedConcept.from_code(meaning.side)]
    return made


def _category(result: Result, label: str) -> Code:
    return TISSUE if any(label in labels for labels in result.class_labels.values()) else ANATOMY
