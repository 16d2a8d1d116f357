"""Bone-suppressed pictures measured case by case beside doing nothing and beside the best linear filter."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xprism.data.manifest import Case
from xprism.errors import DataError, XprismError
from xprism.evaluation.bone_rows import (
    BoneMean,
    BoneRow,
    NoduleRegion,
    NoduleRow,
    bone_means,
    bone_row,
    nodule_rows,
    pair_measures,
)
from xprism.evaluation.modulation import LINE_PAIRS_PER_CM, Modulation, modulation_kept
from xprism.evaluation.registration import Shift
from xprism.evaluation.tables import read_csv
from xprism.png import save_png
from xprism.protocols.bone_filters import PICTURE, Filters, Laid, group_of, on_film, smaller
from xprism.protocols.predictions import ModelSource, Source
from xprism.protocols.scoring import Pair, spacing_of
from xprism.targets import Picture

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

MODULATION_FILMS = 8
"""So many films have their modulation measured, as that calls the model nine times a film."""

_SEED = 0


def read_regions(path: Path) -> tuple[NoduleRegion, ...]:
    """Nodules of a table with the columns case, row, column and diameter_mm; others are passed over."""
    return tuple(read_csv(path, NoduleRegion))


class BoneSuppression:
    """Measures the pictures of cases one by one; what could not be measured, and why, is kept as notes."""

    def __init__(self, cases: Sequence[Case], source: Source, *, nodules: Sequence[NoduleRegion] = ()) -> None:
        self.rows: list[BoneRow] = []
        self.nodules: list[NoduleRow] = []
        self.notes: dict[str, list[str]] = {}
        self._source, self._filters = source, Filters(cases)
        self._modulated = 0
        self._regions: dict[str, list[NoduleRegion]] = {}
        for nodule in nodules:
            self._regions.setdefault(nodule.case, []).append(nodule)
        for stranger in sorted(self._regions.keys() - {case.case for case in cases}):
            self._note("nodules of a case that the manifest does not have", stranger)

    @cached_property
    def means(self) -> list[BoneMean]:
        """What all cases come to; asked for when all are measured."""
        return bone_means(self.rows, self.nodules, seed=_SEED)

    @property
    def touched(self) -> bool:
        """Whether there was anything to measure, or to say why not."""
        return bool(self.rows or self.nodules or self.notes)

    @property
    def record(self) -> dict[str, Any]:
        """Means and notes as JSON knows them: what is not finite is null."""

        def plain(value: Any) -> Any:
            return None if isinstance(value, float) and not np.isfinite(value) else value

        return {
            "means": [{key: plain(value) for key, value in vars(mean).items()} for mean in self.means],
            "not_measured": [{"why": why, "cases": cases} for why, cases in self.notes.items()],
        }

    def add(self, both: Pair) -> None:
        """Measure one case where truth and prediction have what it takes; never raises an ``XprismError``."""
        case, found = both.case, both.prediction.pictures.get(PICTURE)
        regions = self._regions.get(case.case, [])
        if found is None and regions:
            self._note(f"nodules, as the prediction has no picture {PICTURE}", case.case)
        if found is None or not (regions or PICTURE in both.truth):
            return
        try:
            self._measure(both, display_of(*found), regions)
        except XprismError as error:
            self._note("; ".join(part for part in (error.what, error.remedy) if part), case.case)

    def finish(self) -> None:
        """Note the nodules of cases that were never reached, because they were not scored."""
        seen = {row.case for row in self.nodules}.union(*self.notes.values())
        for case in sorted(self._regions.keys() - seen):
            self._note("nodules of a case that was not scored", case)

    def _measure(self, both: Pair, picture: Floats, regions: Sequence[NoduleRegion]) -> None:
        case = both.case
        film, truth = on_film(case, both.truth)
        if picture.shape != film.shape:
            raise DataError("the picture does not have the film's size")
        target = None
        if PICTURE in truth:
            laid = Laid.of(film, truth[PICTURE], truth["lungs"])
            self._measure_pair(case, laid, smaller(picture, laid.scale), truth.get("bones"))
            target = laid.shift_on_film.apply(truth[PICTURE])[0]
        stated = spacing_of(case, both.prediction)
        spacing_mm = None if stated is None else float(np.sqrt(stated[0] * stated[1]))
        if regions and spacing_mm is None:
            self._note("nodules, as the pixel spacing is not known: give spacing_mm in the manifest", case.case)
        elif regions and spacing_mm is not None:
            about: dict[str, Any] = {"film": film, "picture": picture, "lungs": truth["lungs"], "subject": case.subject}
            self.nodules += nodule_rows(regions, truth=target, spacing_mm=spacing_mm, **about)
        if target is not None and "bones" in truth:
            self._measure_modulation(case, film, picture, truth | {PICTURE: target}, spacing_mm)

    def _measure_pair(self, case: Case, laid: Laid, picture: Floats, bones: Mask | None) -> None:
        made = {"nothing": laid.film, "picture": picture}
        linear = self._filters.of(case)
        if linear is None:
            group = f"group {group_of(case)!r}" if group_of(case) else "the manifest"
            self._note(f"the linear filter, as {group} has no other subject's pair to fit it on", case.case)
        else:
            made["linear_filter"] = linear.apply(laid.film, inside=laid.lungs)
        small = None if bones is None else smaller(bones, laid.scale)
        for measure, values in pair_measures(made, laid.target, lungs=laid.lungs, bones=small):
            self._row(case, measure, values, laid.shift_on_film)

    def _measure_modulation(
        self, case: Case, film: Floats, picture: Floats, truth: Mapping[str, NDArray[Any]], spacing_mm: float | None
    ) -> None:
        """What is kept outside bones on the first films; of the others it is left out."""
        if self._modulated == MODULATION_FILMS:
            return
        if not isinstance(self._source, ModelSource):
            self._note("the modulation kept, which needs the model itself", case.case)
        elif spacing_mm is None:
            self._note("the modulation kept, as the pixel spacing is not known", case.case)
        else:
            try:
                found = _modulation(self._source, case, film, picture, truth, spacing_mm)
            except XprismError as error:
                self._note(f"the modulation kept: {error.what}", case.case)
                return
            self._modulated += 1
            for one in found:
                values = {"nothing": 1.0, "picture": one.kept}
                self._row(case, f"modulation_{one.line_pairs_per_cm:g}_per_cm", values, None)
            if len(found) < len(LINE_PAIRS_PER_CM):
                self._note("the modulation kept at frequencies of less than 4 pixels a period", case.case)

    def _row(self, case: Case, measure: str, values: Mapping[str, float], shift: Shift | None) -> None:
        about = {"case": case.case, "subject": case.subject, "group": group_of(case)}
        self.rows.append(bone_row(measure, values, shift=shift, **about))

    def _note(self, why: str, case: str) -> None:
        self.notes.setdefault(why, []).append(case)


def _modulation(
    source: ModelSource,
    case: Case,
    film: Floats,
    picture: Floats,
    truth: Mapping[str, NDArray[Any]],
    spacing_mm: float,
) -> tuple[Modulation, ...]:
    """Modulation kept in the lungs outside bones, by films that go to the model as 16-bit files.

    The contrast of the whole is free, as it is in every measure: the picture's is that of the target where no bone is.
    """
    lungs, bones = truth["lungs"], truth["bones"]
    frequencies = [one for one in LINE_PAIRS_PER_CM if one <= 10 / (4 * spacing_mm)] or [min(LINE_PAIRS_PER_CM)]
    clear = lungs & ~bones
    if not clear.any():
        raise DataError("bones cover the lungs")
    gain = float(np.polyfit(picture[clear], truth[PICTURE][clear], 1)[0])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "film.png"
        changed = replace(case, film=path, attributes=case.attributes | {"polarity": "display"})

        def method(levels: Floats) -> Floats:
            stored = np.rint(np.clip(levels / 255, 0, 1) * 65535).astype(np.uint16)
            save_png(stored, path)
            return gain * display_of(*source(changed).pictures[PICTURE])

        return modulation_kept(
            method, film, inside=lungs, bones=bones, spacing_mm=spacing_mm, line_pairs_per_cm=frequencies
        )


def display_of(target: Picture, values: NDArray[Any]) -> Floats:
    """A picture in the units of its target as grey levels 0 to 255 [H, W], as fine as it is written."""
    low, high = target.range
    steps = 65535 if values.ndim == 2 else 255
    share = np.rint(np.clip((values - low) / (high - low), 0, 1) * steps).astype(np.float64) / steps * 255
    return share if share.ndim == 2 else np.asarray(share.mean(-1))
