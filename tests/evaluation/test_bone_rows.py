"""Rows of bone-suppression tables hold what the single measures say; means are over cases, intervals over patients."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from xprism.evaluation.bone_measures import contrast_kept, false_structure, lung_rmse, rib_gradient
from xprism.evaluation.bone_rows import (
    BoneMean,
    BoneRow,
    NoduleRegion,
    NoduleRow,
    bone_means,
    bone_row,
    nodule_rows,
    pair_measures,
)
from xprism.evaluation.interval import mean_interval
from xprism.evaluation.registration import Shift

SHAPE = (90, 100)
LUNGS = np.zeros(SHAPE, bool)
LUNGS[5:85, 5:95] = True
TISSUE = 100 + 40 * gaussian_filter(np.random.default_rng(0).normal(size=SHAPE), 6) * 6
BONES = np.broadcast_to((np.arange(SHAPE[0]) % 15 < 6)[:, None], SHAPE)
FILM = TISSUE + 20.0 * BONES


def _disc(row: int, column: int, radius: float) -> np.ndarray:
    down, along = np.mgrid[: SHAPE[0], : SHAPE[1]] - np.array([row, column])[:, None, None]
    return np.hypot(down, along) <= radius


def test_measures_are_those_of_the_single_functions() -> None:
    made = {"nothing": FILM, "picture": TISSUE + 5.0 * BONES}
    found = dict(pair_measures(made, TISSUE, lungs=LUNGS, bones=BONES))
    for name, one in made.items():
        ribs = rib_gradient(one, film=FILM, target=TISSUE, lungs=LUNGS)
        assert found["rmse"][name] == lung_rmse(one, TISSUE, lungs=LUNGS)
        assert found["rib_gradient"][name] == ribs.error
        assert (found["bone_left"][name], found["tissue_kept"][name]) == (ribs.bone_left, ribs.tissue_kept)
        assert found["false_structure"][name] == false_structure(
            one, film=FILM, target=TISSUE, lungs=LUNGS, bones=BONES
        )
    assert "false_structure" not in dict(pair_measures(made, TISSUE, lungs=LUNGS, bones=None))


def test_errors_have_ratios_and_shares_have_none() -> None:
    about = {"case": "c", "subject": "s", "group": "de"}
    values = {"nothing": 8.0, "linear_filter": 6.0, "picture": 3.0}
    row = bone_row("rmse", values, shift=Shift(0.5, -1.0), **about)
    assert (row.filter_ratio, row.picture_ratio, row.picture_to_filter) == (0.75, 0.375, 0.5)
    assert (row.shift_rows_px, row.shift_columns_px) == (0.5, -1.0)
    share = bone_row("bone_left", values, **about)
    assert (share.filter_ratio, share.picture_ratio, share.picture_to_filter) == (None, None, None)
    assert share.shift_rows_px is None
    alone = bone_row("rmse", {"nothing": 0.0, "picture": 3.0}, **about)
    assert (alone.linear_filter, alone.filter_ratio, alone.picture_to_filter) == (None, None, None)
    assert alone.picture_ratio is not None
    assert np.isnan(alone.picture_ratio)


def _by_name(means: list[BoneMean]) -> dict[tuple[str, str, str], BoneMean]:
    return {(one.group, one.measure, one.value): one for one in means}


def test_means_are_over_cases_and_over_each_group_with_intervals_by_patient() -> None:
    pictures = [2.0, 4.0, 5.0, 1.0, float("nan")]
    groups, subjects = ["a", "a", "a", "b", "b"], ["p", "p", "q", "r", "t"]
    rows = [
        BoneRow(f"c{k}", subject, group, "rmse", 10.0, None, picture)
        for k, (picture, group, subject) in enumerate(zip(pictures, groups, subjects, strict=True))
    ]
    found = _by_name(bone_means(rows, (), seed=3))
    every = found["all", "rmse", "picture"]
    assert (every.mean, every.n, every.undefined) == (3.0, 4, 1)
    expected = mean_interval(pictures[:4], subjects=subjects[:4], generator=np.random.default_rng(3))
    assert (every.interval_low, every.interval_high) == (expected.low, expected.high)
    assert found["a", "rmse", "picture"].mean == pytest.approx(11 / 3)
    assert (found["b", "rmse", "picture"].mean, found["b", "rmse", "picture"].n) == (1.0, 1)
    assert ("all", "rmse", "linear_filter") not in found
    one_group = bone_means([replace(row, group="a") for row in rows], (), seed=3)
    assert {one.group for one in one_group} == {"all"}


def test_nodules_are_averaged_together_and_by_diameter() -> None:
    def nodule(mm: float, reference: float, picture: float) -> NoduleRow:
        return NoduleRow(f"c{mm}", f"s{mm}", 1, 1, mm, "truth", reference, reference, picture, 1.0, picture / reference)

    rows = [nodule(5, 2, 1), nodule(5.9, 10, 10), nodule(10, 4, 4), nodule(30, 4, float("nan"))]
    found = _by_name(bone_means((), rows, seed=0))
    assert found["all", "nodule_contrast", "kept"].mean == pytest.approx((0.5 + 1 + 1) / 3)
    assert (found["all", "nodule_contrast", "kept"].n, found["all", "nodule_contrast", "kept"].undefined) == (3, 1)
    assert found["all", "nodule_contrast", "pooled"].mean == pytest.approx(15 / 16)
    assert found["all", "nodule_contrast_about_5_mm", "kept"].mean == pytest.approx(0.75)
    assert found["all", "nodule_contrast_about_5_mm", "pooled"].mean == pytest.approx(11 / 12)
    assert found["all", "nodule_contrast_about_10_mm", "kept"].mean == 1
    assert found["all", "nodule_contrast_about_30_mm", "kept"].n == 0
    assert {one.measure for one in bone_means((), rows[:2], seed=0)} == {"nodule_contrast"}


def test_a_nodule_of_half_the_contrast_is_kept_by_half() -> None:
    region = NoduleRegion("c", 40, 30, 12.0)
    bump = 15.0 * _disc(40, 30, 6 / 0.8)
    about = {"lungs": LUNGS, "spacing_mm": 0.8, "subject": "s"}
    smooth = 100 + 0.5 * np.arange(SHAPE[1]) + np.zeros(SHAPE)
    (row,) = nodule_rows([region], film=smooth + bump, picture=smooth + bump / 2, truth=smooth + bump, **about)
    assert (row.case, row.subject, row.diameter_mm, row.against) == ("c", "s", 12.0, "truth")
    assert row.reference == pytest.approx(15, abs=0.2)
    assert row.nothing == pytest.approx(1)
    assert row.kept == pytest.approx(0.5, abs=0.02)
    # On another grey scale, as a picture may be.
    (scaled,) = nodule_rows([region], film=smooth + bump, picture=3 * (smooth + bump) - 20, truth=None, **about)
    assert (scaled.against, scaled.kept) == ("film", pytest.approx(1))


def test_a_nodule_is_held_against_the_truth_where_it_is_known() -> None:
    region = NoduleRegion("c", 47, 50, 8.0)
    truth = TISSUE + 20 * _disc(47, 50, 5)
    film, picture = truth + 20.0 * BONES, truth + 4.0 * BONES
    about = {"film": film, "picture": picture, "lungs": LUNGS, "spacing_mm": 0.8, "subject": "s"}
    (by_truth,), (by_film,) = (list(nodule_rows([region], truth=one, **about)) for one in (truth, None))
    for row, reference in ((by_truth, truth), (by_film, film)):
        for value, plane in ((row.nothing, film), (row.kept, picture)):
            assert value == pytest.approx(contrast_kept(plane, reference, 47, 50, 5, lungs=LUNGS))
    assert by_film.nothing == 1


def test_a_nodule_that_cannot_be_measured_is_nan() -> None:
    region = NoduleRegion("c", 1, 1, 12.0)
    (row,) = nodule_rows([region], film=FILM, picture=FILM, truth=None, lungs=LUNGS, spacing_mm=0.8, subject="s")
    assert np.isnan([row.reference, row.kept]).all()
