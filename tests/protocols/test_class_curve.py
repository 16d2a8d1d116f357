"""Learning curves of class maps: every class is scored, all labelled films count, and more films are foretold."""

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from xprism.data.manifest import Case, write_manifest
from xprism.errors import DataError
from xprism.evaluation.cases import CaseScore
from xprism.inference.predictor import Predictor
from xprism.protocols.crossval import score_run, write_scores
from xprism.protocols.curve import learning_curve
from xprism.readers import read
from xprism.training.cases import held_out_cases, training_cases, validation_cases
from xprism.training.loop import train
from xprism.training.recipe import Recipe
from xprism.training.recipe_file import load_recipe

XNET = Path(__file__).parents[2] / "recipes" / "reproduce" / "xnet" / "xnet.yaml"
CLASSES = ("open_beam", "soft_tissue", "bone")
SIZE = 32


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    """XNet, very small, for 40 films of two parts of the body; maps of every third film have half its size."""
    rng, cases = np.random.default_rng(0), []
    for k in range(40):
        truth = np.repeat(np.repeat(rng.integers(0, 3, (4, 4)), 8, 0), 8, 1).astype(np.uint8)
        film = np.clip(np.array([40, 120, 190])[truth] + rng.normal(0, 20, truth.shape), 0, 255).astype(np.uint8)
        paths = {name: tmp_path / f"{name}{k}.png" for name in ("film", "truth")}
        Image.fromarray(film).save(paths["film"])
        Image.fromarray(truth[::2, ::2] if k % 3 == 0 else truth).save(paths["truth"])
        facts = {"polarity": "display", "body_part": "knee" if k % 2 else "hand"}
        cases.append(Case(f"c{k}", f"s{k}", paths["film"], attributes=facts, classes={"tissue": paths["truth"]}))
    write_manifest(tmp_path / "m.csv", cases)
    changes = (f"data.manifests=[{tmp_path / 'm.csv'}]", f"input.size=[{SIZE},{SIZE}]", "schedule.steps=2")
    small = ("schedule.checkpoint_every=2", "validation.every=2", "schedule.threads=1", "network.width=4")
    return load_recipe(XNET, profile="smoke", changes=(*changes, *small))


def test_every_class_of_a_run_is_scored_on_the_films_own_grid(recipe: Recipe, tmp_path: Path) -> None:
    """Second source: the model's maps and the true ones, counted in plain NumPy."""
    scores = score_run(train(recipe, tmp_path / "run"))
    model = Predictor.load(tmp_path / "run" / "model")
    expected = {}
    for case in held_out_cases(recipe):
        found = model(read(case.film, polarity="display")).classes["tissue"]
        truth = np.asarray(Image.open(case.classes["tissue"]))
        truth = truth.repeat(SIZE // len(truth), 0).repeat(SIZE // len(truth), 1)
        for k, label in enumerate(CLASSES):
            either = (found == k) | (truth == k)
            expected[case.case, label] = ((found == k) & (truth == k)).sum() / either.sum() if either.any() else 1.0
    assert {(one.case, one.structure): one.jaccard for one in scores} == pytest.approx(expected)


def test_more_films_are_foretold_from_four_shares(recipe: Recipe, tmp_path: Path) -> None:
    """Runs that are done already, of a known law, are continued along it."""
    films = len({case.subject for case in (*training_cases(recipe), *validation_cases(recipe))})
    held = [case.case for case in held_out_cases(recipe)]
    assert films + len(held) == 40

    def law(n: float) -> float:
        return 0.9 - 1.2 * n**-0.7

    for share in (0.25, 0.5, 0.75, 1):
        count = round(share * films)
        where = tmp_path / "curve" / f"subjects-{count:04d}-draw-0"
        where.mkdir(parents=True)
        rows = [CaseScore(case, label, law(count) + 0.002 * (k - 2), 1, 1) for label in CLASSES
                for k, case in enumerate(held[:5])]  # fmt: skip
        write_scores(where / "scores.csv", rows)
    found = learning_curve(recipe, tmp_path / "curve", fractions=(0.25, 0.5, 0.75, 1))
    assert [point.subjects for point in found.points if point.structure == "bone"][-1] == films
    assert [one.subjects for one in found.forecasts if one.structure == "bone"] == [round(1.5 * films), 2 * films]
    for one in found.forecasts:
        assert one.jaccard == pytest.approx(law(one.subjects), abs=0.003)
        assert one.gain == pytest.approx(law(one.subjects) - law(films), abs=0.003)
        assert one.low < one.jaccard < one.high
    with (tmp_path / "curve" / "forecast.csv").open() as stream:
        assert len(list(csv.DictReader(stream))) == 2 * len(CLASSES)


def test_shares_too_small_to_choose_weights_by_are_refused_before_anything_is_trained(
    recipe: Recipe, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=r"1 subjects are too few.*small --fractions"):
        learning_curve(recipe, tmp_path / "curve", fractions=(0.02, 1))
    assert not (tmp_path / "curve").exists()
