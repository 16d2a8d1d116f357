"""The figures of findings: free-response curves, sensitivity by kind of lesion, and the films worth a look."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from xprism.data.manifest import Case
from xprism.errors import XprismError
from xprism.evaluation.figures import Panel, View, draw_panels, new_figure
from xprism.evaluation.froc import RATES, froc
from xprism.evaluation.lesion_matching import RULES, Square
from xprism.evaluation.lesion_rows import LesionRow, groups_of
from xprism.evaluation.lesion_summary import findings_by_film
from xprism.protocols.lesions import LesionScores
from xprism.readers import read

CURVES = {"all": "#1c2330", "in lungs": "#0b63a5", "outside lungs": "#c8442b"}
COLOURS = {"known": (0, 200, 150), "finding": (245, 165, 40)}

_AT = "1"
_CLOSE_PX = 24


def draw_lesions(scores: LesionScores, cases: Sequence[Case], folder: Path) -> None:
    """Write ``froc.png`` and ``lesions.png``; what there is nothing to draw of is left out."""
    labels = dict.fromkeys(film.label for film in scores.films if film.lesions)
    if labels:
        draw_froc(scores, list(labels), folder / "froc.png")
    panels = list(lesion_panels(scores, {case.case: case for case in cases}))
    if panels:
        draw_panels(panels, folder / "lesions.png", colours=COLOURS)


def draw_froc(scores: LesionScores, labels: Sequence[str], path: Path) -> None:
    """A row a label: its curves with 95 % intervals, and the sensitivity by group at one false finding a film."""
    figure = new_figure()
    figure.set_size_inches(11, 4.4 * len(labels) + 0.7)
    for place, label in enumerate(labels):
        _draw_curves(figure.add_subplot(len(labels), 2, 2 * place + 1), scores, label)
        _draw_groups(figure.add_subplot(len(labels), 2, 2 * place + 2), scores, label)
    words = f"Rule: {RULES[scores.rule]}. Bars: 95 % bootstrap interval over patients."
    figure.supxlabel("\n".join(textwrap.wrap(words, 130)), fontsize=8)
    figure.savefig(path, format="png", dpi=120)


def _draw_curves(axes: Any, scores: LesionScores, label: str) -> None:
    films = [film for film in scores.films if film.label == label]
    rows = [row for row in scores.rows if row.label == label]
    for nudge, group in enumerate(group for group in groups_of(films, rows) if group.name in CURVES):
        curve = froc(findings_by_film(group, films, rows))
        read_off = [r for r in scores.froc if (r.label, r.group) == (label, group.name) and r.threshold is not None]
        colour = CURVES[group.name]
        first, last = RATES[0] / 2, curve.sensitivity[-1] if curve.sensitivity.size else 0.0
        x = [first, *np.maximum(curve.false_per_film, first), RATES[-1]]
        axes.step(x, [0.0, *curve.sensitivity, last], where="post", color=colour)
        x = [float(row.at_false_per_film) * (1 + 0.03 * nudge) for row in read_off]
        low, high = ([getattr(row, f"interval_{end}") for row in read_off] for end in ("low", "high"))
        axes.vlines(x, low, high, color=colour, linewidth=1, alpha=0.7)
        lesions = read_off[0].lesions if read_off else 0
        axes.plot(x, [row.sensitivity for row in read_off], "o", color=colour, markersize=4)
        axes.plot([], [], color=colour, label=f"{group.name} ({lesions} lesions)")
    axes.set_xscale("log", base=2)
    axes.set_xticks(RATES, ["1/8", "1/4", "1/2", "1", "2", "4", "8"])
    axes.set_xlim(RATES[0] / 2, RATES[-1] * 1.15)
    axes.set_ylim(-0.02, 1.02)
    axes.set_xlabel("false findings a film")
    axes.set_ylabel("sensitivity")
    axes.set_title(f"{label.replace('_', ' ')}, {len(films)} films", fontsize=10)
    axes.grid(color="0.9")
    axes.legend(fontsize=8, loc="upper left")


def _draw_groups(axes: Any, scores: LesionScores, label: str) -> None:
    rows = [row for row in scores.froc if row.label == label and row.at_false_per_film == _AT]
    shown = [row for row in rows if not row.group.startswith(("films", "fold"))]
    for place, row in enumerate(shown):
        axes.vlines(place, row.interval_low, row.interval_high, color="0.1", linewidth=1)
        axes.plot(place, row.sensitivity, "o", color="#c8442b", markersize=5)
    names = [f"{row.group} ({row.lesions})" for row in shown]
    axes.set_xticks(range(len(shown)), names, fontsize=8, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_ylim(-0.02, 1.02)
    axes.set_ylabel("sensitivity")
    axes.set_title(f"at no more than {_AT} false finding a film", fontsize=10)
    axes.grid(axis="y", color="0.9")


def lesion_panels(scores: LesionScores, cases: dict[str, Case]) -> Iterator[Panel]:
    """The surest hit, the surest false finding and the most obvious lesion that was missed: whole film and close up."""

    def sure(row: LesionRow) -> float:
        return row.score or 0.0

    def obvious(row: LesionRow) -> tuple[float, float]:
        return row.subtlety or 0, row.lesion_diameter_mm or 0.0

    for words, outcome, key in (
        ("surest hit", "hit", sure),
        ("surest false finding", "false", sure),
        ("most obvious lesion missed", "missed", obvious),
    ):
        rows = [row for row in scores.rows if row.outcome == outcome]
        if rows:
            worst = max(rows, key=key)
            try:
                yield _panel(words, worst, scores, cases[worst.case])
            except XprismError:
                continue  # the film itself may not be at hand


def _panel(words: str, chosen: LesionRow, scores: LesionScores, case: Case) -> Panel:
    film = read(case.film, polarity=case.attributes.get("polarity", "auto")).viewed()
    rows = [row for row in scores.rows if (row.case, row.label) == (chosen.case, chosen.label)]
    known, found = np.zeros((2, *film.shape[:2]), bool)
    spacing, largest = case.load_spacing(), 0.0
    for row in rows:
        if row.lesion_row is not None and row.lesion_column is not None and row.lesion_diameter_mm and spacing:
            sides = row.lesion_diameter_mm / spacing[0], row.lesion_diameter_mm / spacing[1]
            largest = max(largest, *sides)
            top, left, bottom, right = (max(0, round(v)) for v in Square(row.lesion_row, row.lesion_column, *sides).box)
            known[top:bottom, left:right] = True
        if row.top is not None and row.reported:
            found[row.top : row.bottom, row.left : row.right] = True
    boxes = {"known": known, "finding": found}
    at = (chosen.row, chosen.column) if chosen.row is not None else (chosen.lesion_row, chosen.lesion_column)
    close = _close_up(film.shape[:2], (at[0] or 0.0, at[1] or 0.0), largest)
    score = "" if chosen.score is None else f", score {chosen.score:.2f}"
    subtlety = "" if chosen.subtlety is None else f", subtlety {chosen.subtlety}"
    views = (
        View("film", film, boxes),
        View("close up", film[close]),
        View("close up, boxes", film[close], {name: box[close] for name, box in boxes.items()}),
    )
    return Panel(f"{words}: {chosen.case}{score}{subtlety}", views)


def _close_up(film: tuple[int, int], at: tuple[float, float], largest: float) -> tuple[slice, slice]:
    """A window about a position, moved inside the film: a quarter of its shorter side, or twice the ``largest`` box."""
    side = min(*film, round(max(_CLOSE_PX, min(film) / 4, 2 * largest)))
    starts = [int(min(max(0, middle - side / 2), length - side)) for middle, length in zip(at, film, strict=True)]
    rows, columns = (slice(start, start + side) for start in starts)
    return rows, columns
