"""What the header says of spacing, view, body part, polarity and grey scale is used, and nothing else."""

from __future__ import annotations

import dicom_films as films
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

import xprism
from xprism.errors import NotARadiograph
from xprism.radiograph import DisplayMapping
from xprism.readers import dicom_tags
from xprism.readers.dicom_lut import scale_of, window_of
from xprism.readers.dicom_pixels import Layout

STORED = films.gradient(bits=12)


def read(tmp_path, stored=STORED, bits=12, polarity="auto", **tags):
    return xprism.read(films.write(tmp_path / "film.dcm", stored, bits=bits, **tags), polarity=polarity)


def lut(values, start, bits=16):
    item = Dataset()
    item.LUTDescriptor = [len(values), start, bits]
    item.LUTData = np.asarray(values, "<u2").tobytes()
    item["LUTData"].VR = "OW"
    return Sequence([item])


@pytest.mark.parametrize(("bits", "signed"), [(8, False), (12, False), (15, False), (16, True)])
def test_monochrome1_twin_has_bit_identical_display(bits, signed, tmp_path):
    stored = films.gradient(bits=bits, signed=signed)
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    twin = (low + high - stored.astype(np.int64)).astype(stored.dtype)
    one = read(tmp_path, stored, bits, WindowCenter=100, WindowWidth=50)
    other = read(
        tmp_path, twin, bits, PhotometricInterpretation="MONOCHROME1", WindowCenter=low + high - 99, WindowWidth=50
    )
    np.testing.assert_array_equal(one.display, other.display)
    assert other.window == pytest.approx(one.window)
    np.testing.assert_array_equal(other.to_stored(other.display), twin)


@pytest.mark.parametrize(
    ("photometric", "shape", "inverted"),
    [
        ("MONOCHROME2", "IDENTITY", False),
        ("MONOCHROME1", "INVERSE", True),
        ("MONOCHROME1", None, True),
        ("MONOCHROME2", "INVERSE", True),
        ("MONOCHROME1", "IDENTITY", True),
    ],
)
def test_polarity_follows_the_tags(photometric, shape, inverted, tmp_path):
    tags = {"PresentationLUTShape": shape} if shape else {}
    film = read(tmp_path, PhotometricInterpretation=photometric, **tags)
    assert film.mapping.inverted is inverted
    disagree = (photometric, shape) in (("MONOCHROME2", "INVERSE"), ("MONOCHROME1", "IDENTITY"))
    assert any("disagree" in sentence for sentence in film.log) is disagree


def test_user_polarity_overrules_the_tags_and_is_logged(tmp_path):
    film = read(tmp_path, polarity="display", PhotometricInterpretation="MONOCHROME1")
    assert not film.mapping.inverted
    assert "Polarity was given by the user as display." in film.log


@given(
    bits=st.integers(2, 16),
    signed=st.booleans(),
    slope=st.floats(-50, 50).filter(lambda v: abs(v) > 1e-3),
    intercept=st.floats(-5000, 5000),
    monochrome1=st.booleans(),
)
def test_rescaled_values_come_back_exactly_and_display_rises_with_modality_values(
    bits, signed, slope, intercept, monochrome1
):
    layout = Layout(1, 1, 16, bits, bits - 1, signed)
    low, high = layout.ends
    stored = np.unique(np.linspace(low, high, 500).astype(np.int64))[None].astype(np.int16 if signed else np.uint16)
    header = Dataset()
    header.RescaleSlope, header.RescaleIntercept = f"{slope:.8g}", f"{intercept:.8g}"
    scale, _ = scale_of(header, layout, stored)
    mapping = DisplayMapping(scale.low, scale.high, inverted=scale.falls != monochrome1)
    display = mapping.to_display(stored)
    np.testing.assert_array_equal(mapping.to_stored(display, stored.dtype), stored)
    modality = stored.astype(float) * float(header.RescaleSlope) + float(header.RescaleIntercept)
    assert (np.diff(display[0][np.argsort(modality[0])]) > 0).all() != monochrome1
    assert {float(display.min()), float(display.max())} == {0.0, 1.0}


@pytest.mark.parametrize("falling", [False, True])
@pytest.mark.parametrize("start", [0, -2048])
def test_strictly_monotone_modality_lut_is_applied_and_undone(falling, start, tmp_path):
    signed = start < 0
    stored = films.gradient(bits=12, signed=signed)
    table = np.rint(np.linspace(0, 1, 4096) ** 2 * 50_000 + np.arange(4096)).astype(np.uint16)
    table = table[::-1] if falling else table
    film = read(tmp_path, stored, 12, ModalityLUTSequence=lut(table, start))
    modality = table[stored.astype(int) - start].astype(float)
    expected = (modality - table.min()) / (int(table.max()) - int(table.min()))
    np.testing.assert_allclose(film.display, expected, atol=1e-6)
    np.testing.assert_array_equal(film.to_stored(film.display), stored)
    assert film.mapping.inverted is falling


def test_modality_lut_with_a_plateau_is_left_out_and_explained(tmp_path):
    table = np.minimum(np.arange(4096), 2000).astype(np.uint16)
    film = read(tmp_path, ModalityLUTSequence=lut(table, 0), WindowCenter=1000, WindowWidth=500)
    assert film.mapping.table is None
    assert film.window is None
    assert any("cannot be undone" in sentence for sentence in film.log)
    np.testing.assert_array_equal(film.to_stored(film.display), STORED)


def test_window_is_placed_in_display_units_and_clips_nothing(tmp_path):
    film = read(tmp_path, RescaleSlope=2, RescaleIntercept=-100, WindowCenter=1900.5, WindowWidth=1001)
    assert film.window == pytest.approx(((1400 + 100) / 2 / 4095, (2400 + 100) / 2 / 4095))
    assert (film.display.min(), film.display.max()) == (0, 1)


@pytest.mark.parametrize(("centre", "width"), [("", "100"), ("100", "0"), ("100", "-5"), ("rubbish", "100")])
def test_impossible_window_is_left_out_with_a_sentence(centre, width):
    header = Dataset()
    header.add_new("WindowCenter", "LO", centre)
    header.add_new("WindowWidth", "LO", width)
    layout = Layout(1, 1, 16, 12, 11, False)
    scale, _ = scale_of(header, layout, STORED)
    window, notes = window_of(header, scale)
    assert window is None
    assert "left out" in notes[0]


def test_voi_lut_gives_only_its_moving_range_as_window(tmp_path):
    curve = np.clip(np.arange(4096) - 1000, 0, 2000).astype(np.uint16)
    film = read(tmp_path, VOILUTSequence=lut(curve, 0))
    assert film.window == pytest.approx((1000 / 4095, 3000 / 4095))


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({"PixelSpacing": [0.2, 0.3], "ImagerPixelSpacing": [1, 1]}, (0.2, 0.3, "PixelSpacing")),
        ({"ImagerPixelSpacing": [0.15, 0.15]}, (0.15, 0.15, "ImagerPixelSpacing")),
        (
            {"ImagerPixelSpacing": [0.3, 0.3], "EstimatedRadiographicMagnificationFactor": "1.5"},
            (0.2, 0.2, "ImagerPixelSpacing/magnification"),
        ),
        (
            {"ImagerPixelSpacing": [0.3, 0.3], "EstimatedRadiographicMagnificationFactor": "0"},
            (0.3, 0.3, "ImagerPixelSpacing"),
        ),
        ({"PixelSpacing": [0, 0], "ImagerPixelSpacing": [0.15, 0.15]}, (0.15, 0.15, "ImagerPixelSpacing")),
        ({"PixelSpacing": [0, 0]}, None),
        ({"PixelSpacing": [-0.1, 0.1]}, None),
        ({}, None),
    ],
)
def test_spacing_names_its_origin_or_is_none_with_a_sentence(tags, expected, tmp_path):
    film = read(tmp_path, **tags)
    if expected is None:
        assert film.spacing is None
        assert any("spacing is unknown" in sentence for sentence in film.log)
    else:
        spacing = film.spacing
        assert (spacing.row_mm, spacing.column_mm, spacing.origin) == pytest.approx(expected)


@pytest.mark.parametrize("value", ["0.2", "rubbish\\0.2", "nan\\nan", "0.2\\0.2\\0.2", ""])
def test_malformed_spacing_is_none(value):
    header = Dataset()
    header.add_new("PixelSpacing", "LO", value.split("\\") if "\\" in value else value)
    found, notes = dicom_tags.spacing_of(header)
    assert found is None
    assert "not used" in notes[0]


@pytest.mark.parametrize(
    ("tags", "view"),
    [
        ({"ViewPosition": "PA"}, "PA"),
        ({"ViewPosition": "LL"}, "LATERAL"),
        ({"ViewPosition": "OBLIQUE", "SeriesDescription": "PA"}, None),
        ({"SeriesDescription": "Thorax p.a."}, "PA"),
        ({"SeriesDescription": "CHEST PA AND LAT"}, None),
        ({"SeriesDescription": "W034 Chest a.p. in bed"}, "AP"),
        ({"SeriesDescription": "PAEDIATRIC CAPACITY LATEX"}, None),
        ({"PatientOrientation": ["A", "F"]}, "LATERAL"),
        ({"PatientOrientation": ["L", "F"]}, None),
    ],
)
def test_view_from_position_orientation_or_description(tags, view):
    header = Dataset()
    for keyword, value in tags.items():
        setattr(header, keyword, value)
    found, notes = dicom_tags.view_of(header)
    assert found == view
    assert notes or "ViewPosition" in tags


@pytest.mark.parametrize(("code", "view"), [("399348003", "AP"), ("272479007", "PA"), ("399198007", "LATERAL")])
def test_view_codes_agree_with_the_standards_dictionary(code, view):
    from pydicom.sr.codedict import codes

    names = {"AP": "AnteroPosterior", "PA": "PosteroAnterior", "LATERAL": "RightLateral"}
    assert getattr(codes.CID4010, names[view]).value == code
    header, item = Dataset(), Dataset()
    item.CodeValue = code
    header.ViewCodeSequence = Sequence([item])
    assert dicom_tags.view_of(header)[0] == view


def test_body_part_side_and_padding_are_read(tmp_path):
    film = read(tmp_path, StudyDescription="Hand left", ImageLaterality="L", PixelPaddingValue=0)
    assert (film.body_part, film.laterality, film.modality) == ("HAND", "L", "DX")
    assert film.attributes["pixel_padding_value"] == "0"
    assert read(tmp_path, BodyPartExamined="CHEST", StudyDescription="Hand").body_part == "CHEST"


def test_patient_identity_is_not_kept(tmp_path):
    film = read(tmp_path, PatientName="Doe^Jane", PatientID="4711", PatientBirthDate="19700101")
    assert not any(secret in repr(film.attributes) + repr(film.log) for secret in ("Doe", "4711", "1970"))


@pytest.mark.parametrize("modality", ["CR", "DX", "MG", "XA", "RF", "RG", "PX", "IO", "OT", "SC"])
def test_projection_modalities_and_captures_are_read(modality, tmp_path):
    assert read(tmp_path, Modality=modality, SOPClassUID=films.SECONDARY_CAPTURE).modality == modality


@pytest.mark.parametrize("modality", ["CT", "MR", "NM", "US", "PT", "SEG", "SR", "RTDOSE", "RTPLAN", "XC"])
def test_other_modalities_are_refused_by_name(modality, tmp_path):
    with pytest.raises(NotARadiograph, match=modality):
        read(tmp_path, Modality=modality, SOPClassUID=films.SECONDARY_CAPTURE)


@pytest.mark.parametrize(
    ("tags", "why"),
    [
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.2.1", "Modality": "OT"}, "CT object"),
        ({"NumberOfFrames": 3}, "3 frames"),
        ({"PhotometricInterpretation": "RGB", "SamplesPerPixel": 3}, "colour"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "colour"),
        ({"PixelData": None}, "no image"),
    ],
)
def test_what_is_no_single_grey_xray_is_refused_with_the_reason(tags, why, tmp_path):
    with pytest.raises(NotARadiograph, match=why) as caught:
        read(tmp_path, **tags)
    assert caught.value.remedy
    assert "film.dcm" in caught.value.where
