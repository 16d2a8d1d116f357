"""Who trains and who is held out, decided by subject."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from xprism.data.manifest import Case
from xprism.errors import DataError


def k_fold(cases: Sequence[Case], *, folds: int, seed: int, stratify: str = "group") -> dict[str, int]:
    """The fold (0 to ``folds`` - 1) in which each subject is held out.

    Subjects are shuffled by ``seed`` within each value of the ``stratify`` attribute and dealt out in
    turn, so folds differ by at most one subject a stratum. Raises ``DataError`` for fewer subjects than folds.
    """
    strata: dict[str, list[str]] = {}
    for case in cases:
        members = strata.setdefault(case.attributes.get(stratify, ""), [])
        if case.subject not in members:
            members.append(case.subject)
    if folds < 2 or sum(map(len, strata.values())) < folds:
        raise DataError(f"cannot make {folds} folds of {sum(map(len, strata.values()))} subjects")
    rng = np.random.default_rng(seed)
    held_out: dict[str, int] = {}
    dealt = 0
    for stratum in sorted(strata):
        for subject in rng.permutation(sorted(strata[stratum])):
            held_out.setdefault(str(subject), dealt % folds)
            dealt += 1
    return held_out
