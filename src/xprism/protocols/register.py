"""Lay the pictures of a manifest's cases on their films, for pairs that were not taken in one moment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xprism.data.importers.files import new_folder, save_mask
from xprism.data.manifest import Case
from xprism.errors import DataError
from xprism.evaluation.registration import Shift, find_shift
from xprism.png import save_png

_LEAST_PX = 0.05


def register_pictures(
    cases: Sequence[Case], folder: Path, *, on_case: Callable[[str], None] = lambda line: None
) -> tuple[Case, ...]:
    """The cases with every picture moved by up to 4 px to lie on its film, written to the new ``folder``.

    A shift is looked for where the picture is known: in its region, else in both lungs where they are known, else in
    the whole frame. Moved pictures are 16-bit PNG of their display values; what a move left without data is outside
    of the region that comes with it. Pictures within 0.05 px of their film stay the files they are. ``on_case`` is
    given one line a picture. Raises ``DataError`` where a picture does not have its film's size or cannot be laid
    on it.
    """
    found = []
    with new_folder(folder) as partial:
        (partial / "pictures").mkdir()
        for case in cases:
            for name in case.pictures:
                case = _registered(case, name, partial=partial, folder=folder, on_case=on_case)
            found.append(case)
    return tuple(found)


def _registered(case: Case, name: str, *, partial: Path, folder: Path, on_case: Callable[[str], None]) -> Case:
    film, truth = case.load_film(), case.load_truth()
    picture = truth[name]
    if picture.shape != film.shape:
        raise DataError(f"picture {name} of {picture.shape} on a film of {film.shape}", where=case.case)
    known = ~np.isnan(picture)
    try:
        shift = find_shift(film, np.where(known, picture, film), inside=_compared(truth, known))
    except DataError as error:
        raise DataError(f"picture {name}: {error.what}", where=case.case, remedy=error.remedy) from error
    on_case(f"{case.case} {name}: moved by {shift.rows:+.2f} rows, {shift.columns:+.2f} columns")
    if max(abs(shift.rows), abs(shift.columns)) < _LEAST_PX:
        return case
    moved, there = _moved(picture, known, shift)
    file = f"{case.case}_{name}"
    stored = np.rint(np.clip(np.where(there, moved, 0), 0, 1) * 65535).astype(np.uint16)
    save_png(stored, partial / "pictures" / f"{file}.png")
    save_mask(there, partial / "regions" / f"{file}.png")
    return replace(
        case,
        pictures=case.pictures | {name: folder / "pictures" / f"{file}.png"},
        regions=case.regions | {name: folder / "regions" / f"{file}.png"},
    )


def _compared(truth: dict[str, NDArray[Any]], known: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Where film and picture are compared; the lungs count where the picture is known everywhere."""
    lungs = [truth[label] for label in ("right_lung", "left_lung") if label in truth]
    if known.all() and len(lungs) == 2:
        return np.asarray(lungs[0] | lungs[1])
    return known


def _moved(picture: NDArray[Any], known: NDArray[np.bool_], shift: Shift) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    moved, there = shift.apply(np.where(known, picture, np.nanmean(picture)))
    return moved, there & (shift.apply(known.astype(float))[0] > 0.99)
