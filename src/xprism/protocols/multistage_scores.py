"""Scores of a multi-stage protocol: overlap pooled over the test films, with intervals, and differences of columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import as_file, files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xprism.evaluation.interval import RESAMPLES
from xprism.evaluation.tables import read_csv

STRUCTURES = ("left_lung", "heart", "right_lung")
AVERAGE = "average"
COLUMNS = ("real", *(f"{way}-{stages}" for stages in (1, 2, 3) for way in ("synth", "finetune")))
"""What each learns from: real pairs; what k stages draw (``synth-k``); that, then real pairs (``finetune-k``)."""
DIFFERENCES = (
    *((f"{way}-{stages}", "real") for way in ("synth", "finetune") for stages in (1, 2, 3)),
    *((f"{way}-3", f"{way}-{stages}") for way in ("synth", "finetune") for stages in (2, 1)),
)
"""The columns of which the first is held against the second."""
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class CaseCounts:
    """Pixels of one structure of one test film: right, too many, and missed."""

    column: str
    case: str
    subject: str
    structure: str
    tp: int
    fp: int
    fn: int


@dataclass(frozen=True)
class PooledRow:
    """Jaccard and Dice of the pixels of all test films together, with 95 % intervals over subjects.

    ``average`` is the mean of the structures' measures. ``published`` numbers are of the paper's films and size.
    """

    column: str
    structure: str
    jaccard: float
    jaccard_low: float
    jaccard_high: float
    dice: float
    dice_low: float
    dice_high: float
    subjects: int
    published_jaccard: float | None = None
    published_dice: float | None = None


@dataclass(frozen=True)
class DifferenceRow:
    """Pooled Jaccard of one column less that of another on the same films, with its 95 % interval over subjects."""

    first: str
    second: str
    structure: str
    difference: float
    low: float
    high: float
    published: float | None = None


@dataclass(frozen=True)
class Published:
    """A printed number of the paper's Tables 1 (full) and 2 (tiny), in per cent."""

    protocol: str
    column: str
    structure: str
    jaccard: float
    dice: float


def published(protocol: str) -> dict[tuple[str, str], Published]:
    """The paper's numbers by column and structure; its left is the patient's."""
    with as_file(files("xprism.protocols") / "multistage_published.csv") as path:
        rows = read_csv(path, Published)
    return {(row.column, row.structure): row for row in rows if row.protocol == protocol}


def pooled_tables(
    counts: Sequence[CaseCounts], *, protocol: str, generator: np.random.Generator
) -> tuple[list[PooledRow], list[DifferenceRow]]:
    """Every column's scores, and the differences of columns, over the subjects that all columns have.

    Intervals are percentiles of bootstrap samples of subjects, the same ones for all columns, so that differences
    are paired.
    """
    columns, subjects, summed = _summed(counts)
    shares = np.full((1, len(subjects)), 1.0)
    draws = generator.multinomial(len(subjects), [1 / len(subjects)] * len(subjects), size=RESAMPLES)
    found = _measures(np.tensordot(shares, summed, 1))
    drawn = _measures(np.tensordot(draws.astype(np.float64), summed, 1))
    known, places = published(protocol), {column: place for place, column in enumerate(columns)}
    structures = (*STRUCTURES, AVERAGE)
    rows = [
        _row(column, structure, found[:, :, c, s], drawn[:, :, c, s], len(subjects), known)
        for c, column in enumerate(columns)
        for s, structure in enumerate(structures)
    ]
    differences = [
        _difference(pair, structure, found[0, :, :, s], drawn[0, :, :, s], places, known)
        for pair in DIFFERENCES
        if set(pair) <= places.keys()
        for s, structure in enumerate(structures)
    ]
    return rows, differences


def _summed(counts: Sequence[CaseCounts]) -> tuple[list[str], list[str], Floats]:
    """Columns, subjects, and pixels [subjects, columns, structures, 3] right, too many and missed."""
    found = {count.column for count in counts}
    columns = [column for column in COLUMNS if column in found]
    of_column = [{count.subject for count in counts if count.column == column} for column in columns]
    subjects = sorted(set.intersection(*of_column))
    row = {subject: place for place, subject in enumerate(subjects)}
    summed = np.zeros((len(subjects), len(columns), len(STRUCTURES), 3))
    for one in counts:
        if one.subject in row and one.structure in STRUCTURES:
            place = row[one.subject], columns.index(one.column), STRUCTURES.index(one.structure)
            summed[place] += (one.tp, one.fp, one.fn)
    return columns, subjects, summed


def _measures(pixels: Floats) -> Floats:
    """Jaccard and Dice [2, draws, columns, structures and their mean] of pixels [draws, columns, structures, 3]."""
    right, wrong = pixels[..., 0], pixels[..., 1] + pixels[..., 2]
    both = np.stack([_ratio(right, right + wrong), _ratio(2 * right, 2 * right + wrong)])
    return np.concatenate([both, both.mean(-1, keepdims=True)], axis=-1)


def _ratio(part: Floats, whole: Floats) -> Floats:
    return np.asarray(np.divide(part, whole, out=np.ones_like(part), where=whole > 0))


def _row(
    column: str, structure: str, found: Floats, drawn: Floats, subjects: int, known: Mapping[Any, Published]
) -> PooledRow:
    printed = known.get((column, structure))
    (j_low, d_low), (j_high, d_high) = np.percentile(drawn, (2.5, 97.5), axis=1)
    jaccard, dice = found[:, 0]
    return PooledRow(
        column,
        structure,
        jaccard=float(jaccard),
        jaccard_low=float(j_low),
        jaccard_high=float(j_high),
        dice=float(dice),
        dice_low=float(d_low),
        dice_high=float(d_high),
        subjects=subjects,
        published_jaccard=None if printed is None else printed.jaccard / 100,
        published_dice=None if printed is None else printed.dice / 100,
    )


def _difference(
    pair: tuple[str, str],
    structure: str,
    found: Floats,
    drawn: Floats,
    places: Mapping[str, int],
    known: Mapping[Any, Published],
) -> DifferenceRow:
    first, second = (places[column] for column in pair)
    apart = drawn[:, first] - drawn[:, second]
    low, high = (float(end) for end in np.percentile(apart, (2.5, 97.5)))
    printed = [known.get((column, structure)) for column in pair]
    theirs = None if None in printed else round((printed[0].jaccard - printed[1].jaccard) / 100, 6)  # type: ignore[union-attr]
    return DifferenceRow(*pair, structure, float(found[0, first] - found[0, second]), low, high, theirs)
