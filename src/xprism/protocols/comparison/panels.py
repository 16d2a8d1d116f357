"""Which films a comparison shows, and what each run's model makes of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xprism.data.manifest import Case
from xprism.errors import DataError, XprismError
from xprism.evaluation.figures import View
from xprism.evaluation.scores import grey_levels, true_levels
from xprism.evaluation.summary import case_means
from xprism.grid import resize
from xprism.protocols.comparison.figures import GridRow
from xprism.protocols.comparison.runs import RunFolder, shared_cases
from xprism.protocols.predictions import ModelSource
from xprism.protocols.scoring import Pair, pair
from xprism.readers import read

SUBJECTS = 4
COLUMNS = 4
_FIGURE_9 = ("pix2pix ST", "U-Net (authors)", "pix2pix MT", "pix2pix MTdG")
_SIDE = 384


class Shown:
    """Predicts cases of runs, each with the model of the fold that held it out; notes what could not be predicted."""

    def __init__(self) -> None:
        self._causes: dict[tuple[str, str], set[str]] = {}
        self._models: dict[Path, ModelSource] = {}
        self._made: dict[tuple[Path, str], Pair | None] = {}

    def pair(self, run: RunFolder, case: str) -> Pair | None:
        """Truth and prediction of a case on its film's grid; None where film or model is not at hand."""
        key = run.folder, case
        if key not in self._made:
            try:
                self._made[key] = self._predict(run, case)
            except XprismError as error:
                self._made[key] = None
                self._causes.setdefault((run.label, error.what), set()).add(case)
        return self._made[key]

    @property
    def problems(self) -> list[str]:
        """Why films are not shown, a sentence a run and cause."""
        return [
            f"{run}: {cause} ({', '.join(sorted(cases)[:3])}{' and more' if len(cases) > 3 else ''})"
            for (run, cause), cases in self._causes.items()
        ]

    def _predict(self, run: RunFolder, name: str) -> Pair:
        fold = run.fold_of.get(name)
        if fold is None:
            raise DataError("no fold is known to have held it out")
        if fold not in self._models:
            self._models[fold] = ModelSource(str(fold / "model"), runtime="onnx", clean=False, force=True)
        case = _case(run, name)
        return pair(case, self._models[fold], case.load_truth())


def best_and_worst(run: RunFolder, shown: Shown) -> tuple[list[str], list[GridRow]]:
    """Heads and rows of a run's best and worst film by mean Dice and by RMSE: the paper's figures 3 and 5."""
    heads = ["input"]
    heads += ["masks", "masks, target"] if run.structures else []
    for name in run.pictures:
        heads += [name.replace("_", " "), f"{name.replace('_', ' ')}, target"]
    rows = []
    for words, name in _ends_of(run):
        both = shown.pair(run, name)
        if both is not None:
            film = _film(both.case)
            views = [View("", film)]
            if run.structures:
                views += [_outlined(film, both.prediction.masks, run), _outlined(film, both.truth, run)]
            for picture in run.pictures:
                views += _pictures(both, picture)
            if len(views) == len(heads):
                rows.append(GridRow(words, tuple(map(_shrunk, views))))
    return heads, rows


def four_subjects(runs: Sequence[RunFolder], shown: Shown, *, picture: str = "") -> tuple[list[str], list[GridRow]]:
    """Heads and rows of four films by input, target and up to four runs: the paper's figure 9.

    With a ``picture`` its results are shown, else the masks. Films lie evenly between the best and the worst
    one, by the mean over the shown runs; only films that all of them held out. Empty where there are none.
    """
    able = [run for run in runs if (picture in run.pictures if picture else run.structures)]
    able = sorted(able, key=_place_in_figure)[:COLUMNS]
    rows = []
    for name in _spread_out(able, picture):
        pairs = [shown.pair(run, name) for run in able]
        known = [both for both in pairs if both is not None]
        if len(known) == len(able):
            film = _film(known[0].case)
            if picture:
                made = [_pictures(both, picture) for both in known]
                views = [made[0][1], *(views[0] for views in made)] if all(map(len, made)) else []
            else:
                masks = [_outlined(film, both.prediction.masks, run) for both, run in zip(known, able, strict=True)]
                views = [_outlined(film, known[0].truth, able[0]), *masks]
            if views:
                rows.append(GridRow(name, tuple(map(_shrunk, [View("", film), *views]))))
    return ["input", "target", *(run.label for run in able)], rows


def _place_in_figure(run: RunFolder) -> int:
    system = run.facts.system or ""
    return _FIGURE_9.index(system) if system in _FIGURE_9 else len(_FIGURE_9)


def _spread_out(runs: Sequence[RunFolder], picture: str) -> list[str]:
    if not runs:
        return []
    cases = set.intersection(*({*shared_cases(runs[0], run)} for run in runs))
    totals = dict.fromkeys(cases, 0.0)
    for run in runs:
        means = _means(run, picture)
        totals = {case: total + means[case] for case, total in totals.items() if case in means}
    ordered = sorted(totals, key=lambda case: (totals[case], case), reverse=not picture)
    places = np.unique(np.linspace(0, len(ordered) - 1, SUBJECTS).round().astype(int))
    return [ordered[place] for place in places] if ordered else []


def _means(run: RunFolder, picture: str) -> dict[str, float]:
    return case_means(run.scores, "rmse", [picture]) if picture else case_means(run.scores, "dice", run.structures)


def _ends_of(run: RunFolder) -> Iterator[tuple[str, str]]:
    """Words and case of the best and the worst film by mean Dice, then by RMSE of each picture."""
    for picture in (*([""] if run.structures else []), *run.pictures):
        means = _means(run, picture)
        ordered = sorted(means, key=lambda case: means[case], reverse=not picture)
        measure, digits = ("RMSE", 2) if picture else ("Dice", 3)
        if ordered:
            yield f"best {measure} {means[ordered[0]]:.{digits}f}\n{ordered[0]}", ordered[0]
        if len(ordered) > 1:
            yield f"worst {measure} {means[ordered[-1]]:.{digits}f}\n{ordered[-1]}", ordered[-1]


def _pictures(both: Pair, picture: str) -> list[View]:
    """The made and the true picture; empty where either is not known."""
    if picture not in both.prediction.pictures:
        return []
    target, values = both.prediction.pictures[picture]
    real = true_levels(target, both.truth)
    return [] if real is None else [View("", grey_levels(values, target)), View("", real)]


def _outlined(film: NDArray[Any], masks: Mapping[str, NDArray[Any]], run: RunFolder) -> View:
    return View("", film, {label: masks[label] for label in run.structures if label in masks})


def _film(case: Case) -> NDArray[np.uint8]:
    return read(case.film, polarity=case.attributes.get("polarity", "auto")).viewed()


def _case(run: RunFolder, name: str) -> Case:
    return next(case for case in run.cases if case.case == name)


def _shrunk(view: View) -> View:
    """The same view with its long side at most 384 pixels, so that a report stays small."""
    rows, columns = view.grey.shape
    share = _SIDE / max(rows, columns)
    if share >= 1:
        return view
    size = max(1, round(rows * share)), max(1, round(columns * share))
    outlines = {label: resize(mask.astype(np.float32), size) >= 0.5 for label, mask in view.outlines.items()}
    return View(view.caption, resize(view.grey, size), outlines)
