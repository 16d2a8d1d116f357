"""What is measured of bone-suppressed pictures, as rows of tables, and what many rows come to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xprism.evaluation.bone_measures import (
    false_structure,
    grey_fit,
    lung_rmse,
    nodule_contrast,
    rib_gradient,
)
from xprism.evaluation.interval import mean_interval
from xprism.evaluation.registration import Shift

Mask = NDArray[np.bool_]

ERRORS = ("rmse", "rib_gradient")
"""Measures of which ratios are taken; the others are shares already."""

EVERY = "all"
"""Group of the means over all cases."""

VALUES = ("nothing", "linear_filter", "picture", "filter_ratio", "picture_ratio", "picture_to_filter")


@dataclass(frozen=True)
class BoneRow:
    """One measure of one case: of the film itself, of the best linear filter, of the picture.

    ``filter_ratio`` and ``picture_ratio`` are over ``nothing``, ``picture_to_filter`` is the picture's over the
    filter's; only errors have ratios. What there is no value of is None. The shift is how far the target was moved
    onto the film, in the film's pixels.
    """

    case: str
    subject: str
    group: str
    measure: str
    nothing: float | None = None
    linear_filter: float | None = None
    picture: float | None = None
    filter_ratio: float | None = None
    picture_ratio: float | None = None
    picture_to_filter: float | None = None
    shift_rows_px: float | None = None
    shift_columns_px: float | None = None


@dataclass(frozen=True)
class NoduleRegion:
    """A nodule on a film: ``row`` and ``column`` of its centre in the film's pixels, counted from 0."""

    case: str
    row: float
    column: float
    diameter_mm: float


@dataclass(frozen=True)
class NoduleRow:
    """One nodule's contrast in the reference, in the film and in the picture that was made of it.

    The reference is the true picture without bones (``against`` is truth) or, where that is not known, the film.
    ``reference``, ``film`` and ``picture`` are in grey levels; ``nothing`` and ``kept`` are those of film and
    picture over the reference, NaN where one cannot be measured.
    """

    case: str
    subject: str
    row: float
    column: float
    diameter_mm: float
    against: str
    reference: float
    film: float
    picture: float
    nothing: float
    kept: float


@dataclass(frozen=True)
class BoneMean:
    """Mean of one value of a measure over the ``n`` rows of a group where it is finite, with its 95 % interval.

    ``undefined`` counts rows where it is not. The interval draws patients.
    """

    group: str
    measure: str
    value: str
    mean: float
    interval_low: float
    interval_high: float
    n: int
    undefined: int


def pair_measures(
    made: Mapping[str, NDArray[Any]], target: NDArray[Any], *, lungs: Mask, bones: Mask | None
) -> Iterator[tuple[str, dict[str, float]]]:
    """Each measure's name and its values of what was made: ``nothing`` (the film) and others, all [H, W].

    The target lies on the film. ``bones`` says where bone is, for ``false_structure``; None where it is not known.
    """
    film = made["nothing"]
    ribs = {name: rib_gradient(one, film=film, target=target, lungs=lungs) for name, one in made.items()}
    yield "rmse", {name: lung_rmse(one, target, lungs=lungs) for name, one in made.items()}
    yield "rib_gradient", {name: one.error for name, one in ribs.items()}
    yield "bone_left", {name: one.bone_left for name, one in ribs.items()}
    yield "tissue_kept", {name: one.tissue_kept for name, one in ribs.items()}
    if bones is not None:
        about: dict[str, Any] = {"film": film, "target": target, "lungs": lungs, "bones": bones}
        yield "false_structure", {name: false_structure(one, **about) for name, one in made.items()}


def bone_row(
    measure: str, values: Mapping[str, float], *, case: str, subject: str, group: str, shift: Shift | None = None
) -> BoneRow:
    """A row of one measure's values by the names of ``BoneRow``; errors get their ratios."""
    nothing, linear, picture = (values.get(name) for name in ("nothing", "linear_filter", "picture"))
    ratios = {
        "filter_ratio": _ratio(linear, nothing),
        "picture_ratio": _ratio(picture, nothing),
        "picture_to_filter": _ratio(picture, linear),
    }
    return BoneRow(
        case=case,
        subject=subject,
        group=group,
        measure=measure,
        **values,
        **(ratios if measure in ERRORS else {}),
        shift_rows_px=None if shift is None else shift.rows,
        shift_columns_px=None if shift is None else shift.columns,
    )


def nodule_rows(
    regions: Sequence[NoduleRegion],
    *,
    film: NDArray[Any],
    picture: NDArray[Any],
    truth: NDArray[Any] | None,
    lungs: Mask,
    spacing_mm: float,
    subject: str,
) -> Iterator[NoduleRow]:
    """Contrast of every nodule of one case; film, picture and the true picture without bones lie on one grid [H, W]."""
    reference = film if truth is None else truth
    planes = [reference, *(grey_fit(one, reference, inside=lungs) for one in (film, picture))]
    for one in regions:
        radius = one.diameter_mm / 2 / spacing_mm
        real, shown, made = (nodule_contrast(plane, one.row, one.column, radius, inside=lungs) for plane in planes)
        yield NoduleRow(
            **vars(one) | {"subject": subject, "against": "film" if truth is None else "truth"},
            reference=real,
            film=shown,
            picture=made,
            nothing=shown / real if real else float("nan"),
            kept=made / real if real else float("nan"),
        )


def bone_means(rows: Sequence[BoneRow], nodules: Sequence[NoduleRow], *, seed: int) -> list[BoneMean]:
    """Means over all cases and, where there are several groups, over each; nodules together and by their diameter.

    Diameters are rounded to 5 mm. Beside the mean of what nodules keep there is ``pooled``: the sum of
    their contrasts over that of the reference's, in which faint nodules count less; it has no interval. Every interval
    is drawn from the same ``seed``, so that it depends on its own rows alone.
    """
    found = []
    groups = sorted({row.group for row in rows})
    for group in (EVERY, *(groups if len(groups) > 1 else ())):
        of_group = [row for row in rows if group in (EVERY, row.group)]
        for measure in dict.fromkeys(row.measure for row in of_group):
            some = [row for row in of_group if row.measure == measure]
            found += [one for value in VALUES if (one := _mean(group, measure, value, some, seed)) is not None]
    sizes = sorted({_about_mm(one) for one in nodules})
    for size in (None, *(sizes if len(sizes) > 1 else ())):
        those = [one for one in nodules if size in (None, _about_mm(one))]
        measure = "nodule_contrast" if size is None else f"nodule_contrast_about_{size}_mm"
        for value in ("nothing", "kept"):
            mean = _mean(EVERY, measure, value, those, seed)
            found += [] if mean is None else [mean]
        found += _pooled(measure, those)
    return found


def _ratio(value: float | None, over: float | None) -> float | None:
    if value is None or over is None:
        return None
    return value / over if over else float("nan")


def _about_mm(nodule: NoduleRow) -> int:
    return max(5, 5 * round(nodule.diameter_mm / 5))


def _mean(
    group: str, measure: str, value: str, rows: Sequence[BoneRow] | Sequence[NoduleRow], seed: int
) -> BoneMean | None:
    known = [(getattr(row, value), row.subject) for row in rows if getattr(row, value) is not None]
    finite = [(number, subject) for number, subject in known if np.isfinite(number)]
    if not known:
        return None
    numbers, subjects = [number for number, _ in finite], [subject for _, subject in finite]
    interval = mean_interval(numbers, subjects=subjects, generator=np.random.default_rng(seed))
    mean = float(np.mean(numbers)) if numbers else float("nan")
    return BoneMean(group, measure, value, mean, interval.low, interval.high, len(finite), len(known) - len(finite))


def _pooled(measure: str, nodules: Sequence[NoduleRow]) -> list[BoneMean]:
    sure = [one for one in nodules if np.isfinite([one.reference, one.picture]).all()]
    whole = sum(one.reference for one in sure)
    nan = float("nan")
    if not whole:
        return []
    pooled = sum(one.picture for one in sure) / whole
    return [BoneMean(EVERY, measure, "pooled", pooled, nan, nan, len(sure), len(nodules) - len(sure))]
