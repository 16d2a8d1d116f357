"""What a bone-suppressed picture is worth on real pairs: beside doing nothing and beside the best linear filter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xprism.errors import DataError
from xprism.evaluation.bone_measures import lung_rmse, rib_gradient
from xprism.evaluation.linear_filter import SIZE_PX, filter_sums, leave_one_out
from xprism.evaluation.registration import Shift, find_shift


@dataclass(frozen=True)
class BonePair:
    """A film and its bone-free target, grey [H, W] of one polarity, with given lungs, bool [H, W] on the film.

    ``picture`` is what a method made of the film, on the film's grid; None where there is none.
    """

    case: str
    film: NDArray[Any]
    target: NDArray[Any]
    lungs: NDArray[np.bool_]
    picture: NDArray[Any] | None = None


@dataclass(frozen=True)
class Compared:
    """One measure three times: of the film itself (doing nothing), of the best linear filter, of the method's picture.

    ``picture`` is None where there is none.
    """

    nothing: float
    linear_filter: float
    picture: float | None

    @property
    def filter_ratio(self) -> float:
        """The filter's value over that of doing nothing; NaN where that is 0."""
        return self.linear_filter / self.nothing if self.nothing else float("nan")

    @property
    def picture_ratio(self) -> float | None:
        """The picture's value over that of doing nothing; None without a picture, NaN where nothing is 0."""
        if self.picture is None:
            return None
        return self.picture / self.nothing if self.nothing else float("nan")


@dataclass(frozen=True)
class PairErrors:
    """One pair's measures inside the lungs, after registration and grey fit.

    ``shift`` is how far the target was moved onto the film, ``pixels`` how many pixels of the lungs were measured.
    ``rmse`` is in the target's grey levels; ``rib_gradient``, ``bone_left`` and ``tissue_kept`` are those of
    ``RibGradient``.
    """

    case: str
    shift: Shift
    pixels: int
    rmse: Compared
    rib_gradient: Compared
    bone_left: Compared
    tissue_kept: Compared


def measure_pairs(pairs: Sequence[BonePair], *, size: int = SIZE_PX) -> list[PairErrors]:
    """Measure every pair; the linear filter of ``size`` x ``size`` pixels is fitted on all pairs but the one measured.

    Every target is laid on its film first, and what it does not cover then is left out of the lungs. Pairs of one
    subject give each other away: give one a subject. Raises ``DataError`` for fewer than two pairs, and for
    pictures and masks that do not fit each other.
    """
    shifts, laid = zip(*(_registered(pair) for pair in pairs), strict=True) if pairs else ((), ())
    filters = leave_one_out([filter_sums(pair.film, pair.target, inside=pair.lungs, size=size) for pair in laid])
    return [
        _errors(pair, shift, linear.apply(pair.film, inside=pair.lungs))
        for pair, shift, linear in zip(laid, shifts, filters, strict=True)
    ]


def _registered(pair: BonePair) -> tuple[Shift, BonePair]:
    shapes = {one.shape for one in (pair.film, pair.target, pair.lungs, pair.picture) if one is not None}
    if len(shapes) > 1:
        raise DataError(f"film, target, lungs and picture differ in size: {sorted(shapes)}", where=pair.case)
    shift = find_shift(pair.film, pair.target, inside=pair.lungs)
    target, known = shift.apply(pair.target)
    return shift, replace(pair, target=target, lungs=pair.lungs & known)


def _errors(pair: BonePair, shift: Shift, filtered: NDArray[np.float64]) -> PairErrors:
    made = {"nothing": pair.film, "linear_filter": filtered}
    if pair.picture is not None:
        made["picture"] = pair.picture
    ribs = {name: rib_gradient(one, film=pair.film, target=pair.target, lungs=pair.lungs) for name, one in made.items()}
    return PairErrors(
        case=pair.case,
        shift=shift,
        pixels=int(pair.lungs.sum()),
        rmse=_compared({name: lung_rmse(one, pair.target, lungs=pair.lungs) for name, one in made.items()}),
        rib_gradient=_compared({name: one.error for name, one in ribs.items()}),
        bone_left=_compared({name: one.bone_left for name, one in ribs.items()}),
        tissue_kept=_compared({name: one.tissue_kept for name, one in ribs.items()}),
    )


def _compared(values: Mapping[str, float]) -> Compared:
    return Compared(values["nothing"], values["linear_filter"], values.get("picture"))
