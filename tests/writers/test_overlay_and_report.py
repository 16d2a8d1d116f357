"""The picture to look at and the page to read."""

from __future__ import annotations

import io
import re
from base64 import b64decode
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tiny_models
from xprism.inference.predictor import Predictor
from xprism.radiograph import DisplayMapping, Radiograph
from xprism.result import Result
from xprism.targets import Classes, TargetSet
from xprism.writers.overlay import COLOURS, colour_of, draw_overlay, overlay_png
from xprism.writers.report import report_html


@pytest.fixture(scope="module")
def predictor(tiny_model: Path) -> Predictor:
    return Predictor.load(tiny_model)


def predicted(predictor: Predictor, shape: tuple[int, int], **facts: str) -> Result:
    pixels = tiny_models.drawn_film(shape=shape)
    film = Radiograph(pixels, DisplayMapping(0, 255), source="a & <b>.png", sha256="0" * 64, **facts)
    return predictor(film)


@pytest.mark.parametrize(
    ("shape", "long"),
    [((200, 200), 640), ((30, 20), 640), ((900, 700), 900), ((2500, 2000), 1024), ((600, 2400), 1024)],
)
def test_overlay_has_a_size_that_can_be_looked_at(predictor: Predictor, shape: tuple[int, int], long: int) -> None:
    picture = draw_overlay(predicted(predictor, shape))
    width = round(long * shape[1] / max(shape))
    assert picture.width == width
    assert picture.height > round(long * shape[0] / max(shape))


@pytest.mark.parametrize("side", [200, 1024, 1800])
def test_outlines_run_along_the_masks_on_the_patients_side(predictor: Predictor, side: int) -> None:
    result = predicted(predictor, (side, side))
    picture = np.asarray(draw_overlay(result), int)
    scale = picture.shape[1] / side
    for label in ("right_lung", "left_lung"):
        top, _, bottom, _ = result.structures[label].box_px
        mask = result.masks[label]
        row = (top + bottom) // 3
        edge = int(mask[row].argmax())
        near = picture[round((row + 0.5) * scale), round(edge * scale) - 3 : round(edge * scale) + 4]
        assert np.abs(near - COLOURS[label]).sum(axis=1).min() < 90
        assert np.abs(near - COLOURS["heart"]).sum(axis=1).min() > 90


def test_film_under_the_overlay_keeps_its_grey(predictor: Predictor) -> None:
    picture = np.asarray(draw_overlay(predicted(predictor, (1024, 1024))), int)
    corner = picture[1000:1020, 40:60]
    assert np.ptp(corner, axis=2).max() == 0


def test_a_refused_film_is_shown_with_its_reason_and_no_outline(predictor: Predictor) -> None:
    result = predicted(predictor, (300, 300), body_part="HIP")
    picture = np.asarray(draw_overlay(result), int)[:640]
    assert np.ptp(picture, axis=2).max() == 0
    page = report_html(result, overlay=overlay_png(result))
    assert "Refused (body_part)" in page
    assert "cardiothoracic" not in page


class _Page(HTMLParser):
    """Collects links and open tags."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "img", "br", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_report_stands_by_itself_and_escapes_what_it_is_given(predictor: Predictor) -> None:
    result = predicted(predictor, (300, 300))
    png = overlay_png(result)
    page = report_html(result, overlay=png)
    parser = _Page()
    parser.feed(page)
    assert not parser.open
    assert len(parser.links) == 2
    assert all(link.startswith("data:image/png;base64,") for link in parser.links)
    assert not re.search(r"https?://", page)
    assert b64decode(parser.links[0].split(",")[1]) == png
    assert "<b>" not in page
    assert "a &amp; &lt;b&gt;.png" in page


def test_report_and_overlay_carry_the_permitted_use(predictor: Predictor) -> None:
    result = predicted(predictor, (300, 300))
    page = report_html(result, overlay=b"")
    assert "Research use only" in page
    assert "Not a medical device" in page
    free = replace(result, model=replace(result.model, licence="Apache-2.0"))
    assert "Research use only" not in report_html(free, overlay=b"")


def test_report_marks_a_ratio_that_is_unreliable(predictor: Predictor) -> None:
    page = report_html(predicted(predictor, (300, 300), view="AP"), overlay=b"")
    assert "unreliable" in page
    assert "AP film" in page


def test_overlay_is_a_png(predictor: Predictor) -> None:
    with Image.open(io.BytesIO(overlay_png(predicted(predictor, (100, 90))))) as image:
        assert image.format == "PNG"
        assert image.mode == "RGB"


def test_classes_are_outlined_but_for_the_first_and_named_in_legend_and_report(tmp_path: Path) -> None:
    labels = ("open_beam", "soft_tissue", "bone")
    columns = np.mgrid[:48, :48][1]
    planes = np.stack([columns // 16 == number for number in range(3)]).astype(np.float32) * 12
    targets = TargetSet(targets=(Classes(name="tissue", labels=labels),))
    predictor = Predictor.load(tiny_models.write_model(tmp_path / "limbs", planes, targets, gate="none"))
    result = predictor(Radiograph(np.full((480, 480), 90, np.uint8), DisplayMapping(0, 255)))
    picture = np.asarray(draw_overlay(result), int)
    coloured = np.ptp(picture[300], axis=1) > 40
    borders = [round(edge * picture.shape[1] / 48) for edge in (16, 32)]
    assert all(coloured[border - 3 : border + 4].any() for border in borders)
    assert not coloured[: borders[0] - 8].any()
    colours = {tuple(picture[row, column]) for row in range(640, picture.shape[0]) for column in range(100)}
    assert {colour_of(label, labels[1:]) for label in labels[1:]} <= colours
    assert "#{:02x}{:02x}{:02x}".format(*colour_of("bone", labels[1:])) in report_html(result, overlay=b"")
