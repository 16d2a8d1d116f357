"""The models that ship, on simulated films and, where they are lent, on real ones."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from xprism.card import Card
from xprism.data.manifest import Case
from xprism.evaluation.cases import score_cases
from xprism.inference.predictor import Predictor
from xprism.radiograph import DisplayMapping, Radiograph
from xprism.readers import read
from xprism.simulate import simulate_chest
from xprism.zoo import find


@pytest.fixture(scope="module", params=["organs", "chest"])
def model(request: pytest.FixtureRequest) -> Predictor:
    return Predictor.load(str(request.param))


def _phantom(seed: int, *, size: int = 512) -> tuple[Radiograph, dict[str, np.ndarray]]:
    case = simulate_chest(seed=seed, size=size)
    stored = np.rint(case.film * 4095).clip(0, 4095).astype(np.uint16)
    return Radiograph(stored, DisplayMapping(0, 4095), view="PA"), case.masks


def test_the_model_keeps_its_promised_size() -> None:
    folder = find("organs")
    card = Card.load(folder)
    assert card.parameters <= 5_000_000
    assert (folder / "model.onnx").stat().st_size <= 20 * 2**20
    assert all(card.verify(folder, name).is_file() for name in card.files)
    assert card.scores
    assert card.known_failures
    assert "research" in (folder / card.licence_file).read_text(encoding="utf-8")


@pytest.mark.parametrize("seed", [101, 102, 103])
def test_it_finds_the_lungs_of_phantoms_it_never_saw(model: Predictor, seed: int) -> None:
    film, truth = _phantom(seed, size=400)
    result = model(film)
    assert result.refused is None
    found = result.masks["right_lung"] | result.masks["left_lung"]
    real = truth["right_lung"] | truth["left_lung"]
    assert (found & real).sum() / (found | real).sum() >= 0.75


def test_a_monochrome1_twin_gives_identical_masks(model: Predictor) -> None:
    film, _ = _phantom(7, size=300)
    twin = replace(film, stored=(4095 - film.stored).astype(np.uint16), mapping=DisplayMapping(0, 4095, inverted=True))
    ours, theirs = model(film), model(twin)
    assert ours.masks.keys() == theirs.masks.keys()
    assert all(np.array_equal(ours.masks[label], theirs.masks[label]) for label in ours.masks)


def test_noise_and_an_empty_film_are_refused(model: Predictor) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (300, 300)).astype(np.uint8)
    for stored in (noise, np.zeros((300, 300), np.uint8)):
        assert model(Radiograph(stored, DisplayMapping(0, 255))).refused is not None


@pytest.mark.parametrize("name", ["hip_cr_mono2_10bit_rle", "tibia_cr_mono1_10bit_unc"])
def test_limbs_are_refused_by_header_and_by_picture(model: Predictor, shared_data: Path, name: str) -> None:
    film = read(shared_data / "dicom" / "radiographs" / f"{name}.dcm")
    by_header = model(film).refused
    assert by_header is not None
    assert by_header.code == "body_part"
    by_picture = model(replace(film, body_part=None, view=None)).refused
    assert by_picture is not None
    assert by_picture.code in {"not_a_chest", "low_confidence"}


@pytest.mark.parametrize("name", ["chest_dx_mono2_8bit_nih", "chest_cr_mono1_15bit_jlsn"])
def test_real_dicom_chests_are_measured(model: Predictor, shared_data: Path, name: str) -> None:
    result = model(read(shared_data / "dicom" / "radiographs" / f"{name}.dcm"))
    assert result.refused is None
    assert 0.3 < result.measurements["ctr"].value < 0.7


def test_it_still_knows_the_films_it_learnt_from(model: Predictor, shared_data: Path) -> None:
    folder = shared_data / "jsrt"
    names = ("JPCLN001", "JPCLN075", "JPCNN041")
    cases = [Case(n, n, folder / "images" / f"{n}.png", folder / "masks" / f"{n}.png") for n in names]
    scores = score_cases(cases, model.card.targets, lambda case: model(read(case.film)).masks)
    lowest = {s: min(one.jaccard for one in scores if one.structure == s) for s in ("lungs", "heart", "left_clavicle")}
    assert lowest["lungs"] > 0.93
    assert lowest["heart"] > 0.85
    assert lowest["left_clavicle"] > 0.75
