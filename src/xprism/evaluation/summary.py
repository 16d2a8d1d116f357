"""What the scores of many cases come to: means over images, pooled counts, spreads and intervals."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from functools import reduce
from operator import add
from typing import Any

import numpy as np

from xprism.evaluation.cases import OVERLAP
from xprism.evaluation.interval import mean_interval
from xprism.evaluation.scores import DISTANCE_MEASURES, MASK_MEASURES, OVERLAP_MEASURES, PICTURE_MEASURES, Score

AVERAGE = "average"
"""Structure of the rows that are means over the structures of each image."""

NAN = float("nan")


@dataclass(frozen=True)
class SummaryRow:
    """One measure of one structure over all images.

    ``mean_over_images`` with its 95 % interval, sample standard deviation (n - 1), median, 5th and
    95th percentile, and the ends are over the ``n`` images where the measure is defined; ``undefined``
    counts scored images where it is not, ``missing`` images whose truth is known but that were not
    scored. ``pooled`` is the measure of the counts summed over all pixels of the test set, None for
    what has no counts.
    """

    structure: str
    region: str
    measure: str
    unit: str
    mean_over_images: float
    interval_low: float
    interval_high: float
    std: float
    median: float
    percentile_5: float
    percentile_95: float
    min: float
    max: float
    n: int
    undefined: int
    missing: int
    pooled: float | None = None


def summarise(
    scores: Sequence[Score],
    *,
    unions: Mapping[str, Sequence[str]],
    expected: Mapping[str, AbstractSet[str]],
    generator: np.random.Generator,
) -> list[SummaryRow]:
    """Every measure of every structure, of the average over structures and of every picture.

    ``expected`` names, case by case, what its truth knows. The average of an image is the mean over
    ``averaged`` structures; images that lack one of them are no part of it. ``generator`` draws the
    bootstrap samples of the intervals.
    """
    missing = _missing(scores, expected)
    masks = [score for score in scores if not score.region]
    parts = averaged(masks, unions)
    rows = list(_mask_rows(masks, missing, generator))
    means, lacking = _averages(masks, parts, expected)
    by_part = [row for row in rows if row.structure in parts]
    for row in _mask_rows(means, {AVERAGE: lacking}, generator):
        pooled = [one.pooled for one in by_part if one.measure == row.measure and one.pooled is not None]
        rows.append(replace(row, pooled=float(np.mean(pooled)) if pooled else None))
    for structure, region in dict.fromkeys((one.structure, one.region) for one in scores if one.region):
        those = [one for one in scores if (one.structure, one.region) == (structure, region)]
        lost = missing.get(structure, 0) if region == "frame" else 0
        rows += [_row(those, measure, "", lost, generator) for measure in PICTURE_MEASURES]
    return rows


def averaged(scores: Iterable[Score], unions: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """The structures that an average is taken over.

    All that were scored, less the overlap of heart and lungs and less unions whose members were scored.
    """
    scored = dict.fromkeys(score.structure for score in scores if not score.region)
    doubled = {union for union, labels in unions.items() if set(labels) <= scored.keys()}
    return tuple(one for one in scored if one not in doubled and one != OVERLAP)


def case_means(scores: Iterable[Score], measure: str, structures: Iterable[str]) -> dict[str, float]:
    """Mean of a measure over those of the ``structures`` that a case has, by case; only finite means."""
    wanted, values = set(structures), dict[str, list[float]]()
    for score in scores:
        value = getattr(score, measure)
        if score.structure in wanted and score.region in ("", "frame") and value is not None:
            values.setdefault(score.case, []).append(value)
    means = {case: float(np.mean(some)) for case, some in values.items()}
    return {case: mean for case, mean in means.items() if np.isfinite(mean)}


def _missing(scores: Iterable[Score], expected: Mapping[str, AbstractSet[str]]) -> dict[str, int]:
    scored = {(score.case, score.structure) for score in scores}
    lost = [label for case, labels in expected.items() for label in labels if (case, label) not in scored]
    return {label: lost.count(label) for label in set(lost)}


def _mask_rows(
    scores: Sequence[Score], missing: Mapping[str, int], generator: np.random.Generator
) -> Iterator[SummaryRow]:
    for structure in dict.fromkeys(score.structure for score in scores):
        those = [score for score in scores if score.structure == structure]
        for measure in MASK_MEASURES:
            apart = measure in DISTANCE_MEASURES  # mm and px are never averaged together
            for unit in dict.fromkeys(score.unit if apart else "" for score in those):
                some = [score for score in those if not apart or score.unit == unit]
                yield _row(some, measure, unit, missing.get(structure, 0), generator)


def _averages(
    masks: Sequence[Score], parts: Sequence[str], expected: Mapping[str, AbstractSet[str]]
) -> tuple[list[Score], int]:
    """One made-up score an image that has all of ``parts``, and how many images should have them but have not."""
    by_case: dict[str, list[Score]] = {}
    for score in masks:
        if score.structure in parts:
            by_case.setdefault(score.case, []).append(score)
    whole = {case: some for case, some in by_case.items() if len(some) == len(parts)}
    means = []
    for case, some in whole.items() if len(parts) > 1 else ():
        values: dict[str, Any] = {name: float(np.mean([getattr(one, name) for one in some])) for name in MASK_MEASURES}
        means.append(Score(case, some[0].subject, AVERAGE, unit=some[0].unit, **values))
    return means, sum(set(parts) <= labels and case not in whole for case, labels in expected.items())


def _row(scores: Sequence[Score], measure: str, unit: str, missing: int, generator: np.random.Generator) -> SummaryRow:
    values = np.array([getattr(score, measure) for score in scores], np.float64)
    known = ~np.isnan(values)
    some, subjects = values[known], [score.subject for score, one in zip(scores, known, strict=True) if one]
    interval = mean_interval(some, subjects=subjects, generator=generator)
    counts = [score.counts for score in scores if score.counts is not None]
    pooled = getattr(reduce(add, counts), measure) if counts and measure in OVERLAP_MEASURES else None
    spread = float(some.std(ddof=1)) if len(some) > 1 and np.isfinite(some).all() else NAN
    with np.errstate(invalid="ignore"):  # the PSNR of equal pictures is infinite
        low, median, high = np.percentile(some, (5, 50, 95)) if len(some) else (NAN, NAN, NAN)
    return SummaryRow(
        structure=scores[0].structure,
        region=scores[0].region,
        measure=measure,
        unit=unit,
        mean_over_images=float(some.mean()) if len(some) else NAN,
        interval_low=interval.low,
        interval_high=interval.high,
        std=spread,
        median=float(median),
        percentile_5=float(low),
        percentile_95=float(high),
        min=float(some.min()) if len(some) else NAN,
        max=float(some.max()) if len(some) else NAN,
        n=len(some),
        undefined=int((~known).sum()),
        missing=missing,
        pooled=pooled,
    )
