"""Findings from a network's probabilities: none, two, at the border, of a film with and without a known spacing."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tiny_models
from xprism.batch.tables import row_of
from xprism.data.lesions import LesionPlace, lesion_mask
from xprism.grid import Placement
from xprism.inference.decode import Decoded, decode
from xprism.inference.predictor import Predictor
from xprism.radiograph import DisplayMapping, Radiograph, Spacing
from xprism.result import Result
from xprism.targets import Lesions, Masks, TargetSet
from xprism.writers.folder import write_result
from xprism.writers.overlay import colour_of, draw_overlay, overlay_png
from xprism.writers.record import read_record
from xprism.writers.report import report_html

GRID = 64
SPACING = Spacing(0.7, 0.7, "PixelSpacing")


def nodules(**settings: object) -> TargetSet:
    return TargetSet(targets=(Lesions.model_validate({"name": "nodules", "label": "nodule", **settings}),))


def decoded(
    probabilities: np.ndarray,
    film: tuple[int, int],
    targets: TargetSet | None = None,
    spacing: Spacing | None = SPACING,
) -> Decoded:
    """What is read out of probabilities [64, 64] on a film of that shape."""
    raw = np.log(probabilities / (1 - probabilities))[None].astype(np.float32)
    place = Placement.fit(film, (GRID, GRID))
    return decode(raw, targets or nodules(), place, clean=True, film=np.zeros(film, np.float32), spacing=spacing)


def plane(*spots: tuple[int, int, int, int, float]) -> np.ndarray:
    """Probabilities 0.01 with boxes (top, left, bottom, right) of others."""
    made = np.full((GRID, GRID), 0.01)
    for top, left, bottom, right, value in spots:
        made[top:bottom, left:right] = value
    return made


def test_no_nodule_is_an_empty_list_and_an_empty_mask() -> None:
    found = decoded(plane(), (256, 256))
    assert found.lesions == []
    assert not found.masks["nodule"].any()


def test_two_nodules_come_best_first_on_the_films_own_grid() -> None:
    found = decoded(plane((10, 20, 14, 30, 0.7), (40, 8, 48, 16, 0.9)), (256, 256))
    best, other = found.lesions
    assert (best.box_px, other.box_px) == ((160, 32, 192, 64), (40, 80, 56, 120))
    assert (best.score, other.score) == pytest.approx((0.9, 0.7), abs=1e-6)
    # Film pixels 160 to 191 have their middle at 175.5.
    assert best.centre_px == pytest.approx((175.5, 47.5))
    assert other.centre_px == pytest.approx((47.5, 99.5))
    assert (best.diameter_mm, other.diameter_mm) == pytest.approx((32 * 0.7, 40 * 0.7))
    assert best.reported
    assert other.reported


def test_a_nodule_at_the_border_stays_on_the_film() -> None:
    (found,) = decoded(plane((58, 0, 64, 5, 0.8)), (250, 250)).lesions
    assert found.box_px[1:3] == (0, 250)
    assert found.box_px[0] == int(58 * 250 / 64)
    assert found.centre_px[0] < 249.5
    assert found.centre_px[1] == pytest.approx(2.5 * 250 / 64 - 0.5)


def test_a_film_of_unknown_spacing_gives_no_size_in_mm() -> None:
    (found,) = decoded(plane((10, 10, 20, 20, 0.8)), (256, 256), spacing=None).lesions
    assert found.diameter_mm is None
    assert found.box_px == (40, 40, 80, 80)


def test_the_size_is_the_longer_side_in_mm_not_in_pixels() -> None:
    spacing = Spacing(0.2, 0.1, "PixelSpacing")
    (found,) = decoded(plane((10, 10, 16, 20, 0.8)), (256, 256), spacing=spacing).lesions
    assert found.diameter_mm == pytest.approx(max(24 * 0.2, 40 * 0.1))


def test_a_film_that_fills_part_of_the_grid_is_read_where_it_lies() -> None:
    # 128 x 256 pixels fill rows 16 to 48 of the grid at 4 film pixels each.
    (found,) = decoded(plane((20, 40, 24, 44, 0.8)), (128, 256)).lesions
    assert found.box_px == (16, 160, 32, 176)
    assert found.centre_px == pytest.approx((23.5, 167.5))


def test_pieces_that_touch_at_a_corner_are_one_finding() -> None:
    found = decoded(plane((10, 10, 14, 14, 0.8), (14, 14, 18, 18, 0.6), (30, 30, 33, 33, 0.6)), (64, 64)).lesions
    assert [one.box_px for one in found] == [(10, 10, 18, 18), (30, 30, 33, 33)]
    assert found[0].score == pytest.approx(0.8, abs=1e-6)


def test_faint_findings_are_kept_but_not_reported() -> None:
    spots = plane((10, 10, 14, 14, 0.3), (40, 40, 44, 44, 0.8), (52, 52, 56, 56, 0.05))
    found = decoded(spots, (64, 64), nodules(threshold=0.1))
    assert [(round(one.score, 3), one.reported) for one in found.lesions] == [(0.8, True), (0.3, False)]
    assert found.masks["nodule"][40:44, 40:44].all()
    assert not found.masks["nodule"][:30].any(), "the mask shows what is reported"
    assert found.probabilities["nodule"][11, 11] == pytest.approx(0.3, abs=1e-6)


def test_pieces_below_the_smallest_area_are_dropped() -> None:
    spots = plane((10, 10, 12, 12, 0.9), (40, 40, 44, 44, 0.8))
    found = decoded(spots, (64, 64), nodules(min_area_px=5))
    assert [one.box_px for one in found.lesions] == [(40, 40, 44, 44)]
    assert not found.masks["nodule"][:20].any()


@pytest.mark.parametrize("shape", ["square", "disc"])
def test_a_lesion_that_is_drawn_and_read_out_is_where_and_as_large_as_it_was(shape: str) -> None:
    film, truth = (512, 512), LesionPlace(300.0, 120.0, 30.0)
    spacing = (SPACING.row_mm, SPACING.column_mm)
    known = lesion_mask([truth], film, spacing, shape=shape)
    place = Placement.fit(film, (256, 256))
    raw = np.where(place.onto_grid(known.astype(float), border=0) >= 0.5, 5.0, -5.0)[None]
    targets = nodules(shape=shape)
    found = decode(raw, targets, place, clean=True, film=np.zeros(film, np.float32), spacing=SPACING)
    (lesion,) = found.lesions
    assert np.hypot(lesion.centre_px[0] - truth.row, lesion.centre_px[1] - truth.column) < 1.5
    assert lesion.diameter_mm == pytest.approx(30, abs=4 * 0.7)
    assert np.logical_xor(found.masks["nodule"], known).sum() < 0.12 * known.sum()


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    """A model with a lung and three spots: 0.95, 0.6 and, too faint to report, 0.2."""
    spots = plane((20, 20, 24, 28, 0.95), (40, 44, 46, 50, 0.6), (4, 4, 8, 8, 0.2))
    lung = tiny_models.ellipse(GRID, 0.5, 0.4, 0.3, 0.2)
    planes = np.stack([np.log(spots / (1 - spots)), lung]).astype(np.float32)
    targets = TargetSet(targets=(*nodules(threshold=0.1), Masks(name="lung", labels=("lungs",))))
    folder = tmp_path_factory.mktemp("models") / "nodules"
    return Predictor.load(tiny_models.write_model(folder, planes, targets, gate="none", film_weight=0))


@pytest.fixture
def result(predictor: Predictor) -> Result:
    film = Radiograph(tiny_models.drawn_film(256), DisplayMapping(0, 255), source="film.png", spacing=SPACING)
    return predictor(film)


def none_found(result: Result) -> Result:
    return replace(result, lesions=(), masks=result.masks | {"nodule": np.zeros((256, 256), bool)})


def test_a_model_without_a_finding_is_told_from_one_that_does_not_look(result: Result, predictor: Predictor) -> None:
    assert none_found(result).lesion_labels == ("nodule",)
    assert replace(none_found(result), card=None).lesion_labels == ()
    assert [one.score for one in result.reported("nodule")] == pytest.approx([0.95, 0.6], abs=1e-6)


def test_the_record_holds_every_finding_and_counts_those_reported(result: Result, tmp_path: Path) -> None:
    record = read_record(write_result(result, tmp_path / "out", to=("json",)))
    assert record is not None
    assert record["lesion_labels"] == ["nodule"]
    assert [one["reported"] for one in record["lesions"]] == [True, True, False]
    first = record["lesions"][0]
    assert first["box_px"] == [80, 80, 96, 112]
    assert first["centre_px"] == [87.5, 95.5]
    assert first["diameter_mm"] == pytest.approx(32 * 0.7)
    assert row_of("film.png", record)["findings"] == 2
    empty = json.loads((write_result(none_found(result), tmp_path / "no", to=("json",)) / "result.json").read_text())
    assert (empty["lesion_labels"], empty["lesions"]) == (["nodule"], [])


def test_boxes_of_reported_findings_are_drawn_and_their_masks_are_not(result: Result) -> None:
    picture = np.asarray(draw_overlay(result), int)[:640, :640]
    colour = np.array(colour_of("nodule", tuple(result.masks)))
    near = np.abs(picture - colour).sum(-1) < 30
    scale = 640 / 256
    for top, left, bottom, right in ((80, 80, 96, 112), (160, 176, 184, 200)):
        rows = [round(edge * scale) for edge in (top, bottom)]
        middle = round((left + right) / 2 * scale)
        assert all(near[row - 3 : row + 4, middle].any() for row in rows)
        columns = [round(edge * scale) for edge in (left, right)]
        assert all(near[round((top + bottom) / 2 * scale), column - 3 : column + 4].any() for column in columns)
        inside = near[rows[0] + 6 : rows[1] - 6, columns[0] + 6 : columns[1] - 6]
        assert not inside.any()
    assert not near[: round(40 * scale), : round(40 * scale)].any(), "the faint one is not drawn"


def test_a_box_at_the_edge_keeps_its_score_in_the_picture(result: Result) -> None:
    edge = replace(result.lesions[0], box_px=(0, 236, 20, 256), centre_px=(9.5, 245.5))
    picture = draw_overlay(replace(result, lesions=(edge,)))
    with Image.open(io.BytesIO(overlay_png(replace(result, lesions=())))) as plain:
        changed = np.abs(np.asarray(picture, int) - np.asarray(plain, int)).sum(-1)[:640] > 60
    assert changed[:60, 560:640].sum() > 200, "box and score are there"
    assert not changed[120:].any()


def test_the_report_lists_reported_findings_or_says_that_there_are_none(result: Result) -> None:
    page = report_html(result, overlay=b"")
    assert "80, 80 to 96, 112" in page
    assert "22 mm" in page
    assert "0.95" in page
    assert "0.60" in page
    assert "0.20" not in page
    without = replace(result, radiograph=replace(result.radiograph, spacing=None))
    unknown = replace(without, lesions=tuple(replace(one, diameter_mm=None) for one in result.lesions))
    assert "32 px" in report_html(unknown, overlay=b"")
    assert "No nodule found." in report_html(none_found(result), overlay=b"")
    assert "Findings" not in report_html(replace(none_found(result), card=None), overlay=b"")
