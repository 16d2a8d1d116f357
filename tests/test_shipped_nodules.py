"""The nodule model that ships, beside the chest model and alone."""

import csv
from pathlib import Path

import numpy as np
import pytest

from xprism.card import Card
from xprism.inference.predictor import Predictor
from xprism.inference.together import load_predictor
from xprism.radiograph import DisplayMapping, Radiograph
from xprism.readers import read
from xprism.simulate import simulate_chest
from xprism.zoo import find


@pytest.fixture(scope="module")
def both() -> Predictor:
    return load_predictor("chest,nodules")


def test_the_card_says_what_was_measured_and_what_fails() -> None:
    folder = find("nodules")
    card = Card.load(folder)
    assert card.parameters <= 6_000_000
    assert all(card.verify(folder, name).is_file() for name in card.files)
    assert {score.measure for score in card.scores} >= {
        "sensitivity at 1 false findings a film",
        "sensitivity at 2 false findings a film",
    }
    assert card.known_failures


def test_one_result_has_organs_a_film_without_bones_and_findings(both: Predictor) -> None:
    case = simulate_chest(seed=7, size=512)
    film = Radiograph(np.rint(case.film * 4095).astype(np.uint16), DisplayMapping(0, 4095), view="PA")
    result = both(film)
    assert result.refused is None
    assert {"right_lung", "left_lung", "heart", "nodule"} <= set(result.masks)
    assert result.pictures["bone_suppressed"].shape == film.shape
    assert result.lesion_labels == ("nodule",)
    for finding in result.lesions:
        top, left, bottom, right = finding.box_px
        assert 0 <= top < bottom <= 512
        assert 0 <= left < right <= 512
        assert finding.score >= 0.3


def test_it_finds_most_of_the_obvious_nodules_of_lent_films(both: Predictor, shared_data: Path) -> None:
    with (shared_data / "jsrt" / "nodules.csv").open(newline="") as stream:
        obvious = [row for row in csv.DictReader(stream) if row["subtlety"] == "5"]
    found = []
    for row in obvious[:4]:
        film = read(shared_data / "jsrt" / "images" / f"{row['image']}.png", polarity="display")
        # The table counts pixels of 0.175 mm, the lent films have half as many a side.
        place, reach = np.array([float(row["y"]), float(row["x"])]) / 2, float(row["diameter_mm"]) / 0.35 / 2
        findings = both(film).reported("nodule")
        found.append(any(np.abs(np.array(one.centre_px) - place).max() <= reach for one in findings))
    assert len(found) == 4
    assert sum(found) >= 3
