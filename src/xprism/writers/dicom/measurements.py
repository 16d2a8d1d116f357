"""Measurements as a structured report after TID 1500: areas, widths, the ratio, findings, quality, permitted use."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from highdicom.seg import Segmentation
from highdicom.sr import (
    AlgorithmIdentification,
    CodedConcept,
    ComprehensiveSR,
    CoordinatesForMeasurement,
    DeviceObserverIdentifyingAttributes,
    FindingSite,
    ImageRegion,
    MeasurementReport,
    MeasurementsAndQualitativeEvaluations,
    ObservationContext,
    ObserverContext,
    PlanarROIMeasurementsAndQualitativeEvaluations,
    ReferencedSegmentationFrame,
    SourceImageForMeasurementGroup,
    SourceImageForRegion,
    SourceImageForSegmentation,
    TextContentItem,
    TrackingIdentifier,
)
from highdicom.sr import Measurement as Number
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from xprism.result import Lesion, Measurement, Structure
from xprism.writers.dicom.codes import (
    AREA,
    CERTAINTY,
    COMMENT,
    DIAMETER,
    HEART,
    IMAGING,
    LEARNT,
    QUALITY,
    RATIO,
    THORAX,
    UNITS,
    WIDTH,
    meaning_of,
)
from xprism.writers.dicom.origin import MAKER, Origin, plain

Group = PlanarROIMeasurementsAndQualitativeEvaluations | MeasurementsAndQualitativeEvaluations

_WIDTHS = {"heart_width": HEART, "thoracic_width": THORAX}


def measurements(origin: Origin, masks: Segmentation | None) -> Dataset:
    """The report on one result; structures refer to their segment of ``masks`` where there is one."""
    groups = list(_groups(origin, masks))
    content = MeasurementReport(
        observation_context=_observer(origin),
        procedure_reported=_procedure(origin.reference),
        imaging_measurements=groups,
        title=codes.DCM.ImagingMeasurementReport,
    )
    root = content[0]
    root.ContentSequence.extend(_comment(line) for line in _statements(origin))
    made = ComprehensiveSR(
        evidence=[origin.reference, *([] if masks is None else [masks])],
        content=root,
        is_complete=True,
        **origin.made("measurements", "measurements", words="measurements"),
    )
    origin.settle(made)
    return made


def _groups(origin: Origin, masks: Segmentation | None) -> Iterable[Group]:
    result = origin.result
    segments = {} if masks is None else {item.SegmentLabel: item.SegmentNumber for item in masks.SegmentSequence}
    for label, structure in result.structures.items():
        if label not in result.lesion_labels:
            number = segments.get(plain(meaning_of(label).words))
            yield _structure(origin, structure, None if number is None or masks is None else (masks, int(number)))
    for one in result.measurements.values():
        group = _measured(origin, one)
        if group is not None:
            yield group
    for label in result.lesion_labels:
        for place, lesion in enumerate(result.reported(label), start=1):
            yield _lesion(origin, lesion, place)
    yield _quality(origin)


def _structure(origin: Origin, structure: Structure, segment: tuple[Segmentation, int] | None) -> Group:
    meaning = meaning_of(structure.label)
    if structure.area_mm2 is None:
        area = _number(AREA, structure.area_px, "px")
    else:
        area = _number(AREA, structure.area_mm2, "mm2")
    shared = {
        **_shared(origin, structure.label),
        "finding_type": _concept(meaning.kind),
        "finding_sites": [_site(meaning.kind, meaning.side)],
        "measurements": [area],
    }
    notes = () if structure.area_px else ("not found",)
    if segment is None:
        return _group(origin, shared, notes)
    masks, number = segment
    frame = ReferencedSegmentationFrame(
        sop_class_uid=masks.SOPClassUID,
        sop_instance_uid=masks.SOPInstanceUID,
        frame_number=number,  # each segment has one frame, in the order of the segments
        segment_number=number,
        source_image=SourceImageForSegmentation.from_source_image(origin.reference),
    )
    # highdicom states frame and segment; the standard (PS3.3, table 10-3) has one or the other.
    del frame[0].ReferencedSOPSequence[0].ReferencedSegmentNumber
    return _with_comments(PlanarROIMeasurementsAndQualitativeEvaluations(referenced_segment=frame, **shared), notes)


def _measured(origin: Origin, one: Measurement) -> Group | None:
    """The ratio and the widths; areas stand with their structures."""
    stem = re.sub(r"_(mm|px)$", "", one.name)
    if one.name == "ctr":
        name, site = RATIO, HEART
    elif stem in _WIDTHS:
        name, site = WIDTH, _WIDTHS[stem]
    else:
        return None
    lines = [] if one.name == "ctr" else [_line(origin, line) for line in one.lines]
    shared = {
        **_shared(origin, stem),
        "finding_sites": [_site(site, None)],
        "measurements": [_number(name, one.value, one.unit, lines)],
    }
    notes = [one.note] if one.note else []
    return _group(origin, shared, notes if one.reliable else ["not reliable", *notes])


def _lesion(origin: Origin, lesion: Lesion, place: int) -> Group:
    meaning = meaning_of(lesion.label)
    top, left, bottom, right = lesion.box_px
    corners = np.array([(left, top), (right, top), (right, bottom), (left, bottom), (left, top)], float)
    region = ImageRegion(
        graphic_type="POLYLINE",
        graphic_data=corners,
        source_image=SourceImageForRegion.from_source_image(origin.reference),
    )
    numbers = [_number(CERTAINTY, 100 * lesion.score, "percent")]
    if lesion.diameter_mm is not None:
        numbers.append(_number(DIAMETER, lesion.diameter_mm, "mm"))
    return PlanarROIMeasurementsAndQualitativeEvaluations(
        referenced_region=region,
        finding_type=_concept(meaning.kind),
        measurements=numbers,
        **_shared(origin, f"{lesion.label} {place}"),
    )


def _quality(origin: Origin) -> Group:
    quality = origin.result.quality
    shared = {**_shared(origin, "quality"), "measurements": [_number(QUALITY, quality.score, "one")]}
    return _group(origin, shared, quality.remarks)


def _group(origin: Origin, shared: dict[str, Any], notes: Sequence[str]) -> Group:
    source = [SourceImageForMeasurementGroup.from_source_image(origin.reference)]
    return _with_comments(MeasurementsAndQualitativeEvaluations(source_images=source, **shared), notes)


def _shared(origin: Origin, name: str) -> dict[str, Any]:
    return {
        "tracking_identifier": TrackingIdentifier(uid=origin.uid("measurements", name), identifier=plain(name)),
        "algorithm_id": AlgorithmIdentification(
            name=plain(origin.result.model.name),
            version=plain(origin.result.model.version),
            parameters=[f"sha256 {origin.result.model.sha256}"],
            family=_concept(LEARNT),
            manufacturer=MAKER,
        ),
    }


def _with_comments(group: Group, notes: Sequence[str]) -> Group:
    group[0].ContentSequence.extend(_comment(note) for note in notes)
    return group


def _comment(words: str) -> TextContentItem:
    ascii_only = words.encode("ascii", "replace").decode()
    return TextContentItem(name=_concept(COMMENT), value=ascii_only, relationship_type="CONTAINS")


def _statements(origin: Origin) -> list[str]:
    over = origin.result.overridden
    forced = [] if over is None else [f"Forced past a refusal ({over.code}): {over.reason}"]
    return [origin.notice, f"Made by {MAKER} with the model {origin.model_words}; read by no person.", *forced]


def _number(name: Code, value: float, unit: str, lines: Sequence[CoordinatesForMeasurement] = ()) -> Number:
    number, units = round(float(value), 6), _concept(UNITS[unit])
    return Number(name=_concept(name), value=number, unit=units, referenced_coordinates=lines or None)


def _line(origin: Origin, line: tuple[tuple[float, float], tuple[float, float]]) -> CoordinatesForMeasurement:
    """A line as DICOM counts: columns first, (0, 0) the outer corner of the first pixel, not its centre."""
    return CoordinatesForMeasurement(
        graphic_type="POLYLINE",
        graphic_data=np.array([(column + 0.5, row + 0.5) for row, column in line]),
        source_image=SourceImageForRegion.from_source_image(origin.reference),
    )


def _site(place: Code, side: Code | None) -> FindingSite:
    return FindingSite(_concept(place), laterality=None if side is None else _concept(side))


def _concept(code: Code) -> CodedConcept:
    return CodedConcept.from_code(code)


def _observer(origin: Origin) -> ObservationContext:
    device = DeviceObserverIdentifyingAttributes(
        uid=origin.uid("device"),
        name=plain(origin.result.model.name),
        manufacturer_name=MAKER,
        model_name=plain(origin.model_words),
        serial_number=origin.result.model.sha256[:16],
    )
    return ObservationContext(observer_device_context=ObserverContext(_concept(codes.DCM.Device), device))


def _procedure(header: Dataset) -> CodedConcept:
    """The procedure that the film states, else that it is some radiography."""
    for item in header.get("ProcedureCodeSequence", ()):
        if all(item.get(name) for name in ("CodeValue", "CodingSchemeDesignator", "CodeMeaning")):
            return CodedConcept(item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning)
    return _concept(IMAGING)
