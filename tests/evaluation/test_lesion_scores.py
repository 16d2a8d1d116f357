"""``xprism evaluate`` on findings: tables, what is not scored, both kinds of source, figures."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

import tiny_models
from xprism.cli.app import app
from xprism.data.lesions import LesionPlace, write_places
from xprism.data.manifest import Case, read_manifest, write_manifest
from xprism.errors import DataError
from xprism.protocols.evaluate import evaluate
from xprism.protocols.lesions import LesionScores
from xprism.protocols.predictions import Prediction
from xprism.result import Lesion
from xprism.targets import UNIONS, Lesions, Masks, TargetSet

GRID, SIZE = 64, 128
SPOTS = {(20, 20, 24, 28): 0.95, (40, 44, 46, 50): 0.6, (4, 4, 8, 8): 0.2}
"""Boxes on the grid that the model finds on every film, and their scores."""


def call(*words: str | Path) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    spots = np.full((GRID, GRID), 0.01)
    for (top, left, bottom, right), score in SPOTS.items():
        spots[top:bottom, left:right] = score
    lungs = tiny_models.ellipse(GRID, 0.35, 0.37, 0.2, 0.2)
    nodule = Lesions(name="nodules", label="nodule", threshold=0.1)
    targets = TargetSet(targets=(nodule, Masks(name="lung", labels=("lungs",))))
    planes = np.stack([np.log(spots / (1 - spots)), lungs]).astype(np.float32)
    folder = tmp_path_factory.mktemp("models") / "nodules"
    return tiny_models.write_model(folder, planes, targets, gate="none", film_weight=0)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six films of which the upper half of each is lung; places are in film pixels, twice those of the grid."""
    folder = tmp_path_factory.mktemp("films")
    for name in ("films", "lungs"):
        (folder / name).mkdir()
    lungs = np.zeros((SIZE, SIZE), np.uint8)
    lungs[: SIZE // 2] = 255
    places = [
        ("hit", LesionPlace(43.5, 47.5, 10.0, 4)),  # the centre of the first spot
        ("faint", LesionPlace(11.5, 11.5, 10.0, 1)),  # that of the one that is not reported
        ("missed", LesionPlace(100.0, 20.0, 30.0, 2)),
        ("two", LesionPlace(43.5, 47.5, 10.0, 5)),
        ("two", LesionPlace(85.5, 93.5, 20.0, 3)),
    ]
    write_places(folder / "nodules.csv", places)
    cases = []
    for k, name in enumerate(("hit", "faint", "missed", "two", "normal", "unknown")):
        Image.fromarray(tiny_models.drawn_film(SIZE, seed=k)).save(folder / "films" / f"{name}.png")
        Image.fromarray(lungs).save(folder / "lungs" / f"{name}.png")
        facts = {"polarity": "display", "spacing_mm": "0.5", "fold": str(k % 2)}
        known = {} if name == "unknown" else {"nodule": folder / "nodules.csv"}
        masks = {"lungs": folder / "lungs" / f"{name}.png"}
        film = folder / "films" / f"{name}.png"
        cases.append(Case(name, f"s-{name}", film, masks=masks, attributes=facts, lesions=known))
    write_manifest(folder / "manifest.csv", cases)
    return folder / "manifest.csv"


@pytest.fixture(scope="module")
def evaluated(model: Path, manifest: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    out = tmp_path_factory.mktemp("evaluated") / "out"
    done = call("evaluate", model, manifest, "-o", out, "--no-figures")
    assert done.exit_code == 0, done.output
    return out, done.output


def test_every_finding_and_every_missed_nodule_is_a_row(evaluated: tuple[Path, str]) -> None:
    table = rows(evaluated[0] / "lesions.csv")
    outcomes = {(row["case"], row["score"]): row["outcome"] for row in table}
    assert outcomes == {
        ("hit", "0.95"): "hit",
        ("hit", "0.6"): "false",
        ("hit", "0.2"): "false",
        ("faint", "0.95"): "false",
        ("faint", "0.6"): "false",
        ("faint", "0.2"): "hit",
        ("missed", "0.95"): "false",
        ("missed", "0.6"): "false",
        ("missed", "0.2"): "false",
        ("missed", ""): "missed",
        ("two", "0.95"): "hit",
        ("two", "0.6"): "hit",
        ("two", "0.2"): "false",
        ("normal", "0.95"): "false",
        ("normal", "0.6"): "false",
        ("normal", "0.2"): "false",
    }
    first = next(row for row in table if (row["case"], row["score"]) == ("two", "0.6"))
    assert [first[name] for name in ("top", "left", "bottom", "right")] == ["80", "88", "92", "100"]
    assert (first["row"], first["column"], first["diameter_mm"]) == ("85.5", "93.5", "6")
    assert (first["lesion"], first["lesion_diameter_mm"], first["subtlety"]) == ("2", "20", "3")
    assert (first["in_lungs"], first["matched_by"], first["subject"]) == ("False", "model", "s-two")
    lost = next(row for row in table if row["outcome"] == "missed")
    assert (lost["row"], lost["lesion_row"], lost["in_lungs"]) == ("", "100", "False")


def test_numbers_by_hand(evaluated: tuple[Path, str]) -> None:
    summary = {row["group"]: row for row in rows(evaluated[0] / "lesion_summary.csv")}
    every = summary["all"]
    # Reported are two findings on each of five films, of which three hit.
    assert [every[name] for name in ("films", "lesions", "hit", "missed", "false")] == ["5", "5", "3", "2", "7"]
    numbers = tuple(float(every[name]) for name in ("recall", "precision", "f1", "false_per_film"))
    assert numbers == pytest.approx((3 / 5, 3 / 10, 6 / 15, 7 / 5), rel=1e-5)
    assert (every["false_in_lungs"], every["false_outside_lungs"]) == ("3", "4")
    assert (summary["in lungs"]["hit"], summary["in lungs"]["lesions"]) == ("2", "3")
    assert (summary["films without lesions"]["false"], summary["films without lesions"]["precision"]) == ("2", "")
    assert {row["rule"] for row in summary.values()} == {"centre"}
    curve = {row["at_false_per_film"]: row for row in rows(evaluated[0] / "froc.csv") if row["group"] == "all"}
    # At 0.95: two hits, three false on five films. At 0.6: one hit and four false more. At 0.2: one hit, four false.
    expected = {"0.125": 0, "0.25": 0, "0.5": 0, "1": 0.4, "2": 0.6, "4": 0.8, "8": 0.8}
    assert {rate: float(curve[rate]["sensitivity"]) for rate in expected} == expected
    assert (curve["2"]["threshold"], float(curve["2"]["false_per_film"])) == ("0.6", pytest.approx(1.4))


def test_the_rule_stands_beside_the_numbers(evaluated: tuple[Path, str]) -> None:
    out, printed = evaluated
    about = json.loads((out / "evaluation.json").read_text())["lesions"]
    assert "a finding is true if its centre lies inside the square" in about["rule"]
    assert about["rule"] in printed
    assert about["labels"] == {"nodule": {"films": 5, "lesions": 5, "films_not_scored": []}}
    assert "3/5" in printed
    # Folds: hit, missed and normal; faint and two.
    recalls = np.array([1 / 2, 2 / 3])
    assert about["over_folds"]["nodule"]["recall"] == {
        "mean": pytest.approx(recalls.mean()),
        "std": pytest.approx(recalls.std(ddof=1)),
        "folds": 2,
    }


def test_a_folder_of_results_scores_like_its_model(
    model: Path, manifest: Path, evaluated: tuple[Path, str], tmp_path: Path
) -> None:
    films = manifest.parent / "films"
    done = call("predict", films, "-o", tmp_path / "p", "--model", model, "--to", "masks", "--polarity", "display")
    assert done.exit_code == 0, done.output
    assert call("evaluate", tmp_path / "p", manifest, "-o", tmp_path / "e", "--no-figures").exit_code == 0
    for name in ("lesion_summary.csv", "froc.csv"):
        assert (tmp_path / "e" / name).read_bytes() == (evaluated[0] / name).read_bytes()
    again, first = (rows(out / "lesions.csv") for out in (tmp_path / "e", evaluated[0]))
    assert [row | {"matched_by": ""} for row in again] == [row | {"matched_by": ""} for row in first]


def test_another_rule_gives_other_numbers_and_says_so(model: Path, manifest: Path, tmp_path: Path) -> None:
    done = call("evaluate", model, manifest, "-o", tmp_path / "e", "--no-figures", "--lesion-rule", "iou")
    assert done.exit_code == 0, done.output
    # The box of 8 x 16 pixels in the square of 20 x 20 has an IoU of 0.32.
    assert rows(tmp_path / "e" / "lesion_summary.csv")[0]["hit"] == "0"
    assert "IoU" in done.output
    refused = call("evaluate", model, manifest, "-o", tmp_path / "f", "--no-figures", "--lesion-rule", "dice")
    assert isinstance(refused.exception, DataError)
    assert not (tmp_path / "f").exists()


def test_figures_are_drawn(model: Path, manifest: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    assert call("evaluate", model, manifest, "-o", tmp_path / "e").exit_code == 0
    for name in ("froc.png", "lesions.png"):
        with Image.open(tmp_path / "e" / name) as image:
            assert min(image.size) > 300
            assert len(image.convert("RGB").getcolors(1 << 24) or ()) > 20


class Fixed:
    """A source with given findings; of one case it has none."""

    def __init__(self, findings: tuple[Lesion, ...], *, without: str = "") -> None:
        self.unions, self.facts, self._findings, self._without = UNIONS, {}, findings, without

    def __call__(self, case: Case) -> Prediction:
        if case.case == self._without:
            raise RuntimeError("broken")
        return Prediction("model", lesions={"nodule": self._findings})


FOUND = Lesion("nodule", (40, 40, 48, 56), 0.9, (43.5, 47.5), 8.0)


def test_a_manifest_that_knows_lesions_only_is_scored(manifest: Path) -> None:
    cases = [replace(case, masks={}) for case in read_manifest(manifest)]
    found = evaluate(cases, Fixed((FOUND,)))
    assert (found.exit_code, found.scored, found.unknown) == (0, 5, ["unknown"])
    assert {row.in_lungs for row in found.lesions.rows} == {None}
    assert found.lesions.summary[0].hit == 2


def test_a_film_of_unknown_spacing_is_a_problem_only_where_it_has_lesions(manifest: Path) -> None:
    cases = [replace(case, attributes={"polarity": "display"}) for case in read_manifest(manifest)]
    found = evaluate([case for case in cases if case.case in ("hit", "normal")], Fixed((FOUND,)))
    (problem,) = found.problems
    assert (problem.case, problem.code) == ("hit", "data")
    assert "spacing" in problem.cause
    assert [film.case for film in found.lesions.films] == ["normal"]
    assert found.lesions.not_scored == {"nodule": ["hit"]}


def test_nodules_on_films_that_could_not_be_predicted_are_named(manifest: Path) -> None:
    found = evaluate(read_manifest(manifest), Fixed((FOUND,), without="two"))
    assert found.exit_code == 3
    assert found.lesions.record["labels"]["nodule"]["films_not_scored"] == ["two"]
    assert found.lesions.summary[0].lesions == 3


def test_a_model_that_looks_for_nothing_leaves_no_tables(tiny_model: Path, manifest: Path, tmp_path: Path) -> None:
    done = call("evaluate", tiny_model, manifest, "-o", tmp_path / "e", "--no-figures", "--force")
    assert done.exit_code == 0, done.output
    assert not (tmp_path / "e" / "lesions.csv").exists()
    assert "lesions" not in json.loads((tmp_path / "e" / "evaluation.json").read_text())


def test_findings_of_a_film_without_known_lesions_are_not_judged(manifest: Path) -> None:
    (unknown,) = (case for case in read_manifest(manifest) if case.case == "unknown")
    found = evaluate([unknown], Fixed((FOUND,)), lesions=LesionScores(rule="iou"))
    assert (found.lesions.films, found.lesions.rows) == ([], [])
