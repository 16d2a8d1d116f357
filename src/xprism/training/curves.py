"""A picture of a training's losses, drawn from its log."""

from __future__ import annotations

import json
import math
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from xprism.errors import DataError, MissingExtra
from xprism.training.stopping import DECAY

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = {
    "adversarial": "#d55e00",
    "l1": "#009e73",
    "discriminator": "#0072b2",
    "loss": "#222222",
    "validation_loss": "#cc79a7",
    "validation_dice": "#cc79a7",
}
"""One colour a loss, told apart by colour-blind eyes as well."""
NAMES = {
    "adversarial": "GAN loss of the generator",
    "l1": "L1 loss",
    "discriminator": "loss of the discriminator",
    "loss": "loss",
    "validation_loss": "loss of validation",
    "validation_dice": "1 - Dice of validation",
}
UNDECIDED = {"discriminator": (2 * math.log(2), "2 ln 2"), "adversarial": (math.log(2), "ln 2")}
"""The losses of a discriminator that takes every patch for real at one half, as at the end of a sound training."""


def loss_curves(run_folder: Path | str) -> Path:
    """Draw the losses of a training from its ``metrics.jsonl`` into ``curves.png`` beside it; the picture's path.

    An adversarial training has three curves (GAN, L1 and discriminator), a supervised one has its loss,
    on a logarithmic axis against epochs (steps, where the log counts no epochs). Bold curves are
    exponential means with decay 0.99, free of their start at zero, over the faint losses themselves.
    A validation has a mark for each look, Dice as what it lacks to 1.
    Raises ``DataError`` where nothing is logged, ``MissingExtra`` without matplotlib.
    """
    if find_spec("matplotlib") is None:
        raise MissingExtra("drawing the loss curves needs matplotlib", remedy="pip install 'xprism[evaluate]'")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    folder = Path(run_folder)
    lines = _logged(folder / "metrics.jsonl")
    figure = Figure(figsize=(9, 5.5), dpi=120, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    _draw(axes, lines)
    partial = folder / "curves.png.partial"
    canvas.print_png(partial)  # type: ignore[no-untyped-call]
    return partial.replace(folder / "curves.png")


def smoothed(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The exponential mean of losses with decay 0.99 up to each step, free of its start at zero."""
    sums: NDArray[np.float64] = lfilter([1 - DECAY], [1, -DECAY], values)
    return sums / (1.0 - DECAY ** np.arange(1, len(values) + 1))


def _logged(log: Path) -> list[dict[str, Any]]:
    if log.is_file():
        lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines() if line]
        if lines:
            return lines
    raise DataError("no losses logged", where=str(log), remedy="give the folder of a training that has begun")


def _draw(axes: Axes, lines: list[dict[str, Any]]) -> None:
    from matplotlib.ticker import LogFormatter

    adversarial = "discriminator" in lines[-1]
    along = "epoch" if "epoch" in lines[0] else "step"
    place = np.array([line[along] for line in lines])
    for name in ("adversarial", "l1", "discriminator") if adversarial else ("loss",):
        values = np.array([line[name] for line in lines], np.float64)
        axes.plot(place, values, color=COLOURS[name], alpha=0.35, linewidth=0.6)
        axes.plot(place, smoothed(values), color=COLOURS[name], linewidth=1.8, label=NAMES[name])
        if adversarial and name in UNDECIDED:
            level, text = UNDECIDED[name]
            axes.axhline(level, color=COLOURS[name], linestyle="--", linewidth=1)
            at_the_end = axes.get_yaxis_transform()
            axes.text(1.005, level, text, color=COLOURS[name], transform=at_the_end, va="center", fontsize=9)
    for name in ("validation_loss", "validation_dice"):
        looks = [(line[along], line[name]) for line in lines if name in line]
        if looks:
            at, figures = np.array(looks, np.float64).T
            shown = 1 - figures if name == "validation_dice" else figures
            axes.plot(at, shown, "o-", color=COLOURS[name], markersize=4, linewidth=1, label=NAMES[name])
    warned = [line[along] for line in lines if "warnings" in line]
    if warned:
        top = [1.0] * len(warned)
        axes.plot(
            warned, top, "v", color="#cc0000", transform=axes.get_xaxis_transform(), clip_on=False, label="warning"
        )
    axes.set_yscale("log", nonpositive="mask")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(LogFormatter())  # 4 rather than 4 x 10^0
    axes.set_xlim(left=0, right=float(place[-1]))
    axes.set_xlabel(along)
    axes.set_ylabel("loss")
    axes.grid(which="both", alpha=0.15)
    axes.legend(loc="upper right", bbox_to_anchor=(1, 1.09), ncols=4, frameon=False)
