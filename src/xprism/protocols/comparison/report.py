"""The page of a comparison: one self-contained HTML file, to be read in any browser without a network."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, StrictUndefined, Template

from xprism import __version__
from xprism.protocols.comparison.cells import number
from xprism.protocols.comparison.classes import ClassDifference
from xprism.protocols.comparison.pairs import RunComparison
from xprism.protocols.comparison.runs import RunFolder
from xprism.protocols.comparison.tables import PICTURE, Beside, columns_of
from xprism.protocols.comparison.views import (
    classes_table,
    differences_table,
    first_tables,
    fourth_table,
    runs_table,
    second_table,
    settings_table,
    tests_table,
    third_table,
)
from xprism.protocols.published import PAPERS, published

PROFILES = {
    "smoke": "takes tiny networks through seconds of training. It shows that every step works, and nothing else: "
    "no number of it means anything.",
    "cpu": "has fewer films, smaller networks and fewer steps than the papers. Runs of one profile on the same films "
    "can be set against each other and against the floors; how far they lie from the published numbers says nothing "
    "about the papers.",
    "full": "follows the papers as far as they tell.",
}
COPY_SCORES = {"rmse": 2.10, "mssim": 0.993}
"""The film inside the true lungs against the true picture: means over the four films that the authors published."""


@dataclass(frozen=True)
class Figure:
    """A PNG with its caption."""

    path: Path
    caption: str


@dataclass(frozen=True)
class Findings:
    """What a comparison found: runs, tables I to IV, tests, pairs of runs without a film in common, class maps."""

    runs: tuple[RunFolder, ...]
    one: list[Beside]
    two: list[Beside]
    three: list[Beside]
    four: list[Beside]
    tests: list[RunComparison]
    strangers: list[tuple[str, str]]
    classes: list[Beside]
    differences: list[ClassDifference]


def report_html(found: Findings, *, figures: Sequence[Figure], problems: Sequence[str]) -> str:
    """The page as text, with every figure in it; ``problems`` say what could not be shown."""
    runs = found.runs
    masks, pictures = any(run.structures for run in runs), any(run.pictures for run in runs)
    return _template().render(
        title=" · ".join(run.label for run in runs),
        version=__version__,
        cautions=list(_cautions(runs)),
        runs=runs_table(runs),
        one=first_tables(found.one) if masks else [],
        two=second_table(found.two) if found.two else None,
        three=third_table(found.three) if pictures else None,
        copying=_copying() if any(PICTURE in run.pictures for run in runs) else "",
        copies=list(_copies(found)),
        four=fourth_table(found.four, columns_of(runs)),
        classes=classes_table(found.classes) if found.classes else None,
        differences=differences_table(found.differences) if found.differences else None,
        tests=tests_table(found.tests) if found.tests else None,
        strangers=[f"{first} and {second}" for first, second in found.strangers],
        figures=[(_data_uri(figure.path), figure.caption) for figure in figures],
        problems=problems,
        settings=settings_table(runs),
        papers=PAPERS,
    )


@lru_cache(maxsize=1)
def _template() -> Template:
    text = (files("xprism.protocols.comparison") / "templates" / "page.html").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(text)


def _data_uri(path: Path) -> str:
    return "data:image/png;base64," + b64encode(path.read_bytes()).decode()


def _cautions(runs: Sequence[RunFolder]) -> Iterator[tuple[str, str]]:
    """What a reader must know before the numbers: a word and a sentence each."""
    for profile in dict.fromkeys(run.facts.profile for run in runs):
        yield f"Profile {profile}", PROFILES.get(profile, "is none of xprism's own.")
    simulated = [run.label for run in runs if run.facts.data == "simulated"]
    if simulated:
        yield (
            "Simulated films",
            f"({', '.join(simulated)}) are not those of the papers: their numbers cannot confirm or refute a paper's.",
        )
    partial = [run.label for run in runs if len(run.facts.folds) < run.facts.of_folds]
    if partial:
        yield "Some folds only", f"were run of {', '.join(partial)}; the papers print means over all films."
    whole = [run.label for run in runs if PICTURE in run.uncut]
    if whole:
        yield (
            "Whole pictures",
            f"are made by {', '.join(whole)}, where the papers' are zero outside the lungs. Where the true lungs are "
            "known, the frame is measured with both pictures cut to them: no outline had to be found, which is easier.",
        )


def _copying() -> str:
    """What a copy of the film scores on the authors' own films, beside the published scores."""
    rows = [row for row in published() if row.table == "III/IV"]
    best = {row.measure: row.mean for row in rows if row.system == "pix2pix MTdG"}
    ps = {row.measure: row.p for row in rows if row.p is not None}
    return (
        "A copy of the film inside the true lungs, with every bone in it, scores RMSE "
        f"{number(COPY_SCORES['rmse'], digits=2)} and MSSIM {number(COPY_SCORES['mssim'])} on the four films that the "
        f"authors published, better than the best published {number(best['rmse'])} and {number(best['mssim'])}. "
        "Over the whole frame such a score says how well the lungs' outline was met, and next to nothing about bones. "
        f"Published p of AutoEncoder against MTdG: {ps['mssim']:.1e} (MSSIM), {ps['rmse']:.1e} (RMSE)."
    )


def _copies(found: Findings) -> Iterator[str]:
    """Each run's picture beside a copy of the same films, over the frame."""
    frame = {(row.run, row.structure, row.measure): row.ours for row in found.three if row.region == "frame"}
    for run in (one for one in found.runs if one.pictures):
        for picture in run.pictures:
            rows = ((run.label, name) for name in (picture, f"{picture}:copy"))
            made, copied = ([number(frame.get((*row, measure))) for measure in ("rmse", "mssim")] for row in rows)
            if copied[0] == "-":
                yield f"{run.label}: no floors were written for its films."
            else:
                yield (
                    f"{run.label}: RMSE {made[0]} and MSSIM {made[1]} over the frame; "
                    f"the copy on the same films {copied[0]} and {copied[1]}."
                )
