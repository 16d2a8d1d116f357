"""``xprism evaluate`` on class maps: tables, a training's own films, what a card then says, both kinds of source."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import optimize
from scipy.special import log_softmax, softmax
from typer.testing import CliRunner, Result

import tiny_models
from xprism.cli.app import app
from xprism.data.manifest import Case, read_manifest, write_manifest
from xprism.grid import prepare
from xprism.inference.predictor import Predictor
from xprism.readers import read
from xprism.targets import Classes, TargetSet

pytestmark = pytest.mark.xdist_group("class_scores")  # one worker makes what these tests share

SIZE = 48
LABELS = ("open_beam", "soft_tissue", "bone")
TARGETS = TargetSet(targets=(Classes(name="tissue", labels=LABELS),))
SLOPES, LEVELS = 3 * np.array([[-9.0, 0.0, 6.0], [-3.0, 1.0, -1.0]], np.float32)
"""Raw outputs are slope times grey value, plus level: dark is open beam, bright is bone, and surer than it may be."""


def call(*words: str | Path) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    planes = np.stack([np.full((SIZE, SIZE), level) for level in LEVELS])
    folder = tmp_path_factory.mktemp("models") / "tissue"
    return tiny_models.write_model(folder, planes, TARGETS, gate="none", film_weight=SLOPES[None, :, None, None])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Manifests of seven films to test on and six that chose the weights: grey by class, and a lot of noise."""
    folder = tmp_path_factory.mktemp("films")
    for name in ("films", "tissue"):
        (folder / name).mkdir()
    rng, cases = np.random.default_rng(0), []
    for k in range(13):
        truth = np.repeat(np.repeat(rng.choice(3, (6, 6), p=[0.4, 0.3, 0.3]), 8, 0), 8, 1).astype(np.uint8)
        film = np.clip(np.array([40, 120, 190])[truth] + rng.normal(0, 30, truth.shape), 0, 255).astype(np.uint8)
        paths = {name: folder / name / f"c{k}.png" for name in ("films", "tissue")}
        for name, pixels in (("films", film), ("tissue", truth)):
            Image.fromarray(pixels).save(paths[name])
        facts = {"polarity": "display", "body_part": "neck of femur" if k % 2 else "knee"}
        cases.append(Case(f"c{k}", f"s{k}", paths["films"], attributes=facts, classes={"tissue": paths["tissue"]}))
    write_manifest(folder / "test.csv", cases[:7])
    write_manifest(folder / "validation.csv", cases[7:])
    return folder


@pytest.fixture(scope="module")
def run(model: Path, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a training leaves: a checkpoint, which is not looked into, its films of the validation, and its model."""
    made = tmp_path_factory.mktemp("runs") / "run"
    made.mkdir()
    (made / "checkpoint.pt").write_bytes(b"")
    shutil.copy(folder / "validation.csv", made / "validation.csv")
    text = (made / "validation.csv").read_text().replace(",films/", f",{folder}/films/")
    (made / "validation.csv").write_text(text.replace(",tissue/", f",{folder}/tissue/"))
    shutil.copytree(model, made / "model")
    (made / "model" / "card.json").touch()
    return made


@pytest.fixture(scope="module")
def evaluated(run: Path, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    out = tmp_path_factory.mktemp("evaluated") / "out"
    done = call("evaluate", run, folder / "test.csv", "-o", out, "--no-figures", "--false-share", "0.2")
    assert done.exit_code == 0, done.output
    return out, done.output


def outputs(manifest: Path) -> tuple[np.ndarray, np.ndarray]:
    """Raw outputs [3, N, h, w] of all films by the formula of the model, and true maps [N, H, W]."""
    cases, spec = read_manifest(manifest), tiny_models.card(TARGETS, gate="none", size=(SIZE, SIZE), files={}).input
    shown = np.stack([prepare(case.load_film(), spec)[0][0, 0] for case in cases])
    raw = SLOPES[:, None, None, None] * shown + LEVELS[:, None, None, None]
    return raw, np.stack([case.load_truth()["tissue"] for case in cases])


def summary(out: Path, films: str = "test") -> dict[tuple[str, str, str], dict[str, str]]:
    table = [row for row in rows(out / "class_summary.csv") if row["films"] == films]
    return {(row["label"], row["measure"], row["temperature"]): row for row in table}


def test_numbers_are_those_of_the_models_formula(evaluated: tuple[Path, str], folder: Path) -> None:
    raw, truth = outputs(folder / "test.csv")
    found, p = raw.argmax(0), softmax(raw, axis=0)
    table = summary(evaluated[0])
    assert float(table["all", "accuracy", "1"]["pooled"]) == pytest.approx((found == truth).mean(), rel=1e-5)
    tissue, called = truth == 1, found == 1
    expected = {"precision": tissue[called].mean(), "recall": called[tissue].mean(), "fpr": called[~tissue].mean()}
    expected |= {"fdr": (~tissue)[called].mean(), "confidence": p.max(0)[called].mean()}
    for name, value in expected.items():
        assert float(table["soft_tissue", name, "1"]["pooled"]) == pytest.approx(value, rel=1e-4), name
    matrix = {(row["true"], row["found"]): int(row["pixels"]) for row in rows(evaluated[0] / "confusion.csv")[:9]}
    assert matrix["bone", "soft_tissue"] == ((truth == 2) & called).sum()
    first = next(row for row in rows(evaluated[0] / "classes.csv") if row["case"] == "c0" and row["label"] == "bone")
    assert int(first["tp"]) == ((truth[0] == 2) & (found[0] == 2)).sum()
    assert (first["body_part"], first["films"], first["matched_by"]) == ("knee", "test", "model")


def test_the_temperature_is_the_best_for_the_films_that_chose_the_weights(
    evaluated: tuple[Path, str], folder: Path
) -> None:
    raw, truth = outputs(folder / "validation.csv")
    flat, classes = raw.reshape(3, -1).astype(float), truth.ravel().astype(int)

    def nll(temperature: float) -> float:
        return float(-log_softmax(flat / temperature, axis=0)[classes, np.arange(classes.size)].mean())

    best = optimize.minimize_scalar(nll, bounds=(0.2, 20), method="bounded", options={"xatol": 1e-9})
    about = json.loads((evaluated[0] / "evaluation.json").read_text())["classes"]["tissue"]
    assert about["temperature"]["value"] == pytest.approx(best.x, rel=1e-4)
    assert about["temperature"]["nll_before"] == pytest.approx(nll(1), rel=1e-5)
    assert about["temperature"]["nll_after"] == pytest.approx(best.fun, rel=1e-5)
    assert about["temperature"]["pixels"] == truth.size
    errors = {row["temperature"]: float(row["pooled"]) for key, row in summary(evaluated[0]).items()
              if key[:2] == ("all", "ece")}  # fmt: skip
    assert len(errors) == 2
    assert errors.pop("1") > 2 * next(iter(errors.values()))
    assert f"at temperature {best.x:.3g}, fitted to 6 films" in evaluated[1]


def test_the_authors_pool_stands_beside_the_test(evaluated: tuple[Path, str], folder: Path) -> None:
    parts = [outputs(folder / f"{name}.csv") for name in ("test", "validation")]
    for films, some in (("test", parts[:1]), ("validation", parts[1:]), ("authors_pool", parts)):
        right = np.concatenate([(raw.argmax(0) == truth).ravel() for raw, truth in some])
        row = summary(evaluated[0], films)["all", "accuracy", "1"]
        assert float(row["pooled"]) == pytest.approx(right.mean(), rel=1e-5)
    assert "13 films of the test and that chose the weights" in evaluated[1]
    assert "7 scored;" in evaluated[1]


def test_a_model_alone_knows_no_pool_and_chooses_nothing(model: Path, folder: Path, tmp_path: Path) -> None:
    done = call("evaluate", model, folder / "test.csv", "-o", tmp_path / "e", "--no-figures")
    assert done.exit_code == 0, done.output
    assert {row["films"] for row in rows(tmp_path / "e" / "class_summary.csv")} == {"test"}
    assert not (tmp_path / "e" / "threshold_search.csv").exists()
    assert "temperature" not in json.loads((tmp_path / "e" / "evaluation.json").read_text())["classes"]["tissue"]
    assert len(rows(tmp_path / "e" / "thresholds.csv")) == 101


def test_a_film_that_chose_the_weights_is_never_one_of_the_test(run: Path, folder: Path, tmp_path: Path) -> None:
    cases = [*read_manifest(folder / "test.csv"), *read_manifest(folder / "validation.csv")]
    write_manifest(tmp_path / "all.csv", cases)
    done = call("evaluate", run, tmp_path / "all.csv", "-o", tmp_path / "e", "--no-figures")
    assert done.exit_code == 0, done.output
    films = {(row["case"], row["films"]) for row in rows(tmp_path / "e" / "classes.csv")}
    assert films == {(f"c{k}", "test" if k < 7 else "validation") for k in range(13)}


def test_a_card_that_says_what_was_chosen_predicts_so(
    run: Path, evaluated: tuple[Path, str], folder: Path, tmp_path: Path
) -> None:
    about = json.loads((evaluated[0] / "evaluation.json").read_text())["classes"]["tissue"]["for_card"]
    assert 0.5 < about["thresholds"]["soft_tissue"] < 0.99
    assert set(about["part_thresholds"]) == {"knee", "neck_of_femur"}
    chosen = Path(shutil.copytree(run / "model", tmp_path / "chosen"))
    card = json.loads((chosen / "card.json").read_text())
    card["targets"]["targets"][0] |= about
    (chosen / "card.json").write_text(json.dumps(card))
    done = call("evaluate", chosen, folder / "test.csv", "-o", tmp_path / "e", "--no-figures")
    assert done.exit_code == 0, done.output
    searched = rows(evaluated[0] / "threshold_search.csv")
    held = next(row for row in reversed(searched) if row["body_part"] == "by_part")
    assert 0 < float(held["tpr"]) < 1
    table = {key[:2]: row["pooled"] for key, row in summary(tmp_path / "e").items()}
    assert float(table["soft_tissue", "recall"]) == pytest.approx(float(held["tpr"]), rel=1e-5)
    assert float(table["soft_tissue", "fdr"]) == pytest.approx(float(held["fdr"]), rel=1e-5)
    assert float(table["all", "accuracy"]) == pytest.approx(float(held["accuracy"]), rel=1e-5)
    fitted = next(r for k, r in summary(evaluated[0]).items() if k[:2] == ("bone", "auc") and k[2] != "1")
    assert table["bone", "auc"] == fitted["pooled"]


def test_a_folder_of_results_has_the_same_matrix(
    model: Path, evaluated: tuple[Path, str], folder: Path, tmp_path: Path
) -> None:
    call("predict", folder / "films", "-o", tmp_path / "p", "--model", model, "--to", "masks", "--polarity", "display")
    done = call("evaluate", tmp_path / "p", folder / "test.csv", "-o", tmp_path / "e", "--no-figures")
    assert done.exit_code == 0, done.output
    assert rows(tmp_path / "e" / "confusion.csv") == rows(evaluated[0] / "confusion.csv")[:9]
    for name in ("roc.csv", "calibration.csv", "thresholds.csv"):
        assert not (tmp_path / "e" / name).exists()
    assert summary(tmp_path / "e")["bone", "f1", "1"] == summary(evaluated[0])["bone", "f1", "1"]


def test_tidied_bones_are_what_is_scored(model: Path, folder: Path, tmp_path: Path) -> None:
    done = call("evaluate", model, folder / "test.csv", "-o", tmp_path / "e", "--no-figures", "--tidy-bones", "3")
    assert done.exit_code == 0, done.output
    matrix = {(row["true"], row["found"]): int(row["pixels"]) for row in rows(tmp_path / "e" / "confusion.csv")}
    raw, truth = outputs(folder / "test.csv")
    assert matrix["open_beam", "open_beam"] == ((truth == 0) & (raw.argmax(0) == 0)).sum()
    assert matrix["bone", "soft_tissue"] > ((truth == 2) & (raw.argmax(0) == 1)).sum()
    about = json.loads((tmp_path / "e" / "evaluation.json").read_text())["classes"]["tissue"]
    assert about["bones_tidied"] == {"opening_px": 10, "dilation_px": 3}


def test_maps_of_another_size_are_brought_to_the_films_by_the_nearest_pixel(
    model: Path, folder: Path, tmp_path: Path
) -> None:
    """A truth at half the size, whose blocks of 8 pixels stay whole, scores like the one at full size."""
    cases = []
    for case in read_manifest(folder / "test.csv"):
        small = case.load_truth()["tissue"][::2, ::2]
        Image.fromarray(small).save(tmp_path / f"{case.case}.png")
        cases.append(Case(case.case, case.subject, case.film, attributes=case.attributes,
                          classes={"tissue": tmp_path / f"{case.case}.png"}))  # fmt: skip
    write_manifest(tmp_path / "small.csv", cases)
    for name, manifest in (("a", folder / "test.csv"), ("b", tmp_path / "small.csv")):
        assert call("evaluate", model, manifest, "-o", tmp_path / name, "--no-figures").exit_code == 0
    assert rows(tmp_path / "a" / "confusion.csv") == rows(tmp_path / "b" / "confusion.csv")
    about = json.loads((tmp_path / "b" / "evaluation.json").read_text())
    assert len(about["truth_resized"]) == 7


def test_a_number_that_is_no_class_is_a_problem_of_its_film_alone(model: Path, folder: Path, tmp_path: Path) -> None:
    cases = list(read_manifest(folder / "test.csv"))
    wrong = cases[2].load_truth()["tissue"].copy()
    wrong[0, 0] = 7
    Image.fromarray(wrong).save(tmp_path / "wrong.png")
    cases[2] = Case(
        "c2", "s2", cases[2].film, attributes=cases[2].attributes, classes={"tissue": tmp_path / "wrong.png"}
    )
    write_manifest(tmp_path / "m.csv", cases)
    done = call("evaluate", model, tmp_path / "m.csv", "-o", tmp_path / "e", "--no-figures")
    assert done.exit_code == 3
    (problem,) = rows(tmp_path / "e" / "errors.csv")
    assert (problem["case"], problem["code"]) == ("c2", "data")
    assert "holds 7" in problem["cause"]
    assert len({row["case"] for row in rows(tmp_path / "e" / "classes.csv")}) == 6


def test_a_film_that_chose_the_weights_but_cannot_be_read_is_a_problem_once(
    run: Path, folder: Path, tmp_path: Path
) -> None:
    broken = Path(shutil.copytree(run, tmp_path / "run"))
    text = (broken / "validation.csv").read_text().replace(f"{folder}/films/c9.png", f"{tmp_path}/nowhere.png")
    (broken / "validation.csv").write_text(text)
    (broken / "model" / "card.json").touch()
    done = call("evaluate", broken, folder / "test.csv", "-o", tmp_path / "e", "--no-figures")
    assert done.exit_code == 3
    assert "7 scored, 1 not scored" in done.output
    assert [row["case"] for row in rows(tmp_path / "e" / "errors.csv")] == ["c9"]
    about = json.loads((tmp_path / "e" / "evaluation.json").read_text())["classes"]["tissue"]
    assert (about["films"]["validation"], about["temperature"]["films"]) == (5, 5)


def test_wide_blank_borders_are_of_the_first_class_for_certain(model: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    film = np.zeros((96, 96), np.uint8)
    film[24:72, 24:72] = rng.integers(60, 250, (48, 48))
    Image.fromarray(film).save(tmp_path / "film.png")
    truth = np.full((96, 96), 1, np.uint8)
    truth[:24] = 0
    Image.fromarray(truth).save(tmp_path / "truth.png")
    case = Case(
        "c", "s", tmp_path / "film.png", attributes={"polarity": "display"}, classes={"tissue": tmp_path / "truth.png"}
    )
    write_manifest(tmp_path / "m.csv", [case])
    assert call("evaluate", model, tmp_path / "m.csv", "-o", tmp_path / "e", "--no-figures").exit_code == 0
    index = Predictor.load(model)(read(tmp_path / "film.png", polarity="display")).classes["tissue"]
    assert (index[:24] == 0).all()
    surest = [row for row in rows(tmp_path / "e" / "calibration.csv") if row["label"] == "open_beam"][-1]
    outside = 96 * 96 - 48 * 48
    assert int(surest["pixels"]) >= outside


def test_figures_are_drawn(run: Path, folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    assert call("evaluate", run, folder / "test.csv", "-o", tmp_path / "e").exit_code == 0
    for name in ("classes.png", "class_panels.png"):
        with Image.open(tmp_path / "e" / name) as image:
            assert min(image.size) > 300
            assert len(image.convert("RGB").getcolors(1 << 24) or ()) > 20


def test_a_model_of_masks_leaves_no_tables_of_classes(tiny_model: Path, folder: Path, tmp_path: Path) -> None:
    done = call("evaluate", tiny_model, folder / "test.csv", "-o", tmp_path / "e", "--no-figures", "--force")
    assert not (tmp_path / "e" / "classes.csv").exists()
    assert "in the manifest, but not in the predictions: tissue" in done.output
