"""Experiments beside each other and beside what their papers print: tables, tests, figures and one page."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from xprism.errors import OutputError
from xprism.evaluation.tables import write_csv
from xprism.protocols.comparison.classes import ClassDifference, class_differences, class_table
from xprism.protocols.comparison.figures import draw_boxes, draw_grid, draw_losses, mask_plots, picture_plots
from xprism.protocols.comparison.pairs import RunComparison, pairwise
from xprism.protocols.comparison.panels import Shown, best_and_worst, four_subjects
from xprism.protocols.comparison.report import Figure, Findings, report_html
from xprism.protocols.comparison.runs import RunFolder, open_runs
from xprism.protocols.comparison.tables import Beside, columns_of, table_four, table_one, table_three, table_two
from xprism.protocols.evaluate import check_out
from xprism.writers.folder import TEMPORARY
from xprism.writers.overlay import colour_of

STEPS = ("runs", "tables", "tests", "figures", "pictures", "report")
"""What a comparison goes through; ``on_step`` hears of each when it is done."""

FILES = (
    *("report.html", "table-*.csv", "statistics.csv", "classes.csv", "class-differences.csv"),
    *("boxplots-*.png", "losses.png", "subjects-*.png", "best-and-worst-*.png"),
)
"""Everything a comparison may leave in its folder."""

OnStep = Callable[[str], None]


def compare(
    folders: Sequence[Path], out: Path, *, overwrite: bool = False, on_step: OnStep = lambda step: None
) -> Path:
    """Compare experiments that ``xprism reproduce`` wrote into ``folders``; the path of ``report.html`` in ``out``.

    Every pair of runs is tested on the films that both held out. Also writes ``table-1.csv`` to ``table-4.csv``,
    ``statistics.csv``, for class maps ``classes.csv`` and ``class-differences.csv``, and the figures. ``out`` appears
    whole. Raises ``DataError`` for folders that hold no finished experiment, and ``OutputError`` where ``out`` cannot
    be written, or holds something and ``overwrite`` is off.
    """
    check_out(out, overwrite=overwrite, inputs=folders)
    runs = open_runs(folders)
    on_step("runs")
    try:
        out.absolute().parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=TEMPORARY, dir=out.absolute().parent))
        try:
            made = temporary / "new"
            made.mkdir()
            _fill(runs, made, on_step)
            _publish(made, out)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        raise OutputError(
            error.strerror or str(error), where=str(out), remedy="choose a folder you may write to, with space left"
        ) from error
    return out / "report.html"


def findings_of(runs: Sequence[RunFolder], *, on_step: OnStep = lambda step: None) -> Findings:
    """The tables and tests of runs."""
    tables = table_one(runs), table_two(runs), table_three(runs), table_four(columns_of(runs))
    on_step("tables")
    tests, strangers = pairwise(runs)
    on_step("tests")
    return Findings(tuple(runs), *tables, tests, strangers, class_table(runs), class_differences(runs))


def _fill(runs: Sequence[RunFolder], folder: Path, on_step: OnStep) -> None:
    found = findings_of(runs, on_step=on_step)
    for number, table in enumerate((found.one, found.two, found.three, found.four), start=1):
        write_csv(folder / f"table-{number}.csv", Beside, table)
    write_csv(folder / "statistics.csv", RunComparison, found.tests)
    if found.classes:
        write_csv(folder / "classes.csv", Beside, found.classes)
        write_csv(folder / "class-differences.csv", ClassDifference, found.differences)
    figures = _plots(runs, folder)
    on_step("figures")
    shown = Shown()
    figures += _grids(runs, folder, shown)
    on_step("pictures")
    page = report_html(found, figures=figures, problems=shown.problems)
    (folder / "report.html").write_text(page, encoding="utf-8")
    on_step("report")


def _plots(runs: Sequence[RunFolder], folder: Path) -> list[Figure]:
    masks, pictures = list(mask_plots([run for run in runs if run.structures])), list(picture_plots(runs))
    box = "Median, quartiles, whiskers to the last point within 1.5 times the interquartile range, + beyond."
    paths = [folder / name for name in ("boxplots-masks.png", "boxplots-pictures.png", "losses.png")]
    drawn = (
        (draw_boxes(masks, paths[0], columns=max(1, len(masks) // 2)), f"Dice and FNR by structure. {box}"),
        (draw_boxes(pictures, paths[1], columns=4), f"MSSIM and RMSE, with floors as lines. {box}"),
        (draw_losses(runs, paths[2]), "Losses of one fold of each run; bold: exponential means with decay 0.99."),
    )
    return [Figure(path, words) for path, (there, words) in zip(paths, drawn, strict=True) if there]


def _grids(runs: Sequence[RunFolder], folder: Path, shown: Shown) -> list[Figure]:
    figures = []
    labels = tuple(dict.fromkeys(name for run in runs for name in run.structures))
    colours = {label: colour_of(label, labels) for label in labels}
    pictures = dict.fromkeys(name for run in runs for name in run.pictures)
    for name in (*([""] if labels else []), *pictures):
        path = folder / f"subjects-{name.replace('_', '-') or 'masks'}.png"
        heads, rows = four_subjects(runs, shown, picture=name)
        if draw_grid(heads, rows, path, colours=colours):
            what = name.replace("_", " ") if name else "masks as outlines"
            figures.append(Figure(path, f"Films from the best (top) to the worst: {what}."))
    for number, run in enumerate(runs, start=1):
        path = folder / f"best-and-worst-{number}.png"
        heads, rows = best_and_worst(run, shown)
        if draw_grid(heads, rows, path, colours=colours):
            figures.append(Figure(path, f"The best and the worst film of {run.label}."))
    return figures


def _publish(made: Path, out: Path) -> None:
    """Bring the finished files to their place; those of an earlier comparison go, others stay."""
    if out.is_dir() and not any(out.iterdir()):
        out.rmdir()
    if not out.exists():
        os.rename(made, out)
        return
    for earlier in [path for pattern in FILES for path in out.glob(pattern)]:
        earlier.unlink()
    for path in made.iterdir():
        os.replace(path, out / path.name)
