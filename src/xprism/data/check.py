"""Are the films and targets of manifests fit to learn from: readable, of one size, of one polarity, each there once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from xprism.data.lesions import read_places
from xprism.data.manifest import Case
from xprism.data.split import strayed_copies
from xprism.data.twins import Print, alike_films, equal_films, fingerprint
from xprism.errors import XprismError
from xprism.grid import resize
from xprism.radiograph import Radiograph
from xprism.readers import read, read_flags, read_mask
from xprism.readers.masks import FLAGS, read_class_map

Level = Literal["error", "warning", "note"]

LUNGS = ("lungs", "lung", "right_lung", "left_lung")
SAME_LOOK = 0.9
"""What a bone-suppressed picture must correlate with its film inside the lungs."""
SAME_ASPECT = 0.01

_ORDER: dict[Level, int] = {"error": 0, "warning": 1, "note": 2}


@dataclass(frozen=True)
class Finding:
    """One thing worth knowing about a case: what it is, and what to do."""

    level: Level
    case: str
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.level}: {self.case}: {self.what}, {self.remedy}"


@dataclass(frozen=True)
class Report:
    """Everything found in ``cases`` cases, errors first."""

    findings: tuple[Finding, ...]
    cases: int

    def count(self, level: Level) -> int:
        """How many findings of a level there are."""
        return sum(finding.level == level for finding in self.findings)

    @property
    def lines(self) -> tuple[str, ...]:
        """One line a finding, and a last one with the counts."""
        counts = ", ".join(f"{self.count(level)} {level}s" for level in _ORDER)
        return (*map(str, self.findings), f"{self.cases} cases: {counts}")


@dataclass
class _Seen:
    """What is gathered while cases are read, to be compared afterwards."""

    prints: list[Print] = field(default_factory=list)
    known: dict[str, list[str]] = field(default_factory=dict)
    empty: dict[str, list[str]] = field(default_factory=dict)


def check_manifests(manifests: Mapping[str, Sequence[Case]], *, on_case: Callable[[], object] = lambda: None) -> Report:
    """Read every film and target of the manifests (cases by a manifest's name) and report what is wrong.

    Errors: unreadable files, a target of another aspect than its film, a picture of opposite polarity, lesions off
    the film or without a spacing, one film under two subjects, a copy under another subject than its original.
    Warnings: empty masks and blank films or pictures, a picture that resembles its film too little inside the lungs,
    a subject in two manifests. Notes: targets of another size, films that are there twice or nearly so, cases without
    targets, lesions of cases that no manifest has, and labels that only one of several manifests knows.
    """
    seen = _Seen()
    findings: list[Finding] = []
    for cases in manifests.values():
        for case in cases:
            findings += _of_case(case, seen)
            on_case()
    everyone = [case for cases in manifests.values() for case in cases]
    findings += [*_empty_masks(seen), *_twins(seen.prints), *_across(manifests), *_strays(everyone)]
    findings += _nobodys_lesions(everyone)
    return Report(tuple(sorted(_merged(findings), key=lambda finding: _ORDER[finding.level])), len(everyone))


def _merged(findings: Sequence[Finding]) -> Iterator[Finding]:
    """Findings that say the same of several cases, as one."""
    cases: dict[tuple[Level, str, str], list[str]] = {}
    for finding in findings:
        cases.setdefault((finding.level, finding.what, finding.remedy), []).append(finding.case)
    for (level, what, remedy), of in cases.items():
        yield Finding(level, _named(of), what, remedy)


def _named(cases: Sequence[str]) -> str:
    return f"{cases[0]} and {len(cases) - 1} more" if len(cases) > 1 else cases[0]


def _of_case(case: Case, seen: _Seen) -> Iterator[Finding]:
    try:
        film = read(case.film, polarity=case.attributes.get("polarity", "auto"))
    except XprismError as error:
        yield _unreadable(case, "film", error)
        return
    if film.stored.min() == film.stored.max():
        yield Finding("warning", case.case, "the film is blank", "leave it out")
    else:
        seen.prints.append(fingerprint(film, case=case.case, subject=case.subject))
    masks: dict[str, NDArray[Any]] = {}
    pictures: dict[str, NDArray[Any]] = {}
    maps: dict[str, NDArray[Any]] = {}
    for what, load, into in _targets(case, masks, pictures, maps):
        try:
            into.update(load())
        except XprismError as error:
            yield _unreadable(case, what, error)
    try:
        yield from _lesions(case, film)
    except XprismError as error:
        yield _unreadable(case, "lesions", error)
    if not (case.flags or case.masks or case.pictures or case.lesions or case.classes):
        yield Finding("note", case.case, "nothing is known of it", "it costs time and teaches nothing: leave it out")
    for label, plane in {**masks, **pictures, **maps}.items():
        yield from _size(case, label, plane, film)
    for label, mask in masks.items():
        seen.known.setdefault(label, []).append(case.case)
        if not mask.any():
            seen.empty.setdefault(label, []).append(case.case)
    for name, picture in pictures.items():
        yield from _polarity(case, name, picture, film, masks)


Loader = Callable[[], Mapping[str, NDArray[Any]]]


def _targets(
    case: Case, masks: dict[str, NDArray[Any]], pictures: dict[str, NDArray[Any]], maps: dict[str, NDArray[Any]]
) -> Iterator[tuple[str, Loader, dict[str, NDArray[Any]]]]:
    """What each target is called, how to read it, and where it belongs."""

    def one_mask(label: str, path: Path) -> Mapping[str, NDArray[Any]]:
        return {label: read_mask(path)}

    def one_picture(name: str, path: Path) -> Mapping[str, NDArray[Any]]:
        return {name: read(path, polarity="display").display}

    def one_map(name: str, path: Path) -> Mapping[str, NDArray[Any]]:
        return {name: read_class_map(path)}

    if case.flags:
        yield "flags", partial(read_flags, case.flags), masks
    for label, path in case.masks.items():
        yield f"mask {label!r}", partial(one_mask, label, path), masks
    for name, path in case.pictures.items():
        yield f"picture {name!r}", partial(one_picture, name, path), pictures
    for name, path in case.classes.items():
        yield f"class map {name!r}", partial(one_map, name, path), maps


def _lesions(case: Case, film: Radiograph) -> Iterator[Finding]:
    """Lesions must lie on the film, and their size in mm must mean something on it."""
    places = [(label, place) for label, lesions in case.load_lesions().items() for place in lesions]
    for label, place in places:
        if not (-0.5 <= place.row <= film.shape[0] - 0.5 and -0.5 <= place.column <= film.shape[1] - 0.5):
            what = f"a {label} at row {place.row:g}, column {place.column:g}: off the film of {film.shape}"
            yield Finding("error", case.case, what, "give rows and columns in pixels of this film")
    if places and case.load_spacing() is None:
        what = "lesions are known in mm, but the pixel spacing is not"
        yield Finding("error", case.case, what, "give spacing_mm in the manifest")


def _unreadable(case: Case, what: str, error: XprismError) -> Finding:
    place = f" ({error.where})" if error.where else ""
    return Finding("error", case.case, f"{what} unreadable: {error.what}{place}", error.remedy or "leave it out")


def _size(case: Case, label: str, plane: NDArray[Any], film: Radiograph) -> Iterator[Finding]:
    height, width = plane.shape
    if (height, width) == film.shape:
        return
    sizes = f"{label!r} is {height} x {width}, the film {film.shape[0]} x {film.shape[1]}"
    if abs(height / width * film.shape[1] / film.shape[0] - 1) > SAME_ASPECT:
        yield Finding("error", case.case, f"{sizes}: another shape", "find the target that belongs to this film")
    else:
        yield Finding("note", case.case, sizes, "it is resized to the film when it is used")


def _polarity(
    case: Case, name: str, picture: NDArray[Any], film: Radiograph, masks: Mapping[str, NDArray[Any]]
) -> Iterator[Finding]:
    """Picture and film must rise and fall together where the picture shows something, best judged in the lungs."""
    lungs = [resize(mask.astype(np.float32), picture.shape) >= 0.5 for label, mask in masks.items() if label in LUNGS]
    inside = np.logical_or.reduce(lungs) if lungs else np.zeros(picture.shape, bool)
    in_lungs = bool(inside.any())
    # Published bone-suppressed pictures are black outside the lungs; black there says nothing of polarity.
    shown = picture > picture.min()
    inside = inside & shown if in_lungs else shown
    where = "inside the lungs" if in_lungs else "over the picture"
    alike = _correlation(picture[inside], resize(film.display, picture.shape)[inside])
    if alike is None:
        yield Finding("warning", case.case, f"picture {name!r} or its film is blank {where}", "leave it out")
    elif alike < 0:
        what = f"picture {name!r} correlates {alike:.2f} with its film {where}: opposite polarity"
        yield Finding("error", case.case, what, "turn the picture over, or state the film's polarity in the manifest")
    elif in_lungs and alike < SAME_LOOK:
        what = f"picture {name!r} correlates only {alike:.2f} with its film {where}"
        yield Finding("warning", case.case, what, f"bone-suppressed pairs have more than {SAME_LOOK}: look at both")


def _correlation(first: NDArray[Any], second: NDArray[Any]) -> float | None:
    if first.size < 2 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return None
    return float(np.corrcoef(first.astype(np.float64), second.astype(np.float64))[0, 1])


def _empty_masks(seen: _Seen) -> Iterator[Finding]:
    """One finding a label, however many cases it is of: slices beside an organ are many."""
    for label, cases in seen.empty.items():
        of = f"{len(cases)} of {len(seen.known[label])} cases"
        yield Finding(
            "warning",
            _named(cases),
            f"mask {label!r} is empty in {of}",
            "keep it where the structure is truly absent, else clear the cell (not known)",
        )


def _twins(prints: Sequence[Print]) -> Iterator[Finding]:
    for first, again in equal_films(prints):
        if first.subject != again.subject:
            what = f"the same film as {first.case!r}, but subject {again.subject!r} and not {first.subject!r}"
            yield Finding("error", again.case, what, "give both one subject, or one would test what the other taught")
        else:
            yield Finding("note", again.case, f"the same film as {first.case!r}", "keep both only on purpose")
    for first, again in alike_films(prints):
        what = f"looks nearly like {first.case!r} of subject {first.subject!r}"
        yield Finding("note", again.case, what, "give both one subject if they are one film")


def _across(manifests: Mapping[str, Sequence[Case]]) -> Iterator[Finding]:
    """Subjects and labels compared from manifest to manifest."""
    home: dict[str, str] = {}
    for name, cases in manifests.items():
        shared = {case.subject: case.case for case in cases if home.setdefault(case.subject, name) != name}
        for subject, case in shared.items():
            what = f"its subject is in {home[subject]} and in {name}"
            yield Finding("warning", case, what, "rename one unless they are the same person")
    labels = {name: _labels(cases) for name, cases in manifests.items()}
    for name, own in labels.items():
        others = set[str]().union(*(known for other, known in labels.items() if other != name))
        if len(manifests) > 1 and own and not own & others:
            what = f"its targets ({', '.join(sorted(own))}) stand in no other manifest"
            yield Finding("note", name, what, "check their spelling, or join them by a union in the recipe")


def _labels(cases: Sequence[Case]) -> set[str]:
    named = {label for case in cases for label in (*case.masks, *case.pictures, *case.lesions, *case.classes)}
    return named | (set(FLAGS) if any(case.flags for case in cases) else set())


def _strays(cases: Sequence[Case]) -> Iterator[Finding]:
    for copy, original in strayed_copies(cases):
        what = f"a copy of {original.case!r}, but subject {copy.subject!r} and not {original.subject!r}"
        yield Finding("error", copy.case, what, "give a copy its original's subject")


def _nobodys_lesions(cases: Sequence[Case]) -> Iterator[Finding]:
    """A case that is misspelt in a table of lesions would pass for one without any."""
    names = {case.case for case in cases}
    for table in sorted({table for case in cases for table in case.lesions.values() if table.is_file()}):
        try:
            strangers = sorted(read_places(table).keys() - names)
        except XprismError:
            continue  # each of its cases has a finding of its own
        if strangers:
            what = f"{table.name} has lesions of {len(strangers)} cases that no manifest has, such as {strangers[0]!r}"
            yield Finding("note", table.name, what, "check the spelling unless they were left out on purpose")
