"""How the trainings of a multi-stage protocol went: a row a look, and one figure of all."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class LookRow:
    """One look at a training: its mean loss since the look before, and the loss on films that do not train."""

    column: str
    step: int
    loss: float
    validation_loss: float | None


def look_rows(column: str, run: Path) -> list[LookRow]:
    """The looks of a training by its ``metrics.jsonl``; of one without any look its last step."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines() if line]
    rows, since = list[LookRow](), list[float]()
    for line in lines:
        since.append(line["loss"])
        if "validation_loss" in line or (line is lines[-1] and not rows):
            rows.append(LookRow(column, line["step"], float(np.mean(since)), line.get("validation_loss")))
            since = []
    return rows


def draw_looks(rows: Mapping[str, Sequence[LookRow]], path: Path) -> None:
    """Draw the losses of all columns: in training as lines, on films that do not train as dots."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 5.5), dpi=120, layout="constrained")
    canvas, axes = FigureCanvasAgg(figure), figure.add_subplot()
    for number, (column, looks) in enumerate(rows.items()):
        colour, steps = f"C{number}", [look.step for look in looks]
        axes.plot(steps, [look.loss for look in looks], color=colour, label=column)
        seen = [(look.step, look.validation_loss) for look in looks if look.validation_loss is not None]
        if seen:
            axes.plot(*zip(*seen, strict=True), "o", color=colour, markersize=4)
    axes.set_yscale("log")
    axes.set_xlabel("step")
    axes.set_ylabel("cross-entropy: lines in training, dots on drawn films that do not train")
    axes.grid(which="both", alpha=0.15)
    axes.legend(frameon=False, ncols=4)
    partial = path.with_name(path.name + ".partial")
    canvas.print_png(partial)  # type: ignore[no-untyped-call]
    partial.replace(path)
