"""Class maps made of colours, whole numbers and outlines, and the one list of what cannot be used."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage
from typer.testing import CliRunner

from xprism.cli.app import app
from xprism.data.importers.class_map import read_class_names
from xprism.data.importers.outlines import Outlined, draw, read_outlines
from xprism.data.manifest import read_manifest
from xprism.errors import DataError

CYAN, RED = (0, 255, 255), (255, 0, 0)
CLASSES = ("--classes", "tissue=open_beam,soft_tissue,bone")
COLOURS = ("--legend", "soft_tissue=0,255,255; bone=255,0,0", "--tolerance", 100)


def _run(folder: Path, *typed: object) -> Any:
    files = ("import", "pairs", folder / "films", "-o", folder / "m.csv")
    return CliRunner().invoke(app, ["data", *map(str, files), *map(str, typed)])


def _save(path: Path, values: Any, mode: str | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(np.asarray(values, np.uint8))
    (image.convert(mode) if mode else image).save(path)


def _films(folder: Path, *names: str, shape: tuple[int, int] = (12, 16)) -> None:
    for name in names:
        _save(folder / "films" / f"{name}.png", np.arange(shape[0] * shape[1]).reshape(shape))


def _problems(ran: Any) -> list[str]:
    assert isinstance(ran.exception, DataError), ran.output
    return [line.strip() for line in ran.exception.what.splitlines()[1:]]


def test_labels_painted_over_a_film_become_classes_as_the_authors_read_them(tmp_path: Path) -> None:
    """Second source: the rule of their repository, colour by colour and channel by channel, in plain loops."""
    rng = np.random.default_rng(0)
    painted = np.repeat(rng.integers(0, 256, (12, 16, 1)), 3, axis=2)  # the film itself, grey
    painted[2:9, 3:12] = np.clip(np.array(CYAN) + rng.integers(-140, 140, (7, 9, 3)), 0, 255)
    painted[4:7, 5:9] = np.clip(np.array(RED) + rng.integers(-140, 140, (3, 4, 3)), 0, 255)
    expected = np.zeros((12, 16), int)
    for row in range(12):
        for column in range(16):
            for number, colour in ((1, CYAN), (2, RED)):
                if all(abs(int(painted[row, column, k]) - colour[k]) <= 100 for k in range(3)):
                    expected[row, column] = number
    assert set(np.unique(expected[2:9, 3:12])) == {0, 1, 2}
    _films(tmp_path, "knee_1")
    _save(tmp_path / "maps" / "knee_1.png", painted)
    ran = _run(tmp_path, "--labels", tmp_path / "maps", *COLOURS, *CLASSES, "--body-part", "^([a-z]+)_")
    assert ran.exit_code == 0, ran.output
    assert "outside the legend" in ran.output
    assert "are open_beam" in ran.output
    (case,) = read_manifest(tmp_path / "m.csv")
    np.testing.assert_array_equal(case.load_truth()["tissue"], expected)
    assert case.attributes["body_part"] == "knee"
    assert (tmp_path / "m.csv").read_text().splitlines()[0].split(",")[3] == "classes:tissue"


def test_colours_that_were_rubbed_out_do_not_count(tmp_path: Path) -> None:
    pixels = np.zeros((12, 16, 4), np.uint8)
    pixels[:, :8] = (*RED, 255)
    pixels[:, 8:] = (*RED, 0)
    _films(tmp_path, "a")
    _save(tmp_path / "maps" / "a.png", pixels)
    assert _run(tmp_path, "--labels", tmp_path / "maps", *COLOURS, *CLASSES).exit_code == 0
    found = read_manifest(tmp_path / "m.csv")[0].load_truth()["tissue"]
    np.testing.assert_array_equal(found, np.where(np.arange(16) < 8, 2, 0)[None].repeat(12, 0))


@pytest.mark.parametrize(
    ("legend", "numbers"), [((), (0, 1, 2)), (("--legend", "bone=1; soft_tissue=2; open_beam=7"), (7, 2, 1))]
)
def test_whole_numbers_are_classes_by_their_place_or_by_a_legend(
    tmp_path: Path, legend: tuple[str, ...], numbers: tuple[int, ...]
) -> None:
    truth = np.random.default_rng(1).integers(0, 3, (12, 16))
    _films(tmp_path, "a")
    _save(tmp_path / "maps" / "a.png", np.array(numbers)[truth])
    ran = _run(tmp_path, "--labels", tmp_path / "maps", *CLASSES, *legend)
    assert ran.exit_code == 0, ran.output
    np.testing.assert_array_equal(read_manifest(tmp_path / "m.csv")[0].load_truth()["tissue"], truth)


def test_of_overlapping_outlines_the_class_named_last_counts(tmp_path: Path) -> None:
    pytest.importorskip("pycocotools")
    bone = {"label": "bone", "points": [[6, 4], [10, 4], [10, 8], [6, 8]]}
    flesh = {"label": "soft_tissue", "points": [[2, 2], [14, 10]], "shape_type": "rectangle"}
    _films(tmp_path, "a")
    (tmp_path / "films" / "a.json").write_text(json.dumps({"shapes": [bone, flesh]}))
    assert _run(tmp_path, "--polygons", tmp_path / "films", *CLASSES).exit_code == 0
    expected = np.zeros((12, 16), int)
    expected[2:10, 2:14] = 1
    expected[4:8, 6:10] = 2
    np.testing.assert_array_equal(read_manifest(tmp_path / "m.csv")[0].load_truth()["tissue"], expected)


def test_a_table_of_points_has_pixels_middles_at_whole_numbers(tmp_path: Path) -> None:
    """A square through the corners of pixels 2 to 5 and 3 to 8 holds just these; two polygons make one mask."""
    pytest.importorskip("pycocotools")
    squares = {"1": (1.5, 5.5, 2.5, 8.5), "2": (7.5, 9.5, 0.5, 1.5)}
    corners = [(p, *at) for p, (t, b, le, r) in squares.items() for at in ((t, le), (t, r), (b, r), (b, le))]
    with (tmp_path / "outlines.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["film", "label", "polygon", "point", "row", "column"])
        writer.writerows(["a.dcm", "bone", p, k, row, column] for k, (p, row, column) in enumerate(corners))
    found = read_outlines(tmp_path / "outlines.csv")["a"]
    assert isinstance(found, Outlined)
    expected = np.zeros((12, 16), bool)
    expected[2:6, 3:9] = expected[8:10, 1:2] = True
    np.testing.assert_array_equal(draw(found, ["bone"], size=(12, 16))["bone"], expected)


def test_every_label_that_cannot_be_used_is_named_in_one_list(tmp_path: Path) -> None:
    _films(tmp_path, "good", "bare", "torn", "wide", "plain", "badfilm")
    (tmp_path / "films" / "badfilm.png").write_bytes((tmp_path / "films" / "badfilm.png").read_bytes()[:45])
    label = np.zeros((12, 16, 3), np.uint8)
    label[3:6, 3:6] = RED
    for name in ("good", "wide", "torn", "stranger", "badfilm"):
        _save(tmp_path / "maps" / f"{name}.png", label)
    _save(tmp_path / "maps" / "wide.png", label[:, :10])
    _save(tmp_path / "maps" / "plain.png", np.full((12, 16, 3), (0, 200, 0)))
    torn = (tmp_path / "maps" / "torn.png").read_bytes()
    (tmp_path / "maps" / "torn.png").write_bytes(torn[:50])
    asked = ("--labels", tmp_path / "maps", *COLOURS, *CLASSES)
    lines = _problems(_run(tmp_path, *asked))
    for name, what in (
        ("bare", "a film without any target"),
        ("stranger", "a label without a film"),
        ("torn", "cannot be read"),
        ("wide", "12 x 10 pixels, the film 12 x 16: another shape"),
        ("plain", "none of the legend's colours is there (most frequent are 0,200,0)"),
        ("films/badfilm", ""),
    ):
        assert sum(f"{name}.png" in line and what in line for line in lines) == 1, (name, lines)
    assert len(lines) == 6
    assert not (tmp_path / "m.csv").exists()
    assert not (tmp_path / "m_masks").exists()
    lines = _problems(_run(tmp_path, *asked, "--skip-missing"))
    assert len(lines) == 4


def test_numbers_of_no_class_are_named_for_every_map(tmp_path: Path) -> None:
    _films(tmp_path, "a", "b", "c")
    for name, odd in (("a", 7), ("b", 1), ("c", 9)):
        numbers = np.zeros((12, 16))
        numbers[0, :3] = odd
        _save(tmp_path / "maps" / f"{name}.png", numbers)
    lines = _problems(_run(tmp_path, "--labels", tmp_path / "maps", *CLASSES))
    assert [line.rsplit("/", 1)[1] for line in lines] == [
        "a.png: numbers that the legend does not list: 7 (3 pixels)",
        "c.png: numbers that the legend does not list: 9 (3 pixels)",
    ]


def test_damaged_outlines_are_named_beside_those_without_a_film(tmp_path: Path) -> None:
    pytest.importorskip("pycocotools")
    _films(tmp_path, "a", "b", "c")
    square = {"label": "bone", "points": [[6, 4], [10, 4], [10, 8], [6, 8]]}
    for name, shapes in (("a", [square]), ("b", [{**square, "shape_type": "point"}]), ("d", [square])):
        (tmp_path / "films" / f"{name}.json").write_text(json.dumps({"shapes": shapes}))
    (tmp_path / "films" / "c.json").write_text("{")
    lines = _problems(_run(tmp_path, "--polygons", tmp_path / "films", *CLASSES))
    assert len(lines) == 3
    assert "d.json, d: a label without a film" in lines[0]
    assert "b.json: a point is not read" in lines[1]
    assert "c.json: the outlines are damaged" in lines[2]


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        (("--labels", "maps", "--legend", "bone=1; cast=2"), "cast: no class of 'tissue'"),
        ((), "takes either --labels or --polygons"),
    ],
)
def test_labels_that_are_no_classes_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, typed: tuple[str, ...], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    _films(tmp_path, "a")
    _save(tmp_path / "maps" / "a.png", np.zeros((12, 16)))
    with pytest.raises(DataError, match=message):
        raise _run(tmp_path, *CLASSES, *typed).exception


@pytest.mark.parametrize("text", ["tissue", "tissue=bone", "tissue=bone,bone", "a/b=x,y", "tissue=x,../y"])
def test_names_of_classes_that_make_no_sense_are_refused(text: str) -> None:
    with pytest.raises(DataError):
        read_class_names(text)


def test_outlines_of_real_bones_lie_on_the_edges_of_the_films(shared_data: Path, tmp_path: Path) -> None:
    """The step of grey from inside to outside of the committed outlines falls when they are moved by 8 pixels."""
    pytest.importorskip("pycocotools")
    films, table = shared_data / "dicom" / "radiographs", Path(__file__).parents[2] / "docs/results/xnet/real-bones.csv"
    asked = ("import", "pairs", films, "--polygons", table, "--skip-missing", "-o", tmp_path / "m.csv")
    ran = CliRunner().invoke(app, ["data", *map(str, asked)])
    assert ran.exit_code == 0, ran.output
    cases = read_manifest(tmp_path / "m.csv")
    assert [case.case for case in cases] == ["hip_cr_mono2_10bit_rle", "tibia_cr_mono1_10bit_unc"]
    for case in cases:
        film, bone = case.load_film()[::4, ::4], case.load_truth()["bone"][::4, ::4]
        steps = {move: _step(film, np.roll(bone, move, (0, 1))) for move in ((0, 0), (2, 0), (-2, 0), (0, 2), (0, -2))}
        assert max(steps, key=steps.__getitem__) == (0, 0), (case.case, steps)


def _step(film: np.ndarray, bone: np.ndarray) -> float:
    """Mean grey in a rim of 3 pixels inside a mask less that outside of it."""
    inside = bone & ~ndimage.binary_erosion(bone, iterations=3, border_value=1)
    return float(film[inside].mean() - film[ndimage.binary_dilation(bone, iterations=3) & ~bone].mean())
