"""Summaries against numbers worked out by hand."""

import math
import statistics

import numpy as np
import pytest

from xprism.evaluation.overlap import Counts
from xprism.evaluation.scores import OVERLAP_MEASURES, Score
from xprism.evaluation.summary import SummaryRow, averaged, case_means, summarise
from xprism.evaluation.tables import csv_text

UNIONS = {"lungs": ("right_lung", "left_lung")}


def _mask(case: str, structure: str, tp: int, fp: int, fn: int, *, hd95: float = 1.0, unit: str = "mm") -> Score:
    counts = Counts(tp, fp, fn)
    overlap = {name: getattr(counts, name) for name in OVERLAP_MEASURES}
    return Score(case, case, structure, **overlap, hd95=hd95, assd=0.5, unit=unit, tp=tp, fp=fp, fn=fn)


def _rows(scores: list[Score], **expected: set[str]) -> dict[tuple[str, str, str], SummaryRow]:
    rows = summarise(scores, unions=UNIONS, expected=expected, generator=np.random.default_rng(0))
    return {(row.structure, row.measure, row.unit): row for row in rows}


def test_mean_over_images_and_pooled_counts_differ_as_they_should() -> None:
    rows = _rows([_mask("a", "heart", 8, 2, 0), _mask("b", "heart", 1, 0, 9)])
    dice = rows["heart", "dice", ""]
    assert dice.mean_over_images == pytest.approx((16 / 18 + 2 / 11) / 2)
    assert dice.pooled == pytest.approx(18 / 29)
    assert dice.std == pytest.approx(statistics.stdev([16 / 18, 2 / 11]))
    assert (dice.min, dice.max) == pytest.approx((2 / 11, 16 / 18))
    assert rows["heart", "jaccard", ""].pooled == pytest.approx(9 / 20)
    assert rows["heart", "fnr", ""].mean_over_images == pytest.approx(0.45)
    assert rows["heart", "fnr", ""].pooled == pytest.approx(9 / 18)
    assert rows["heart", "fpr_gt", ""].pooled == pytest.approx(2 / 18)
    assert rows["heart", "hd95", "mm"].pooled is None


def test_the_average_is_taken_per_image_first() -> None:
    scores = [_mask("a", "right_lung", 9, 1, 0), _mask("a", "left_lung", 1, 1, 1), _mask("a", "lungs", 10, 2, 1)]
    scores += [_mask("b", "right_lung", 3, 1, 0), _mask("b", "left_lung", 5, 0, 0), _mask("b", "lungs", 8, 1, 0)]
    row = _rows(scores)["average", "dice", ""]
    per_image = [(18 / 19 + 0.5) / 2, (6 / 7 + 1) / 2]
    assert row.mean_over_images == pytest.approx(statistics.mean(per_image))
    assert row.std == pytest.approx(statistics.stdev(per_image))
    assert row.pooled == pytest.approx((24 / 26 + 12 / 14) / 2)
    assert row.n == 2


def test_unions_count_in_the_average_only_where_their_members_are_not_known() -> None:
    both = [_mask("a", name, 1, 0, 0) for name in ("right_lung", "left_lung", "lungs", "heart", "heart_lung_overlap")]
    assert averaged(both, UNIONS) == ("right_lung", "left_lung", "heart")
    assert averaged(both[2:], UNIONS) == ("lungs", "heart")


def test_images_that_lack_a_structure_are_no_part_of_the_average() -> None:
    scores = [_mask("a", "heart", 1, 0, 0), _mask("a", "lungs", 1, 1, 0), _mask("b", "lungs", 1, 0, 0)]
    row = _rows(scores, a={"heart", "lungs"}, b={"heart", "lungs"}, c={"lungs"})["average", "dice", ""]
    assert (row.n, row.missing) == (1, 1)
    assert row.mean_over_images == pytest.approx((1 + 2 / 3) / 2)


def test_undefined_values_are_counted_and_left_out() -> None:
    row = _rows([_mask("a", "heart", 0, 3, 0), _mask("b", "heart", 2, 1, 0)])["heart", "fpr_gt", ""]
    assert (row.n, row.undefined, row.mean_over_images) == (1, 1, 0.5)
    assert row.pooled == 2.0
    assert math.isnan(row.std)


def test_missing_images_are_counted_by_structure() -> None:
    rows = _rows([_mask("a", "heart", 1, 0, 0)], a={"heart"}, b={"heart", "lungs"}, c={"lungs"})
    assert rows["heart", "dice", ""].missing == 1


def test_millimetres_and_pixels_are_never_averaged_together() -> None:
    rows = _rows([_mask("a", "heart", 1, 0, 0, hd95=2), _mask("b", "heart", 1, 0, 0, hd95=40, unit="px")])
    assert rows["heart", "hd95", "mm"].mean_over_images == 2
    assert rows["heart", "hd95", "px"].mean_over_images == 40
    assert rows["heart", "dice", ""].n == 2


def test_equal_pictures_have_an_infinite_signal_to_noise_ratio() -> None:
    scores = [Score(case, case, "bones", "frame", rmse=e, psnr=p, mssim=1.0) for case, e, p in (("a", 0.0, math.inf),)]
    scores.append(Score("b", "b", "bones", "frame", rmse=2.55, psnr=40.0, mssim=0.9))
    rows = summarise(scores, unions=UNIONS, expected={}, generator=np.random.default_rng(0))
    psnr = next(row for row in rows if row.measure == "psnr")
    assert psnr.mean_over_images == math.inf
    assert math.isnan(psnr.std)
    assert (psnr.min, psnr.max) == (40.0, math.inf)


def test_the_mean_of_a_case_is_over_the_structures_asked_for() -> None:
    scores = [_mask("a", "heart", 1, 0, 0), _mask("a", "lungs", 1, 1, 1), _mask("a", "spine", 0, 1, 1)]
    assert case_means(scores, "dice", ("heart", "lungs")) == {"a": 0.75}


def test_tables_tell_undefined_from_not_applicable() -> None:
    lines = csv_text(Score, [Score("a", "s", "heart", dice=1 / 3, fpr_gt=math.nan, tp=12)]).splitlines()
    cells = dict(zip(lines[0].split(","), lines[1].split(","), strict=True))
    assert (cells["dice"], cells["fpr_gt"], cells["rmse"], cells["tp"]) == ("0.333333", "nan", "", "12")
