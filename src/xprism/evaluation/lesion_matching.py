"""Which findings on a film are true: findings held against known lesions by a rule that is stated with every number.

Positions are (row, column) with (0, 0) the centre of the first pixel; boxes are (top, left, bottom, right), ends
excluded, so that a box of pixels 3 to 5 reaches from 2.5 to 5.5.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from xprism.errors import DataError

Rule = Literal["centre", "iou"]
Outcome = Literal["hit", "false", "repeat"]
Box = tuple[float, float, float, float]

_SQUARE = "the square about the known centre whose side is the known diameter"
_ONCE = "each lesion is hit once, by its best finding; further ones count neither as true nor as false"

RULES: dict[Rule, str] = {
    "centre": f"a finding is true if its centre lies inside {_SQUARE}; {_ONCE}",
    "iou": f"a finding is true if the IoU of its box and {_SQUARE} is 0.5 or more; {_ONCE}",
}
"""What each rule means, in words that go beside the numbers."""

ENOUGH = 0.5
"""Intersection over union from which boxes belong together by the rule ``iou``."""


@dataclass(frozen=True)
class Finding:
    """One finding to be judged: its centre, its box and its score."""

    row: float
    column: float
    box: Box
    score: float


@dataclass(frozen=True)
class Square:
    """The square (in pixels a rectangle, where they are not square) of one known lesion."""

    row: float
    column: float
    height: float
    width: float

    @property
    def box(self) -> Box:
        """The square as a box."""
        top, left = self.row + 0.5 - self.height / 2, self.column + 0.5 - self.width / 2
        return top, left, top + self.height, left + self.width


def checked_rule(word: str) -> Rule:
    """The rule of that name. Raises ``DataError`` where there is none."""
    for rule in RULES:
        if rule == word:
            return rule
    raise DataError(f"no rule {word!r} for findings", remedy=f"choose from {', '.join(RULES)}")


def match(
    findings: Sequence[Finding], squares: Sequence[Square], *, rule: Rule = "centre"
) -> list[tuple[Outcome, int | None]]:
    """Outcome of every finding of a film, with the number of the lesion that it hits or repeats, in their order.

    Findings choose in the order of their scores: each takes the nearest lesion that it fits and that none before it
    has taken. So what a finding is does not depend on those of lower score, and a threshold may be put anywhere.
    """
    outcomes: dict[int, tuple[Outcome, int | None]] = {}
    taken: set[int] = set()
    for place in sorted(range(len(findings)), key=lambda k: -findings[k].score):
        finding = findings[place]
        those = [k for k in range(len(squares)) if fits(finding, squares[k], rule)]
        fitting = sorted(those, key=_far(finding, squares))
        free = [k for k in fitting if k not in taken]
        if free:
            taken.add(free[0])
            outcomes[place] = "hit", free[0]
        else:
            outcomes[place] = ("repeat", fitting[0]) if fitting else ("false", None)
    return [outcomes[place] for place in range(len(findings))]


def fits(finding: Finding, square: Square, rule: Rule) -> bool:
    """Whether a finding may be that lesion; on the border of the square is inside."""
    if rule == "iou":
        return iou(finding.box, square.box) >= ENOUGH
    down, along = abs(finding.row - square.row), abs(finding.column - square.column)
    return down <= square.height / 2 and along <= square.width / 2


def iou(first: Box, second: Box) -> float:
    """Area that two boxes share over the area that they cover; 0 for two empty ones."""
    height = min(first[2], second[2]) - max(first[0], second[0])
    width = min(first[3], second[3]) - max(first[1], second[1])
    shared = max(0.0, height) * max(0.0, width)
    covered = _area(first) + _area(second) - shared
    return shared / covered if covered else 0.0


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _far(finding: Finding, squares: Sequence[Square]) -> Callable[[int], float]:
    return lambda k: (finding.row - squares[k].row) ** 2 + (finding.column - squares[k].column) ** 2
