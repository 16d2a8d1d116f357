"""Pictures of an audit: the closest pairs, distances, belonging, and the measures of label maps."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xprism.evaluation.figures import Panel, View, draw_box, draw_panels, new_figure
from xprism.synthesis.audit.audit import Audit
from xprism.synthesis.audit.findings import Closeness
from xprism.synthesis.audit.labels import measured
from xprism.synthesis.audit.sets import FilmSet
from xprism.writers.overlay import COLOURS

PAIRS = 4
_SYNTH, _REAL, _LIMIT = "#c8442b", "#4a6fa5", "0.1"


def draw(found: Audit, synth: FilmSet, real: FilmSet, folder: Path) -> dict[str, str]:
    """Draw what there is to see into PNGs; their captions by file name."""
    captions = {
        "closest-films.png": "The samples whose films lie nearest to a real one, each beside it; outlines are those of "
        "the label maps.",
        "distances.png": "Distances to the nearest real case: samples beside honest ones. What lies left of the line "
        "counts as a copy.",
    }
    draw_pairs(found.by_films, synth, real, found.labels, folder / "closest-films.png")
    draw_distances(found, folder / "distances.png")
    if found.by_labels is not None:
        draw_pairs(found.by_labels, synth, real, found.labels, folder / "closest-labels.png")
        draw_measures(synth, real, found.labels, folder / "measures.png")
        captions["closest-labels.png"] = "The samples whose label maps lie nearest to a real one, each beside it."
        captions["measures.png"] = (
            "Areas and places of structures, in parts of the film: samples (red) beside real ones (blue)."
        )
    return captions


def draw_pairs(found: Closeness, synth: FilmSet, real: FilmSet, labels: tuple[str, ...], path: Path) -> None:
    """The closest pairs side by side, nearest first."""
    panels = []
    for sample in np.argsort(found.distance)[:PAIRS]:
        case, distance = int(found.case[sample]), found.distance[sample]
        word = ", counts as a copy" if distance < found.limit else ""
        views = tuple(
            View(caption, 255 * films.films[number], {label: films.masks[label][number] for label in labels})
            for caption, films, number in (
                (f"sample {synth.names[sample]}", synth, sample),
                (f"real {real.names[case]}", real, case),
            )
        )
        panels.append(Panel(f"distance {distance:.3f}{word}", views))
    draw_panels(panels, path, colours=COLOURS)


def draw_distances(found: Audit, path: Path) -> None:
    """Histograms of nearest distances, and of how well labels fit where they are known."""
    figure = new_figure()
    plots = [("films", found.by_films), *([("label maps", found.by_labels)] if found.by_labels else [])]
    columns = len(plots) + (found.belonging is not None)
    figure.set_size_inches(4.2 * columns, 3.2)
    for place, (word, one) in enumerate(plots, start=1):
        axes = figure.add_subplot(1, columns, place)
        _histograms(axes, {"honest": one.honest, "samples": one.distance})
        axes.axvline(one.limit, color=_LIMIT, linestyle="--", linewidth=1.2)
        axes.set_xlim(left=0)
        axes.set_xlabel(f"distance to the nearest, {word}")
    if found.belonging is not None:
        axes = figure.add_subplot(1, columns, columns)
        _histograms(axes, {"real": found.belonging[1], "samples": found.belonging[0]})
        axes.axvline(0, color=_LIMIT, linestyle="--", linewidth=1.2)
        axes.set_xlabel("fit of its own labels, 1 as in REAL, 0 foreign")
    figure.savefig(path, format="png", dpi=120)


def _histograms(axes: Any, values: Mapping[str, NDArray[Any]]) -> None:
    together = np.concatenate([*values.values()])
    bins = np.linspace(min(0.0, float(together.min())), float(together.max()) + 1e-6, 25)
    for (name, one), colour in zip(values.items(), (_REAL, _SYNTH), strict=True):
        axes.hist(one, bins=bins, weights=np.full(len(one), 1 / len(one)), color=colour, alpha=0.55, label=name)
    axes.set_ylabel("share")
    axes.legend(frameon=False, fontsize=9)


def draw_measures(synth: FilmSet, real: FilmSet, labels: tuple[str, ...], path: Path) -> None:
    """Box plots of area and place of every structure, samples beside real ones."""
    made, true = measured(synth.masks, labels), measured(real.masks, labels)
    figure = new_figure()
    figure.set_size_inches(12.6, 3.4)
    for place, kind in enumerate(("area", "row", "column"), start=1):
        axes = figure.add_subplot(1, 3, place)
        for number, label in enumerate(labels):
            for side, values, colour in ((-0.2, made, _SYNTH), (0.2, true, _REAL)):
                known = values[f"{label} {kind}"]
                known = known[np.isfinite(known)]
                if len(known):
                    _narrow_box(axes, 2 * number + side * 2, known, colour)
        axes.set_xticks([2 * number for number in range(len(labels))], [label.replace("_", " ") for label in labels])
        axes.tick_params(axis="x", labelrotation=25, labelsize=8)
        axes.set_title(kind, fontsize=10)
    figure.savefig(path, format="png", dpi=120)


def _narrow_box(axes: Any, x: float, values: NDArray[Any], colour: str) -> None:
    draw_box(axes, x, values.tolist())
    axes.axvspan(x - 0.36, x + 0.36, color=colour, alpha=0.1, linewidth=0)
