"""Measurements against shapes whose numbers are known beforehand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xprism.inference.measure import heart_lines, measure, structure_of, thoracic_line
from xprism.radiograph import DisplayMapping, Radiograph, Spacing


def film(shape: tuple[int, int], *, spacing: Spacing | None = None, view: str | None = "PA") -> Radiograph:
    return Radiograph(np.zeros(shape, np.uint8), DisplayMapping(0, 255), spacing=spacing, view=view)


def box(shape: tuple[int, int], top: int, left: int, bottom: int, right: int) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[top:bottom, left:right] = True
    return mask


def drawn_chest(shape: tuple[int, int] = (300, 400)) -> dict[str, np.ndarray]:
    """Lungs that widen to columns 40 and 360 in row 200; a heart from column 150 to 290."""
    masks = {
        "right_lung": box(shape, 50, 80, 200, 160) | box(shape, 200, 40, 210, 160),
        "left_lung": box(shape, 50, 240, 200, 330) | box(shape, 200, 240, 210, 360),
        "heart": box(shape, 140, 150, 180, 270) | box(shape, 180, 170, 220, 290),
    }
    return masks


def test_ratio_of_a_drawn_chest_is_heart_width_over_thoracic_width() -> None:
    found = measure(drawn_chest(), film((300, 400)))
    assert found["ctr"].value == pytest.approx(140 / 320)
    assert found["heart_width_px"].value == 140
    assert found["thoracic_width_px"].value == 320
    assert found["ctr"].reliable
    assert found["ctr"].note == ""


def test_lines_are_drawn_where_the_numbers_were_read() -> None:
    right, left, thorax = measure(drawn_chest(), film((300, 400)))["ctr"].lines
    assert thorax == ((200, 39.5), (200, 359.5))
    assert right == ((159.5, 149.5), (159.5, 199.5))
    assert left == ((199.5, 199.5), (199.5, 289.5))


@settings(max_examples=30, deadline=None)
@given(st.floats(0.2, 5), st.floats(0.2, 5))
def test_lengths_follow_the_column_spacing_and_the_ratio_does_not(row_mm: float, column_mm: float) -> None:
    found = measure(drawn_chest(), film((300, 400), spacing=Spacing(row_mm, column_mm, "PixelSpacing")))
    assert found["ctr"].value == pytest.approx(140 / 320)
    assert found["heart_width_mm"].value == pytest.approx(140 * column_mm)
    assert found["thoracic_width_mm"].value == pytest.approx(320 * column_mm)
    assert found["right_lung_area_mm2"].value == pytest.approx((150 * 80 + 10 * 120) * row_mm * column_mm)
    assert "heart_width_px" not in found


def test_ellipses_give_the_ratio_of_their_axes() -> None:
    rows, columns = np.mgrid[:1200, :1200]

    def ellipse(row: float, column: float, height: float, width: float) -> np.ndarray:
        return np.hypot((rows - row) / height, (columns - column) / width) <= 1

    masks = {
        "right_lung": ellipse(600, 350, 400, 200),
        "left_lung": ellipse(600, 850, 400, 200),
        "heart": ellipse(750, 640, 180, 210),
    }
    assert measure(masks, film((1200, 1200)))["ctr"].value == pytest.approx(420 / 900, abs=0.002)


def test_ap_film_marks_the_ratio_unreliable() -> None:
    found = measure(drawn_chest(), film((300, 400), view="AP"))
    assert not found["ctr"].reliable
    assert "AP" in found["ctr"].note


def test_unknown_view_is_noted() -> None:
    found = measure(drawn_chest(), film((300, 400), view=None))
    assert found["ctr"].reliable
    assert "not stated" in found["ctr"].note


def test_detector_spacing_is_noted_on_lengths_and_areas_but_not_on_the_ratio() -> None:
    found = measure(drawn_chest(), film((300, 400), spacing=Spacing(0.2, 0.2, "ImagerPixelSpacing")))
    assert all("detector" in one.note for name, one in found.items() if name != "ctr")
    assert "detector" not in found["ctr"].note


@pytest.mark.parametrize("missing", ["right_lung", "left_lung"])
def test_without_a_lung_there_is_no_ratio(missing: str) -> None:
    masks = drawn_chest()
    masks[missing][:] = False
    found = measure(masks, film((300, 400)))
    assert not {"ctr", "thoracic_width_px"} & set(found)


def test_without_a_heart_the_thorax_is_still_measured() -> None:
    masks = drawn_chest()
    masks["heart"][:] = False
    found = measure(masks, film((300, 400)))
    assert "ctr" not in found
    assert found["thoracic_width_px"].value == 320


def test_a_midline_beside_the_heart_does_not_lengthen_it() -> None:
    lines = heart_lines(box((50, 100), 10, 60, 20, 80), midline=30)
    assert lines is not None
    assert sum(end[1] - start[1] for start, end in lines) == 20


def test_lungs_without_a_common_row_have_no_thoracic_line() -> None:
    shape = (100, 100)
    assert thoracic_line(box(shape, 0, 10, 40, 30), box(shape, 60, 60, 90, 80)) is None


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_structure_equals_the_sums_over_its_pixels(seed: int) -> None:
    mask = np.random.default_rng(seed).random((31, 47)) > 0.97
    found = structure_of("x", mask, Spacing(0.5, 0.25, "file"))
    rows, columns = np.nonzero(mask)
    assert found.area_px == len(rows)
    assert found.area_mm2 == pytest.approx(len(rows) * 0.125)
    if len(rows):
        assert found.centroid_px == pytest.approx((rows.mean(), columns.mean()))
        assert found.box_px == (rows.min(), columns.min(), rows.max() + 1, columns.max() + 1)
    else:
        assert found.centroid_px is None
