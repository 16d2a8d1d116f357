"""All measures of a case at once: derived structures, empty cases, and how pictures become grey levels."""

import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from xprism.data.manifest import Case
from xprism.errors import DataError
from xprism.evaluation.cases import score_cases, with_derived
from xprism.evaluation.scores import grey_levels, mask_measures, picture_measures, true_levels
from xprism.evaluation.similarity import rmse
from xprism.targets import Masks, Picture, TargetSet

UNIONS = {"lungs": ("right_lung", "left_lung")}


def _box(top: int, bottom: int, left: int, right: int) -> np.ndarray:
    mask = np.zeros((20, 24), bool)
    mask[top:bottom, left:right] = True
    return mask


def test_unions_and_the_overlap_follow_where_their_parts_are_known() -> None:
    masks = {"right_lung": _box(2, 10, 1, 8), "left_lung": _box(2, 10, 12, 20), "heart": _box(6, 14, 6, 14)}
    found = with_derived(masks, UNIONS)
    assert found["lungs"].sum() == 7 * 8 + 8 * 8
    assert found["heart_lung_overlap"].sum() == 4 * 2 + 4 * 2
    assert with_derived({"right_lung": masks["right_lung"]}, UNIONS).keys() == {"right_lung"}
    assert "heart_lung_overlap" in with_derived({"heart": masks["heart"], "lungs": masks["left_lung"]}, UNIONS)


def test_cross_validation_scores_unions_and_overlap_too(tmp_path: Path) -> None:
    flags = _box(2, 10, 1, 8) * 1 + _box(2, 10, 12, 20) * 2 + _box(6, 14, 6, 14) * 4
    Image.fromarray(flags.astype(np.uint8)).save(tmp_path / "flags.png")
    case = Case("a", "a", tmp_path / "film.png", flags=tmp_path / "flags.png")
    organs = Masks(name="organs", labels=("right_lung", "left_lung", "heart"), unions=UNIONS)
    found = {"right_lung": _box(2, 10, 1, 8), "left_lung": _box(2, 10, 12, 20), "heart": _box(6, 14, 6, 10)}
    scores = score_cases([case], TargetSet(targets=(organs,)), lambda case: found)
    assert {score.structure: (score.jaccard, score.predicted_px, score.reference_px) for score in scores} == {
        "right_lung": (1.0, 56, 56),
        "left_lung": (1.0, 64, 64),
        "lungs": (1.0, 120, 120),
        "heart": (0.5, 32, 64),
        "heart_lung_overlap": (0.5, 8, 16),
    }


def test_all_measures_of_two_shifted_boxes() -> None:
    found = mask_measures(_box(4, 8, 4, 10), _box(4, 8, 6, 12), spacing=(0.5, 2.0))
    assert (found["tp"], found["fp"], found["fn"]) == (16, 8, 8)
    assert found["dice"] == pytest.approx(2 / 3)
    assert found["jaccard"] == 0.5
    assert (found["fnr"], found["fpr_gt"]) == pytest.approx((1 / 3, 1 / 3))
    assert found["unit"] == "mm"
    assert found["hd95"] <= 4.0  # two columns of 2 mm


def test_distances_are_pixels_where_no_spacing_is_known() -> None:
    first, second = _box(3, 4, 2, 20), _box(9, 10, 2, 20)
    found = mask_measures(first, second, spacing=None)
    assert (found["hd95"], found["assd"], found["unit"]) == (6.0, 6.0, "px")


def test_empty_masks() -> None:
    empty, full = np.zeros((2, 20, 24), bool)
    full = _box(1, 5, 1, 5)
    both = mask_measures(empty, empty, spacing=None)
    assert (both["dice"], both["jaccard"], both["fnr"], both["fpr_gt"], both["hd95"]) == (1, 1, 0, 0, 0)
    invented = mask_measures(full, empty, spacing=None)
    assert (invented["dice"], invented["jaccard"], invented["fnr"]) == (0, 0, 0)
    assert math.isnan(invented["fpr_gt"])
    assert math.isnan(invented["hd95"])
    lost = mask_measures(empty, full, spacing=None)
    assert (lost["dice"], lost["fnr"], lost["fpr_gt"]) == (0, 1, 0)
    assert math.isnan(lost["assd"])


def test_pictures_are_scored_as_8_bit_grey() -> None:
    target = Picture(name="soft", range=(-1.0, 1.0))
    values = np.array([[-2.0, -1.0, 0.0], [0.5, 1.0, 3.0]], np.float32)
    np.testing.assert_array_equal(grey_levels(values, target), [[0, 0, 128], [191, 255, 255]])
    colours = np.stack([values, values, np.full_like(values, -1)], axis=-1)
    expected = np.array([[0, 0, 128], [191, 255, 255]]) * 2 / 3
    np.testing.assert_allclose(grey_levels(colours, Picture(name="soft", range=(-1, 1), channels=3)), expected)


def test_every_16_bit_value_scores_the_same_before_and_after_saving() -> None:
    target = Picture(name="soft", range=(-1.0, 1.0))
    values = np.random.default_rng(0).uniform(-1, 1, (200, 200)).astype(np.float32)
    written = np.rint(np.clip((values + 1) / 2, 0, 1) * 65535).astype(np.uint16)
    read_back = -1 + 2 * (written.astype(np.float64) / 65535)
    np.testing.assert_array_equal(grey_levels(values, target), grey_levels(read_back, target))


def test_a_picture_is_measured_in_the_frame_and_in_the_lungs() -> None:
    rng = np.random.default_rng(1)
    real, lungs = rng.integers(0, 256, (20, 24)).astype(float), _box(5, 15, 5, 19)
    made = np.where(lungs, real, 0)
    found = dict(picture_measures(made, real, lungs=lungs))
    assert found["frame"]["rmse"] == rmse(made, real) > 0
    assert found["lung"]["rmse"] == 0
    assert found["lung"]["psnr"] == math.inf
    assert dict(picture_measures(made, real, lungs=None)).keys() == {"frame"}
    assert dict(picture_measures(made, real, lungs=np.zeros_like(lungs))).keys() == {"frame"}


def test_an_uncut_picture_is_measured_whole_and_as_the_papers_measure() -> None:
    rng = np.random.default_rng(2)
    made, real = rng.integers(0, 256, (2, 20, 24)).astype(float)
    lungs = _box(5, 15, 5, 19)
    found = dict(picture_measures(made, real, lungs=lungs, cut=False))
    squared = (made - real) ** 2
    assert found["frame_unmasked"]["rmse"] == pytest.approx(math.sqrt(squared.mean()))
    assert found["frame"]["rmse"] == pytest.approx(math.sqrt(squared[lungs].sum() / squared.size))
    assert found["lung"]["rmse"] == pytest.approx(math.sqrt(squared[lungs].mean()))
    assert dict(picture_measures(made, real, lungs=None, cut=False)).keys() == {"frame"}


def test_the_real_picture_is_cut_as_its_target_is() -> None:
    target = Picture(name="soft", within=("lungs",))
    picture, lungs = np.full((20, 24), 0.5, np.float32), _box(5, 15, 5, 19)
    cut = true_levels(target, {"soft": picture, "lungs": lungs})
    assert cut is not None
    np.testing.assert_array_equal(cut, np.where(lungs, 128, 0))
    assert true_levels(target, {"soft": picture}) is None
    with pytest.raises(DataError, match="differ in size"):
        true_levels(target, {"soft": picture[:5], "lungs": lungs})
