"""The model of organs and bones that ships, on simulated films that it never saw."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import xprism
from xprism.card import Card
from xprism.evaluation.bone_measures import lung_rmse, rib_gradient
from xprism.inference.predictor import Predictor
from xprism.radiograph import DisplayMapping, Radiograph
from xprism.simulate import simulate_chest
from xprism.targets import Layer
from xprism.zoo import find


@pytest.fixture(scope="module")
def chest() -> Predictor:
    return xprism.load()


def _film(values: NDArray[np.float32]) -> Radiograph:
    return Radiograph(np.rint(values * 4095).clip(0, 4095).astype(np.uint16), DisplayMapping(0, 4095), view="PA")


def test_it_is_small_says_what_it_is_and_is_what_load_gives(chest: Predictor) -> None:
    folder = find("chest")
    card = Card.load(folder)
    assert chest.card == card
    assert card.parameters <= 6_000_000
    assert (folder / "model.onnx").stat().st_size <= 20 * 2**20
    assert all(card.verify(folder, name).is_file() for name in card.files)
    assert card.known_failures
    assert any(isinstance(target, Layer) for target in card.targets)
    assert "research" in (folder / card.licence_file).read_text(encoding="utf-8")


@pytest.mark.parametrize("seed", [2001, 2002, 2003])
def test_it_takes_most_of_the_bones_off_phantoms_and_leaves_the_rest(chest: Predictor, seed: int) -> None:
    case = simulate_chest(seed=seed, size=512)
    result = chest(_film(case.film))
    assert result.refused is None
    real = case.masks["right_lung"] | case.masks["left_lung"]
    made, soft = result.pictures["bone_suppressed"], case.film_without_bone
    assert made.shape == case.film.shape
    assert lung_rmse(made, soft, lungs=real) <= 0.6 * lung_rmse(case.film, soft, lungs=real)
    gradient = rib_gradient(made, film=case.film, target=soft, lungs=real)
    nothing = rib_gradient(case.film, film=case.film, target=soft, lungs=real)
    assert gradient.error < 0.6 * nothing.error
    assert gradient.tissue_kept > 0.7


def test_a_monochrome1_twin_gives_the_same_picture(chest: Predictor) -> None:
    film = _film(simulate_chest(seed=2004, size=300).film)
    twin = replace(film, stored=(4095 - film.stored).astype(np.uint16), mapping=DisplayMapping(0, 4095, inverted=True))
    ours, theirs = chest(film), chest(twin)
    np.testing.assert_array_equal(ours.pictures["bone_suppressed"], theirs.pictures["bone_suppressed"])


def test_a_refused_film_gets_a_result_that_says_so(chest: Predictor, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (300, 300)).astype(np.uint8)
    result = chest(Radiograph(noise, DisplayMapping(0, 255)))
    assert result.refused is not None
    result.save(tmp_path / "film")
    assert result.refused.reason in (tmp_path / "film" / "report.html").read_text(encoding="utf-8")
    assert not (tmp_path / "film" / "bone_suppressed.png").exists()
