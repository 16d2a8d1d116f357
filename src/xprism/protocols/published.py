"""Numbers that papers print, with what can be said against them; they are shown beside runs, never ranked with them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import as_file, files
from itertools import permutations

from xprism.evaluation.tables import read_csv

ONLY = "published only"
"""``ours`` of a row that nothing here makes again."""

ARXIV, TMI, TIIS, SPIE = "arXiv 2019", "TMI 2020", "TIIS 2020", "SPIE 2019"
PAPERS = {
    ARXIV: "Eslami et al., arXiv:1906.10089, first version, 2019",
    TMI: "Eslami et al., Image-to-Images Translation for Multi-Task Organ Segmentation and Bone Suppression in "
    "Chest X-Ray Radiography, IEEE Transactions on Medical Imaging, 2020",
    TIIS: "Park, Jeong and Moon, X-ray image segmentation using multi-task learning, KSII Transactions on Internet and "
    "Information Systems, 2020",
    SPIE: "Bullock, Cuesta-Lazaro and Quera-Bofarull, XNet: a convolutional neural network (CNN) implementation for "
    "medical x-ray image segmentation suitable for small datasets, SPIE Medical Imaging, 2019",
}

_HALF_DIGIT = 0.0005
_FAILURES = 0.01


@dataclass(frozen=True)
class Published:
    """One printed number: a row of ``published.csv``.

    ``printed`` is the structure as the paper calls it, ``structure`` ours: the paper's left lung is the
    viewer's left, so the patient's right one. ``ours`` names the experiments of ``xprism reproduce`` that
    make the row again, with spaces between, or says ``published only``. ``p`` is the paper's own.
    """

    id: str
    paper: str
    table: str
    system: str
    dataset: str
    protocol: str
    resolution: str
    augmentation: str
    printed: str
    structure: str
    measure: str
    unit: str
    mean: float
    std: float | None
    p: float | None
    ours: str
    note: str

    @property
    def value(self) -> float:
        """The mean in the unit that scores have here: shares are never per cent."""
        return self.mean / 100 if self.unit == "percent" else self.mean

    @property
    def experiments(self) -> tuple[str, ...]:
        """The experiments that make this row again; none where it is published only."""
        return () if self.ours == ONLY else tuple(full_name(name) for name in self.ours.split())


def full_name(experiment: str) -> str:
    """The long name of an experiment: ``mtdg`` is short for ``mtdg/mtdg``."""
    return experiment if "/" in experiment else f"{experiment}/{experiment}"


@lru_cache(maxsize=1)
def published() -> tuple[Published, ...]:
    """Every published number that is known here, in the papers' order."""
    with as_file(files("xprism.protocols") / "published.csv") as path:
        return tuple(read_csv(path, Published))


def warnings_of(rows: Sequence[Published]) -> dict[str, tuple[str, ...]]:
    """What the numbers say against each other, by the id of the row; found by rule, not by hand."""
    found: dict[str, tuple[str, ...]] = {}
    for row, text in (*_incompatible(rows), *_wrong_averages(rows), *_changed(rows), *_twice(rows)):
        found[row.id] = (*found.get(row.id, ()), text)
    return found


def dice_and_jaccard(dice: float, jaccard: float) -> str | None:
    """Why two means over the same films do not go together, or None.

    In every film J = D / (2 - D), which is convex: the mean of J is never below what the mean of D gives, and
    above it only as far as films differ. The films that differ most are missed completely (D = J = 0); the
    share q of them that two means need follows from D = (1 - q) d and J = (1 - q) d / (2 - d). Both means
    are taken as favourably as their three printed digits allow; up to one film in a hundred passes.
    """
    least, most = dice - _HALF_DIGIT, dice + _HALF_DIGIT
    if jaccard + _HALF_DIGIT < least / (2 - least):
        return f"Dice {dice:.3f} and Jaccard {jaccard:.3f} cannot both be means over the same films"
    others = 2 - most / (jaccard - _HALF_DIGIT)
    missed = 1 - most / others
    if missed <= _FAILURES:
        return None
    return f"Dice {dice:.3f} and Jaccard {jaccard:.3f} go together only as if {missed:.0%} of the films had been missed"


def _incompatible(rows: Sequence[Published]) -> Iterator[tuple[Published, str]]:
    pairs: dict[tuple[str, ...], dict[str, Published]] = {}
    for row in rows:
        if row.measure in ("dice", "jaccard") and row.table in ("I", "II"):
            key = (row.table, row.system, row.resolution, row.protocol, row.structure)
            pairs.setdefault(key, {})[row.measure] = row
    for pair in pairs.values():
        why = dice_and_jaccard(pair["dice"].mean, pair["jaccard"].mean) if len(pair) == 2 else None
        if why is not None:
            yield from ((row, why) for row in pair.values())


def _wrong_averages(rows: Sequence[Published]) -> Iterator[tuple[Published, str]]:
    """Averages over structures that are not the mean of the structures beside them."""
    for row in rows:
        if row.structure == "average" and row.table == "I":
            about = (row.table, row.system, row.measure)
            parts = [
                one.mean for one in rows if (one.table, one.system, one.measure) == about and one.structure != "average"
            ]
            mean = sum(parts) / len(parts)
            if abs(mean - row.mean) > 2 * _HALF_DIGIT + 1e-9:
                yield row, f"misprint: its structures average {mean:.3f}, not {row.mean:.3f}"


def _changed(rows: Sequence[Published]) -> Iterator[tuple[Published, str]]:
    """Numbers that the two versions of a paper print differently."""
    printed: dict[tuple[str, ...], list[Published]] = {}
    for row in rows:
        printed.setdefault((row.table, row.system, row.structure, row.measure), []).append(row)
    for row, other in (pair for some in printed.values() for pair in permutations(some, 2)):
        if {row.paper, other.paper} == {ARXIV, TMI} and row.mean != other.mean:
            yield row, f"{other.paper} prints {other.mean:g}"


def _twice(rows: Sequence[Published]) -> Iterator[tuple[Published, str]]:
    """Numbers of one system, told by the experiments that make it again, that a paper's tables print differently."""
    for row, other in permutations((row for row in rows if row.paper == TIIS), 2):
        one_system = {*row.experiments} & {*other.experiments} - {"mosegnet/sweep"}
        if one_system and row.measure == other.measure and row.table != other.table and row.mean != other.mean:
            yield row, f"table {other.table} prints {other.mean:g}"
