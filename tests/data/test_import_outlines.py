"""Outlines of LabelMe and COCO against areas known in closed form."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from xprism.data.importers.outlines import Outlined, draw, read_outlines
from xprism.data.importers.pairs import Pairing, PairRequest
from xprism.data.manifest import Case
from xprism.errors import DataError, MissingExtra

HEIGHT, WIDTH = 60, 80


@pytest.fixture
def coco() -> None:
    pytest.importorskip("pycocotools")


def _labelme(path: Path, *shapes: tuple[str, list[tuple[float, float]]], kind: str = "polygon") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    drawn = [{"label": label, "points": points, "shape_type": kind} for label, points in shapes]
    path.write_text(json.dumps({"shapes": drawn, "imageHeight": HEIGHT, "imageWidth": WIDTH}))
    return path


def _film(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros((HEIGHT, WIDTH), np.uint8)).save(path)
    return path


def _square(left: float, top: float, side: float) -> list[tuple[float, float]]:
    return [(left, top), (left + side, top), (left + side, top + side), (left, top + side)]


def _flat(points: list[tuple[float, float]]) -> list[float]:
    return [number for point in points for number in point]


def _cases(tmp_path: Path, polygons: Path) -> tuple[Case, ...]:
    request = PairRequest((str(tmp_path / "films"),), polygons=str(polygons), polarity="display")
    return Pairing(request).cases(tmp_path / "x_masks")


@pytest.mark.usefixtures("coco")
def test_a_rectangle_covers_exactly_its_pixels() -> None:
    outlined = Outlined(None, (("box", _flat([(10, 20), (30, 20), (30, 25), (10, 25)])),), "here")
    expected = np.zeros((HEIGHT, WIDTH), bool)
    expected[20:25, 10:30] = True
    np.testing.assert_array_equal(draw(outlined, ["box"], size=(HEIGHT, WIDTH))["box"], expected)


@pytest.mark.usefixtures("coco")
@pytest.mark.parametrize("radius", [5.0, 12.0, 25.0])
def test_a_disc_has_the_area_and_centre_of_a_disc(radius: float) -> None:
    turn = np.linspace(0, 2 * math.pi, 360, endpoint=False)
    points = [(40 + radius * math.cos(t), 30 + radius * math.sin(t)) for t in turn]
    mask = draw(Outlined(None, (("disc", _flat(points)),), ""), ["disc"], size=(HEIGHT, WIDTH))["disc"]
    assert abs(mask.sum() - math.pi * radius**2) < 0.25 * 2 * math.pi * radius
    rows, columns = np.nonzero(mask)
    assert (rows.mean() + 0.5, columns.mean() + 0.5) == pytest.approx((30, 40), abs=0.15)


@pytest.mark.usefixtures("coco")
def test_labelme_files_become_masks_of_every_label(tmp_path: Path) -> None:
    for name in ("a", "b"):
        _film(tmp_path / "films" / f"{name}.png")
    _labelme(tmp_path / "films" / "a.json", ("lung", _square(5, 5, 10)), ("lung", _square(40, 5, 10)))
    _labelme(tmp_path / "films" / "b.json", ("heart", _square(20, 30, 8)))
    first, second = _cases(tmp_path, tmp_path / "films")
    areas = [{label: int(mask.sum()) for label, mask in case.load_truth().items()} for case in (first, second)]
    assert areas == [{"lung": 200, "heart": 0}, {"lung": 0, "heart": 64}]
    assert first.masks["lung"] == tmp_path / "x_masks" / "lung" / "a.png"


@pytest.mark.usefixtures("coco")
def test_two_corners_make_a_rectangle(tmp_path: Path) -> None:
    path = _labelme(tmp_path / "a.json", ("box", [(10, 20), (30, 25)]), kind="rectangle")
    outlined = read_outlines(path)["a"]
    assert outlined.size == (HEIGHT, WIDTH)
    assert draw(outlined, ["box"], size=(1, 1))["box"].sum() == 100


@pytest.mark.usefixtures("coco")
def test_one_coco_file_outlines_many_films(tmp_path: Path) -> None:
    for name in ("a", "b"):
        _film(tmp_path / "films" / f"{name}.png")
    runs = [HEIGHT * 10, HEIGHT * 5, HEIGHT * (WIDTH - 15)]  # columns 10 to 14, as COCO counts: column by column
    lungs = [_flat(_square(5, 5, 10)), _flat(_square(40, 5, 10))]
    by_runs = {"size": [HEIGHT, WIDTH], "counts": runs}
    found = {
        "images": [
            {"id": 7, "file_name": "some/where/a.png", "height": HEIGHT, "width": WIDTH},
            {"id": 8, "file_name": "b.png"},
        ],
        "categories": [{"id": 1, "name": "lung"}, {"id": 2, "name": "heart"}],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 1, "segmentation": lungs},
            {"id": 2, "image_id": 7, "category_id": 2, "segmentation": by_runs},
            {"id": 3, "image_id": 8, "category_id": 2, "segmentation": [_flat(_square(20, 30, 8))]},
        ],
    }
    (tmp_path / "coco.json").write_text(json.dumps(found))
    first, second = (case.load_truth() for case in _cases(tmp_path, tmp_path / "coco.json"))
    assert {label: int(mask.sum()) for label, mask in first.items()} == {"lung": 200, "heart": 5 * HEIGHT}
    assert np.flatnonzero(first["heart"].any(axis=0)).tolist() == [10, 11, 12, 13, 14]
    assert {label: int(mask.sum()) for label, mask in second.items()} == {"lung": 0, "heart": 64}


def test_outlines_of_a_film_named_by_a_pattern_are_found_by_its_file_name(tmp_path: Path) -> None:
    pytest.importorskip("pycocotools")
    _film(tmp_path / "films" / "a_cxr.png")
    _labelme(tmp_path / "json" / "a_cxr.json", ("lung", _square(5, 5, 10)))
    request = PairRequest((str(tmp_path / "films" / "*_cxr.png"),), polygons=str(tmp_path / "json"))
    (case,) = Pairing(request).cases(tmp_path / "made")
    assert (case.case, case.load_truth()["lung"].sum()) == ("a", 100)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "damaged"),
        ("{}", "neither LabelMe nor COCO"),
        ('{"shapes": [{"label": "x", "points": [[1, 2], [3, 4]]}]}', "2 points is no area"),
        ('{"shapes": [{"label": "x", "points": [[1, 2]], "shape_type": "point"}]}', "a point is not read"),
        ('{"shapes": [{"label": "../x", "points": []}]}', "is no area|cannot be a label"),
        ('{"shapes": [{"points": [[1, 2], [3, 4], [5, 6]]}]}', "damaged: KeyError"),
        ('{"images": [], "annotations": [{"id": 3, "image_id": 1, "category_id": 1}]}', "annotation 3 is of no image"),
    ],
)
def test_outlines_that_make_no_sense_are_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(DataError, match=message):
        read_outlines(tmp_path / "a.json")


def test_without_pycocotools_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pycocotools.mask", None)
    with pytest.raises(MissingExtra, match=r"this needs pycocotools.*xprism\[train\]"):
        draw(Outlined(None, (), ""), [], size=(2, 2))
