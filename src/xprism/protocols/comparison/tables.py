"""Tables I to IV of the pix2pix papers with runs beside them: what was measured, what is printed, the difference."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from xprism.evaluation.scores import OVERLAP_MEASURES, Score
from xprism.evaluation.summary import AVERAGE, SummaryRow, summarise
from xprism.protocols.comparison.runs import RunFolder
from xprism.protocols.published import Published, full_name, published, warnings_of

ORGANS = ("right_lung", "heart", "left_lung")
"""The papers' structures in their order: what they call the left lung is the viewer's left, our right one."""

PICTURE = "bone_suppressed"
REGIONS = ("frame", "lung", "frame_unmasked")
EFFORT = ("parameters", "epochs", "minutes")
GIVEN = "cut to the true lungs before it was measured, while the published picture had to find them"
WHOLE = "not cut to the lungs as the published picture is: no difference"
_SEED = 0


@dataclass(frozen=True)
class Beside:
    """One number of a run beside the published one; without a ``run`` it is published only.

    ``ours`` is a mean over images with its 95 % interval and standard deviation, or a count. ``published``
    is of the same side of the patient, ``by_name`` what the paper prints under the same name of a side.
    ``difference`` is ours minus published; empty where the two do not measure the same thing.
    """

    run: str
    system: str
    structure: str
    printed: str
    region: str
    measure: str
    unit: str
    ours: float | None = None
    interval_low: float | None = None
    interval_high: float | None = None
    std: float | None = None
    n: int | None = None
    published: float | None = None
    published_std: float | None = None
    published_p: float | None = None
    difference: float | None = None
    by_name: float | None = None
    paper: str = ""
    dataset: str = ""
    resolution: str = ""
    augmentation: str = ""
    protocol: str = ""
    remark: str = ""


@dataclass(frozen=True)
class Column:
    """Runs that stand in one column of Table IV: one run, or the two single-task networks of one system."""

    runs: tuple[RunFolder, ...]

    @property
    def label(self) -> str:
        """The names of the runs."""
        return " + ".join(run.label for run in self.runs)


def table_one(runs: Sequence[RunFolder]) -> list[Beside]:
    """Table I: Dice, Jaccard, FNR and FPR (over the reference) by structure and on average."""
    rows = []
    for run in (one for one in runs if one.structures):
        theirs = counterparts(run)
        shown = [*(one for one in ORGANS if one in run.structures)]
        shown += [one for one in run.structures if one not in ORGANS]
        joined = dict.fromkeys(row.structure for row in theirs if row.table == "figure 10" and row.measure == "dice")
        for measure in OVERLAP_MEASURES:
            for structure in (*shown, *joined, AVERAGE) if len(shown) > 1 else shown:
                row = run.row(structure, measure)
                if row is not None:
                    # An average over other structures is another quantity.
                    same = structure != AVERAGE or set(shown) == set(ORGANS)
                    rows.append(_measured(run, row, theirs if same else (), tables=("I", "IV", "figure 10")))
    return rows + [_printed(row) for row in _not_run(runs, "I")] if _chest(rows, ORGANS) else rows


def table_two(runs: Sequence[RunFolder]) -> list[Beside]:
    """Table II: lungs and heart beside what other methods published; lungs are the mean of the two lungs' scores."""
    rows = []
    for run in (one for one in runs if one.structures):
        summary = [*_both_lungs(run), *(row for row in run.summary if row.structure == "heart")]
        for row in summary:
            if row.measure in ("dice", "jaccard") and row.n:
                rows.append(_measured(run, row, counterparts(run), tables=("II",)))
    return rows + [_printed(row) for row in published() if row.table == "II"] if rows else rows


def table_three(runs: Sequence[RunFolder]) -> list[Beside]:
    """Table III: MSSIM and RMSE of the picture without bones, over the frame and inside the lungs, and the floors."""
    rows = []
    for run in runs:
        theirs = counterparts(run)
        for name in run.pictures:
            for region in REGIONS:
                for measure in ("mssim", "rmse", "psnr"):
                    row = run.row(name, measure, region)
                    if row is not None:
                        rows.append(_measured(run, row, theirs, tables=("III/IV", "figure 10")))
        for floor in run.floors if run.pictures else ():
            if floor.measure in ("mssim", "rmse", "psnr"):
                rows.append(_measured(run, floor, (), tables=(), system="floor"))
    return rows + [_printed(row) for row in _not_run(runs, "III/IV")] if _chest(rows, (PICTURE,)) else rows


def table_four(columns: Sequence[Column]) -> list[Beside]:
    """Table IV: averages, parameters, epochs and minutes, beside what either version of the paper prints."""
    rows = []
    for column in columns:
        first = column.runs[0]
        for run in column.runs:
            theirs = counterparts(run)
            wanted = [(AVERAGE, "dice", ""), (AVERAGE, "fnr", "")] if set(run.structures) == set(ORGANS) else []
            wanted += [(PICTURE, measure, "frame") for measure in ("mssim", "rmse")]
            found = [run.row(structure, measure, region) for structure, measure, region in wanted]
            rows += [_measured(run, row, theirs, tables=("I", "IV", "III/IV")) for row in found if row is not None]
        theirs = counterparts(first)
        for measure in EFFORT:
            ours = sum(_effort(run, measure) for run in column.runs)
            if measure == "epochs":
                ours /= len(column.runs)
            rows += _counted(column, measure, ours, [one for one in theirs if one.measure == measure])
    if not _chest(rows, (AVERAGE, PICTURE)):
        return rows
    runs = [run for column in columns for run in column.runs]
    averages = [row for row in _not_run(runs, "I") if row.structure == AVERAGE and row.measure in ("dice", "fnr")]
    return rows + [_printed(row) for row in (*averages, *_not_run(runs, "III/IV"), *_not_run(runs, "IV"))]


def columns_of(runs: Sequence[RunFolder]) -> list[Column]:
    """One column a run; the organ network and the bone network of one published system share one, as in the paper."""
    columns: list[Column] = []
    for run in runs:
        for place, column in enumerate(columns):
            if all(_complements(run, other) for other in column.runs):
                columns[place] = Column((*column.runs, run))
                break
        else:
            columns.append(Column((run,)))
    return columns


def counterparts(run: RunFolder) -> tuple[Published, ...]:
    """The published numbers that a run makes again, by its experiment and, where there are several, its folds."""
    name = full_name(run.facts.experiment)
    named = [row for row in published() if name in row.experiments]
    folded = [row for row in named if row.protocol == f"{run.facts.of_folds}-fold"]
    return tuple(folded or named)


@lru_cache(maxsize=1)
def _warnings() -> dict[str, tuple[str, ...]]:
    return warnings_of(published())


def remark_of(row: Published) -> str:
    """The note of a published number and what its neighbours say against it.

    What a p belongs to and what another version of the paper prints are left out: tables show them themselves.
    """
    said = [] if row.measure in EFFORT else [*_warnings().get(row.id, ())]
    return "; ".join([*said, row.note] if row.note and row.p is None else said)


def _measured(
    run: RunFolder, row: SummaryRow, theirs: Iterable[Published], *, tables: Sequence[str], system: str | None = None
) -> Beside:
    """A measured row beside its published counterpart."""
    candidates = [one for one in theirs if one.measure == row.measure and one.table in tables]
    candidates = candidates if row.region in ("", "frame") else []  # nothing else is published
    same = next((one for one in candidates if one.structure == row.structure), None)
    called = row.structure.replace("_", " ")
    by_name = next((one.value for one in candidates if one.printed == called and called.endswith(" lung")), None)
    whole = row.structure == PICTURE and PICTURE in run.uncut
    given = whole and run.row(PICTURE, row.measure, "frame_unmasked") is not None
    remarks = [GIVEN if given else WHOLE] if whole and same is not None else []
    remarks += [remark_of(same)] if same is not None and remark_of(same) else []
    return Beside(
        run=run.label,
        system=run.facts.system or "" if system is None else system,
        structure=row.structure,
        printed=same.printed if same is not None else "",
        region=row.region,
        measure=row.measure,
        unit=row.unit or ("grey levels" if row.measure == "rmse" else ""),
        ours=row.mean_over_images,
        interval_low=row.interval_low,
        interval_high=row.interval_high,
        std=row.std,
        n=row.n,
        difference=None if same is None or (whole and not given) else row.mean_over_images - same.value,
        by_name=by_name,
        resolution="x".join(map(str, run.facts.input)),
        augmentation=run.facts.settings.get("offline copies", ""),
        protocol=_protocol(run),
        dataset="simulated films" if run.facts.data == "simulated" else "films given",
        remark="; ".join(remarks),
        **_theirs(same),
    )


def _printed(row: Published) -> Beside:
    """A row that is published only, at least as far as these runs go."""
    return Beside(
        run="",
        system=row.system,
        structure=row.structure,
        printed=row.printed,
        region="frame" if row.structure == PICTURE else "",
        measure=row.measure,
        unit=row.unit,
        dataset=row.dataset,
        resolution=row.resolution,
        augmentation=row.augmentation,
        protocol=row.protocol,
        remark=remark_of(row),
        **_theirs(row),
    )


def _theirs(row: Published | None) -> dict[str, Any]:
    if row is None:
        return {}
    count = row.measure == "parameters"  # not to be rounded
    return {
        "published": int(row.mean) if count else row.value,
        "published_std": row.std,
        "published_p": row.p,
        "paper": row.paper,
    }


def _counted(column: Column, measure: str, ours: float, theirs: Sequence[Published]) -> Iterator[Beside]:
    """Parameters, epochs or minutes of a column: one row a version of the paper, or one without any."""
    first = column.runs[0]
    about: dict[str, Any] = {"run": column.label, "system": first.facts.system or "", "structure": "", "printed": ""}
    about |= {"region": "", "measure": measure, "unit": "", "ours": ours}
    # What is published of two networks cannot be set beside one.
    alone = any(len(row.experiments) > len(column.runs) for row in theirs)
    for row in theirs or (None,):
        apart = None if row is None or alone else ours - (int(row.mean) if measure == "parameters" else row.mean)
        yield Beside(**about, difference=apart, remark="" if row is None else remark_of(row), **_theirs(row))


def _effort(run: RunFolder, measure: str) -> float:
    facts = run.facts
    weights = facts.parameters.network + facts.parameters.discriminator
    return {"parameters": weights, "epochs": facts.epochs, "minutes": facts.minutes}[measure]


def _complements(run: RunFolder, other: RunFolder) -> bool:
    """Whether two runs do the two tasks of one published system, under the same conditions."""
    mine, theirs = run.facts, other.facts
    conditions = all(getattr(mine, name) == getattr(theirs, name) for name in ("system", "profile", "data", "input"))
    apart = not set(run.structures) & set(other.structures) and not set(run.pictures) & set(other.pictures)
    return mine.system is not None and conditions and apart


def _chest(rows: Iterable[Beside], structures: Sequence[str]) -> bool:
    """Whether something was measured that the published chest experiments measured, too."""
    return any(row.structure in structures for row in rows)


def _not_run(runs: Iterable[RunFolder], table: str) -> list[Published]:
    """The rows of a table that no run makes again."""
    beside = {row.id for run in runs for row in counterparts(run)}
    return [row for row in published() if row.table == table and row.id not in beside]


def _both_lungs(run: RunFolder) -> list[SummaryRow]:
    """Means of the two lungs' scores in each film, as the papers' second table has them, summed up over films."""
    by_side = {(score.case, score.structure): score for score in run.scores}
    made = []
    for (case, structure), right in by_side.items():
        left = by_side.get((case, "left_lung"))
        if structure == "right_lung" and left is not None:
            means = {name: float(np.mean([getattr(right, name), getattr(left, name)])) for name in OVERLAP_MEASURES}
            made.append(Score(case, right.subject, "lungs", **means))  # type: ignore[arg-type]
    return summarise(made, unions={}, expected={}, generator=np.random.default_rng(_SEED))


def _protocol(run: RunFolder) -> str:
    folds, of = run.facts.folds, run.facts.of_folds
    if len(folds) == of:
        return f"{of}-fold"
    return f"fold {', '.join(map(str, folds))} of {of}"
