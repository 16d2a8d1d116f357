"""The linear filter that a bone-suppressed picture is held against, fitted on other subjects' pairs of a manifest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xprism.data.manifest import Case
from xprism.errors import DataError, XprismError
from xprism.evaluation.cases import with_derived
from xprism.evaluation.linear_filter import SIZE_PX, FilterSums, LinearFilter, filter_sums
from xprism.evaluation.registration import Shift, find_shift
from xprism.grid import resize
from xprism.protocols.scoring import truth_on
from xprism.targets import UNIONS

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

PICTURE = "bone_suppressed"
"""Name of the picture that is measured, in manifests, in predictions, and of what a layer leaves."""

# Longer films are brought to this size first: at it, a filter of SIZE_PX spans what it needs to.
_LONGER_SIDE_PX = 512
# More pairs than these change the filter no more.
_FITTED_ON = 13


@dataclass(frozen=True)
class Laid:
    """A pair at 512 pixels or less a side: film and target [h, w] laid on each other, and the lungs that both show.

    ``shift`` is how far the target was moved, in these pixels, of which the film has ``scale`` each way.
    """

    film: Floats
    target: Floats
    lungs: Mask
    shift: Shift
    scale: float

    @classmethod
    def of(cls, film: NDArray[Any], target: NDArray[Any], lungs: Mask) -> Laid:
        """A pair of grey levels [H, W] with its lungs; raises ``DataError`` where the two cannot be laid."""
        scale = max(1.0, max(film.shape) / _LONGER_SIDE_PX)
        small, moving, inside = (smaller(plane, scale) for plane in (film, target, lungs))
        shift = find_shift(small, moving, inside=inside)
        moved, known = shift.apply(moving)
        return cls(small, moved, inside & known, shift, scale)

    @property
    def shift_on_film(self) -> Shift:
        """The shift in the film's own pixels."""
        return Shift(self.shift.rows * self.scale, self.shift.columns * self.scale)


def smaller(plane: NDArray[Any], scale: float) -> NDArray[Any]:
    """A picture or mask [H, W] on the grid that is coarser by ``scale``; a mask where it is a half or more."""
    height, width = plane.shape
    shrunk = resize(plane.astype(np.float32), (round(height / scale), round(width / scale)))
    return shrunk >= 0.5 if plane.dtype == bool else shrunk.astype(np.float64)


class Filters:
    """For every case the best linear filter, fitted on pairs of its group that are other subjects'."""

    def __init__(self, cases: Sequence[Case]) -> None:
        self._cases = [case for case in cases if PICTURE in case.pictures]
        self._sums: dict[str, list[tuple[str, FilterSums]]] = {}
        self._found: dict[tuple[str, str], LinearFilter | None] = {}

    def of(self, case: Case) -> LinearFilter | None:
        """The filter to measure a case by; None where its group has no other subject's pair."""
        group = group_of(case)
        if group not in self._sums:
            self._sums[group] = self._fit(group)
        fitted_on = {subject for subject, _ in self._sums[group]}
        key = group, case.subject if case.subject in fitted_on else ""
        if key not in self._found:
            others = [sums for subject, sums in self._sums[group] if subject != case.subject]
            self._found[key] = sum(others[1:], start=others[0]).solve() if others else None
        return self._found[key]

    def _fit(self, group: str) -> list[tuple[str, FilterSums]]:
        """Up to 13 pairs of a group, evenly spread, so that twelve remain without one's own."""
        those = [case for case in self._cases if group_of(case) == group]
        places = np.unique(np.linspace(0, len(those) - 1, min(len(those), _FITTED_ON)).round().astype(int))
        pairs: list[tuple[str, Laid]] = []
        for case in (those[place] for place in places):
            try:
                pairs.append((case.subject, known_pair(case)))
            except XprismError:
                continue  # it says why when its own turn comes
        longer = max((max(pair.film.shape) for _, pair in pairs), default=0)
        size = max(3, 2 * (SIZE_PX // 2 * longer // _LONGER_SIDE_PX) + 1)
        return [(subject, filter_sums(pair.film, pair.target, inside=pair.lungs, size=size)) for subject, pair in pairs]


def group_of(case: Case) -> str:
    """The group that a case is of, such as how its pair was made; empty where the manifest does not say."""
    return case.attributes.get("group", "")


def on_film(case: Case, truth: Mapping[str, NDArray[Any]]) -> tuple[Floats, dict[str, NDArray[Any]]]:
    """A case's film and its true masks and picture [H, W] on the film's grid, in grey levels 0 to 255.

    Where the picture is not known, it is the film, and no lungs are. Raises ``DataError`` where the lungs are not
    known, and what reading raises.
    """
    film = np.asarray(case.load_film(), np.float64) * 255
    planes = with_derived(truth_on((film.shape[0], film.shape[1]), truth), UNIONS)
    if "lungs" not in planes or not planes["lungs"].any():
        raise DataError("both lungs are not among the masks of the manifest, and everything is measured inside them")
    if PICTURE in planes:
        target = np.asarray(planes[PICTURE], np.float64) * 255
        known = np.isfinite(target)
        planes |= {PICTURE: np.where(known, target, film), "lungs": planes["lungs"] & known}
    return film, planes


def known_pair(case: Case) -> Laid:
    """The pair of a case whose picture without bones is known."""
    film, truth = on_film(case, case.load_truth())
    return Laid.of(film, truth[PICTURE], truth["lungs"])
