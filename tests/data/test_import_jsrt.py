"""JSRT films in both layouts."""

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from xprism.data.importers.jsrt import jsrt_cases
from xprism.errors import DataError

CLNDAT = (
    "JPCLN001.IMG\t5\t15\t53\tmale\t1634\t692\tmalignant\tl.upper\tlobe\tlung cancer\t{}"
    "JPCLN106.IMG\t2\t18\t?\tmale\t246\t1233\tbenign\tr.lower\tlobe\t"
)


def _picture(path: Path, values: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values.astype(np.uint8)).save(path)
    return path


def _raw_film(path: Path, bright: int) -> Path:
    """A raw film as JSRT publishes it: 2048 x 2048 big-endian uint16, here one column of ``bright`` in 100."""
    values = np.full((2048, 2048), 100, ">u2")
    values[:, 7] = bright
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(values.tobytes())
    return path


def test_png_films_are_paired_with_flags(tmp_path: Path) -> None:
    for name in ("JPCLN001", "JPCNN002"):
        _picture(tmp_path / "images" / f"{name}.png", np.zeros((1024, 1024)))
    _picture(tmp_path / "masks" / "JPCLN001.png", np.zeros((4, 4)))
    first, second = jsrt_cases(tmp_path)
    assert (first.attributes["group"], second.attributes["group"]) == ("nodule", "no nodule")
    assert (first.flags, second.flags) == (tmp_path / "masks" / "JPCLN001.png", None)
    assert (first.attributes["spacing_mm"], first.attributes["polarity"]) == ("0.35", "display")


def test_raw_films_are_found_with_the_masks_of_scr(tmp_path: Path) -> None:
    _raw_film(tmp_path / "Nodule154images" / "JPCLN001.IMG", 4000)
    _raw_film(tmp_path / "NonNodule93images" / "JPCNN002.IMG", 4000)
    right, heart = np.zeros((8, 8)), np.zeros((8, 8))
    right[2:6, 1:3], heart[3:7, 3:5] = 255, 255
    _picture(tmp_path / "scr" / "fold1" / "masks" / "right lung" / "JPCLN001.gif", right)
    _picture(tmp_path / "scr" / "fold2" / "masks" / "heart" / "JPCNN002.png", heart)
    nodule, normal = jsrt_cases(tmp_path)
    assert (nodule.masks.keys(), normal.masks.keys()) == ({"right_lung"}, {"heart"})
    np.testing.assert_array_equal(nodule.load_truth()["right_lung"], right > 0)
    np.testing.assert_array_equal(normal.load_truth()["heart"], heart > 0)
    assert nodule.attributes["spacing_mm"] == "0.175"
    film = nodule.load_film()
    assert film.shape == (2048, 2048)
    assert film[0, 7] < film[0, 8], "raw films are bright where the film is black, so display turns them over"


def test_a_raw_film_in_two_folders_counts_once_if_it_is_the_same(tmp_path: Path) -> None:
    _raw_film(tmp_path / "All247images" / "JPCLN001.IMG", 4000)
    other = _raw_film(tmp_path / "Nodule154images" / "JPCLN001.IMG", 4000)
    assert len(jsrt_cases(tmp_path)) == 1
    _raw_film(other, 3000)
    with pytest.raises(DataError, match="JPCLN001 is there twice"):
        jsrt_cases(tmp_path)


@pytest.mark.parametrize("line_end", ["", "\r\n"])
def test_nodules_come_from_the_published_table_with_and_without_line_ends(tmp_path: Path, line_end: str) -> None:
    for name in ("JPCLN001", "JPCLN106"):
        _raw_film(tmp_path / "Nodule154images" / f"{name}.IMG", 4000)
    (tmp_path / "Clinical_Information").mkdir()
    (tmp_path / "Clinical_Information" / "CLNDAT_EN.txt").write_text(CLNDAT.format(line_end), newline="")
    first, second = (case.attributes for case in jsrt_cases(tmp_path))
    place = ("nodule_x", "nodule_y", "nodule_diameter_mm", "subtlety")
    assert [first[name] for name in place] == ["1634", "692", "15", "5"]
    assert [second[name] for name in place] == ["246", "1233", "18", "2"]


def test_a_published_table_with_a_record_of_another_form_is_refused(tmp_path: Path) -> None:
    _raw_film(tmp_path / "JPCLN001.IMG", 4000)
    (tmp_path / "CLNDAT_EN.txt").write_text(CLNDAT.format("\n") + "JPCLN107.IMG\tno numbers\n")
    with pytest.raises(DataError, match="records not understood: JPCLN107"):
        jsrt_cases(tmp_path)


def test_nodules_lie_on_the_films_own_grid(tmp_path: Path) -> None:
    _picture(tmp_path / "images" / "JPCLN001.png", np.zeros((512, 512)))
    (tmp_path / "nodules.csv").write_text("image,x,y,diameter_mm,subtlety\nJPCLN001,1634,692,15.0,5\n")
    (case,) = jsrt_cases(tmp_path)
    assert (case.attributes["nodule_x"], case.attributes["nodule_y"]) == ("408.5", "173")
    assert case.attributes["spacing_mm"] == "0.7"


def test_a_table_of_nodules_without_its_columns_is_refused(tmp_path: Path) -> None:
    _picture(tmp_path / "images" / "JPCLN001.png", np.zeros((4, 4)))
    (tmp_path / "nodules.csv").write_text("name,x,y\nJPCLN001,1,2\n")
    with pytest.raises(DataError, match="columns image, x, y"):
        jsrt_cases(tmp_path)


def test_bone_suppressed_pictures_come_from_beside_the_films_or_from_a_folder(tmp_path: Path) -> None:
    for name in ("JPCLN001", "JPCLN003"):
        _picture(tmp_path / "jsrt" / "images" / f"{name}.png", np.zeros((4, 4)))
    beside = _picture(tmp_path / "jsrt" / "bone_suppression" / "JPCLN001_bs.png", np.zeros((2, 2)))
    given = _picture(tmp_path / "bse" / "JPCLN003.png", np.zeros((4, 4)))
    assert [case.pictures for case in jsrt_cases(tmp_path / "jsrt")] == [{"bone_suppressed": beside}, {}]
    by_option = jsrt_cases(tmp_path / "jsrt", bones=str(tmp_path / "bse"))
    assert [case.pictures for case in by_option] == [{}, {"bone_suppressed": given}]


def test_a_folder_of_other_peoples_bone_suppressed_pictures_is_refused(tmp_path: Path) -> None:
    _picture(tmp_path / "images" / "JPCLN001.png", np.zeros((4, 4)))
    _picture(tmp_path / "bse" / "other.png", np.zeros((4, 4)))
    with pytest.raises(DataError, match="no picture is named like a film"):
        jsrt_cases(tmp_path, bones=str(tmp_path / "bse"))


def test_a_folder_without_jsrt_films_says_what_it_looked_for(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"neither images/JPC\*\.png nor JPC\*\.IMG"):
        jsrt_cases(tmp_path)


def test_every_real_film_is_found_with_what_is_known_of_it(shared_data: Path) -> None:
    cases = jsrt_cases(shared_data / "jsrt")
    assert len(cases) == 124
    assert all(case.flags for case in cases)
    with (shared_data / "jsrt" / "nodules.csv").open() as stream:
        table = {row["image"]: row for row in csv.DictReader(stream)}
    with_nodule = {case.case: case.attributes for case in cases if "nodule_x" in case.attributes}
    assert with_nodule.keys() == table.keys()
    assert sum(case.attributes["group"] == "nodule" for case in cases) == len(table) == 77
    assert all(2 * float(with_nodule[name]["nodule_x"]) == float(row["x"]) for name, row in table.items())
    pictures = {case.case for case in cases if "bone_suppressed" in case.pictures}
    assert pictures == {"JPCLN001", "JPCLN003", "JPCLN139"}


def test_most_real_nodules_lie_inside_the_lungs(shared_data: Path) -> None:
    cases = [case for case in jsrt_cases(shared_data / "jsrt") if "nodule_x" in case.attributes][:12]
    inside = 0
    for case in cases:
        truth = case.load_truth()
        row, column = round(float(case.attributes["nodule_y"])), round(float(case.attributes["nodule_x"]))
        inside += bool(truth["right_lung"][row, column] or truth["left_lung"][row, column])
    assert inside >= 11
