"""Figures of an evaluation: box plots of the scores, and panels of single cases. Needs the extra ``evaluate``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xprism.errors import MissingExtra
from xprism.evaluation.cases import OVERLAP
from xprism.evaluation.scores import DISTANCE_MEASURES, MASK_MEASURES, PICTURE_MEASURES, Score

Colour = tuple[int, int, int]

NAMES = {
    "dice": "Dice",
    "jaccard": "Jaccard",
    "fnr": "FNR",
    "fpr_gt": "FPR over reference",
    "hd95": "HD95",
    "assd": "ASSD",
    "rmse": "RMSE (grey levels)",
    "psnr": "PSNR (dB)",
    "mssim": "MSSIM",
}
_HIGHER = ("dice", "jaccard", "psnr", "mssim")
_COLUMNS = 3


@dataclass(frozen=True)
class View:
    """One picture of a panel: grey levels [H, W] 0 to 255 with a caption, and masks [H, W] to outline by label."""

    caption: str
    grey: NDArray[Any]
    outlines: Mapping[str, NDArray[Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Panel:
    """Views of one case side by side under a title."""

    title: str
    views: tuple[View, ...]


def draw_boxplots(scores: Sequence[Score], path: Path) -> bool:
    """Draw one box plot a measure, a box a structure, into a PNG; False where there is nothing to draw.

    Median line, quartile edges, whiskers to the last point within 1.5 IQR, "+" beyond. The overlap of
    heart and lungs is left out, undefined values too.
    """
    groups = box_groups(scores)
    if not groups:
        return False
    figure = new_figure()
    rows = -(-len(groups) // _COLUMNS)
    columns = min(_COLUMNS, len(groups))
    figure.set_size_inches(4.4 * columns, 3.6 * rows)
    for place, ((measure, unit), boxes) in enumerate(groups.items(), start=1):
        axes = figure.add_subplot(rows, columns, place)
        for position, values in enumerate(boxes.values()):
            draw_box(axes, position, values)
        axes.set_xticks(range(len(boxes)), [name.replace("_", " ") for name in boxes])
        axes.set_xlim(-0.6, len(boxes) - 0.4)
        axes.set_ylabel(NAMES[measure] + (f" ({unit})" if unit else ""))
        better, counts = "higher" if measure in _HIGHER else "lower", {len(values) for values in boxes.values()}
        images = f"{'up to ' if len(counts) > 1 else ''}{max(counts)} image{'s' if max(counts) > 1 else ''}"
        axes.set_title(f"{better} is better, {images}", fontsize=9)
        axes.tick_params(axis="x", labelrotation=35)
        for label in axes.get_xticklabels():
            label.set_horizontalalignment("right")
            label.set_rotation_mode("anchor")
        axes.grid(axis="y", color="0.9")
        axes.set_axisbelow(True)
    figure.savefig(path, format="png", dpi=120)
    return True


def draw_box(axes: Any, x: float, values: Sequence[float]) -> None:
    """One box; drawn by hand, as ``Axes.boxplot`` would load pyplot and choose a window system."""
    from matplotlib.cbook import boxplot_stats

    (box,) = boxplot_stats(np.asarray(values), whis=1.5)
    left, right, ink, accent = x - 0.3, x + 0.3, {"color": "0.1", "linewidth": 1.1}, "#c8442b"
    axes.plot([left, right, right, left, left], [box["q1"], box["q1"], box["q3"], box["q3"], box["q1"]], **ink)
    for edge, end in (("q1", "whislo"), ("q3", "whishi")):
        axes.plot([x, x], [box[edge], box[end]], **ink)
        axes.plot([x - 0.15, x + 0.15], [box[end], box[end]], **ink)
    axes.plot([left, right], [box["med"], box["med"]], color=accent, linewidth=1.7)
    axes.plot([x] * len(box["fliers"]), box["fliers"], "+", color=accent, markersize=6)


def box_groups(scores: Sequence[Score]) -> dict[tuple[str, str], dict[str, list[float]]]:
    """Finite values by measure and unit, then by structure (with its region, for pictures)."""
    groups: dict[tuple[str, str], dict[str, list[float]]] = {}
    for measure in (*MASK_MEASURES, *PICTURE_MEASURES):
        for score in scores:
            value = getattr(score, measure)
            if value is not None and np.isfinite(value) and score.structure != OVERLAP:
                unit = score.unit if measure in DISTANCE_MEASURES else ""
                name = f"{score.structure}, {score.region}" if score.region else score.structure
                groups.setdefault((measure, unit), {}).setdefault(name, []).append(value)
    return groups


def draw_panels(panels: Sequence[Panel], path: Path, *, colours: Mapping[str, Colour]) -> None:
    """Draw panels below each other into a PNG; ``colours`` (0 to 255) are those of the outlines by label."""
    figure = new_figure()
    shape = max((view.grey.shape[0] / view.grey.shape[1] for panel in panels for view in panel.views), default=1.0)
    figure.set_size_inches(10.5, len(panels) * (3.4 * min(shape, 2.0) + 0.55) + 0.4)
    parts = np.atleast_1d(figure.subfigures(len(panels), 1))
    for part, panel in zip(parts, panels, strict=True):
        part.suptitle(panel.title, fontsize=11)
        for place, view in enumerate(panel.views, start=1):
            draw_view(part.add_subplot(1, len(panel.views), place), view, colours)
    outline_legend(figure, [view for panel in panels for view in panel.views], colours)
    figure.savefig(path, format="png", dpi=130)


def outline_legend(figure: Any, views: Sequence[View], colours: Mapping[str, Colour]) -> None:
    """Say below a figure which colour is whose outline."""
    from matplotlib.lines import Line2D

    shown = dict.fromkeys(label for view in views for label in view.outlines)
    lines = [Line2D([], [], color=_share(colours[label]), label=label.replace("_", " ")) for label in shown]
    if lines:
        figure.legend(handles=lines, loc="outside lower center", ncols=min(6, len(lines)), frameon=False, fontsize=9)


def draw_view(axes: Any, view: View, colours: Mapping[str, Colour]) -> None:
    """One picture with its outlines and its caption."""
    axes.imshow(view.grey, cmap="gray", vmin=0, vmax=255)
    for label, mask in view.outlines.items():
        if mask.any() and not mask.all():
            axes.contour(mask, levels=[0.5], colors=[_share(colours[label])], linewidths=1.1)
    axes.set_title(view.caption, fontsize=9)
    axes.set_axis_off()


def _share(colour: Colour) -> tuple[float, float, float]:
    red, green, blue = colour
    # Darkened a little: light yellow would vanish on the white ground of the legend.
    return red / 255 * 0.9, green / 255 * 0.9, blue / 255 * 0.9


def new_figure() -> Any:
    """A figure of its own, without the global state of pyplot."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtra(
            "figures need matplotlib", remedy="pip install 'xprism[evaluate]', or --no-figures"
        ) from None
    return Figure(layout="constrained")
