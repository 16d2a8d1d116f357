"""The figures of class maps as XNet's paper draws them, the curve of its threshold, and the films worth a look."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xprism.data.manifest import Case
from xprism.errors import XprismError
from xprism.evaluation.class_curves import ThresholdRow, pooled
from xprism.evaluation.class_measures import accuracy, auc, over, roc
from xprism.evaluation.class_rows import TEST, ClassFilm, views_of
from xprism.evaluation.class_search import ALL
from xprism.evaluation.class_tally import CONFIDENCE_RANGES, Tally
from xprism.evaluation.figures import new_figure
from xprism.protocols.classes import ClassScores
from xprism.protocols.predictions import Source
from xprism.protocols.scoring import pair
from xprism.readers import read

_INK, _RED, _BLUE, _GREEN = "#1c2330", "#c8442b", "#0b63a5", "#2a7f5f"
_LINES = (_BLUE, _GREEN, _RED, "#8a5aa8", "#b8860b", "#444444")
_AUTHORS = 0.9


@dataclass(frozen=True)
class MapPanel:
    """One film [H, W], grey 0 to 255, with its true and found class map."""

    title: str
    film: NDArray[Any]
    truth: NDArray[Any]
    found: NDArray[Any]
    labels: tuple[str, ...]


def draw_classes(scores: ClassScores, source: Source, cases: Sequence[Case], folder: Path) -> None:
    """Write ``classes.png``, a row a target, and ``class_panels.png``; nothing where no film of the test was scored."""
    shown = {name: own[TEST] for name, films in scores.films.items() if TEST in (own := views_of(films))}
    if not shown:
        return
    draw_measures(scores, shown, folder / "classes.png")
    panels = [panel for name, films in shown.items() for panel in map_panels(name, scores, source, films, cases)]
    if panels:
        draw_map_panels(panels, folder / "class_panels.png")


def draw_measures(scores: ClassScores, shown: dict[str, list[ClassFilm]], path: Path) -> None:
    """A row a target: matrix of true and found classes, ROC curves, confidence, thresholds."""
    figure = new_figure()
    figure.set_size_inches(17, 4.3 * len(shown))
    for row, (name, films) in enumerate(shown.items()):
        one, labels = pooled(films), scores.labels[name]
        axes = [figure.add_subplot(len(shown), 4, 4 * row + place) for place in range(1, 5)]
        _draw_confusion(axes[0], one, labels)
        axes[0].set_title(f"{name}, {len(films)} film{'s' if len(films) > 1 else ''} of the test", fontsize=10)
        if one.ranks is not None and one.trust is not None:
            _draw_roc(axes[1], one.ranks, labels)
            _draw_confidence(axes[2], one)
        else:
            axes[1].set_axis_off()
            axes[2].set_axis_off()
        rows = [one for one in scores.thresholds if (one.target, one.films) == (name, TEST)]
        _draw_thresholds(axes[3], [one for one in rows if one.temperature == rows[0].temperature], scores)
    figure.savefig(path, format="png", dpi=120)


def _draw_confusion(axes: Any, one: Tally, labels: Sequence[str]) -> None:
    shares = over(one.confusion, one.confusion.sum(1, keepdims=True))
    axes.imshow(shares, cmap="viridis", vmin=0, vmax=1)
    for true, found in np.ndindex(*shares.shape):
        bright = shares[true, found] > 0.6
        text = "-" if np.isnan(shares[true, found]) else f"{shares[true, found]:.2f}"
        axes.text(found, true, text, ha="center", va="center", color="black" if bright else "white", fontsize=11)
    names = _words(labels)
    axes.set_xticks(range(len(names)), names, fontsize=9)
    axes.set_yticks(range(len(names)), names, fontsize=9, rotation=90, va="center")
    axes.set_xlabel("found")
    axes.set_ylabel("true")


def _draw_roc(axes: Any, ranks: NDArray[Any], labels: Sequence[str]) -> None:
    for k, (name, area) in enumerate(zip(_words(labels), auc(ranks), strict=True)):
        _, fpr, tpr = roc(ranks[k])
        axes.plot(fpr, tpr, color=_LINES[k % len(_LINES)], label=f"{name}, AUC {area:.3f}")
    axes.plot([0, 1], [0, 1], ":", color="0.6", linewidth=1)
    axes.set_xlabel("false positive rate, FP / (FP + TN)")
    axes.set_ylabel("true positive rate")
    axes.set_title("each class against the rest", fontsize=10)
    axes.grid(color="0.92")
    axes.legend(fontsize=8, loc="lower right")


def _draw_confidence(axes: Any, one: Tally) -> None:
    assert one.trust is not None
    pixels, sure, _ = one.trust.sum(1)
    ends = np.arange(CONFIDENCE_RANGES + 1) / CONFIDENCE_RANGES
    axes.bar(
        ends[:-1], pixels / pixels.sum(), width=1 / CONFIDENCE_RANGES, align="edge", color="#b7c4d6", edgecolor="w"
    )
    mean, right = float(sure.sum() / pixels.sum()), float(accuracy(one.confusion))
    axes.axvline(mean, color=_INK, linestyle="--", label=f"mean confidence {mean:.3f}")
    axes.axvline(right, color=_RED, label=f"accuracy {right:.3f}")
    axes.set_xlim(0, 1)
    axes.set_xlabel("probability of the class that was found")
    axes.set_ylabel("share of the pixels")
    axes.set_title("confidence", fontsize=10)
    axes.legend(fontsize=8, loc="upper left")


def _draw_thresholds(axes: Any, rows: Sequence[ThresholdRow], scores: ClassScores) -> None:
    if not rows:
        axes.set_axis_off()
        return
    thresholds = [row.threshold for row in rows]
    label, temperature = rows[0].label.replace("_", " "), rows[0].temperature
    for name, colour, words in (
        ("tpr", _GREEN, "true positive rate"),
        ("fdr", _RED, "false positives, share of what is found (authors)"),
        ("fpr", _BLUE, "false positives, share of what is not it"),
    ):
        axes.plot(thresholds, [getattr(row, name) for row in rows], color=colour, label=words)
    axes.axvline(_AUTHORS, color="0.6", linewidth=1, linestyle=":", label="0.90, the paper's")
    key = (rows[0].target, temperature, ALL)
    for chosen in scores.searched:
        if (chosen.target, chosen.temperature, chosen.body_part) == key and chosen.threshold is not None:
            words = f"{chosen.threshold:g}, chosen to keep {chosen.wanted_fdr:g}"
            axes.axvline(chosen.threshold, color=_INK, linewidth=1, linestyle="--", label=words)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.02)
    axes.set_xlabel(f"threshold of {label}")
    axes.set_title(f"{label} only where it is likelier than a threshold", fontsize=10)
    axes.grid(color="0.92")
    axes.legend(fontsize=7, loc="best")


def map_panels(
    name: str, scores: ClassScores, source: Source, films: Sequence[ClassFilm], cases: Sequence[Case]
) -> Iterator[MapPanel]:
    """The films of the best, the middle and the worst accuracy, as far as there are so many."""
    by_case = {case.case: case for case in cases}
    right = {film.case: float(accuracy(next(iter(film.tallies.values())).confusion)) for film in films}
    ranked = sorted(films, key=lambda film: -right[film.case])
    places = {len(ranked) - 1: "worst", len(ranked) // 2: "middle", 0: "best"}
    for place in sorted(places):
        film = ranked[place]
        case = by_case[film.case]
        try:
            both = pair(case, source, case.load_truth())
            shown = read(case.film, polarity=case.attributes.get("polarity", "auto")).viewed()
        except XprismError:
            continue  # the film itself may not be at hand
        part = f", {film.part.replace('_', ' ')}" if film.part else ""
        title = f"{places[place]}: {film.case}{part}, accuracy {right[film.case]:.3f}"
        made = both.prediction.classes[name]
        yield MapPanel(title, shown, both.truth[name], scores.index_of(made), made.target.labels)


def draw_map_panels(panels: Sequence[MapPanel], path: Path) -> None:
    """Film, true and found classes below each other into a PNG, in the colours of the paper's figures."""
    from matplotlib import colormaps
    from matplotlib.patches import Patch

    figure = new_figure()
    shape = max(panel.film.shape[0] / panel.film.shape[1] for panel in panels)
    figure.set_size_inches(10.5, len(panels) * (3.4 * min(shape, 2.0) + 0.55) + 0.4)
    parts = np.atleast_1d(figure.subfigures(len(panels), 1))
    for part, panel in zip(parts, panels, strict=True):
        part.suptitle(panel.title, fontsize=11)
        axes = [part.add_subplot(1, 3, place) for place in (1, 2, 3)]
        axes[0].imshow(panel.film, cmap="gray", vmin=0, vmax=255)
        for one, index in zip(axes[1:], (panel.truth, panel.found), strict=True):
            one.imshow(index, cmap="viridis", vmin=0, vmax=len(panel.labels) - 1, interpolation="nearest")
        for one, words in zip(axes, ("film", "true", "found"), strict=True):
            one.set_title(words, fontsize=9)
            one.set_axis_off()
    labels = max((panel.labels for panel in panels), key=len)
    colours = colormaps["viridis"](np.linspace(0, 1, len(labels)))
    patches = [Patch(color=colour, label=word) for colour, word in zip(colours, _words(labels), strict=True)]
    figure.legend(handles=patches, loc="outside lower center", ncols=min(6, len(patches)), frameon=False, fontsize=9)
    figure.savefig(path, format="png", dpi=130)


def _words(labels: Sequence[str]) -> list[str]:
    return [label.replace("_", " ") for label in labels]
