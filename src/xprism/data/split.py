"""Who trains and who is held out, decided by subject: copies of a film follow their subject."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from xprism.data.manifest import Case
from xprism.errors import DataError


def k_fold(cases: Sequence[Case], *, folds: int, seed: int, stratify: str = "group") -> dict[str, int]:
    """The fold (0 to ``folds`` - 1) in which each subject is held out.

    Subjects are shuffled by ``seed`` within each value of the ``stratify`` attribute and dealt out in
    turn, so folds differ by at most one subject a stratum. Raises ``DataError`` for fewer subjects than
    folds and for copies under another subject.
    """
    copies_share_subject(cases)
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


def stratified(cases: Sequence[Case], *, test: float, seed: int, stratify: str) -> dict[str, int]:
    """Fold 0: the part ``test`` of the subjects of every value of the ``stratify`` attribute, drawn by ``seed``.

    Values of which there is one film, or one subject alone, are in fold 0 as a whole: nothing could be learnt and
    tested of them. Others are in no fold: they train always. A subject with films of several values counts for
    the first of them. Raises ``DataError`` where some case lacks the attribute, where nobody is left to train,
    and for copies under another subject.
    """
    copies_share_subject(cases)
    members: dict[str, dict[str, list[Case]]] = {}
    value_of: dict[str, str] = {}
    for case in cases:
        value = case.attributes.get(stratify)
        if value is None:
            raise DataError(f"{case.case!r} has no {stratify}", remedy=f"give the manifests a column {stratify}")
        members.setdefault(value, {}).setdefault(case.subject, []).append(case)
        value_of.setdefault(case.subject, value)
    alone = {subject for films in members.values() if len(films) == 1 for subject in films}
    others = {subject: value for subject, value in value_of.items() if subject not in alone}
    tested = alone | share_of_each(others, test, np.random.default_rng([seed, 2]))
    if tested == value_of.keys():
        raise DataError(f"no {stratify} has two subjects, so nobody is left to train", remedy="choose another split")
    return dict.fromkeys(sorted(tested), 0)


def share_of_each(stratum: Mapping[str, str], share: float, rng: np.random.Generator) -> set[str]:
    """A ``share`` of the subjects, whose strata are given: the same part of every stratum but for rounding.

    Rounding goes on from one stratum to the next, so small ones give some in turn.
    """
    shuffled = rng.permutation(sorted(stratum)).tolist()
    order = sorted(shuffled, key=stratum.__getitem__)
    ends = [math.floor(place * share + 0.5) for place in range(len(order) + 1)]
    return {subject for subject, before, after in zip(order, ends, ends[1:], strict=False) if after > before}


def leave_one_out(cases: Sequence[Case]) -> dict[str, int]:
    """The fold in which each subject is held out alone: folds are numbered by subjects in alphabetical order.

    Raises ``DataError`` for fewer than two subjects and for copies under another subject.
    """
    copies_share_subject(cases)
    subjects = sorted({case.subject for case in cases})
    if len(subjects) < 2:
        raise DataError(f"cannot leave one out of {len(subjects)} subjects")
    return {subject: fold for fold, subject in enumerate(subjects)}


def official_scr(cases: Sequence[Case]) -> dict[str, int]:
    """The two folds of SCR: fold 0 holds out the even JSRT numbers and trains on the odd ones, fold 1 the reverse.

    The number is that of ``JPCLN001`` or ``JPCNN001`` in the subject's name, else in the case's. Fold 0 is the
    published division: 124 odd films to train on, 123 even ones to test. Raises ``DataError`` for a case
    without such a number, a subject with odd and even ones, and copies under another subject.
    """
    copies_share_subject(cases)
    held_out: dict[str, int] = {}
    for case in cases:
        found = re.search(r"JPC[LN]N(\d{3})", case.subject) or re.search(r"JPC[LN]N(\d{3})", case.case)
        if not found:
            raise DataError(f"{case.case!r} has no JSRT number", remedy="the official split is for JSRT films alone")
        fold = int(found.group(1)) % 2
        if held_out.setdefault(case.subject, fold) != fold:
            raise DataError(f"subject {case.subject!r} has odd and even JSRT numbers", remedy="mend the manifest")
    return held_out


def by_lists(cases: Sequence[Case], lists: Sequence[Path | str]) -> dict[str, int]:
    """The fold in which each listed subject is held out: one text file a fold, one subject or case name a line.

    Empty lines and those that start with # do not count. A case's name stands for its whole subject. Subjects
    on no list are in no fold: they train always. Raises ``DataError`` for missing or empty lists, unknown
    names, a subject on two lists, and copies under another subject.
    """
    copies_share_subject(cases)
    subject_of = {case.case: case.subject for case in cases} | {case.subject: case.subject for case in cases}
    held_out: dict[str, int] = {}
    for fold, path in enumerate(map(Path, lists)):
        names = _names(path)
        unknown = [name for name in names if name not in subject_of]
        if unknown:
            raise DataError(
                f"{len(unknown)} names of no case or subject: {', '.join(unknown[:5])}",
                where=str(path),
                remedy="write names as they stand in the manifests",
            )
        for name in names:
            subject = subject_of[name]
            if held_out.setdefault(subject, fold) != fold:
                raise DataError(
                    f"subject {subject!r} is on two lists", where=str(path), remedy="keep all its films on one list"
                )
    return held_out


def _names(path: Path) -> list[str]:
    if not path.is_file():
        raise DataError("no such list", where=str(path), remedy="name a text file with one case or subject a line")
    lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    names = [line for line in lines if line and not line.startswith("#")]
    if not names:
        raise DataError("the list is empty", where=str(path), remedy="write one case or subject a line")
    return names


def copies_share_subject(cases: Sequence[Case]) -> None:
    """Raise ``DataError`` where a copy (attribute ``copy_of``, a case's name) has another subject than its original."""
    for copy, original in strayed_copies(cases):
        raise DataError(
            f"{copy.case!r} of subject {copy.subject!r} is a copy of {original.case!r} of subject {original.subject!r}",
            remedy="give a copy its original's subject, so that both are held out together",
        )


def strayed_copies(cases: Sequence[Case]) -> Iterator[tuple[Case, Case]]:
    """Each copy whose subject is not its original's, with that original, where the original is among the cases."""
    named: dict[str, list[Case]] = {}
    for case in cases:
        named.setdefault(case.case, []).append(case)
    for case in cases:
        for original in named.get(case.attributes.get("copy_of", ""), ()):
            if original.subject != case.subject:
                yield case, original
