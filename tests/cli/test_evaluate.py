"""``xprism evaluate`` from end to end: a model, its own results and plain files score alike; gaps are reported."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

import tiny_models
from xprism.cli.app import app
from xprism.data.manifest import Case, read_manifest, write_manifest
from xprism.targets import Masks, Picture, TargetSet

SIZE = 192


def call(*words: str | Path) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def without(table: list[dict[str, str]], column: str) -> list[dict[str, str]]:
    return [{key: value for key, value in row.items() if key != column} for row in table]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Organs and a picture that is cut to the lungs, which a folder of predictions does not say."""
    planes = np.concatenate([tiny_models.organ_planes(96), np.zeros((1, 96, 96), np.float32)])
    organs = Masks(name="organs", labels=tiny_models.ORGANS, unions={"lungs": tiny_models.ORGANS[:2]})
    targets = TargetSet(targets=(organs, Picture(name="soft", range=(-1.0, 1.0), within=("lungs",))))
    return tiny_models.write_model(tmp_path_factory.mktemp("models") / "two", planes, targets, gate="none")


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four films whose true organs lie one to four pixels beside the model's."""
    folder = tmp_path_factory.mktemp("films")
    for name in ("films", "flags", "soft"):
        (folder / name).mkdir()
    planes, cases = tiny_models.organ_planes(SIZE) > 0, []
    for k in range(4):
        paths = {name: folder / name / f"case{k}.png" for name in ("films", "flags", "soft")}
        film = tiny_models.drawn_film(SIZE, seed=k)
        flags = sum(np.roll(plane, k + 1, axis=1).astype(np.uint8) << bit for bit, plane in enumerate(planes))
        for name, pixels in (("films", film), ("flags", flags), ("soft", film // 2)):
            Image.fromarray(np.asarray(pixels, np.uint8)).save(paths[name])
        facts = {"polarity": "display"} | ({"spacing_mm": "0.5"} if k else {})
        cases.append(Case(f"case{k}", f"s{k}", paths["films"], paths["flags"], {}, {"soft": paths["soft"]}, facts))
    write_manifest(folder / "manifest.csv", cases)
    return folder / "manifest.csv"


@pytest.fixture(scope="module")
def predictions(manifest: Path, model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("predictions") / "out"
    films = manifest.parent / "films"
    done = call("predict", films, "-o", out, "--model", model, "--to", "masks", "--polarity", "display")
    assert done.exit_code == 0, done.output
    return out


@pytest.fixture
def copied(predictions: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(predictions, tmp_path / "copied"))


def test_a_model_and_its_own_results_score_the_same(
    model: Path, predictions: Path, manifest: Path, tmp_path: Path
) -> None:
    first = call("evaluate", model, manifest, "-o", tmp_path / "a", "--no-figures")
    second = call("evaluate", predictions, manifest, "-o", tmp_path / "b", "--no-figures", "--model", model)
    assert (first.exit_code, second.exit_code) == (0, 0), first.output + second.output
    by_model, by_folder = rows(tmp_path / "a" / "cases.csv"), rows(tmp_path / "b" / "cases.csv")
    assert without(by_model, "matched_by") == without(by_folder, "matched_by")
    assert {row["matched_by"] for row in by_folder} == {"sha256"}
    assert (tmp_path / "a" / "summary.csv").read_bytes() == (tmp_path / "b" / "summary.csv").read_bytes()
    assert {(row["structure"], row["region"]) for row in by_model} >= {("soft", "frame"), ("soft", "lung")}
    assert "4 scored" in first.output


def test_results_score_the_same_as_their_masks_in_plain_files(
    predictions: Path, manifest: Path, tmp_path: Path
) -> None:
    plain = tmp_path / "plain"
    (plain / "heart").mkdir(parents=True)
    for case in read_manifest(manifest):
        flags = np.asarray(Image.open(predictions / case.film.name / "masks.png"))
        Image.fromarray(flags & 27).save(plain / f"{case.case}.png")
        Image.fromarray((flags & 4) * np.uint8(63)).save(plain / "heart" / f"{case.case}.png")
    call("evaluate", predictions, manifest, "-o", tmp_path / "a", "--no-figures")
    call("evaluate", plain, manifest, "-o", tmp_path / "b", "--no-figures")
    first, second = ([r for r in rows(tmp_path / x / "cases.csv") if not r["region"]] for x in "ab")
    assert len(first) == 4 * 7
    assert without(first, "matched_by") == without(second, "matched_by")


def test_numbers_are_those_of_the_masks(predictions: Path, manifest: Path, tmp_path: Path) -> None:
    call("evaluate", predictions, manifest, "-o", tmp_path / "out", "--no-figures")
    case = read_manifest(manifest)[2]
    found = np.asarray(Image.open(predictions / case.film.name / "masks.png")) & 4 > 0
    assert case.flags is not None
    truth = np.asarray(Image.open(case.flags)) & 4 > 0
    row = next(r for r in rows(tmp_path / "out" / "cases.csv") if (r["case"], r["structure"]) == (case.case, "heart"))
    assert float(row["dice"]) == pytest.approx(2 * (found & truth).sum() / (found.sum() + truth.sum()), rel=1e-5)
    assert (int(row["tp"]), int(row["fp"])) == ((found & truth).sum(), (found & ~truth).sum())
    assert row["subject"] == "s2"
    summary = {(r["structure"], r["measure"], r["unit"]): r for r in rows(tmp_path / "out" / "summary.csv")}
    assert summary["heart", "hd95", "mm"]["n"] == "3"
    assert summary["heart", "hd95", "px"]["n"] == "1"
    tp, fp, fn = (
        sum(int(r[name]) for r in rows(tmp_path / "out" / "cases.csv") if r["structure"] == "heart")
        for name in ("tp", "fp", "fn")
    )
    assert float(summary["heart", "dice", ""]["pooled"]) == pytest.approx(2 * tp / (2 * tp + fp + fn), rel=1e-5)


def test_a_missing_prediction_is_reported_and_not_dropped(copied: Path, manifest: Path, tmp_path: Path) -> None:
    shutil.rmtree(copied / "case1.png")
    done = call("evaluate", copied, manifest, "-o", tmp_path / "out", "--no-figures")
    assert done.exit_code == 3
    assert "3 scored, 1 not scored" in done.output
    (problem,) = rows(tmp_path / "out" / "errors.csv")
    assert (problem["case"], problem["code"]) == ("case1", "missing")
    assert problem["remedy"]
    heart = next(r for r in rows(tmp_path / "out" / "summary.csv") if r["structure"] == "heart")
    assert (heart["n"], heart["missing"]) == ("3", "1")
    about = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert about["cases"] == {"scored": 3, "in_part": 0, "not_scored": 1, "without_truth": 0}


def test_a_wrong_prediction_is_the_worst_case(copied: Path, manifest: Path, tmp_path: Path) -> None:
    masks = np.asarray(Image.open(copied / "case0.png" / "masks.png"))
    Image.fromarray(np.roll(masks, 60, axis=0)).save(copied / "case0.png" / "masks.png")
    assert call("evaluate", copied, manifest, "-o", tmp_path / "out", "--no-figures").exit_code == 0
    hearts = [r for r in rows(tmp_path / "out" / "cases.csv") if r["structure"] == "heart"]
    assert min(hearts, key=lambda row: float(row["dice"]))["case"] == "case0"
    row = next(r for r in rows(tmp_path / "out" / "summary.csv") if r["structure"] == "heart")
    assert float(row["min"]) < 0.2 < float(row["median"])
    assert float(row["interval_low"]) < float(row["mean_over_images"]) < float(row["interval_high"])


def test_a_structure_that_one_case_lacks_and_a_mask_of_another_size_are_reported(
    manifest: Path, tmp_path: Path
) -> None:
    for case in read_manifest(manifest):
        for label, bit in (("heart", 4), ("right_lung", 1)):
            path = tmp_path / "plain" / label / f"{case.case}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            assert case.flags is not None
            Image.fromarray((np.asarray(Image.open(case.flags)) & bit > 0).astype(np.uint8) * 255).save(path)
    (tmp_path / "plain" / "heart" / "case3.png").unlink()
    Image.fromarray(np.zeros((50, 50), np.uint8)).save(tmp_path / "plain" / "heart" / "case0.png")
    done = call("evaluate", tmp_path / "plain", manifest, "-o", tmp_path / "out", "--no-figures")
    assert done.exit_code == 3
    assert "2 scored, 1 scored in part, 1 not scored" in done.output
    assert "in the manifest, but not in the predictions: " in done.output
    found = {(r["case"], r["structure"]): r for r in rows(tmp_path / "out" / "errors.csv")}
    assert found.keys() == {("case0", ""), ("case3", "heart")}
    assert "50 x 50" in found["case0", ""]["cause"]
    assert found["case3", "heart"]["code"] == "missing"


def test_truth_of_another_size_is_brought_to_that_of_the_film(
    predictions: Path, manifest: Path, tmp_path: Path
) -> None:
    case = read_manifest(manifest)[0]
    assert case.flags is not None
    lungs = np.asarray(Image.open(case.flags)) & 3 > 0
    small = Image.fromarray(lungs.astype(np.uint8) * 255).resize((SIZE // 2, SIZE // 2), Image.Resampling.BOX)
    small.save(tmp_path / "lungs.png")
    small.resize((40, 80)).save(tmp_path / "narrow.png")
    other = replace(case, flags=None, masks={"lungs": tmp_path / "lungs.png"}, pictures={})
    narrow = replace(other, case="narrow", masks={"lungs": tmp_path / "narrow.png"})
    write_manifest(tmp_path / "m.csv", [other, narrow])
    done = call("evaluate", predictions, tmp_path / "m.csv", "-o", tmp_path / "out", "--no-figures")
    assert "1 with truth brought to the film's size" in done.output
    (row,) = rows(tmp_path / "out" / "cases.csv")
    assert (row["structure"], row["case"]) == ("lungs", case.case)
    assert float(row["dice"]) > 0.97
    (problem,) = rows(tmp_path / "out" / "errors.csv")
    assert "not the same shape" in problem["cause"]


def test_films_that_the_model_refuses_are_reported_unless_forced(manifest: Path, tmp_path: Path) -> None:
    planes = np.full((5, 96, 96), -8, np.float32)  # finds no chest anywhere
    blind = tiny_models.write_model(tmp_path / "blind", planes, tiny_models.organ_targets())
    done = call("evaluate", blind, manifest, "-o", tmp_path / "out", "--no-figures")
    problems = rows(tmp_path / "out" / "errors.csv")
    assert (done.exit_code, {problem["code"] for problem in problems}, len(problems)) == (1, {"refused"}, 4)
    assert call("evaluate", blind, manifest, "-o", tmp_path / "forced", "--no-figures", "--force").exit_code == 0
    assert {row["dice"] for row in rows(tmp_path / "forced" / "cases.csv") if row["structure"] == "heart"} == {"0"}


def test_cases_without_truth_are_counted(predictions: Path, manifest: Path, tmp_path: Path) -> None:
    cases = read_manifest(manifest)
    write_manifest(tmp_path / "m.csv", [replace(cases[0], flags=None, pictures={}), *cases[1:]])
    done = call("evaluate", predictions, tmp_path / "m.csv", "-o", tmp_path / "out", "--no-figures")
    assert done.exit_code == 0
    assert "3 scored, 1 without truth" in done.output


def test_an_existing_folder_is_kept_unless_told_otherwise(predictions: Path, manifest: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    (out / "errors.csv").write_text("of an earlier evaluation")
    kept = call("evaluate", predictions, manifest, "-o", out, "--no-figures")
    assert "--overwrite" in str(kept.exception)
    assert sorted(os.listdir(out)) == ["errors.csv", "notes.txt"]
    assert call("evaluate", predictions, manifest, "-o", out, "--no-figures", "--overwrite").exit_code == 0
    assert sorted(os.listdir(out)) == ["cases.csv", "evaluation.json", "notes.txt", "summary.csv"]
    assert sorted(os.listdir(tmp_path)) == ["out"]


def test_results_never_go_where_predictions_come_from(copied: Path, manifest: Path) -> None:
    refused = call("evaluate", copied, manifest, "-o", copied, "--no-figures", "--overwrite")
    assert "read from" in str(refused.exception)


def test_figures_are_drawn_and_not_blank(model: Path, manifest: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    assert call("evaluate", model, manifest, "-o", tmp_path / "out").exit_code == 0
    for name in ("boxplots.png", "panels.png"):
        assert np.asarray(Image.open(tmp_path / "out" / name).convert("L")).std() > 5
    width, height = Image.open(tmp_path / "out" / "panels.png").size
    assert height > width  # best and worst by Dice, best and worst by RMSE


def test_without_matplotlib_the_extra_is_named_before_anything_is_done(
    model: Path, manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xprism.cli.extras.find_spec", lambda name: None)
    done = call("evaluate", model, manifest, "-o", tmp_path / "out")
    assert "xprism[evaluate]" in str(done.exception)
    assert not (tmp_path / "out").exists()


def test_scoring_imports_neither_torch_nor_matplotlib(predictions: Path, manifest: Path, tmp_path: Path) -> None:
    words = ["xprism", "evaluate", str(predictions), str(manifest), "-o", str(tmp_path / "out"), "--no-figures"]
    code = (
        f"import sys; sys.argv = {words!r}\n"
        "from xprism.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        "heavy = {'torch', 'matplotlib', 'onnxruntime', 'lightning_fabric'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
