"""What a card says of a class map's temperature and thresholds is how the map is read out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.special import softmax

import tiny_models
from xprism import zoo
from xprism.card import Card
from xprism.grid import Placement
from xprism.inference.decode import decode
from xprism.inference.predictor import Predictor
from xprism.radiograph import DisplayMapping, Radiograph
from xprism.targets import Classes, TargetSet

LABELS = ("open_beam", "soft_tissue", "bone")


def read_out(
    raw: np.ndarray, part: str | None = None, *, film: tuple[int, int] | None = None, **said: object
) -> np.ndarray:
    """The class map of raw outputs [3, h, w] by a card that says something."""
    shape = film or raw.shape[1:]
    targets = TargetSet(targets=(Classes(name="tissue", labels=LABELS, **said),))
    place = Placement.fit(shape, raw.shape[1:])
    return decode(raw, targets, place, clean=False, film=np.zeros(shape, np.float32), part=part).classes["tissue"]


def drawn(seed: int = 0, size: int = 24) -> np.ndarray:
    return (3 * np.random.default_rng(seed).normal(size=(3, size, size))).astype(np.float32)


def test_a_card_that_says_nothing_is_read_out_by_the_largest() -> None:
    raw = drawn()
    np.testing.assert_array_equal(read_out(raw), raw.argmax(0))
    assert Classes.model_validate({"name": "tissue", "labels": LABELS}) == Classes(name="tissue", labels=LABELS)


@pytest.mark.parametrize("threshold", [0.2, 0.5, 0.9])
def test_soft_tissue_is_where_it_is_above_its_threshold_and_nowhere_else(threshold: float) -> None:
    raw = drawn(1)
    p = softmax(raw, axis=0)
    expected = np.where(p[1] > threshold, 1, np.where(p[0] >= p[2], 0, 2))
    np.testing.assert_array_equal(read_out(raw, thresholds={"soft_tissue": threshold}), expected)
    assert (expected != raw.argmax(0)).any()


def test_thresholds_see_probabilities_at_the_cards_temperature() -> None:
    raw = drawn(2)
    p = softmax(raw / 2.5, axis=0)
    expected = np.where(p[1] > 0.6, 1, np.where(p[0] >= p[2], 0, 2))
    np.testing.assert_array_equal(read_out(raw, temperature=2.5, thresholds={"soft_tissue": 0.6}), expected)
    np.testing.assert_array_equal(read_out(raw, temperature=2.5), raw.argmax(0))  # the order stays
    target = Classes(name="tissue", labels=LABELS, temperature=2.5)
    np.testing.assert_allclose(target.activate(raw), p, atol=1e-6)


def test_of_two_classes_above_their_thresholds_the_likelier_is_given() -> None:
    raw = np.log(np.array([[0.30, 0.2, 0.55, 0.34], [0.40, 0.6, 0.25, 0.33], [0.30, 0.2, 0.20, 0.33]], np.float32))
    found = read_out(raw[:, None], thresholds={"soft_tissue": 0.35, "open_beam": 0.25})
    # both above: soft tissue; soft tissue alone; open beam alone; open beam alone. Bone is left nothing.
    assert found.tolist() == [[1, 1, 0, 0]]
    strict = read_out(raw[:, None], thresholds={"soft_tissue": 0.5, "open_beam": 0.5})
    assert strict.tolist() == [[2, 1, 0, 2]]


def test_parts_of_the_body_have_thresholds_of_their_own() -> None:
    raw, parts = drawn(3), {"neck of femur": {"soft_tissue": 0.95}}
    said = {"thresholds": {"soft_tissue": 0.6}, "part_thresholds": parts}
    strict, usual = (read_out(raw, thresholds={"soft_tissue": t}) for t in (0.95, 0.6))
    assert (strict != usual).any()
    for part in ("NECK OF FEMUR", "neck_of_femur", "Neck-of-Femur"):
        np.testing.assert_array_equal(read_out(raw, part, **said), strict)
    for part in (None, "", "HAND"):
        np.testing.assert_array_equal(read_out(raw, part, **said), usual)


def test_thresholds_are_those_of_enlarged_probabilities() -> None:
    raw = drawn(4)
    place = Placement.fit((72, 48), raw.shape[1:])
    p = np.stack([place.onto_film(plane) for plane in softmax(raw, axis=0)])
    expected = np.where(p[1] > 0.45, 1, np.where(p[0] >= p[2], 0, 2))
    found = read_out(raw, thresholds={"soft_tissue": 0.45}, film=(72, 48))
    certain = (np.abs(p[1] - 0.45) > 1e-5) & (np.abs(p[0] - p[2]) > 1e-5)
    np.testing.assert_array_equal(found[certain], expected[certain])


def test_a_films_own_body_part_decides(tmp_path: Path) -> None:
    parts = {"hand": {"soft_tissue": 0.99}}
    targets = TargetSet(targets=(Classes(name="tissue", labels=LABELS, part_thresholds=parts),))
    planes = np.stack([np.full((32, 32), level, np.float32) for level in (0.0, 2.0, 1.0)])
    model = Predictor.load(tiny_models.write_model(tmp_path / "m", planes, targets, gate="none", film_weight=0))
    film = tiny_models.drawn_film(64)
    found = {
        part: model(Radiograph(film, DisplayMapping(0, 255), body_part=part)).classes["tissue"]
        for part in (None, "FOOT", "HAND")
    }
    assert {part: np.unique(index).tolist() for part, index in found.items()} == {None: [1], "FOOT": [1], "HAND": [2]}


@pytest.mark.parametrize(
    "said",
    [
        {"temperature": 0},
        {"thresholds": {"muscle": 0.5}},
        {"thresholds": {"bone": 1.0}},
        {"thresholds": dict.fromkeys(LABELS, 0.5)},
        {"thresholds": {"bone": 0.5, "open_beam": 0.5}, "part_thresholds": {"hand": {"soft_tissue": 0.9}}},
    ],
)
def test_settings_that_make_no_sense_are_refused(said: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Classes(name="tissue", labels=LABELS, **said)


def test_cards_of_before_and_shipped_ones_still_load() -> None:
    old = {"kind": "classes", "name": "tissue", "labels": list(LABELS)}
    assert TargetSet.model_validate_json(json.dumps([old])).targets[0] == Classes(name="tissue", labels=LABELS)
    for name in zoo.names():
        folder = zoo.find(name)
        assert Card.load(folder).verify(folder, "model.onnx").is_file()
