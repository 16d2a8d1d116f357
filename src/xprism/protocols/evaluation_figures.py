"""The figures of an evaluation: which cases are shown, and what is drawn of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from xprism.data.manifest import Case
from xprism.errors import XprismError
from xprism.evaluation.figures import Panel, View, draw_boxplots, draw_panels
from xprism.evaluation.scores import grey_levels, true_levels
from xprism.evaluation.summary import averaged, case_means
from xprism.protocols.evaluate import Evaluation
from xprism.protocols.lesion_figures import draw_lesions
from xprism.protocols.scoring import pair
from xprism.readers import read
from xprism.writers.overlay import colour_of


def draw(found: Evaluation, folder: Path) -> None:
    """Write ``boxplots.png``, ``panels.png`` and the figures of lesions, as far as there is something to draw."""
    draw_boxplots(found.scores, folder / "boxplots.png")
    draw_lesions(found.lesions, found.cases, folder)
    panels = [*mask_panels(found), *picture_panels(found)]
    if panels:
        labels = tuple(dict.fromkeys(label for panel in panels for view in panel.views for label in view.outlines))
        draw_panels(panels, folder / "panels.png", colours={label: colour_of(label, labels) for label in labels})


def mask_panels(found: Evaluation) -> Iterator[Panel]:
    """The best and the worst case by mean Dice: film, reference and predicted outlines."""
    shown = averaged(found.scores, found.source.unions)
    means = case_means(found.scores, "dice", shown)
    for word, name in _ends(means, higher_is_better=True):
        case = _case(found, name)
        try:
            film = read(case.film, polarity=case.attributes.get("polarity", "auto")).viewed()
            both = pair(case, found.source, case.load_truth())
        except XprismError:
            continue  # the film itself may not be at hand
        truth, made = both.truth, both.prediction.masks
        labels = [label for label in shown if label in truth and label in made]
        views = (
            View("film", film),
            View("reference", film, {label: truth[label] for label in labels}),
            View("prediction", film, {label: made[label] for label in labels}),
        )
        yield Panel(f"{word}: {name}, mean Dice {means[name]:.3f}", views)


def picture_panels(found: Evaluation) -> Iterator[Panel]:
    """The best and the worst case of each picture by RMSE of the frame: film, made and real picture."""
    for structure in dict.fromkeys(score.structure for score in found.scores if score.region):
        means = case_means(found.scores, "rmse", [structure])
        for word, name in _ends(means, higher_is_better=False):
            case = _case(found, name)
            try:
                film = read(case.film, polarity=case.attributes.get("polarity", "auto")).viewed()
                both = pair(case, found.source, case.load_truth())
            except XprismError:
                continue
            target, values = both.prediction.pictures[structure]
            real = true_levels(target, both.truth)
            if real is not None:
                views = View("film", film), View("made", grey_levels(values, target)), View("real", real)
                what = structure.replace("_", " ")
                yield Panel(f"{word}: {name}, {what}, RMSE {means[name]:.2f} grey levels", views)


def _ends(means: Mapping[str, float], *, higher_is_better: bool) -> Iterator[tuple[str, str]]:
    """``best`` and ``worst`` with their case; a single case is both."""
    ordered = sorted(means, key=lambda case: means[case], reverse=higher_is_better)
    if len(ordered) == 1:
        yield "only case", ordered[0]
    elif ordered:
        yield "best", ordered[0]
        yield "worst", ordered[-1]


def _case(found: Evaluation, name: str) -> Case:
    return next(case for case in found.cases if case.case == name)
