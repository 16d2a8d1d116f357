"""Lesions known by place and size: their table, masks drawn of them, and manifests that name them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from xprism.cli.app import app
from xprism.data.check import check_manifests
from xprism.data.importers.jsrt import jsrt_cases
from xprism.data.lesions import LesionPlace, lesion_mask, read_places, write_places
from xprism.data.manifest import Case, read_manifest, write_manifest
from xprism.errors import DataError
from xprism.simulate.dataset import DatasetRequest, case_of, simulate_dataset
from xprism.targets import Lesions, Masks, TargetSet

NODULES = TargetSet(targets=(Lesions(name="nodules", label="nodule"), Masks(name="lung", labels=("lungs",))))
ONE = LesionPlace(20.0, 30.0, 10.0)


def picture(path: Path, values: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values.astype(np.uint8)).save(path)
    return path


@pytest.fixture
def three(tmp_path: Path) -> Path:
    """A case with two nodules, one that is known to have none, and one of which nothing is known."""
    film = picture(tmp_path / "film.png", np.arange(60 * 80).reshape(60, 80) % 251)
    table = tmp_path / "nodules.csv"
    write_places(table, [("two", ONE), ("two", LesionPlace(50.5, 70.0, 5.0, 3))])
    facts = {"polarity": "display", "spacing_mm": "0.5"}
    known = {"nodule": table}
    cases = [Case(name, name, film, attributes=facts, lesions=known) for name in ("two", "none")]
    write_manifest(tmp_path / "m.csv", [*cases, Case("unknown", "unknown", film, attributes=facts)])
    return tmp_path / "m.csv"


def test_a_manifest_knows_lesions_no_lesion_and_nothing(three: Path) -> None:
    two, none, unknown = read_manifest(three)
    assert two.load_lesions() == {"nodule": (ONE, LesionPlace(50.5, 70.0, 5.0, 3))}
    assert none.load_lesions() == {"nodule": ()}
    assert unknown.load_lesions() == {}
    assert "nodules.csv" in three.read_text()
    assert str(three.parent) not in three.read_text()


def test_truth_for_a_target_has_masks_of_lesions_where_they_are_known(three: Path) -> None:
    two, none, unknown = read_manifest(three)
    mask = two.load_truth_for(NODULES, (60, 80))["nodule"]
    assert mask.sum() == 20 * 20 + 10 * 10  # 10 mm and 5 mm at 0.5 mm a pixel
    assert not none.load_truth_for(NODULES, (60, 80))["nodule"].any()
    assert unknown.load_truth_for(NODULES, (60, 80)) == {}
    assert two.load_truth() == {}, "a place is no mask until a target says what to draw"


def test_a_mask_goes_before_places_of_the_same_label(three: Path, tmp_path: Path) -> None:
    drawn = picture(tmp_path / "mask.png", np.eye(60, 80) * 255)
    case = Case("two", "two", tmp_path / "film.png", masks={"nodule": drawn}, lesions={"nodule": tmp_path / "none.csv"})
    with pytest.raises(DataError, match="no such table of lesions"):
        case.load_lesions()
    known = Case(
        "two", "two", tmp_path / "film.png", None, {"nodule": drawn}, lesions={"nodule": three.parent / "nodules.csv"}
    )
    assert known.load_truth_for(NODULES, (60, 80))["nodule"].sum() == 60


@pytest.mark.parametrize(("spacing", "height", "width"), [((0.5, 0.5), 20, 20), ((0.5, 1.0), 20, 10)])
def test_a_square_has_the_diameter_as_its_sides(spacing: tuple[float, float], height: int, width: int) -> None:
    mask = lesion_mask([ONE], (60, 80), spacing, shape="square")
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    assert (len(rows), len(columns), mask.sum()) == (height, width, height * width)
    assert abs(rows.mean() - ONE.row) <= 0.5
    assert abs(columns.mean() - ONE.column) <= 0.5


def test_a_disc_has_the_area_of_its_circle() -> None:
    mask = lesion_mask([LesionPlace(100.2, 99.7, 60.0)], (200, 200), (0.4, 0.4), shape="disc")
    assert mask.sum() == pytest.approx(np.pi * 75**2, rel=0.002)
    rows, columns = np.nonzero(mask)
    assert (rows.mean(), columns.mean()) == pytest.approx((100.2, 99.7), abs=0.02)


@pytest.mark.parametrize("shape", ["square", "disc"])
def test_a_lesion_at_the_border_is_cut_off_there(shape: str) -> None:
    inside = lesion_mask([LesionPlace(30, 39.5, 20.0)], (60, 80), (1.0, 1.0), shape=shape)
    at_border = lesion_mask([LesionPlace(30, -0.5, 20.0)], (60, 80), (1.0, 1.0), shape=shape)
    assert at_border.sum() * 2 == inside.sum()
    np.testing.assert_array_equal(at_border[:, :10], inside[:, 40:50])
    assert not at_border[:, 10:].any()


@pytest.mark.parametrize("shape", ["square", "disc"])
def test_the_smallest_lesion_has_a_pixel_and_one_off_the_film_has_none(shape: str) -> None:
    mask = lesion_mask([LesionPlace(3.4, 4.6, 0.01), LesionPlace(-20, 5, 3.0)], (10, 10), (1.0, 1.0), shape=shape)
    assert np.argwhere(mask).tolist() == [[3, 5]]


def test_sizes_in_mm_need_a_spacing_but_no_lesion_needs_none() -> None:
    assert not lesion_mask([], (4, 4), None, shape="square").any()
    with pytest.raises(DataError, match="pixel spacing is not"):
        lesion_mask([ONE], (60, 80), None, shape="square")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("case,row,column\na,1,2\n", "columns missing: diameter_mm"),
        ("case,row,column,diameter_mm\na,1,2,3\na,x,2,3\n", "line 3"),
        ("case,row,column,diameter_mm\na,1,2,0\n", "diameter above 0"),
        ("case,row,column,diameter_mm\na,nan,2,3\n", "finite place"),
        ("case,row,column,diameter_mm\na,1\n", "line 2"),
    ],
)
def test_a_damaged_table_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        read_places(tmp_path / "t.csv")


def test_a_check_finds_lesions_off_the_film_without_spacing_and_of_nobody(three: Path) -> None:
    film, table = three.parent / "film.png", three.parent / "nodules.csv"
    write_places(table, [("low", LesionPlace(60.0, 5.0, 5.0)), ("misspelt", ONE)])
    case = Case("low", "low", film, attributes={"polarity": "display"}, lesions={"nodule": table})
    found = [str(finding) for finding in check_manifests({"m": [case]}).findings]
    assert [one.split(":")[0] for one in found] == ["error", "error", "note"]
    assert "off the film" in found[0]
    assert "pixel spacing is not" in found[1]
    assert "'misspelt'" in found[2]


def test_an_import_of_jsrt_writes_the_nodules_on_the_films_own_grid(tmp_path: Path) -> None:
    for name in ("JPCLN001", "JPCLN002", "JPCNN003"):
        picture(tmp_path / "jsrt" / "images" / f"{name}.png", np.zeros((512, 512)))
    (tmp_path / "jsrt" / "nodules.csv").write_text("image,x,y,diameter_mm,subtlety\nJPCLN001,1634,692,15.0,5\n")
    out = tmp_path / "here" / "all.csv"
    done = CliRunner().invoke(app, ["data", "import", "jsrt", str(tmp_path / "jsrt"), "-o", str(out)])
    assert done.exit_code == 0, done.output
    with_nodule, not_listed, normal = read_manifest(out)
    assert with_nodule.load_lesions() == {"nodule": (LesionPlace(692 / 4, 1634 / 4, 15.0, 5),)}
    assert normal.load_lesions() == {"nodule": ()}
    assert not_listed.load_lesions() == {}, "a nodule film whose nodule stands nowhere is not known to have none"
    assert (tmp_path / "here" / "all_nodules.csv").is_file()


def test_without_a_table_of_nodules_an_import_knows_nothing_of_them(tmp_path: Path) -> None:
    picture(tmp_path / "images" / "JPCNN003.png", np.zeros((8, 8)))
    (case,) = jsrt_cases(tmp_path, lesions=tmp_path / "t.csv")
    assert case.lesions == {}
    assert not (tmp_path / "t.csv").exists()


def test_simulated_nodules_lie_where_the_manifest_says(tmp_path: Path) -> None:
    request = DatasetRequest(2, 128, 5, nodules=(30.0,))
    for number, case in enumerate(read_manifest(simulate_dataset(tmp_path / "set", request))):
        shown = case_of(request, number).masks["nodules"]
        mask = case.load_truth_for(NODULES, shown.shape)["nodule"]
        rows, columns = np.nonzero(shown)
        truth = np.array([rows.mean(), columns.mean()])
        assert np.abs(np.argwhere(mask).mean(0) - truth).max() < 1
        assert (shown & mask).sum() > 0.85 * shown.sum()


def test_simulated_chests_without_nodules_are_known_to_have_none(tmp_path: Path) -> None:
    (case,) = read_manifest(simulate_dataset(tmp_path / "set", DatasetRequest(1, 64, 5)))
    assert case.load_lesions() == {"nodule": ()}


def test_every_real_nodule_is_known_and_lies_on_its_film(shared_data: Path, tmp_path: Path) -> None:
    cases = jsrt_cases(shared_data / "jsrt", lesions=tmp_path / "nodules.csv")
    known = [case.load_lesions()["nodule"] for case in cases]
    assert (len(known), sum(map(len, known))) == (124, 77)
    assert max(map(len, known)) == 1
    first = next(case for case in cases if case.case == "JPCLN001")
    assert first.load_lesions()["nodule"][0] == LesionPlace(692 / 2, 1634 / 2, 15.0, 5)
    mask = first.load_truth_for(NODULES, (1024, 1024))["nodule"]
    assert mask.sum() == round(15 / 0.35) ** 2
