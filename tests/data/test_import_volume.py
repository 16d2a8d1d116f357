"""NIfTI slices: which voxel comes where, at which grey, at which spacing."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from xprism.data.importers.legend import read_legend
from xprism.data.importers.volume import Slices, VolumeRequest, earlier_cases, read_window
from xprism.data.manifest import Case, read_manifest, write_manifest
from xprism.errors import CorruptFile, DataError, OutputError

nibabel = pytest.importorskip("nibabel")

SHAPE = (6, 5, 4)
RAS, LPS = np.diag([2.0, 2.0, 3.0, 1.0]), np.diag([-2.0, -2.0, 3.0, 1.0])


def _save(path: Path, values: np.ndarray, affine: np.ndarray = RAS) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(values.astype(np.int16), affine), path)
    return path


def _body(affine: np.ndarray = RAS) -> np.ndarray:
    """Air with one voxel of 100 at the patient's right, front and head end, whichever way the axes run."""
    right_front_head = [
        -1 if affine[axis, axis] > 0 else 0 for axis in range(3)
    ]  # NIfTI: x to the right, y front, z up
    values = np.zeros(SHAPE)
    values[tuple(right_front_head)] = 100
    return values


def _slices(tmp_path: Path, *volumes: Path, **request: Any) -> tuple[Case, ...]:
    return Slices(VolumeRequest(tuple(volumes), **request)).cases(tmp_path / "x_slices")


@pytest.mark.parametrize("affine", [RAS, LPS], ids=["RAS", "LPS"])
@pytest.mark.parametrize(
    ("axis", "count", "number", "row", "column", "shape"),
    [
        ("axial", 4, 3, 0, 0, (5, 6)),  # head end is the last slice; front on top, patient's right on the left
        ("coronal", 5, 4, 0, 0, (4, 6)),  # front is the last slice; head on top, patient's right on the left
        ("sagittal", 6, 5, 0, 0, (4, 5)),  # patient's right is the last slice; head on top, front on the left
    ],
)
def test_slices_are_shown_as_radiologists_look_at_them(
    tmp_path: Path,
    affine: np.ndarray,
    axis: str,
    count: int,
    number: int,
    row: int,
    column: int,
    shape: tuple[int, int],
) -> None:
    cases = _slices(tmp_path, _save(tmp_path / "ct.nii.gz", _body(affine), affine), axis=axis)
    assert len(cases) == count
    bright = [np.argwhere(case.load_film() > 0.5).tolist() for case in cases]
    assert [index for index, found in enumerate(bright) if found] == [number]
    assert bright[number] == [[row, column]]
    assert cases[0].load_film().shape == shape


def test_the_window_becomes_black_and_white_at_sixteen_bits(tmp_path: Path) -> None:
    values = np.zeros(SHAPE)
    values[:, 0, 0] = (-1000, -160, -60, 40, 240, 3000)
    cases = _slices(tmp_path, _save(tmp_path / "ct.nii", values), window=(-160, 240))
    stored = np.asarray(Image.open(cases[0].film))
    assert stored.dtype == np.uint16
    # The patient's right (the last voxel) is on the picture's left.
    expected = np.rint(np.array([1, 1, 0.5, 0.25, 0, 0]) * 65535)
    np.testing.assert_array_equal(stored[-1], expected)
    assert cases[0].attributes["window"] == "-160,240"


def test_without_a_window_each_volume_has_its_own_range(tmp_path: Path) -> None:
    t1, pd = _save(tmp_path / "t1.nii", _body()), _save(tmp_path / "pd.nii", 7 * _body() - 50)
    cases = _slices(tmp_path, t1, pictures={"pd": pd})
    np.testing.assert_array_equal(cases[3].load_film(), cases[3].load_truth()["pd"])
    assert cases[3].load_film().max() == 1


def test_labels_become_masks_of_the_same_slices(tmp_path: Path) -> None:
    labels = np.zeros(SHAPE)
    labels[5, 4, 3], labels[1:3, 2, 1], labels[0, 0, 0] = 2, 3, 9
    request = VolumeRequest(
        (_save(tmp_path / "ct.nii.gz", _body()),),
        labels=_save(tmp_path / "labels.nii.gz", labels),
        legend=read_legend("right_kidney=2; left_kidney=3"),
    )
    slices = Slices(request)
    cases = slices.cases(tmp_path / "x_slices")
    right = np.array([case.load_truth()["right_kidney"] for case in cases])
    left = np.array([case.load_truth()["left_kidney"] for case in cases])
    assert np.argwhere(right).tolist() == [[3, 0, 0]]
    assert np.argwhere(left).tolist() == [[1, 2, 3], [1, 2, 4]]
    np.testing.assert_array_equal(right[3], cases[3].load_film() > 0.5)
    assert slices.remarks == ("1 pixels of 1 values outside the legend (9): list them if they matter",)


@pytest.mark.parametrize(
    ("axis", "expected"),
    [
        ("axial", {"spacing_mm": "2"}),
        ("coronal", {"row_spacing_mm": "3", "column_spacing_mm": "2"}),
        ("sagittal", {"row_spacing_mm": "3", "column_spacing_mm": "2"}),
    ],
)
def test_spacing_comes_from_the_header(tmp_path: Path, axis: str, expected: dict[str, str]) -> None:
    case = _slices(tmp_path, _save(tmp_path / "ct.nii", _body()), axis=axis)[0]
    assert {key: value for key, value in case.attributes.items() if key.endswith("_mm")} == expected


def test_a_volume_is_one_subject_named_like_its_file(tmp_path: Path) -> None:
    path = _save(tmp_path / "patient 7.nii.gz", _body())
    cases = _slices(tmp_path, path)
    assert {case.subject for case in cases} == {"patient 7"}
    assert [case.case for case in cases] == [f"patient 7_z000{index}" for index in range(4)]
    named = Slices(VolumeRequest((path,), subject="p7", source="ward")).cases(tmp_path / "y_slices")
    assert (named[1].subject, named[1].case, named[1].attributes["source"]) == ("p7", "p7_patient 7_z0001", "ward")


def test_several_volumes_of_a_subject_share_its_labels(tmp_path: Path) -> None:
    low, full = _save(tmp_path / "low.nii", _body()), _save(tmp_path / "full.nii", _body())
    cases = _slices(tmp_path, low, full, labels=full, legend=read_legend("spot=100"), subject="s")
    assert len(cases) == 8
    assert {case.subject for case in cases} == {"s"}
    assert cases[3].masks == cases[7].masks
    assert cases[3].film != cases[7].film


@pytest.mark.parametrize(
    ("shape", "affine", "message"),
    [
        ((6, 5, 3), RAS, r"\[6, 5, 3\] voxels, ct\.nii \[6, 5, 4\]"),
        (SHAPE, np.diag([2.0, 2.0, 3.1, 1.0]), "affines differ"),
    ],
)
def test_volumes_on_different_grids_are_refused(
    tmp_path: Path, shape: tuple[int, ...], affine: np.ndarray, message: str
) -> None:
    other = _save(tmp_path / "other.nii", np.ones(shape), affine)
    first = _save(tmp_path / "ct.nii", _body())
    for request in ({"pictures": {"pd": other}}, {"labels": other, "legend": read_legend("x=1")}):
        with pytest.raises(DataError, match=message):
            _slices(tmp_path, first, **request)
    assert not (tmp_path / "x_slices").exists()


def test_files_that_are_no_volumes_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.nii").write_bytes(b"no volume")
    with pytest.raises(CorruptFile, match=r"a\.nii: the volume cannot be read"):
        _slices(tmp_path, tmp_path / "a.nii")
    with pytest.raises(DataError, match="no such volume"):
        _slices(tmp_path, tmp_path / "none.nii")
    nibabel.save(nibabel.Nifti1Image(np.zeros((3, 3, 3, 2), np.int16), RAS), tmp_path / "time.nii")
    with pytest.raises(DataError, match="three axes"):
        _slices(tmp_path, tmp_path / "time.nii")


def test_a_truncated_volume_is_refused(tmp_path: Path) -> None:
    whole = _save(tmp_path / "ct.nii.gz", np.random.default_rng(0).integers(0, 999, (20, 20, 20))).read_bytes()
    (tmp_path / "cut.nii.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CorruptFile, match="cannot be read"):
        _slices(tmp_path, tmp_path / "cut.nii.gz")


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"axis": "oblique"}, "unknown axis"),
        ({"window": (5.0, 5.0)}, "window from 5 to 5 is empty"),
        ({"legend": read_legend("x=1")}, "go together"),
        ({"subject": "../up"}, "cannot be a label"),
    ],
)
def test_requests_that_cannot_be_met_say_why(tmp_path: Path, request_: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        _slices(tmp_path, _save(tmp_path / "ct.nii", _body()), **request_)


def test_labels_that_are_not_whole_numbers_are_refused(tmp_path: Path) -> None:
    nibabel.save(nibabel.Nifti1Image(np.full(SHAPE, 1.5, np.float32), RAS), tmp_path / "l.nii")
    with pytest.raises(DataError, match="whole numbers"):
        _slices(tmp_path, _save(tmp_path / "ct.nii", _body()), labels=tmp_path / "l.nii", legend=read_legend("x=1"))


def test_a_low_dose_is_made_of_each_slice_which_itself_becomes_the_picture(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(-100, 100, SHAPE)
    asked = []

    def film_of(shown: np.ndarray, spacing: tuple[float, float], number: int) -> np.ndarray:
        asked.append((spacing, number))
        return 0.5 * shown + 20 * number

    affine = np.diag([2.0, 5.0, 3.0, 1.0])
    volume = _save(tmp_path / "ct.nii", values, affine)
    cases = _slices(tmp_path, volume, window=(-160, 240), low_dose=film_of)
    assert asked == [((5.0, 2.0), number) for number in range(4)]  # rows lie 5 mm apart, columns 2 mm
    for number, case in enumerate(cases):
        full = values[::-1, ::-1, number].T
        np.testing.assert_allclose(case.load_truth()["full_dose"], (full + 160) / 400, atol=1e-5)
        np.testing.assert_allclose(case.load_film(), (0.5 * full + 20 * number + 160) / 400, atol=1e-5)


def test_a_low_dose_is_for_axial_slices_of_one_volume(tmp_path: Path) -> None:
    first, second = _save(tmp_path / "a.nii", _body()), _save(tmp_path / "b.nii", _body())
    for volumes, more in (
        ((first, second), {}),
        ((first,), {"axis": "coronal"}),
        ((first,), {"pictures": {"full_dose": second}}),
    ):
        with pytest.raises(DataError, match="axial slices of one CT volume"):
            _slices(tmp_path, *volumes, low_dose=lambda shown, spacing, number: shown, **more)


def test_a_window_is_two_numbers() -> None:
    assert read_window("-160,240") == (-160.0, 240.0)
    assert read_window(None) is None
    for wrong in ("1", "1,2,3", "a,b"):
        with pytest.raises(DataError, match="is no window"):
            read_window(wrong)


def test_subjects_are_added_to_a_manifest_only_when_asked(tmp_path: Path) -> None:
    manifest = tmp_path / "x.csv"
    assert earlier_cases(manifest, append=False) == ()
    write_manifest(manifest, _slices(tmp_path, _save(tmp_path / "a.nii", _body())))
    with pytest.raises(OutputError, match="there already"):
        earlier_cases(manifest, append=False)
    earlier = earlier_cases(manifest, append=True)
    second = Slices(VolumeRequest((_save(tmp_path / "b.nii", _body()),)))
    write_manifest(manifest, second.cases(tmp_path / "x_slices", earlier=earlier))
    assert [case.subject for case in read_manifest(manifest)] == ["a"] * 4 + ["b"] * 4
    with pytest.raises(DataError, match="has 'b_z0000' already"):
        second.cases(tmp_path / "y_slices", earlier=read_manifest(manifest))


def test_the_real_right_kidney_and_liver_lie_on_the_left_of_the_picture(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "ct"
    cases = _slices(
        tmp_path,
        folder / "totalseg_example_ct_sm.nii.gz",
        labels=folder / "totalseg_example_ct_sm_labels.nii.gz",
        legend=read_legend("right_kidney=2; left_kidney=3; liver=5; rib=92; rib=93; rib=94"),
        window=(-160, 240),
    )
    assert len(cases) == 30
    truths = [case.load_truth() for case in cases]
    middle = cases[0].load_film().shape[1] / 2
    assert np.nonzero(truths[10]["right_kidney"])[1].mean() < middle < np.nonzero(truths[10]["left_kidney"])[1].mean()
    assert np.nonzero(truths[20]["liver"])[1].mean() < middle
    voxels = np.asarray(nibabel.load(folder / "totalseg_example_ct_sm_labels.nii.gz").dataobj)
    assert sum(int(truth["left_kidney"].sum()) for truth in truths) == int((voxels == 3).sum())
