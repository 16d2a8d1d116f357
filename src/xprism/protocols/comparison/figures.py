"""Figures of a comparison, as the pix2pix papers draw theirs: box plots of runs, loss curves, grids of pictures."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from xprism.evaluation.figures import NAMES, Colour, View, draw_box, draw_view, new_figure, outline_legend
from xprism.protocols.comparison.runs import RunFolder
from xprism.protocols.comparison.tables import ORGANS
from xprism.training.curves import COLOURS, smoothed
from xprism.training.curves import NAMES as LOSSES

FLOORS: dict[str, tuple[str, str, Any]] = {
    "copy": ("film itself", "#0072b2", "-"),
    "linear_fit": ("film after a straight-line fit", "#009e73", "--"),
    "copy_larger": ("film, lungs one pixel too large", "#cc79a7", ":"),
    "copy_smaller": ("film, lungs one pixel too small", "#999999", ":"),
}
"""Floors that are drawn: words, colour and line; black pictures would squeeze the rest."""
_WHERE = {"frame": "frame", "lung": "inside the true lungs", "frame_unmasked": "frame, not cut"}
_POINTS = 1500


@dataclass(frozen=True)
class BoxPlot:
    """One plot: a box of values a run, and the floors of each run as short lines over its box."""

    title: str
    unit: str
    boxes: Mapping[str, Sequence[float]]
    floors: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class GridRow:
    """One row of a grid of pictures, with words beside it."""

    words: str
    views: tuple[View, ...]


def mask_plots(runs: Sequence[RunFolder]) -> Iterator[BoxPlot]:
    """Dice, then FNR, one plot a structure: the paper's figures 2 and 7."""
    structures = dict.fromkeys(name for run in runs for name in run.structures)
    ordered = [*(name for name in ORGANS if name in structures), *(name for name in structures if name not in ORGANS)]
    for measure in ("dice", "fnr"):
        for structure in ordered:
            boxes = {run.label: _values(run, structure, "", measure) for run in runs}
            words = f"{NAMES[measure]}, {structure.replace('_', ' ')}"
            yield BoxPlot(words, "", {label: values for label, values in boxes.items() if values})


def picture_plots(runs: Sequence[RunFolder]) -> Iterator[BoxPlot]:
    """MSSIM and RMSE of each picture, over the frame and inside the lungs, with floors: figures 4 and 8."""
    for picture in dict.fromkeys(name for run in runs for name in run.pictures):
        for region, where in _WHERE.items():
            for measure in ("mssim", "rmse"):
                boxes = {run.label: _values(run, picture, region, measure) for run in runs}
                floors = {run.label: _floors(run, picture, region, measure) for run in runs}
                shown = {label: values for label, values in boxes.items() if values}
                if shown:
                    yield BoxPlot(f"{NAMES[measure].split(' (')[0]}, {where}", _unit(measure), shown, floors)


def draw_boxes(plots: Sequence[BoxPlot], path: Path, *, columns: int) -> bool:
    """Draw plots in rows into a PNG; False where there is nothing to draw."""
    if not plots:
        return False
    figure: Any = new_figure()
    rows = math.ceil(len(plots) / columns)
    widest = max(len(plot.boxes) for plot in plots)
    figure.set_size_inches(columns * max(3.2, 0.62 * widest + 1.2), 3.0 * rows + 0.5)
    drawn: dict[str, None] = {}
    for place, plot in enumerate(plots, start=1):
        axes = figure.add_subplot(rows, columns, place)
        for x, (label, values) in enumerate(plot.boxes.items()):
            draw_box(axes, x, values)
            for name, level in plot.floors.get(label, {}).items():
                _, colour, style = FLOORS[name]
                axes.plot([x - 0.45, x + 0.45], [level, level], style, color=colour, linewidth=1.4)
                drawn[name] = None
        axes.set_xticks(range(len(plot.boxes)), plot.boxes)
        axes.set_xlim(-0.6, len(plot.boxes) - 0.4)
        axes.set_title(plot.title, fontsize=10)
        axes.set_ylabel(plot.unit)
        _turn_labels(axes)
        axes.grid(axis="y", color="0.9")
        axes.set_axisbelow(True)
    if drawn:
        _floor_legend(figure, drawn)
    figure.savefig(path, format="png", dpi=130)
    return True


def draw_losses(runs: Sequence[RunFolder], path: Path) -> bool:
    """Draw the losses of each run's first fold, one panel a run, on a logarithmic axis: the paper's figure 6."""
    logs = {run.label: lines for run in runs if (lines := _logged(run))}
    if not logs:
        return False
    figure: Any = new_figure()
    columns = min(3, len(logs))
    rows = math.ceil(len(logs) / columns)
    figure.set_size_inches(3.9 * columns, 2.9 * rows + 0.5)
    first, shown = None, dict[str, Any]()
    for place, (label, lines) in enumerate(logs.items(), start=1):
        axes = first = figure.add_subplot(rows, columns, place, sharey=first)
        shown |= _draw_losses(axes, lines)
        axes.set_title(label, fontsize=10)
    handles = [shown[name] for name in shown]
    figure.legend(
        handles=handles, loc="outside lower center", ncols=max(1, min(4, len(handles))), frameon=False, fontsize=9
    )
    figure.savefig(path, format="png", dpi=130)
    return True


def draw_grid(heads: Sequence[str], rows: Sequence[GridRow], path: Path, *, colours: Mapping[str, Colour]) -> bool:
    """Draw rows of pictures under common heads into a PNG; False where there are none."""
    if not rows:
        return False
    figure: Any = new_figure()
    tall = max(view.grey.shape[0] / view.grey.shape[1] for row in rows for view in row.views)
    side = min(2.2, 13 / len(heads))
    figure.set_size_inches(side * len(heads) + 0.9, side * min(tall, 2.0) * len(rows) + 0.8)
    figure.get_layout_engine().set(w_pad=0.01, h_pad=0.01, wspace=0.01, hspace=0.01)
    for line, row in enumerate(rows):
        for place, view in enumerate(row.views):
            axes = figure.add_subplot(len(rows), len(heads), line * len(heads) + place + 1)
            draw_view(axes, view, colours)
            if line == 0:
                axes.set_title(heads[place], fontsize=9)
            if place == 0:
                axes.text(
                    -0.05, 0.5, row.words, transform=axes.transAxes, rotation=90, va="center", ha="right", fontsize=8
                )
    outline_legend(figure, [view for row in rows for view in row.views], colours)
    figure.savefig(path, format="png", dpi=130)
    return True


def _values(run: RunFolder, structure: str, region: str, measure: str) -> list[float]:
    values = [getattr(one, measure) for one in run.scores if (one.structure, one.region) == (structure, region)]
    return [value for value in values if value is not None and math.isfinite(value)]


def _floors(run: RunFolder, picture: str, region: str, measure: str) -> dict[str, float]:
    found = {}
    for row in run.floors:
        name, _, way = row.structure.partition(":")
        if (name, row.region, row.measure) == (picture, region, measure) and way in FLOORS:
            found[way] = row.mean_over_images
    return found


def _unit(measure: str) -> str:
    return "grey levels" if measure == "rmse" else ""


def _turn_labels(axes: Any) -> None:
    for label in axes.get_xticklabels():
        label.set(rotation=30, horizontalalignment="right", rotation_mode="anchor", fontsize=9)


def _floor_legend(figure: Any, names: Mapping[str, None]) -> None:
    from matplotlib.lines import Line2D

    lines = [
        Line2D([], [], color=colour, linestyle=style, label=f"floor: {words}")
        for name, (words, colour, style) in FLOORS.items()
        if name in names
    ]
    figure.legend(handles=lines, loc="outside lower center", ncols=2, frameon=False, fontsize=9)


def _logged(run: RunFolder) -> list[dict[str, Any]]:
    for number in run.facts.folds:
        path = run.folder / f"fold-{number}" / "metrics.jsonl"
        if path.is_file():
            return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]
    return []


def _draw_losses(axes: Any, lines: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Faint losses under bold smoothed ones; the bold lines by name."""
    along = "epoch" if "epoch" in lines[0] else "step"
    place = np.array([line[along] for line in lines], np.float64)
    kept = slice(None, None, max(1, len(lines) // _POINTS))
    drawn = {}
    for name in ("adversarial", "l1", "discriminator") if "discriminator" in lines[-1] else ("loss",):
        values = np.array([line[name] for line in lines], np.float64)
        axes.plot(place[kept], values[kept], color=COLOURS[name], alpha=0.3, linewidth=0.5)
        (drawn[name],) = axes.plot(
            place[kept], smoothed(values)[kept], color=COLOURS[name], linewidth=1.6, label=LOSSES[name]
        )
    axes.set_yscale("log", nonpositive="mask")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.set_xlabel(along)
    axes.grid(which="both", alpha=0.15)
    return drawn
