"""What becomes of findings and known lesions, as rows of a table, and which of them belong together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

SIZES_MM = (10, 20, 30)
"""Diameters that part the groups by size."""


@dataclass(frozen=True)
class LesionRow:
    """One finding, or one lesion that no finding hit; positions are in the film's pixels.

    ``outcome`` is hit, false, repeat or missed. A finding has a centre, a box, a score and, where the spacing is
    known, a diameter; what is about a known lesion begins with ``lesion``, ``lesion`` being its number on the film
    from 1. ``in_lungs`` says of a known lesion whether its centre, else of a finding whether its own, lies inside the
    true lungs; None where those are not known.
    """

    case: str
    subject: str
    label: str
    outcome: str
    score: float | None = None
    reported: bool | None = None
    row: float | None = None
    column: float | None = None
    top: int | None = None
    left: int | None = None
    bottom: int | None = None
    right: int | None = None
    diameter_mm: float | None = None
    lesion: int | None = None
    lesion_row: float | None = None
    lesion_column: float | None = None
    lesion_diameter_mm: float | None = None
    subtlety: int | None = None
    in_lungs: bool | None = None
    matched_by: str = ""


@dataclass(frozen=True)
class LesionFilm:
    """One film whose lesions of a label are known, of which there are ``lesions``, and that was searched for them."""

    case: str
    subject: str
    label: str
    lesions: int
    fold: str = ""


@dataclass(frozen=True)
class Group:
    """Some lesions, and the films whose false findings count; ``whole`` where the lesions are all of those films'."""

    name: str
    lesion: Callable[[LesionRow], bool]
    film: Callable[[LesionFilm], bool]
    whole: bool = False


def groups_of(films: Sequence[LesionFilm], rows: Sequence[LesionRow]) -> Iterator[Group]:
    """The groups that there is something of: all, kinds of films, inside and outside the lungs, subtlety, size, folds.

    Unless it says otherwise a group's false findings are those on all films.
    """
    lesions = [row for row in rows if row.lesion is not None]
    yield Group("all", _any, _any, whole=True)
    if {film.lesions > 0 for film in films} == {True, False}:
        yield Group("films with lesions", _any, lambda film: film.lesions > 0, whole=True)
        yield Group("films without lesions", _any, lambda film: not film.lesions)
    for inside, name in ((True, "in lungs"), (False, "outside lungs")):
        if any(row.in_lungs is inside for row in lesions):
            yield Group(name, partial(_is_inside, inside), _any)
    for subtlety in sorted({row.subtlety for row in lesions if row.subtlety is not None}):
        yield Group(f"subtlety {subtlety}", partial(_is_subtle, subtlety), _any)
    for size in (0, *SIZES_MM):
        if any(_size_of(row) == size for row in lesions):
            yield Group(_size_name(size), partial(_is_of_size, size), _any)
    for fold in sorted({film.fold for film in films if film.fold}):
        of_fold = {film.case for film in films if film.fold == fold}
        yield Group(f"fold {fold}", partial(_is_of, of_fold), partial(_is_of, of_fold), whole=True)


def _any(one: LesionRow | LesionFilm) -> bool:
    return True


def _is_of(cases: set[str], one: LesionRow | LesionFilm) -> bool:
    return one.case in cases


def _is_inside(inside: bool, row: LesionRow) -> bool:
    return row.in_lungs is inside


def _is_subtle(subtlety: int, row: LesionRow) -> bool:
    return row.subtlety == subtlety


def _is_of_size(size: int, row: LesionRow) -> bool:
    return _size_of(row) == size


def _size_of(row: LesionRow) -> int:
    """The largest limit that the lesion's diameter reaches, 0 below all."""
    return max((limit for limit in SIZES_MM if (row.lesion_diameter_mm or 0) >= limit), default=0)


def _size_name(size: int) -> str:
    limits = (0, *SIZES_MM, None)
    above = limits[limits.index(size) + 1]
    if above is None:
        return f"{size} mm and more"
    return f"{size} to under {above} mm" if size else f"under {above} mm"
