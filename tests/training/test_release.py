"""A released model carries what its makers state and what was measured."""

import json
import warnings
from pathlib import Path

import pytest

from xprism.card import Card
from xprism.errors import DataError, RecipeError
from xprism.evaluation.cases import CaseScore
from xprism.evaluation.class_rows import ClassSummaryRow
from xprism.evaluation.lesion_rows import LesionFilm, LesionRow
from xprism.evaluation.lesion_summary import FrocRow, froc_rows
from xprism.evaluation.tables import write_csv
from xprism.protocols.release import load_statement, read_curves, read_evaluation, release
from xprism.training.loop import train
from xprism.training.recipe import Recipe
from xprism.training.recipe_file import load_recipe

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


def test_points_of_a_free_response_curve_go_onto_the_card(tmp_path: Path) -> None:
    films = [LesionFilm(f"c{k}", f"s{k}", "nodule", 1) for k in range(4)]
    found = [
        LesionRow(f"c{k}", f"s{k}", "nodule", "hit", score=0.9 - k / 10, reported=True, lesion=1) for k in range(3)
    ]
    false = [
        LesionRow("c3", "s3", "nodule", "false", score=score, reported=True) for score in (0.85, 0.75, 0.74, 0.73, 0.2)
    ]
    missed = [LesionRow("c3", "s3", "nodule", "missed", lesion=1)]
    write_csv(tmp_path / "froc.csv", FrocRow, froc_rows(films, [*found, *false, *missed], rule="centre"))
    at_one, at_two = read_curves(tmp_path / "froc.csv")
    assert (at_one.measure, at_one.structure) == ("sensitivity at 1 false findings a film", "nodule")
    assert (at_one.mean, at_one.films) == (0.75, 4)  # four false findings above all but the last of them
    assert at_two.mean == 0.75
    with pytest.raises(DataError, match="cannot be read"):
        read_curves(tmp_path / "nothing.csv")


@pytest.mark.parametrize("thresholds", [False, True])
def test_figures_and_temperature_of_classes_go_into_the_model_and_thresholds_if_wanted(
    tiny_data: Path, tmp_path: Path, thresholds: bool
) -> None:
    def row(films: str, label: str, measure: str, temperature: float, value: float) -> ClassSummaryRow:
        return ClassSummaryRow(films, "side", label, measure, temperature, value, value - 0.1, value + 0.1, value, 9)

    told = tmp_path / "scores"
    told.mkdir()
    rows = [row("test", "left_lung", "f1", 1, 0.8), row("test", "left_lung", "recall", 1, 0.7)]
    rows += [row("test", "left_lung", "f1", 1.3, 0.1), row("validation", "left_lung", "f1", 1, 0.2)]
    write_csv(told / "class_summary.csv", ClassSummaryRow, rows)
    chosen = {"temperature": 1.3, "thresholds": {"left_lung": 0.7}, "part_thresholds": {"KNEE": {"left_lung": 0.6}}}
    (told / "evaluation.json").write_text(json.dumps({"classes": {"side": {"for_card": chosen}}}))
    side = "targets=[{kind: classes, name: side, labels: [rest, right_lung, left_lung], from_masks: true}]"
    run = train(load_recipe(tiny_data / "tiny.yaml", changes=[side, "schedule.steps=1"]), tmp_path / "run")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        release(run, tmp_path / "model", measured=read_evaluation(told, thresholds=thresholds))
    card = Card.load(tmp_path / "model")
    assert [(one.measure, one.structure, one.mean, one.films) for one in card.scores] == [
        ("F1", "side, left lung", 0.8, 9)
    ]
    (target,) = card.targets
    assert target.temperature == 1.3
    assert target.thresholds_for(None) == (chosen["thresholds"] if thresholds else {})
    assert target.thresholds_for("KNEE") == (chosen["part_thresholds"]["KNEE"] if thresholds else {})
    with pytest.raises(DataError, match="no figures of lesions or classes"):
        read_evaluation(tmp_path / "run")
