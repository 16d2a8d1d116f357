"""The tables of a comparison as its page shows them."""

from __future__ import annotations

from collections.abc import Sequence

from xprism.evaluation.statistics import p_text
from xprism.protocols.comparison.cells import Cell, Table, both, here, name_of, number, remarks_of, theirs
from xprism.protocols.comparison.classes import MEASURES, ClassDifference
from xprism.protocols.comparison.pairs import RunComparison
from xprism.protocols.comparison.runs import RunFolder
from xprism.protocols.comparison.tables import EFFORT, PICTURE, REGIONS, Beside, Column
from xprism.protocols.published import published

WAYS = {
    "copy": "the film itself",
    "linear_fit": "the film after a straight-line fit",
    "copy_larger": "the film, lungs one pixel too large",
    "copy_smaller": "the film, lungs one pixel too small",
    "black": "black",
}
_WHERE = {"frame": "frame", "lung": "lung", "frame_unmasked": "whole frame"}
_WIDTH = 10
SIGNIFICANT = -3.0
"""Log10 of the p below which the papers call a difference significant."""


def runs_table(runs: Sequence[RunFolder]) -> Table:
    """What was run, on what."""
    heads = _heads(
        *("run", "experiment", "profile", "films: training, held out", "input", "folds"),
        *("network + discriminator", "epochs", "minutes", "hardware"),
    )
    rows = []
    for run in runs:
        facts = run.facts
        films = f"{facts.films.training}, {facts.films.held_out}"
        kind = "simulated" if facts.data == "simulated" else "films given"
        rows.append(
            (
                Cell(run.label, kind="head"),
                Cell(facts.experiment, (facts.system or "",)),
                Cell(facts.profile),
                Cell(films, (kind,)),
                Cell(" x ".join(map(str, facts.input))),
                Cell(", ".join(map(str, facts.folds)), (f"of {facts.of_folds}",)),
                Cell(f"{facts.parameters.network:,} + {facts.parameters.discriminator:,}"),
                Cell(f"{facts.epochs:g}"),
                Cell(f"{facts.minutes:g}"),
                Cell(facts.hardware),
            )
        )
    return Table(heads, tuple(rows))


def settings_table(runs: Sequence[RunFolder]) -> Table:
    """How each run settles what the papers leave open."""
    matters = dict.fromkeys(matter for run in runs for matter in run.facts.settings)
    rows = tuple(
        (Cell(matter, kind="head"), *(Cell(run.facts.settings.get(matter, "-")) for run in runs)) for matter in matters
    )
    return Table(((Cell("matter"), *(Cell(run.label) for run in runs)),), rows)


def first_tables(rows: Sequence[Beside]) -> list[Table]:
    """Table I: a row a measure and structure, two columns a run, one a system that is published only.

    Many runs become several tables, so that each fits a page.
    """
    columns = dict.fromkeys((row.run, row.system) if row.run else ("", row.system) for row in rows)
    parts: list[list[tuple[str, str]]] = [[]]
    for column in columns:
        if sum(2 if run else 1 for run, _ in (*parts[-1], column)) > _WIDTH:
            parts.append([])
        parts[-1].append(column)
    return [_first_table([row for row in rows if (row.run, row.system) in part], part) for part in parts]


def _first_table(rows: Sequence[Beside], columns: Sequence[tuple[str, str]]) -> Table:
    found = {(row.run, row.system, row.measure, row.structure): row for row in rows}
    ps = {(row.measure, row.structure): row.p for row in published() if row.table == "I" and row.p is not None}
    heads, below = [Cell()], [Cell()]
    for run, system in columns:
        heads.append(Cell(run, (system,), span=2) if run else Cell(system, kind="theirs"))
        below += [Cell("here"), Cell("published", kind="theirs")] if run else [Cell("published only", kind="theirs")]
    lines = []
    for measure, structure in dict.fromkeys((row.measure, row.structure) for row in rows):
        printed = {row.printed for row in rows if (row.measure, row.structure) == (measure, structure)} - {""}
        called = tuple(f"their {name}" for name in printed if name.endswith(" lung"))
        cells = [Cell(f"{name_of(measure)}, {structure.replace('_', ' ')}", called, "head")]
        for run, system in columns:
            row = found.get((run, system, measure, structure))
            cells += [here(row), theirs(row)] if run else [theirs(row)]
        p = ps.get((measure, structure))
        lines.append((*cells, Cell("" if p is None else f"{p:.1e}", kind="theirs")))
    last = Cell("p", ("U-Net, MTdG",), "theirs")
    return Table(((*heads, Cell(kind="theirs")), (*below, last)), tuple(lines), remarks_of(rows))


def second_table(rows: Sequence[Beside]) -> Table:
    """Table II: runs, then every published method with its own protocol, in the paper's order."""
    heads = _heads(
        *("method", "films", "size", "augmentation", "scheme"),
        *("lungs, Dice", "lungs, Jaccard", "heart, Dice", "heart, Jaccard"),
    )
    lines = []
    for key in dict.fromkeys(_method(row) for row in rows):
        own = {(row.structure, row.measure): row for row in rows if _method(row) == key}
        run, system, dataset, size, augmentation, scheme = key
        cells = [Cell(run or system, (system,) if run else (), "head" if run else "theirs")]
        cells += [Cell(text, kind="" if run else "theirs") for text in (dataset, size, augmentation, scheme)]
        for structure in ("lungs", "heart"):
            for measure in ("dice", "jaccard"):
                row = own.get((structure, measure))
                cells.append(both([row]) if row is not None else Cell("-", kind="" if run else "theirs"))
        lines.append(tuple(cells))
    return Table(heads, tuple(lines), remarks_of(rows))


def third_table(rows: Sequence[Beside]) -> Table:
    """Table III: runs, below them the floors of their films, then what is published only."""
    regions = [region for region in REGIONS if any(row.region == region for row in rows)]
    columns = [(name, region) for region in regions for name in ("mssim", "rmse")]
    heads = (Cell(), *(Cell(f"{name_of(name)}, {_WHERE[region]}") for name, region in columns))
    heads += (Cell("beats the fit?", ("RMSE in the lungs, else the frame",)),)
    lines = []
    for run, structure in dict.fromkeys(
        (row.run, row.structure) for row in rows if row.run and ":" not in row.structure
    ):
        own = {(one.measure, one.region): one for one in rows if (one.run, one.structure) == (run, structure)}
        cells = [Cell(run, (structure.replace("_", " "),), "head")]
        cells += [both([own[column]]) if column in own else Cell("-") for column in columns]
        lines.append((*cells, _beats(rows, run, structure)))
    lines += _floors(rows, columns)
    for system in dict.fromkeys(row.system for row in rows if not row.run):
        printed = {row.measure: row for row in rows if not row.run and row.system == system}
        cells = [Cell(system, ("published only",), "theirs")]
        cells += [theirs(printed.get(name)) for name in ("mssim", "rmse")]
        lines.append((*cells, *(Cell() for _ in columns[1:])))
    return Table((heads,), tuple(lines), remarks_of(rows))


def fourth_table(rows: Sequence[Beside], columns: Sequence[Column]) -> Table:
    """Table IV: a column a system that was run, then those that are published only."""
    others = list(dict.fromkeys(row.system for row in rows if not row.run))
    heads = (Cell(), *(Cell(one.label, (one.runs[0].facts.system or "",)) for one in columns))
    heads += tuple(Cell(name, ("published only",), "theirs") for name in others)
    lines = []
    for words, measure, structure in (
        ("average Dice", "dice", "average"),
        ("average FNR", "fnr", "average"),
        ("MSSIM, frame", "mssim", PICTURE),
        ("RMSE, frame", "rmse", PICTURE),
        *((name, name, "") for name in EFFORT),
    ):
        some = [row for row in rows if (row.measure, row.structure) == (measure, structure)]
        cells = [Cell(words, kind="head")]
        for column in columns:
            labels = {column.label, *(run.label for run in column.runs)}
            cells.append(both([row for row in some if row.run in labels]))
        printed = ([row for row in some if not row.run and row.system == name] for name in others)
        cells += [both(own) if own else Cell("-", kind="theirs") for own in printed]
        lines.append(tuple(cells))
    hardware = [", ".join(dict.fromkeys(run.facts.hardware for run in column.runs)) for column in columns]
    lines.append((Cell("hardware", kind="head"), *map(Cell, hardware), *(Cell("-", kind="theirs") for _ in others)))
    return Table((heads,), tuple(lines), remarks_of(rows))


def tests_table(tests: Sequence[RunComparison]) -> Table:
    """The tests of every pair of runs: Dice, MSSIM and RMSE; the rest stands in ``statistics.csv``."""
    heads = _heads(
        *("first, second", "", "patients", "first", "second", "difference", "d_z", "p, paired t"),
        *("Holm, structures", "Holm, all pairs", "p, Welch", "p, Wilcoxon"),
    )
    lines, last = [], None
    for one in (test for test in tests if test.measure in ("dice", "mssim", "rmse")):
        pair = one.first, one.second
        lines.append((Cell(one.first, (one.second,), "head") if pair != last else Cell(), *_tested(one)))
        last = pair
    return Table(heads, tuple(lines))


def classes_table(rows: Sequence[Beside]) -> Table:
    """Class maps: a row a run and class, a column a measure."""
    heads = (Cell("run"), Cell("class"), *map(Cell, MEASURES.values()))
    found = {(row.run, row.structure, row.measure): row for row in rows}
    lines, last = [], None
    for run, label in dict.fromkeys((row.run, row.structure) for row in rows):
        own = (found.get((run, label, measure)) for measure in MEASURES)
        cells = (both([row]) if row is not None else Cell("-") for row in own)
        lines.append((Cell(run, kind="head") if run != last else Cell(), Cell(label.replace("_", " ")), *cells))
        last = run
    return Table((heads,), tuple(lines), remarks_of(rows))


def differences_table(found: Sequence[ClassDifference]) -> Table:
    """F1 of two runs on the films of both tests."""
    heads = _heads("first, second", "class", "patients", "F1, first", "F1, second", "difference")
    lines, last = [], None
    for one in found:
        pair = one.first, one.second
        ends = (number(end, signed=True) for end in (one.interval_low, one.interval_high))
        lines.append(
            (
                Cell(one.first, (one.second,), "head") if pair != last else Cell(),
                Cell(one.label.replace("_", " ")),
                Cell(str(one.subjects)),
                Cell(number(one.f1_first)),
                Cell(number(one.f1_second)),
                Cell(number(one.difference, signed=True), (" to ".join(ends),)),
            )
        )
        last = pair
    return Table(heads, tuple(lines))


def _tested(one: RunComparison) -> tuple[Cell, ...]:
    apart, digits = one.only_first + one.only_second + one.undefined, 3 if one.measure == "rmse" else 4
    ends = (number(end, digits=digits, signed=True) for end in (one.interval_low, one.interval_high))
    surely = one.log10_p_holm_all < SIGNIFICANT
    return (
        Cell(f"{name_of(one.measure)}, {one.structure.replace('_', ' ')}", (one.region,) if one.region else ()),
        Cell(str(one.subjects), (f"{apart} films left out",) if apart else ()),
        Cell(number(one.mean_first)),
        Cell(number(one.mean_second)),
        Cell(number(one.difference, digits=digits, signed=True), (" to ".join(ends),)),
        Cell(number(one.effect_size, digits=2)),
        Cell(p_text(one.log10_p)),
        Cell(p_text(one.log10_p_holm)),
        Cell(p_text(one.log10_p_holm_all) + (" *" if surely else ""), kind="sure" if surely else ""),
        Cell(p_text(one.log10_p_welch)),
        Cell(p_text(one.log10_p_wilcoxon)),
    )


def _heads(*words: str) -> tuple[tuple[Cell, ...], ...]:
    return (tuple(map(Cell, words)),)


def _method(row: Beside) -> tuple[str, ...]:
    return row.run, row.system, row.dataset, row.resolution, row.augmentation, row.protocol


def _beats(rows: Sequence[Beside], run: str, picture: str) -> Cell:
    """Whether a picture is nearer to the true one than the film after a straight-line fit, inside the lungs."""
    of = {(row.structure, row.region): row.ours for row in rows if (row.run, row.measure) == (run, "rmse")}
    for region in ("lung", "frame"):
        made, line = of.get((picture, region)), of.get((f"{picture}:linear_fit", region))
        if made is not None and line is not None:
            return Cell("yes" if made < line else "no", (f"{number(made)} against {number(line)}",))
    return Cell("-", ("no floors",))


def _floors(rows: Sequence[Beside], columns: Sequence[tuple[str, str]]) -> list[tuple[Cell, ...]]:
    """The floors of each set of films once, with the runs that they belong to."""
    owners: dict[tuple[Cell, ...], list[str]] = {}
    for run, structure in dict.fromkeys((row.run, row.structure) for row in rows if ":" in row.structure):
        own = {(one.measure, one.region): one for one in rows if (one.run, one.structure) == (run, structure)}
        cells = tuple(here(own.get(column)) for column in columns)
        words = WAYS.get(structure.partition(":")[2], structure)
        owners.setdefault((Cell(words, kind="floor"), *cells), []).append(run)
    return [
        (Cell(first.main, (f"floor of {', '.join(runs)}",), first.kind), *cells, Cell())
        for (first, *cells), runs in owners.items()
    ]
