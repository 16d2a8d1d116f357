"""``xprism compare`` on small experiments: tables, tests, figures and a page that needs nothing else."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import stats
from typer.testing import CliRunner, Result

import tiny_models
from xprism.cli.app import app
from xprism.data.manifest import Case, read_manifest, write_manifest
from xprism.errors import DataError
from xprism.evaluation.scores import Score
from xprism.evaluation.summary import SummaryRow, summarise
from xprism.evaluation.tables import read_csv, write_csv
from xprism.protocols.compare import findings_of
from xprism.protocols.comparison.cells import number
from xprism.protocols.comparison.figures import mask_plots, picture_plots
from xprism.protocols.comparison.panels import Shown, best_and_worst, four_subjects
from xprism.protocols.comparison.report import report_html
from xprism.protocols.comparison.runs import open_runs, shared_cases
from xprism.protocols.comparison.tables import Beside, columns_of, table_four, table_one, table_three, table_two
from xprism.protocols.comparison.views import first_tables, third_table
from xprism.protocols.evaluate import evaluate, write_evaluation
from xprism.protocols.predictions import ModelSource
from xprism.protocols.published import published
from xprism.targets import Masks, Picture, TargetSet

pytestmark = pytest.mark.xdist_group("compare")  # one worker makes what these tests share

SIZE, FILMS = 96, 6
ORGANS = ("heart", "left_lung", "right_lung")
SYSTEMS = {"mtdg/mtdg": "pix2pix MTdG", "unet": "U-Net (authors)"}
SYSTEMS |= {f"mtdg/st-{task}": "pix2pix ST" for task in ("organs", "bones")}


def call(*words: str | Path) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def films(folder: Path, *, seed: int = 0, count: int = FILMS) -> tuple[Case, ...]:
    """Films whose true organs lie up to some pixels beside those of the models, and the films at half brightness."""
    folder.mkdir(parents=True, exist_ok=True)
    cases = []
    for k in range(count):
        about = {name: folder / f"{name}{k}.png" for name in ("film", "bone_suppressed", *ORGANS)}
        film = tiny_models.drawn_film(SIZE, seed=seed + k)
        pixels = {"film": film, "bone_suppressed": film // 2}
        for label in ORGANS:
            inside = tiny_models.ellipse(SIZE, *tiny_models.ELLIPSES[label]) > 0
            pixels[label] = np.roll(inside, (k % 3 + seed, -k), axis=(0, 1)).astype(np.uint8) * 255
        for name, values in pixels.items():
            Image.fromarray(values).save(about[name])
        masks = {label: about[label] for label in ORGANS}
        pictures = {"bone_suppressed": about["bone_suppressed"]}
        facts = {"polarity": "display"}
        cases.append(Case(f"film{k}", f"patient{k}", about["film"], None, masks, pictures, facts))
    return tuple(cases)


def model(folder: Path, *, shift: int = 0, organs: bool = True, bones: bool = True, cut: bool = True) -> Path:
    """A model whose organs lie ``shift`` pixels to the right of where they are meant to be."""
    planes = [np.roll(tiny_models.ellipse(SIZE, *tiny_models.ELLIPSES[label]), shift, axis=1) for label in ORGANS]
    masks = Masks(name="organs", labels=ORGANS, unions={"lungs": ORGANS[1:]})
    picture = Picture(name="bone_suppressed", range=(0.0, 1.0), within=ORGANS[1:] if cut else ())
    targets = TargetSet(targets=((masks,) if organs else ()) + ((picture,) if bones else ()))
    layers = [*(planes if organs else []), *([np.full((SIZE, SIZE), -0.5, np.float32)] if bones else [])]
    return tiny_models.write_model(folder, np.stack(layers), targets, gate="none", film_weight=0.2)


def experiment(folder: Path, name: str, folds: Sequence[Sequence[Case]], **about: object) -> Path:
    """A folder as ``xprism reproduce`` writes it, with one model a fold, each a pixel further off."""
    shift = int(about.pop("shift", 0))  # type: ignore[call-overload]
    kinds = {key: about.pop(key, True) for key in ("organs", "bones", "cut")}
    found = []
    for number_of, cases in enumerate(folds):
        fold = folder / f"fold-{number_of}"
        model(fold / "model", shift=shift + number_of, **kinds)  # type: ignore[arg-type]
        write_manifest(fold / "held-out.csv", cases)
        losses = [
            {"step": k, "epoch": k / 9, "l1": 1 / k, "adversarial": 1.0, "discriminator": 2.0} for k in range(1, 60)
        ]
        (fold / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in losses))
        source = ModelSource(str(fold / "model"), runtime="onnx", clean=False, force=True)
        found.append(evaluate(cases, source))
    first = found[0]
    first.cases = [case for cases in folds for case in cases]
    first.scores = [score for part in found for score in part.scores]
    first.summary = summarise(first.scores, unions=first.source.unions, expected={}, generator=np.random.default_rng(0))
    write_manifest(folder / "held-out.csv", first.cases)
    write_evaluation(first, folder / "evaluation", manifest=folder / "held-out.csv", figures=False, overwrite=True)
    if kinds["bones"]:
        floors = [floor(row, way, rmse) for row in first.summary for way, rmse in (("copy", 2.5), ("linear_fit", 1.5))]
        write_csv(folder / "floors.csv", SummaryRow, [row for row in floors if row.region and row.measure != "psnr"])
    facts = {
        **{"schema": "xprism.experiment", "schema_version": 1, "experiment": name, "profile": "cpu"},
        **{"system": SYSTEMS.get(name), "parameters": {"network": 100, "discriminator": 20}, "epochs": 30.0},
        **{"minutes": 8.5, "folds": list(range(len(folds))), "of_folds": 5, "hardware": "a <fast> machine"},
        **{"input": [SIZE, SIZE], "films": {"training": 24, "held_out": FILMS}, "data": "simulated"},
        **{"settings": {"offline copies": "none", "sides": "the patient's"}, **about},
    }
    (folder / "experiment.json").write_text(json.dumps(facts))
    return folder


def floor(row: SummaryRow, way: str, rmse: float) -> SummaryRow:
    return replace(row, structure=f"{row.structure}:{way}", mean_over_images=rmse if row.measure == "rmse" else 0.99)


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> tuple[Case, ...]:
    return films(tmp_path_factory.mktemp("films"))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, cases: tuple[Case, ...]) -> Path:
    """Four experiments: two of all tasks' films, and the two networks of ST; one more on other films."""
    folder = tmp_path_factory.mktemp("runs")
    experiment(folder / "mtdg", "mtdg/mtdg", [cases[:3], cases[3:]])
    experiment(folder / "unet", "unet", [cases], shift=2, bones=False)
    experiment(folder / "st-organs", "mtdg/st-organs", [cases], shift=4, bones=False)
    experiment(folder / "st-bones", "mtdg/st-bones", [cases], organs=False)
    experiment(folder / "elsewhere", "unet", [films(folder / "other", seed=9)], bones=False)
    return folder


@pytest.fixture(scope="module")
def out(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("matplotlib")
    where = tmp_path_factory.mktemp("out") / "comparison"
    done = call("compare", home / "mtdg", home / "unet", home / "elsewhere", "-o", where)
    assert done.exit_code == 0, done.output
    assert "report.html" in done.output
    return where


def one(table: Sequence[Beside], **facts: str) -> Beside:
    (row,) = (row for row in table if all(getattr(row, name) == value for name, value in facts.items()))
    return row


def test_the_page_needs_nothing_else_and_says_what_must_be_known_first(out: Path) -> None:
    page = (out / "report.html").read_text(encoding="utf-8")
    assert set(re.findall(r'(?:src|href)="([a-z]+:)', page)) == {"data:"}
    assert not re.findall(r"<(?:script|link|iframe)|@import|url\(", page)
    assert page.count("data:image/png;base64,") == len(list(out.glob("*.png"))) >= 6
    for sentence in (
        "how far they lie from the published numbers says nothing",
        "A copy of the film inside the true lungs, with every bone in it, scores RMSE 2.10",
        "misprint: its structures average 0.029, not 0.071",
        "as if 6% of the films had been missed",
        "held out no film in common: mtdg and unet (elsewhere); unet (unet) and unet (elsewhere)",
        "Left and right are the patient's",
        "a &lt;fast&gt; machine",
    ):
        assert sentence in page, sentence


def test_a_side_of_the_patient_stands_beside_the_other_word_of_the_papers(home: Path) -> None:
    (run,) = open_runs([home / "mtdg"])
    row = one(table_one([run]), run="mtdg", structure="right_lung", measure="dice")
    with (home / "mtdg" / "evaluation" / "cases.csv").open() as stream:
        dice = [float(line["dice"]) for line in csv.DictReader(stream) if line["structure"] == "right_lung"]
    assert (row.printed, row.published, row.by_name) == ("left lung", 0.990, 0.988)
    assert row.ours == pytest.approx(np.mean(dice), rel=1e-4)
    assert row.difference == pytest.approx(np.mean(dice) - 0.990, rel=1e-4)
    assert row.interval_low is not None
    assert row.interval_high is not None
    assert row.interval_low < row.ours < row.interval_high
    heart = one(table_one([run]), run="mtdg", structure="heart", measure="dice")
    assert (heart.published, heart.by_name) == (0.977, None)


def test_what_was_not_run_is_published_only_and_has_no_number_of_ours(home: Path) -> None:
    runs = open_runs([home / "mtdg", home / "unet"])
    alone = {row.system for row in table_one(runs) if not row.run}
    assert alone == {"pix2pix ST", "pix2pix MT"}
    second = table_two(runs)
    printed = [row for row in second if not row.run]
    assert len(printed) == sum(row.table == "II" for row in published())
    assert {row.ours for row in printed} == {row.difference for row in printed} == {None}
    assert [row.run for row in second if row.run] == ["mtdg"] * 4 + ["unet"] * 4  # in the order given, first of all


def test_lungs_are_the_mean_of_both_in_each_film(home: Path) -> None:
    (run,) = open_runs([home / "mtdg"])
    table = rows(home / "mtdg" / "evaluation" / "cases.csv")
    both = [
        [float(row["jaccard"]) for row in table if row["structure"] == f"{side}_lung"] for side in ("right", "left")
    ]
    means = np.mean(both, axis=0)
    row = one(table_two([run]), run="mtdg", structure="lungs", measure="jaccard")
    assert (row.ours, row.std) == pytest.approx((means.mean(), means.std(ddof=1)), rel=1e-4)
    assert (row.published, row.protocol) == (0.978, "fold 0, 1 of 5")


def test_every_pair_is_tested_on_the_films_that_both_held_out(out: Path, home: Path) -> None:
    tests = rows(out / "statistics.csv")
    assert {(row["first"], row["second"]) for row in tests} == {("mtdg", "unet (unet)")}
    scores = [rows(home / name / "evaluation" / "cases.csv") for name in ("mtdg", "unet")]
    dice = [{row["case"]: float(row["dice"]) for row in table if row["structure"] == "heart"} for table in scores]
    first, second = ([one[case] for case in sorted(one)] for one in dice)
    expected = stats.ttest_rel(first, second)
    (row,) = (row for row in tests if (row["structure"], row["measure"]) == ("heart", "dice"))
    assert float(row["t"]) == pytest.approx(expected.statistic, rel=1e-4)
    assert 10 ** float(row["log10_p"]) == pytest.approx(expected.pvalue, rel=1e-3)
    assert float(row["p"]) == pytest.approx(expected.pvalue, rel=0.06, abs=0.0006)
    assert row["subjects"] == str(FILMS)
    assert {row["structure"] for row in tests} == set(ORGANS)  # neither lungs nor overlap: they follow


def test_a_film_of_the_same_name_but_another_content_is_not_the_same(home: Path, tmp_path: Path) -> None:
    mine = read_manifest(home / "mtdg" / "held-out.csv")
    others = list(films(tmp_path / "films"))
    Image.fromarray(tiny_models.drawn_film(SIZE, seed=77)).save(others[0].film)
    strange = experiment(tmp_path / "run", "unet", [others], bones=False)
    runs = open_runs([home / "mtdg", strange])
    assert shared_cases(*runs) == {case.case for case in mine[1:]}
    found = findings_of(runs)
    assert {test.subjects for test in found.tests} == {FILMS - 1}
    assert {(test.only_first, test.only_second) for test in found.tests} == {(0, 0)}


def test_holm_over_all_pairs_is_stricter_than_over_structures(home: Path) -> None:
    found = findings_of(open_runs([home / name for name in ("mtdg", "unet", "st-organs")]))
    dice = [test for test in found.tests if test.measure == "dice"]
    assert len(dice) == 3 * 3
    smallest = min(dice, key=lambda test: test.log10_p)
    assert 10**smallest.log10_p_holm_all == pytest.approx(min(1, 9 * 10**smallest.log10_p))
    assert all(test.log10_p_holm_all >= test.log10_p_holm - 1e-12 for test in dice)


def test_floors_stand_beside_pictures(home: Path) -> None:
    runs = open_runs([home / "mtdg", home / "unet"])
    table = table_three(runs)
    made = one(table, run="mtdg", structure="bone_suppressed", region="frame", measure="rmse")
    assert (made.published, made.n) == (4.297, FILMS)
    assert one(table, run="mtdg", structure="bone_suppressed:copy", region="lung", measure="rmse").ours == 2.5
    inside = one(table, run="mtdg", structure="bone_suppressed", region="lung", measure="rmse")
    assert inside.published is None  # nothing is published of the lungs alone
    shown = third_table(table)
    assert inside.ours is not None
    assert shown.rows[0][-1].main == ("yes" if inside.ours < 1.5 else "no")
    assert [row[0].main for row in shown.rows[1:3]] == ["the film itself", "the film after a straight-line fit"]
    (plot,) = (plot for plot in picture_plots(runs) if plot.title == "RMSE, inside the true lungs")
    assert dict(plot.floors["mtdg"]) == {"copy": 2.5, "linear_fit": 1.5}
    assert plot.boxes.keys() == {"mtdg"}


def test_a_picture_that_is_not_cut_to_the_lungs_says_that_its_task_was_another(
    cases: tuple[Case, ...], tmp_path: Path
) -> None:
    runs = open_runs([experiment(tmp_path / "run", "mtdg/mtdg", [cases], cut=False)])
    table = table_three(runs)
    row = one(table, run="mtdg", structure="bone_suppressed", region="frame", measure="rmse")
    assert row.ours is not None
    assert row.difference == pytest.approx(row.ours - 4.297)
    assert "cut to the true lungs before it was measured" in row.remark
    whole = one(table, run="mtdg", structure="bone_suppressed", region="frame_unmasked", measure="rmse")
    assert (whole.published, whole.difference) == (None, None)
    assert [cell.main for cell in third_table(table).heads[0][5:7]] == ["MSSIM, whole frame", "RMSE, whole frame"]
    assert "no outline had to be found" in report_html(findings_of(runs), figures=[], problems=[])
    lungless = [replace(case, masks={"heart": case.masks["heart"]}) for case in cases]
    (run,) = open_runs([experiment(tmp_path / "lungless", "mtdg/mtdg", [lungless], cut=False)])
    row = one(table_three([run]), run="mtdg", structure="bone_suppressed", region="frame", measure="rmse")
    assert (row.published, row.difference) == (4.297, None)


def test_two_networks_for_two_tasks_share_a_column_as_in_the_paper(home: Path) -> None:
    columns = columns_of(open_runs([home / name for name in ("st-organs", "mtdg", "st-bones", "unet")]))
    assert [column.label for column in columns] == ["st-organs + st-bones", "mtdg", "unet"]
    table = table_four(columns)
    weights = [row for row in table if row.run == "st-organs + st-bones" and row.measure == "parameters"]
    assert {(row.ours, row.published, row.difference) for row in weights} == {(240, 2 * 57190084, 240 - 2 * 57190084)}
    epochs = {row.paper: row.published for row in table if row.run == "mtdg" and row.measure == "epochs"}
    assert epochs == {"arXiv 2019": 335, "TMI 2020": 300}
    alone = table_four(columns_of(open_runs([home / "st-organs"])))
    assert {row.difference for row in alone if row.measure == "minutes" and row.run} == {None}
    assert {row.run for row in table if row.structure == "bone_suppressed" and row.run} == {"st-bones", "mtdg"}


def test_a_case_is_shown_by_the_model_that_had_not_seen_it(home: Path) -> None:
    (run,) = open_runs([home / "mtdg"])
    shown = Shown()
    for case, fold in (("film1", 0), ("film4", 1)):
        assert run.fold_of[case].name == f"fold-{fold}"
        found = shown.pair(run, case)
        assert found is not None
        wanted = np.roll(tiny_models.ellipse(SIZE, *tiny_models.ELLIPSES["heart"]), fold, axis=1) > 0
        assert (found.prediction.masks["heart"] == wanted).mean() > 0.99
        other = np.roll(wanted, 4, axis=1)
        assert (found.prediction.masks["heart"] == other).mean() < (found.prediction.masks["heart"] == wanted).mean()
    assert shown.problems == []


def test_grids_show_the_best_the_worst_and_four_between(home: Path) -> None:
    runs = open_runs([home / name for name in ("mtdg", "unet", "st-organs")])
    shown = Shown()
    heads, lines = four_subjects(runs, shown)
    assert heads == ["input", "target", "st-organs", "unet", "mtdg"]  # the paper's order
    assert len(lines) == 4
    table = [row for row in rows(home / "mtdg" / "evaluation" / "cases.csv") if row["structure"] in ORGANS]
    means = {name: np.mean([float(row["dice"]) for row in table if row["case"] == name]) for name in map(str, _names())}
    heads, lines = best_and_worst(runs[0], shown)
    assert heads == ["input", "masks", "masks, target", "bone suppressed", "bone suppressed, target"]
    best, worst = max(means, key=lambda name: means[name]), min(means, key=lambda name: means[name])
    assert lines[0].words == f"best Dice {means[best]:.3f}\n{best}"
    assert lines[1].words == f"worst Dice {means[worst]:.3f}\n{worst}"
    assert lines[2].words.startswith("best RMSE")
    assert (lines[0].views[4].grey[0] == 0).all()  # the target is black outside the lungs


def _names() -> list[str]:
    return [f"film{k}" for k in range(FILMS)]


def test_films_that_are_gone_are_named_and_the_rest_is_there(home: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    moved = tmp_path / "moved"
    shutil.copytree(home / "mtdg", moved)
    gone = [replace(case, film=tmp_path / "gone" / case.film.name) for case in read_manifest(moved / "held-out.csv")]
    write_manifest(moved / "held-out.csv", gone)
    done = call("compare", moved, "-o", tmp_path / "out")
    assert done.exit_code == 0, done.output
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "Not shown" in page
    assert "mtdg: there is no such file" in page
    assert (tmp_path / "out" / "boxplots-masks.png").is_file()
    assert not list((tmp_path / "out").glob("subjects-*"))


def test_box_plots_hold_the_scores_of_runs_by_structure(home: Path) -> None:
    runs = open_runs([home / "mtdg", home / "unet"])
    plots = list(mask_plots(runs))
    assert [plot.title for plot in plots[:3]] == ["Dice, right lung", "Dice, heart", "Dice, left lung"]
    table = rows(home / "unet" / "evaluation" / "cases.csv")
    expected = [float(row["fnr"]) for row in table if row["structure"] == "heart"]
    assert list(plots[4].boxes["unet"]) == pytest.approx(expected, rel=1e-5)


def test_many_runs_become_several_tables(home: Path) -> None:
    table = table_one(open_runs([home / "mtdg", home / "unet"]))
    more = [replace(row, run=f"{row.run} {k}") for k in range(4) for row in table if row.run]
    parts = first_tables([*more, *(row for row in table if not row.run)])
    assert len(parts) == 2
    assert all(len({sum(cell.span for cell in line) for line in (*part.heads, *part.rows)}) == 1 for part in parts)


def test_numbers_keep_their_sign_and_what_rounds_to_nothing_has_none() -> None:
    assert number(-0.0126, signed=True) == "\N{MINUS SIGN}0.013"
    assert (number(0.0126, signed=True), number(-0.0004, signed=True), number(None)) == ("+0.013", "0.000", "-")


def test_copies_of_films_are_no_patients(cases: tuple[Case, ...], tmp_path: Path) -> None:
    folder = experiment(tmp_path / "run", "unet", [cases], bones=False)
    copies = [replace(case, attributes={**case.attributes, "copy_of": "film0"}) for case in cases[1:]]
    write_manifest(folder / "held-out.csv", [cases[0], *copies])
    with pytest.raises(DataError, match="5 scored cases are copies of other films"):
        open_runs([folder])


def test_what_cannot_be_compared_says_what_to_give(home: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    nothing = call("compare", tmp_path, "-o", tmp_path / "out")
    assert "experiment.json" in str(nothing.exception)
    broken = tmp_path / "broken"
    shutil.copytree(home / "unet", broken)
    facts = json.loads((broken / "experiment.json").read_text())
    (broken / "experiment.json").write_text(json.dumps({**facts, "epochs": "many"}))
    with pytest.raises(DataError, match=r"epochs.*finished"):
        open_runs([broken])
    again = call("compare", home / "unet", "-o", home / "unet")
    assert "read from" in str(again.exception)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    refused = call("compare", home / "unet", "-o", tmp_path / "full")
    assert "exists already" in str(refused.exception)


def test_an_earlier_comparison_is_replaced_and_other_files_stay(out: Path, home: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(out, tmp_path / "out"))
    (out / "notes.txt").write_text("mine")
    assert (out / "best-and-worst-3.png").is_file()
    done = call("compare", home / "unet", "-o", out, "--overwrite")
    assert done.exit_code == 0, done.output
    assert not (out / "best-and-worst-3.png").exists()
    assert (out / "notes.txt").read_text() == "mine"
    assert "One run alone" in (out / "report.html").read_text(encoding="utf-8")
    assert read_csv(home / "unet" / "evaluation" / "cases.csv", Score)  # what was read is untouched
