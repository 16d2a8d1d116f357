"""Cells of a comparison's tables: a number of a run, the published one, and what lies between them, as text."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from xprism.evaluation.figures import NAMES
from xprism.protocols.comparison.tables import EFFORT, Beside
from xprism.protocols.published import ARXIV

_MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True)
class Cell:
    """One cell: a main line, small lines below it, and a kind for its looks.

    ``head`` names a row, ``theirs`` is published, ``sure`` is significant.
    """

    main: str = ""
    small: tuple[str, ...] = ()
    kind: str = ""
    span: int = 1


@dataclass(frozen=True)
class Table:
    """Heads in one line or two, rows of cells, and remarks below."""

    heads: tuple[tuple[Cell, ...], ...]
    rows: tuple[tuple[Cell, ...], ...]
    remarks: tuple[str, ...] = ()


def number(value: float | None, *, digits: int = 3, signed: bool = False) -> str:
    """A number as text with a true minus sign; a dash where there is none."""
    if value is None or math.isnan(value):
        return "-"
    rounded = round(value, digits)
    # What rounds to nothing has no sign.
    text = f"{rounded:{'+' if signed else ''},.{digits}f}" if rounded else f"{0:.{digits}f}"
    return text.replace("-", _MINUS)


def amount(value: float | None, measure: str, *, signed: bool = False) -> str:
    """A value with as many digits as the papers give its measure: three, none for parameters, one for effort."""
    digits = {"parameters": 0, "epochs": 1, "minutes": 1}.get(measure, 3)
    if measure in EFFORT and value is not None and float(value).is_integer():
        digits = 0
    return number(value, digits=digits, signed=signed)


def name_of(measure: str) -> str:
    """A measure's short name; FPR is the papers', over the reference."""
    return "FPR" if measure == "fpr_gt" else NAMES[measure].split(" (")[0]


def here(row: Beside | None) -> Cell:
    """What a run measured: mean and standard deviation over its interval."""
    if row is None or row.ours is None:
        return Cell("-")
    if row.interval_low is None or math.isnan(row.interval_low):
        return Cell(_spread(row.ours, row.std, row.measure))
    ends = f"{number(row.interval_low)} to {number(row.interval_high)}"
    return Cell(_spread(row.ours, row.std, row.measure), (ends,))


def theirs(row: Beside | None) -> Cell:
    """What is published, over the difference and what the paper prints under the same name of a side."""
    if row is None or row.published is None:
        return Cell("-", kind="theirs")
    apart = () if row.difference is None else (f"({amount(row.difference, row.measure, signed=True)})",)
    by_name = () if row.by_name is None else (f"by name {number(row.by_name)}",)
    return Cell(_spread(row.published, row.published_std, row.measure) + _mark(row), (*apart, *by_name), "theirs")


def both(rows: Sequence[Beside]) -> Cell:
    """A run's number with the published ones of all versions of the paper below, or the published ones alone."""
    if not rows:
        return Cell("-")
    first = rows[0]
    known = [row for row in rows if row.published is not None]
    if first.ours is None:
        latest = known[-1]
        more = [f"{ARXIV}: {amount(row.published, row.measure)}" for row in known if row.published != latest.published]
        text = _spread(latest.published, latest.published_std, latest.measure)
        return Cell(text + _mark(latest), tuple(more), "theirs")
    published = dict.fromkeys(_beside(row, named=len({one.published for one in known}) > 1) for row in known)
    own = here(first)
    return Cell(own.main, (*own.small, *published))


def remarks_of(rows: Iterable[Beside]) -> tuple[str, ...]:
    """What is to be said of numbers that carry a mark, with the measures it is said of."""
    found: dict[tuple[str, str], dict[str, None]] = {}
    for row in rows:
        if row.remark:
            who = row.run or f"{row.system}, {row.resolution}".rstrip(", ")
            named = name_of(row.measure) if row.measure in NAMES else row.measure
            what = f"{row.structure} {named}".strip().replace("_", " ")
            found.setdefault((who, row.remark), {})[what] = None
    return tuple(f"{who}, {' and '.join(what)}: {remark}" for (who, remark), what in found.items())


def _beside(row: Beside, *, named: bool) -> str:
    paper = f"{row.paper}: " if named else "published "
    apart = "" if row.difference is None else f" ({amount(row.difference, row.measure, signed=True)})"
    return f"{paper}{amount(row.published, row.measure)}{_mark(row)}{apart}"


def _mark(row: Beside) -> str:
    return " †" if row.remark else ""


def _spread(mean: float | None, std: float | None, measure: str) -> str:
    text = amount(mean, measure)
    return text if std is None or math.isnan(std) else f"{text} ± {number(std)}"
