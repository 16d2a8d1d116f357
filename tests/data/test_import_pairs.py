"""Films and targets paired by name: masks, pictures, label maps."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from xprism.data.importers.files import assignments, new_folder
from xprism.data.importers.legend import read_legend, split_labels
from xprism.data.importers.pairs import Pairing, PairRequest
from xprism.data.manifest import Case, read_manifest, write_manifest
from xprism.errors import DataError, NotARadiograph, OutputError

RED, GREEN, YELLOW, BLACK = (255, 0, 0), (0, 255, 0), (255, 255, 0), (0, 0, 0)


def _picture(path: Path, values: np.ndarray | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros((4, 6), np.uint8) if values is None else values.astype(np.uint8)).save(path)
    return path


def _cases(tmp_path: Path, films: str = "films", **request: object) -> tuple[Case, ...]:
    asked = {**request, "films": (str(tmp_path / films),)}
    return Pairing(PairRequest(**asked)).cases(tmp_path / "made")  # type: ignore[arg-type]


def test_masks_and_pictures_of_equal_stem_belong_to_a_film(tmp_path: Path) -> None:
    film, mask = _picture(tmp_path / "films" / "a.png"), _picture(tmp_path / "m" / "a.gif")
    picture = _picture(tmp_path / "p" / "a.png")
    (case,) = _cases(
        tmp_path, masks={"lungs": str(tmp_path / "m")}, pictures={"soft": str(tmp_path / "p")}, polarity="display"
    )
    shared = {"source": "films", "group": "films", "polarity": "display"}
    assert case == Case("a", "a", film, None, {"lungs": mask}, {"soft": picture}, shared)
    assert not (tmp_path / "made").exists()


def test_a_picture_cut_to_the_lungs_is_known_where_it_is_not_black(tmp_path: Path) -> None:
    _picture(tmp_path / "films" / "a.png", np.full((20, 30), 90))
    soft = np.zeros((20, 30))
    soft[4:16, 5:25] = 80
    _picture(tmp_path / "p" / "a.png", soft)
    asked = {"pictures": {"soft": str(tmp_path / "p")}, "polarity": "display"}
    (case,) = _cases(tmp_path, **asked, cut=("soft",))
    write_manifest(tmp_path / "m.csv", [case])
    (again,) = read_manifest(tmp_path / "m.csv")
    known = ~np.isnan(again.load_truth()["soft"])
    assert known[6:14, 7:23].all()
    assert known.sum() == 8 * 16
    with pytest.raises(DataError, match="--cut hard: no such picture"):
        _cases(tmp_path, **asked, cut=("hard",))


def test_a_star_stands_for_the_case_in_films_and_targets(tmp_path: Path) -> None:
    for name in ("des_011_cxr", "des_011_bs", "des_041_cxr", "des_041_bs"):
        _picture(tmp_path / "pairs" / f"{name}.png")
    cases = _cases(tmp_path, "pairs/*_cxr.png", pictures={"soft": str(tmp_path / "pairs" / "*_bs.png")})
    assert [(case.case, case.pictures["soft"].name) for case in cases] == [
        ("des_011", "des_011_bs.png"),
        ("des_041", "des_041_bs.png"),
    ]
    assert cases[0].attributes["source"] == "pairs"


def test_a_star_may_stand_for_a_folder(tmp_path: Path) -> None:
    for subject in ("s1", "s2"):
        _picture(tmp_path / subject / "t1.png")
        _picture(tmp_path / subject / "pd.png")
    cases = _cases(tmp_path, "*/t1.png", pictures={"pd": str(tmp_path / "*" / "pd.png")})
    assert [(case.case, case.pictures["pd"].parent.name) for case in cases] == [("s1", "s1"), ("s2", "s2")]


def test_only_pictures_of_a_folder_count_as_films(tmp_path: Path) -> None:
    _picture(tmp_path / "films" / "a.png")
    (tmp_path / "films" / "readme.txt").write_text("what this is")
    (tmp_path / "films" / "a.json").write_text("{}")
    _picture(tmp_path / "m" / "a.png")
    assert len(_cases(tmp_path, masks={"x": str(tmp_path / "m")})) == 1


def test_the_subject_is_the_first_group_of_the_expression(tmp_path: Path) -> None:
    for name in ("p1_left", "p1_right"):
        _picture(tmp_path / "films" / f"{name}.png")
    masks = {"bone": str(tmp_path / "films")}
    assert [case.subject for case in _cases(tmp_path, masks=masks, subject="^(p[0-9]+)_")] == ["p1", "p1"]
    assert [case.subject for case in _cases(tmp_path, masks=masks)] == ["p1_left", "p1_right"]
    for wrong in ("q([0-9])", "p[0-9]", "p(["):
        with pytest.raises(DataError):
            _cases(tmp_path, masks=masks, subject=wrong)


def test_films_without_any_target_are_named_or_left_out(tmp_path: Path) -> None:
    for name in ("one", "two"):
        _picture(tmp_path / "films" / f"{name}.png")
    _picture(tmp_path / "m" / "two.png")
    masks = {"lungs": str(tmp_path / "m")}
    with pytest.raises(DataError, match=r"one\.png: a film without any target"):
        _cases(tmp_path, masks=masks)
    assert [case.case for case in _cases(tmp_path, masks=masks, skip_missing=True)] == ["two"]


def test_what_is_known_of_some_films_only_is_said(tmp_path: Path) -> None:
    for place in ("films/a", "films/b", "m/a", "m/b", "p/b"):
        _picture(tmp_path / f"{place}.png")
    request = PairRequest(
        (str(tmp_path / "films"),), masks={"lungs": str(tmp_path / "m")}, pictures={"soft": str(tmp_path / "p")}
    )
    pairing = Pairing(request)
    assert [sorted(case.pictures) for case in pairing.cases(tmp_path / "made")] == [[], ["soft"]]
    assert pairing.remarks == ("picture soft: known for 1 of 2",)


def test_targets_named_otherwise_than_films_point_to_patterns(tmp_path: Path) -> None:
    _picture(tmp_path / "films" / "a_cxr.png")
    _picture(tmp_path / "p" / "a_bs.png")
    with pytest.raises(DataError, match=r"no file is named like a film \(films such as 'a_cxr'\).*patterns"):
        _cases(tmp_path, pictures={"soft": str(tmp_path / "p")}, skip_missing=True)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({}, "films without any target"),
        ({"labels": "m"}, "--labels and --legend go together"),
        ({"masks": {"a/b": "m"}}, "cannot be a label"),
        ({"masks": {"x": "m"}, "pictures": {"x": "m"}}, "two sources for x"),
        ({"masks": {"x": "nowhere"}}, "no such folder"),
        ({"masks": {"x": "m/a.png"}}, "this is a file.*quotes"),
        ({"masks": {"x": "*/*.png"}}, "exactly one star"),
        ({"masks": {"x": "m/*_y.png"}}, "no files found"),
    ],
)
def test_requests_that_cannot_be_met_say_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request_: dict[str, object], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    _picture(tmp_path / "films" / "a.png")
    _picture(tmp_path / "m" / "a.png")
    with pytest.raises(DataError, match=message):
        _cases(tmp_path, **request_)


def test_two_files_for_one_name_are_refused(tmp_path: Path) -> None:
    for place in ("films/a.png", "films/a.gif", "m/a.png"):
        _picture(tmp_path / place)
    with pytest.raises(DataError, match=r"two files for 'a': a\.gif and a\.png"):
        _cases(tmp_path, masks={"lungs": str(tmp_path / "m")})


def test_assignments_are_read_and_mistakes_explained() -> None:
    assert assignments(["lungs=a/b", "soft tissue=c=d"], option="--x") == {"lungs": "a/b", "soft tissue": "c=d"}
    for wrong in (["lungs"], ["=a"], ["lungs="], ["a=1", "a=2"], ["../a=1"]):
        with pytest.raises(DataError):
            assignments(wrong, option="--mask LABEL=FOLDER")


# Label maps


def test_integers_become_masks_beside_the_manifest(tmp_path: Path) -> None:
    values = np.array([[0, 1, 1, 2], [0, 1, 2, 7]])
    _picture(tmp_path / "films" / "a.png", np.zeros((2, 4)))
    _picture(tmp_path / "l" / "a.png", values)
    request = PairRequest(
        (str(tmp_path / "films"),), labels=str(tmp_path / "l"), legend=read_legend("lung=1; heart=2; other=3")
    )
    pairing = Pairing(request)
    write_manifest(tmp_path / "x.csv", pairing.cases(tmp_path / "x_masks"))
    (case,) = read_manifest(tmp_path / "x.csv")
    truth = case.load_truth()
    np.testing.assert_array_equal(truth["lung"], values == 1)
    np.testing.assert_array_equal(truth["heart"], values == 2)
    assert not truth["other"].any()
    assert case.masks["lung"] == tmp_path / "x_masks" / "lung" / "a.png"
    assert set(np.unique(np.asarray(Image.open(case.masks["lung"])))) == {0, 255}
    assert str(tmp_path) not in (tmp_path / "x.csv").read_text()
    assert len(pairing.remarks) == 1
    assert pairing.remarks[0].startswith("1 pixels of 1 values outside the legend (7)")


def test_a_palettes_indices_count_as_integers(tmp_path: Path) -> None:
    values = np.array([[0, 1], [2, 1]], np.uint8)
    image = Image.fromarray(values).convert("P")
    image.putdata(values.ravel().tolist())
    image.putpalette([9, 9, 9, 200, 0, 0, 0, 200, 0])
    (tmp_path / "l").mkdir()
    image.save(tmp_path / "l" / "a.png")
    _picture(tmp_path / "films" / "a.png", np.zeros((2, 2)))
    (case,) = _cases(tmp_path, labels=str(tmp_path / "l"), legend=read_legend("x=1"))
    np.testing.assert_array_equal(case.load_truth()["x"], values == 1)


def test_colours_may_overlap_and_labels_may_have_several() -> None:
    pixels = np.array([[RED, GREEN], [YELLOW, BLACK]], np.uint8)
    legend = read_legend("heart=255,0,0; lung=0,255,0; heart=255,255,0; lung=255,255,0")
    masks, unlisted = split_labels(pixels, legend)
    assert masks["heart"].tolist() == [[True, False], [True, False]]
    assert masks["lung"].tolist() == [[False, True], [True, False]]
    assert not unlisted


def test_soft_edges_go_to_the_nearest_colour_only_within_the_tolerance() -> None:
    pixels = np.array([[(200, 0, 0), (60, 0, 0), (140, 0, 140)]], np.uint8)
    legend = read_legend("heart=255,0,0")
    exact, unlisted = split_labels(pixels, legend)
    assert not exact["heart"].any()
    assert sum(unlisted.values()) == 3
    near, unlisted = split_labels(pixels, legend, tolerance=127)
    assert near["heart"].tolist() == [[True, False, False]]
    assert dict(unlisted) == {(140, 0, 140): 1}


def test_colours_under_a_legend_of_integers_are_refused_and_leave_nothing_behind(tmp_path: Path) -> None:
    for name in ("a", "b"):
        _picture(tmp_path / "films" / f"{name}.png", np.zeros((1, 2)))
    _picture(tmp_path / "l" / "a.png", np.array([[0, 1]]))
    _picture(tmp_path / "l" / "b.png", np.array([[RED, BLACK]]))
    with pytest.raises(DataError, match=r"b\.png: the picture has colours"):
        _cases(tmp_path, labels=str(tmp_path / "l"), legend=read_legend("x=1"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["films", "l"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("l.csv", "label,value\nlung,1\nheart,2\n"),
        ("l.csv", "lung,1\nheart,2\n"),
        ("l.yaml", "lung: 1\nheart: 2\n"),
        ("l.csv", "label,red,green,blue\nlung,255,0,0\nheart,0,255,0\n"),
        ("l.yaml", "lung: [255, 0, 0]\nheart: [[0, 255, 0]]\n"),
    ],
)
def test_a_legend_is_the_same_from_text_and_files(tmp_path: Path, name: str, text: str) -> None:
    if name.endswith("yaml"):
        pytest.importorskip("yaml")
    (tmp_path / name).write_text(text)
    same = "lung=255,0,0; heart=0,255,0" if "255" in text else "lung=1;heart=2"
    assert read_legend(str(tmp_path / name)) == read_legend(same)


@pytest.mark.parametrize(
    "text", ["", "lung", "lung=", "lung=a", "lung=1,2", "lung=1; heart=1,2,3", "x=256,0,0", "x=-1"]
)
def test_a_legend_that_says_nothing_is_refused(text: str) -> None:
    with pytest.raises(DataError):
        read_legend(text)


# Folders written whole


def test_an_existing_folder_of_masks_is_never_touched(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "mine.txt").write_text("keep")
    with pytest.raises(OutputError, match="there already"), new_folder(tmp_path / "x"):
        pass
    assert (tmp_path / "x" / "mine.txt").read_text() == "keep"


# Real data


def test_real_pairs_in_one_folder_are_told_apart_by_their_endings(shared_data: Path) -> None:
    place = shared_data / "dual_energy_pairs"
    cases = Pairing(
        PairRequest((str(place / "*_cxr.png"),), pictures={"soft": str(place / "*_bs.png")}, polarity="display")
    ).cases(Path("never-written"))
    assert [case.case for case in cases] == ["des_011", "des_041", "des_071", "des_131"]
    assert all(case.load_truth()["soft"].shape == case.load_film().shape for case in cases)


def test_real_colours_agree_with_the_masks_they_were_made_from(shared_data: Path, tmp_path: Path) -> None:
    place = shared_data / "jsrt" / "bone_suppression"
    legend = "heart=255,0,0; left_lung=0,255,0; right_lung=0,0,255; heart=255,255,0; left_lung=255,255,0"
    request = PairRequest(
        (str(place / "*_cxr.png"),),
        labels=str(place / "*_organs.png"),
        legend=read_legend(legend + "; heart=255,0,255; right_lung=255,0,255"),
        tolerance=127,
        skip_missing=True,
        polarity="display",
    )
    cases = Pairing(request).cases(tmp_path / "made")
    assert [case.case for case in cases] == ["JPCLN001", "JPCLN003"]
    for case in cases:
        whole = Case("x", "x", case.film, flags=shared_data / "jsrt" / "masks" / f"{case.case}.png").load_truth()
        for label, mask in case.load_truth().items():
            halved = whole[label].reshape(512, 2, 512, 2).mean((1, 3)) >= 0.5
            dice = 2 * (halved & mask).sum() / (halved.sum() + mask.sum())
            assert dice > 0.99, (case.case, label, dice)


def test_a_coloured_film_is_a_reading_error_later_and_no_pairing_error(tmp_path: Path) -> None:
    _picture(tmp_path / "films" / "a.png", np.array([[RED, BLACK]]))
    _picture(tmp_path / "m" / "a.png", np.zeros((1, 2)))
    (case,) = _cases(tmp_path, masks={"x": str(tmp_path / "m")})
    with pytest.raises(NotARadiograph):
        case.load_film()
