"""Figures: what stands in them, and that something does."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from xprism.evaluation.figures import Panel, View, box_groups, draw_box, draw_boxplots, draw_panels
from xprism.evaluation.scores import Score


def _scores() -> list[Score]:
    rng = np.random.default_rng(0)
    masks = [
        Score(f"c{k}", f"c{k}", name, dice=rng.uniform(0.8, 1), hd95=rng.uniform(1, 9), unit="mm", fpr_gt=float("nan"))
        for k in range(12)
        for name in ("heart", "lungs", "heart_lung_overlap")
    ]
    return [*masks, Score("c0", "c0", "soft", "lung", rmse=3.0, psnr=float("inf"), mssim=0.9)]


def test_boxes_are_grouped_by_measure_and_structure_and_hold_finite_values_only() -> None:
    groups = box_groups(_scores())
    assert list(groups) == [("dice", ""), ("hd95", "mm"), ("rmse", ""), ("mssim", "")]
    assert list(groups["dice", ""]) == ["heart", "lungs"]
    assert list(groups["rmse", ""]) == ["soft, lung"]
    assert len(groups["hd95", "mm"]["heart"]) == 12


def test_box_plots_are_drawn_without_touching_pyplot(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    before = "matplotlib.pyplot" in sys.modules
    assert draw_boxplots(_scores(), tmp_path / "boxes.png")
    assert np.asarray(Image.open(tmp_path / "boxes.png").convert("L")).std() > 5
    assert ("matplotlib.pyplot" in sys.modules) == before
    assert not draw_boxplots([], tmp_path / "none.png")
    assert not (tmp_path / "none.png").exists()


def test_a_box_ends_at_the_quartiles_and_its_whiskers_at_the_last_point_within() -> None:
    pytest.importorskip("matplotlib")
    from matplotlib.figure import Figure

    axes = Figure().add_subplot()
    draw_box(axes, 1, [0, 10, 11, 12, 13, 14, 15, 16, 17.5, 40])  # quartiles 11.25 and 15.75: reach 4.5 to 22.5
    box, lower, _, upper, _, median, beyond = (line.get_ydata() for line in axes.lines)
    assert (min(box), max(box)) == (11.25, 15.75)
    assert (lower[1], upper[1], median[0]) == (10, 17.5, 13.5)
    assert list(beyond) == [0, 40]
    assert axes.lines[-1].get_marker() == "+"


def test_panels_show_films_and_coloured_outlines(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    film, mask = np.full((60, 50), 90, np.uint8), np.zeros((60, 50), bool)
    mask[10:40, 10:30] = True
    panel = Panel("best: c1", (View("film", film), View("prediction", film, {"heart": mask, "lungs": ~mask & False})))
    draw_panels([panel, panel], tmp_path / "panels.png", colours={"heart": (255, 0, 0), "lungs": (0, 0, 255)})
    pixels = np.asarray(Image.open(tmp_path / "panels.png").convert("RGB")).astype(int)
    assert (abs(pixels - 90) < 3).all(axis=-1).mean() > 0.2
    red = (pixels[..., 0] > 200) & (pixels[..., 1:] < 40).all(axis=-1)
    assert red.sum() > 300
