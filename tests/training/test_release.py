"""A released model carries what its makers state and what was measured."""

import warnings
from pathlib import Path

import pytest

from xprism.card import Card
from xprism.errors import RecipeError
from xprism.evaluation.cases import CaseScore
from xprism.protocols.release import load_statement, release
from xprism.training.loop import train
from xprism.training.recipe import Recipe

ROOT = Path(__file__).parents[2] / "recipes" / "practical"


def test_the_card_joins_statement_run_and_scores(tiny_recipe: Recipe, tmp_path: Path) -> None:
    recipe = tiny_recipe.model_copy(update={"schedule": tiny_recipe.schedule.model_copy(update={"steps": 1})})
    run = train(recipe, tmp_path / "run")
    statement = load_statement(ROOT / "organs.card.yaml")
    scores = [CaseScore("c1", "left_lung", 0.9, 10, 10), CaseScore("c2", "left_lung", 0.7, 10, 10)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        release(run, tmp_path / "model", statement=statement, licence=ROOT / "organs.LICENSE", scores=scores)
    card = Card.load(tmp_path / "model")
    assert (card.summary, card.gate, card.licence) == (statement.summary, "frontal_chest", statement.licence)
    assert card.training.films == 6
    assert card.training.data == statement.data
    assert [(s.structure, s.mean, s.worst, s.films) for s in card.scores] == [("left_lung", 0.8, 0.7, 2)]


def test_a_statement_that_leaves_something_out_is_refused(tmp_path: Path) -> None:
    (tmp_path / "card.yaml").write_text("version: '1'\n")
    with pytest.raises(RecipeError, match="summary: Field required"):
        load_statement(tmp_path / "card.yaml")
