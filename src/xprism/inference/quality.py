"""How far to trust a result: a score in [0, 1] and the remarks behind it.

The score is the mean, over the masks found, of confidence and stability (see ``decode.Certainty``),
less the deductions of the remarks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from xprism.inference.decode import Certainty
from xprism.inference.gate import missing_lungs
from xprism.result import Quality, Structure

DEDUCTIONS = {
    "missing_lung": 0.4,
    "missing": 0.15,
    "cut_off": 0.15,
    "pieces": 0.1,
    "small": 0.1,
    "uneven": 0.1,
}
"""What each kind of remark takes off the score; a missing lung leaves it below 0.6 whatever the rest."""

_PIECES_SHARE = 0.05
_SMALL_FILM = 256
_UNEVEN_LUNGS = 0.35


def judge(
    structures: Mapping[str, Structure],
    certainty: Mapping[str, Certainty],
    shape: tuple[int, int],
    *,
    chest: bool,
) -> Quality:
    """Quality of the masks of one film of ``shape`` (rows, columns); 1.0 for a model without masks."""
    if not certainty:
        return Quality(1.0)
    found = [one for label, one in certainty.items() if structures[label].area_px]
    score = sum((one.confidence + one.stability) / 2 for one in found) / len(found) if found else 0.0
    remarks = list(_remarks(structures, certainty, shape, chest=chest))
    score -= sum(DEDUCTIONS[kind] for kind, _ in remarks)
    return Quality(round(float(min(max(score, 0.0), 1.0)), 4), tuple(sentence for _, sentence in remarks))


def _remarks(
    structures: Mapping[str, Structure], certainty: Mapping[str, Certainty], shape: tuple[int, int], *, chest: bool
) -> Iterator[tuple[str, str]]:
    if max(shape) < _SMALL_FILM:
        yield "small", f"the film has only {shape[0]} x {shape[1]} pixels"
    absent = missing_lungs(structures) if chest else ()
    for label in absent:
        yield "missing_lung", f"no {_plain(label)} found"
    for label, one in certainty.items():
        if chest and not structures[label].area_px and label not in absent:
            yield "missing", f"no {_plain(label)} found"
        if one.cleaning.removed_fraction > _PIECES_SHARE:
            share = one.cleaning.removed_fraction
            yield "pieces", f"{_plain(label)}: {one.cleaning.removed} loose pieces ({share:.0%} of it) were removed"
    if chest:
        yield from _chest_remarks(structures, shape, whole=not absent)


def _chest_remarks(
    structures: Mapping[str, Structure], shape: tuple[int, int], *, whole: bool
) -> Iterator[tuple[str, str]]:
    for label in ("right_lung", "left_lung"):
        edges = _touched(structures[label], shape) if label in structures else []
        if edges:
            where = " and ".join(edges)
            yield "cut_off", f"the {_plain(label)} reaches the {where} edge of the film: it may be cut off"
    areas = [structures[label].area_px for label in ("right_lung", "left_lung") if label in structures]
    if whole and len(areas) == 2 and min(areas) < _UNEVEN_LUNGS * max(areas):
        yield "uneven", "one lung is much smaller than the other"


def _touched(structure: Structure, shape: tuple[int, int]) -> list[str]:
    if structure.box_px is None:
        return []
    top, left, bottom, right = structure.box_px
    touching = {"upper": top == 0, "left": left == 0, "lower": bottom == shape[0], "right": right == shape[1]}
    return [edge for edge, touched in touching.items() if touched]


def _plain(label: str) -> str:
    return label.replace("_", " ")
