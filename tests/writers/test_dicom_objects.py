"""What stands in the DICOM objects: read back with plain NumPy and pydicom, and set against the result."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydicom import dcmread, dcmwrite
from pydicom.dataset import Dataset
from pydicom.uid import ImplicitVRLittleEndian

pytest.importorskip("highdicom", reason="needs the extra 'dicom'")

import dicom_results as dr
import xprism
from xprism.errors import OutputError
from xprism.inference.predictor import Predictor
from xprism.result import Refusal, Result
from xprism.writers.dicom.header import FILMS
from xprism.writers.folder import write_result


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    return dr.full_model(tmp_path_factory.mktemp("models") / "full")


@pytest.fixture(scope="module")
def made(model: Predictor, tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, Path]:
    """A result of a film of odd size with its spacing known, and its folder."""
    folder = tmp_path_factory.mktemp("made")
    film = dr.write_film(
        folder / "film.dcm", dr.chest((101, 83)), bits=12, PixelSpacing=["0.5", "0.4"], ViewPosition="AP"
    )
    result = dr.predicted(model, film)
    return result, dr.written(result, folder / "out", *dr.ALL_KINDS)


def frames(segmentation: Dataset) -> NDArray[np.uint8]:
    """Frames of a binary segmentation, its bits unpacked by hand: first pixel in the lowest bit, no gaps."""
    shape = (int(segmentation.NumberOfFrames), segmentation.Rows, segmentation.Columns)
    bits = np.unpackbits(np.frombuffer(segmentation.PixelData, np.uint8), bitorder="little")
    return bits[: np.prod(shape)].reshape(shape)


def words(item: Dataset, keyword: str) -> str:
    return str(item[keyword].value[0].CodeMeaning)


def content(item: Dataset) -> list[Dataset]:
    """All content items of a report, in order."""
    return [one for child in item.get("ContentSequence", ()) for one in (child, *content(child))]


def groups(report: Dataset) -> dict[str, list[Dataset]]:
    """The content of each measurement group by its tracking identifier."""
    found = {}
    for item in content(report):
        if words(item, "ConceptNameCodeSequence") == "Measurement Group":
            inside = content(item)
            found[
                next(one.TextValue for one in inside if words(one, "ConceptNameCodeSequence") == "Tracking Identifier")
            ] = inside
    return found


def numbers(items: list[Dataset]) -> dict[str, tuple[float, str]]:
    return {
        words(item, "ConceptNameCodeSequence"): (
            float(item.MeasuredValueSequence[0].NumericValue),
            item.MeasuredValueSequence[0].MeasurementUnitsCodeSequence[0].CodeValue,
        )
        for item in items
        if item.ValueType == "NUM"
    }


def comments(items: list[Dataset]) -> list[str]:
    return [
        item.TextValue
        for item in items
        if item.ValueType == "TEXT" and words(item, "ConceptNameCodeSequence") == "Comment"
    ]


def test_masks_come_back_bit_by_bit(made: tuple[Result, Path]) -> None:
    result, folder = made
    segmentation = dcmread(folder / "masks.dcm")
    assert [item.SegmentNumber for item in segmentation.SegmentSequence] == list(range(1, len(result.masks) + 1))
    for frame, mask in zip(frames(segmentation), result.masks.values(), strict=True):
        np.testing.assert_array_equal(frame.astype(bool), mask)
    np.testing.assert_array_equal(segmentation.pixel_array, frames(segmentation))
    per_frame = segmentation.PerFrameFunctionalGroupsSequence
    numbers_of = [item.SegmentIdentificationSequence[0].ReferencedSegmentNumber for item in per_frame]
    assert numbers_of == list(range(1, len(result.masks) + 1))


def test_segments_say_what_they_are_on_the_patients_sides(made: tuple[Result, Path]) -> None:
    said = {}
    for item in dcmread(made[1] / "masks.dcm").SegmentSequence:
        kind = item.SegmentedPropertyTypeCodeSequence[0]
        side = [one.CodeValue for one in kind.get("SegmentedPropertyTypeModifierCodeSequence", ())]
        said[item.SegmentLabel] = (kind.CodingSchemeDesignator, kind.CodeValue, *side)
        assert item.SegmentAlgorithmType == "AUTOMATIC"
    right, left = "24028007", "7771000"
    assert said == {
        "Right lung": ("SCT", "39607008", right),
        "Left lung": ("SCT", "39607008", left),
        "Heart": ("SCT", "80891009"),
        "Right clavicle": ("SCT", "51299004", right),
        "Left clavicle": ("SCT", "51299004", left),
        "Nodule": ("SCT", "27925004"),
    }


def test_no_geometry_is_invented(made: tuple[Result, Path]) -> None:
    segmentation = dcmread(made[1] / "masks.dcm")
    text = str(segmentation)
    for keyword in ("FrameOfReferenceUID", "PlanePositionSequence", "PlaneOrientationSequence", "SliceThickness"):
        assert keyword not in segmentation
    assert "Image Position" not in text
    measures = segmentation.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    assert [float(side) for side in measures.PixelSpacing] == [0.5, 0.4]


def test_without_a_spacing_none_is_stated(model: Predictor, tmp_path: Path) -> None:
    film = dr.write_film(tmp_path / "film.dcm", dr.chest(), bits=12, ImagerPixelSpacing=["0.1", "0.1"])
    folder = dr.written(dr.predicted(model, film), tmp_path / "out")
    assert "Pixel Spacing" not in str(dcmread(folder / "masks.dcm"))
    assert dcmread(folder / "bone_suppressed.dcm").ImagerPixelSpacing == [0.1, 0.1]


def test_probabilities_are_kept_on_the_films_own_pixels(made: tuple[Result, Path]) -> None:
    result, folder = made
    segmentation = dcmread(folder / "probabilities.dcm")
    assert (segmentation.SegmentationType, segmentation.SegmentationFractionalType) == ("FRACTIONAL", "PROBABILITY")
    assert segmentation.MaximumFractionalValue == 255
    assert segmentation.pixel_array.shape == (len(result.probabilities), *result.radiograph.shape)
    for frame, (label, plane) in zip(segmentation.pixel_array, result.probabilities.items(), strict=True):
        enlarged = np.asarray(Image.fromarray(plane).resize(frame.shape[::-1], Image.Resampling.BILINEAR))
        np.testing.assert_allclose(frame / 255, enlarged, atol=0.51 / 255, err_msg=label)


def test_probabilities_of_a_window_lie_in_the_window(made: tuple[Result, Path], tmp_path: Path) -> None:
    result = made[0]
    shown = replace(result, window=(10, 20, 50, 40), probabilities={"heart": np.ones((8, 8), np.float32)})
    frame = dcmread(dr.written(shown, tmp_path / "out", "dicom-probabilities") / "probabilities.dcm").pixel_array
    expected = np.zeros(result.radiograph.shape, np.uint8)
    expected[10:60, 20:60] = 255
    np.testing.assert_array_equal(frame.reshape(expected.shape), expected)


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("kind", ["uint8", "uint16", "int16"])
def test_the_layer_is_taken_off_in_stored_values(model: Predictor, tmp_path: Path, photometric: str, kind: str) -> None:
    bits = {"uint8": 8, "uint16": 15, "int16": 12}[kind]
    stored = dr.chest(bits=bits).astype(np.int32) - (2**11 if kind == "int16" else 0)
    film = dr.write_film(tmp_path / "film.dcm", stored.astype(kind), bits=bits, PhotometricInterpretation=photometric)
    result = dr.predicted(model, film)
    image = dcmread(dr.written(result, tmp_path / "out") / "bone_suppressed.dcm")
    layer = result.radiograph.display - result.pictures["bone_suppressed"]
    low, high = (-(2**11), 2**11 - 1) if kind == "int16" else (0, 2**bits - 1)
    # Bright bone is a high stored value on MONOCHROME2, a low one on MONOCHROME1.
    change = np.rint(layer.astype(np.float64) * (high - low)) * (1 if photometric == "MONOCHROME2" else -1)
    expected = np.clip(stored - change, low, high)
    assert np.abs(change).max() > 5
    assert np.abs(image.pixel_array.astype(int) - expected).max() <= 1
    assert image.PhotometricInterpretation == photometric
    assert (image.BitsStored, image.BitsAllocated) == (bits, 8 * np.dtype(kind).itemsize)
    assert image.pixel_array.dtype == kind


def test_where_nothing_is_taken_off_every_bit_remains(tmp_path: Path) -> None:
    model = dr.layer_model(tmp_path / "model", strength=0.0)
    stored = np.random.default_rng(3).integers(0, 2**16, (61, 47)).astype(np.uint16)
    film = dr.write_film(tmp_path / "film.dcm", stored, PhotometricInterpretation="MONOCHROME1", BodyPartExamined="HIP")
    folder = dr.written(dr.predicted(model, film), tmp_path / "out")
    np.testing.assert_array_equal(dcmread(folder / "bone_suppressed.dcm").pixel_array, stored)


def test_padding_outside_the_film_stays_what_it_is(tmp_path: Path) -> None:
    model = dr.layer_model(tmp_path / "model")
    stored = dr.chest()
    stored[:10], stored[10:20] = 4095, 4090
    tags = {"PixelPaddingValue": 4095, "PixelPaddingRangeLimit": 4090}
    film = dr.film_dataset(stored, bits=12)
    for keyword, value in tags.items():
        film.add_new(keyword, "US", value)
    film.save_as(tmp_path / "film.dcm", enforce_file_format=True)
    pixels = dcmread(
        dr.written(dr.predicted(model, tmp_path / "film.dcm"), tmp_path / "out") / "bone_suppressed.dcm"
    ).pixel_array
    np.testing.assert_array_equal(pixels[:20], stored[:20])
    assert (pixels[20:] != stored[20:]).mean() > 0.5


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_the_companion_displays_the_same_way_up(model: Predictor, tmp_path: Path, photometric: str) -> None:
    dr.need("dcmj2pnm")
    tags = {"PhotometricInterpretation": photometric, "WindowCenter": "2000", "WindowWidth": "4000"}
    film = dr.write_film(tmp_path / "film.dcm", dr.chest(), bits=12, **tags)
    folder = dr.written(dr.predicted(model, film), tmp_path / "out", *dr.ALL_KINDS)
    shown = []
    for name in (film, folder / "bone_suppressed.dcm", folder / "bone_suppressed_labelled.dcm"):
        done = subprocess.run(
            ["dcmj2pnm", "+Wi", "1", "+obr", str(name), str(tmp_path / "a.bmp")], capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr
        with Image.open(tmp_path / "a.bmp") as picture:
            shown.append(np.asarray(picture.convert("L"), float))
    assert np.corrcoef(shown[0].ravel(), shown[1].ravel())[0, 1] > 0.9
    label = shown[2][-3:, :3]
    assert label.max() < 20  # the plate under the words is dark as DCMTK displays it
    assert np.isclose(shown[2][:-20], shown[1][:-20]).all()
    assert (shown[2][-20:] > 235).any()


def test_the_companion_is_the_films_own_kind_in_a_series_of_its_own(made: tuple[Result, Path]) -> None:
    result, folder = made
    film, image = dcmread(folder.parent / "film.dcm"), dcmread(folder / "bone_suppressed.dcm")
    assert image.SOPClassUID == film.SOPClassUID == image.file_meta.MediaStorageSOPClassUID
    assert image.StudyInstanceUID == film.StudyInstanceUID
    assert image.SeriesInstanceUID != film.SeriesInstanceUID
    assert image.SOPInstanceUID != film.SOPInstanceUID
    assert image.ImageType[0] == "DERIVED"
    assert image.SourceImageSequence[0].ReferencedSOPInstanceUID == film.SOPInstanceUID
    assert image.DerivationCodeSequence[0].CodeValue == "113062"
    assert "not for diagnosis" in image.DerivationDescription
    maker = image.ContributingEquipmentSequence[-1]
    assert (maker.Manufacturer, maker.ManufacturerModelName) == ("xprism", "tiny")
    assert result.model.sha256 in maker.ContributionDescription
    for keyword in ("PatientName", "PatientID", "BodyPartExamined", "ViewPosition", "PixelSpacing", "AccessionNumber"):
        assert image[keyword].value == film[keyword].value, keyword


def test_what_is_true_of_the_films_pixels_only_is_not_repeated(model: Predictor, tmp_path: Path) -> None:
    tags = {
        "SmallestImagePixelValue": 3,
        "SeriesDate": "20240101",
        "LossyImageCompression": "01",
        "DerivationDescription": "cut",
    }
    film = dr.film_dataset(dr.chest(), bits=12, **{key: value for key, value in tags.items() if key[0] != "S"})
    film.add_new("SmallestImagePixelValue", "US", 3)
    film.SeriesDate = tags["SeriesDate"]
    film.save_as(tmp_path / "film.dcm", enforce_file_format=True)
    image = dcmread(dr.written(dr.predicted(model, tmp_path / "film.dcm"), tmp_path / "out") / "bone_suppressed.dcm")
    assert "SmallestImagePixelValue" not in image
    assert "SeriesDate" not in image
    assert image.LossyImageCompression == "01"
    assert image.DerivationDescription.startswith("cut; bones taken from the film")


def test_the_report_holds_areas_widths_ratio_findings_quality_and_the_notice(made: tuple[Result, Path]) -> None:
    result, folder = made
    report = dcmread(folder / "measurements.dcm")
    assert report.SOPClassUID == "1.2.840.10008.5.1.4.1.1.88.33"
    assert report.ContentTemplateSequence[0].TemplateIdentifier == "1500"
    found = groups(report)
    for label in ("right_lung", "left_lung", "heart", "right_clavicle", "left_clavicle"):
        assert numbers(found[label]) == {"Area": (pytest.approx(result.masks[label].sum() * 0.2), "mm2")}
    ctr = result.measurements["ctr"].value
    assert numbers(found["ctr"]) == {"Cardiothoracic ratio": (pytest.approx(ctr, abs=1e-6), "{ratio}")}
    assert comments(found["ctr"]) == ["not reliable", result.measurements["ctr"].note]
    width = result.measurements["thoracic_width_mm"].value
    assert numbers(found["thoracic_width"]) == {"Width": (pytest.approx(width, abs=1e-6), "mm")}
    assert numbers(found["heart_width"])["Width"][1] == "mm"
    assert list(numbers(found["quality"]).values()) == [(pytest.approx(result.quality.score), "1")]
    assert comments(found["quality"]) == list(result.quality.remarks)
    said = comments(list(report.ContentSequence))
    assert "not for diagnosis" in said[0]
    assert "read by no person" in said[1]
    assert (report.CompletionFlag, report.VerificationFlag, report.PreliminaryFlag) == (
        "COMPLETE",
        "UNVERIFIED",
        "PRELIMINARY",
    )


def test_positions_count_from_the_outer_corner_of_the_first_pixel(made: tuple[Result, Path]) -> None:
    result, folder = made
    found = groups(dcmread(folder / "measurements.dcm"))
    ((first, last),) = result.measurements["thoracic_width_mm"].lines
    (line,) = (item for item in found["thoracic_width"] if item.ValueType == "SCOORD")
    assert line.GraphicType == "POLYLINE"
    assert line.GraphicData == [first[1] + 0.5, first[0] + 0.5, last[1] + 0.5, last[0] + 0.5]
    both = result.masks["right_lung"] | result.masks["left_lung"]
    columns = np.flatnonzero(both[int(first[0])])
    # A line from edge to edge of the pixels that are inside.
    assert (line.GraphicData[0], line.GraphicData[2]) == (columns[0], columns[-1] + 1)


def test_each_finding_has_its_region_and_score(made: tuple[Result, Path]) -> None:
    result, folder = made
    found = groups(dcmread(folder / "measurements.dcm"))
    assert len(result.reported("nodule")) == 2
    for place, lesion in enumerate(result.reported("nodule"), start=1):
        items = found[f"nodule {place}"]
        (region,) = (item for item in items if item.ValueType == "SCOORD")
        corners = np.array(region.GraphicData).reshape(-1, 2)
        top, left, bottom, right = lesion.box_px
        assert corners.min(axis=0).tolist() == [left, top]
        assert corners.max(axis=0).tolist() == [right, bottom]
        np.testing.assert_array_equal(corners[0], corners[-1])
        assert numbers(items)["Certainty of Finding"] == (pytest.approx(100 * lesion.score, abs=1e-4), "%")
        assert numbers(items)["Diameter"] == (pytest.approx(lesion.diameter_mm), "mm")
        assert any(item.ValueType == "CODE" and words(item, "ConceptCodeSequence") == "Nodule" for item in items)


def test_findings_that_are_not_reported_stay_out(made: tuple[Result, Path], tmp_path: Path) -> None:
    result = made[0]
    faint = replace(result, lesions=tuple(replace(one, reported=False) for one in result.lesions))
    report = dcmread(dr.written(faint, tmp_path / "out") / "measurements.dcm")
    assert not any(name.startswith("nodule") for name in groups(report))


def test_references_hang_together(made: tuple[Result, Path]) -> None:
    folder = made[1]
    film = dcmread(folder.parent / "film.dcm")
    segmentation, report = dcmread(folder / "masks.dcm"), dcmread(folder / "measurements.dcm")
    source = segmentation.PerFrameFunctionalGroupsSequence[0].DerivationImageSequence[0].SourceImageSequence[0]
    assert source.ReferencedSOPInstanceUID == film.SOPInstanceUID
    series = segmentation.ReferencedSeriesSequence[0]
    assert series.SeriesInstanceUID == film.SeriesInstanceUID
    evidence = {
        instance.ReferencedSOPInstanceUID: one.SeriesInstanceUID
        for study in report.CurrentRequestedProcedureEvidenceSequence
        for one in study.ReferencedSeriesSequence
        for instance in one.ReferencedSOPSequence
    }
    assert evidence == {
        film.SOPInstanceUID: film.SeriesInstanceUID,
        segmentation.SOPInstanceUID: segmentation.SeriesInstanceUID,
    }
    for number, label in enumerate(("right_lung", "left_lung", "heart"), start=1):
        (frame,) = (
            item.ReferencedSOPSequence[0]
            for item in groups(report)[label]
            if words(item, "ConceptNameCodeSequence") == "Referenced Segmentation Frame"
        )
        assert (frame.ReferencedSOPInstanceUID, frame.ReferencedFrameNumber) == (segmentation.SOPInstanceUID, number)


def test_all_objects_lie_in_the_films_study_each_in_its_own_series(made: tuple[Result, Path]) -> None:
    film, found = dcmread(made[1].parent / "film.dcm"), [dcmread(path) for path in dr.objects(made[1])]
    assert len(found) == len(dr.ALL_FILES)
    assert {one.StudyInstanceUID for one in found} == {film.StudyInstanceUID}
    assert {(str(one.PatientName), one.PatientID) for one in found} == {("Phantom^Paula", "P-17")}
    for keyword in ("SeriesInstanceUID", "SOPInstanceUID"):
        assert len({one[keyword].value for one in (film, *found)}) == len(found) + 1
    assert all(uid.startswith("2.25.") and len(uid) <= 64 for uid in (one.SOPInstanceUID for one in found))


def test_the_overlay_is_the_picture_that_is_shown(made: tuple[Result, Path], tmp_path: Path) -> None:
    result, folder = made
    write_result(result, tmp_path / "png", to=("overlay",))
    capture = dcmread(folder / "overlay.dcm")
    with Image.open(tmp_path / "png" / "overlay.png") as picture:
        np.testing.assert_array_equal(capture.pixel_array, np.asarray(picture))
    assert (capture.Modality, capture.PhotometricInterpretation) == ("OT", "RGB")
    assert "PixelSpacing" not in capture


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in dr.objects(folder)}


def test_a_rerun_writes_the_same_bytes(made: tuple[Result, Path], model: Predictor, tmp_path: Path) -> None:
    again = dr.predicted(model, made[1].parent / "film.dcm")
    assert bytes_of(dr.written(again, tmp_path / "out", *dr.ALL_KINDS)) == bytes_of(made[1])


def test_the_same_film_in_another_encoding_gives_the_same_bytes(
    made: tuple[Result, Path], model: Predictor, tmp_path: Path
) -> None:
    film = dcmread(made[1].parent / "film.dcm")
    film.private_block(0x0009, "ARCHIVE", create=True).add_new(1, "LO", "stamped on its way")
    film.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    dcmwrite(tmp_path / "other.dcm", film, implicit_vr=True, little_endian=True, enforce_file_format=True)
    folder = dr.written(dr.predicted(model, tmp_path / "other.dcm"), tmp_path / "out", *dr.ALL_KINDS)
    assert bytes_of(folder) == bytes_of(made[1])


@pytest.mark.parametrize("change", ["options", "weights", "pixels", "patient"])
def test_other_content_has_other_uids(made: tuple[Result, Path], tmp_path: Path, change: str) -> None:
    result = made[0]
    if change == "options":
        other = replace(result, options={**result.options, "clean": False})
    elif change == "weights":
        other = replace(result, model=replace(result.model, sha256="0" * 64))
    else:
        pixels, tags = dr.chest((101, 83)), {}
        pixels[50, 40] ^= change == "pixels"
        if change == "patient":
            tags["PatientID"] = "P-18"
        path = dr.write_film(
            tmp_path / "film.dcm", pixels, bits=12, PixelSpacing=["0.5", "0.4"], ViewPosition="AP", **tags
        )
        other = replace(result, radiograph=xprism.read(path))
    uids = {dcmread(path).SOPInstanceUID for path in dr.objects(dr.written(other, tmp_path / "out"))}
    assert not uids & {dcmread(path).SOPInstanceUID for path in dr.objects(made[1])}


def test_dates_are_the_films_and_no_moment_of_computing(
    made: tuple[Result, Path], model: Predictor, tmp_path: Path
) -> None:
    assert {dcmread(path).get("ContentDate", "20240229") for path in dr.objects(made[1])} == {"20240229"}
    film = dr.write_film(tmp_path / "film.dcm", dr.chest(), bits=12, StudyDate=None, StudyTime=None)
    folder = dr.written(dr.predicted(model, film), tmp_path / "out")
    assert dcmread(folder / "masks.dcm").ContentDate == "19000101"
    assert "InstanceCreationDate" not in dcmread(folder / "masks.dcm")


@pytest.mark.parametrize("sop_class", sorted(FILMS))
def test_results_refer_to_films_of_every_class(model: Predictor, tmp_path: Path, sop_class: str) -> None:
    geometry = {"FrameOfReferenceUID": "1.2.3", "ImagePositionPatient": ["0", "0", "0"], "NumberOfFrames": "1"}
    film = dr.write_film(tmp_path / "film.dcm", dr.chest(), bits=12, sop_class=sop_class, Modality="DX", **geometry)
    folder = dr.written(dr.predicted(model, film), tmp_path / "out", *dr.ALL_KINDS)
    assert dcmread(folder / "bone_suppressed.dcm").SOPClassUID == sop_class
    assert "FrameOfReferenceUID" not in dcmread(folder / "masks.dcm")
    dr.need("dciodvfy")
    for name in ("masks.dcm", "measurements.dcm", "overlay.dcm", "probabilities.dcm"):
        assert dr.errors_of(folder / name) == [], name


def test_a_refused_film_has_no_objects(made: tuple[Result, Path], tmp_path: Path) -> None:
    refused = replace(made[0], refused=Refusal("view", "a lateral film"), masks={}, pictures={})
    assert dr.objects(dr.written(refused, tmp_path / "out", *dr.ALL_KINDS)) == []


def test_what_was_left_out_stands_in_the_record(model: Predictor, tmp_path: Path) -> None:
    film = dr.write_film(tmp_path / "film.dcm", dr.chest(), bits=12, PixelSpacing=b"0\\0 ")
    folder = dr.written(dr.predicted(model, film), tmp_path / "out", "dicom", "report")
    for name in ("result.json", "report.html"):
        assert "is not positive: left out of DICOM results." in (folder / name).read_text()


def test_a_picture_without_a_header_is_declined_and_nothing_is_written(model: Predictor, tmp_path: Path) -> None:
    Image.fromarray(dr.chest(bits=8).astype(np.uint8)).save(tmp_path / "film.png")
    with pytest.raises(OutputError, match="only a DICOM film"):
        dr.written(dr.predicted(model, tmp_path / "film.png"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_odd_names_are_carried_but_not_shown_on_the_way(
    model: Predictor, tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    names: dict[str, Any] = {
        "PatientName": "Müller",
        "ReferringPhysicianName": "ward",
        "SpecificCharacterSet": "ISO_IR 192",
    }
    film = dr.write_film(tmp_path / "film.dcm", dr.chest(), bits=12, **names)
    folder = dr.written(dr.predicted(model, film), tmp_path / "out", *dr.ALL_KINDS)
    for path in dr.objects(folder):
        one = dcmread(path)
        assert (str(one.PatientName), str(one.ReferringPhysicianName)) == ("Müller", "ward"), path.name
    assert not [str(warning.message) for warning in recwarn]
