"""The model of bone and soft tissue that ships, on simulated limbs and, where they are lent, on two real films."""

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from xprism.card import Card
from xprism.cli.app import app
from xprism.data.manifest import read_manifest
from xprism.inference.predictor import Predictor
from xprism.radiograph import DisplayMapping, Radiograph
from xprism.readers import read
from xprism.simulate.limb import simulate_limb
from xprism.zoo import find

OUTLINES = Path(__file__).parents[1] / "docs" / "results" / "xnet" / "real-bones.csv"


@pytest.fixture(scope="module")
def model() -> Predictor:
    return Predictor.load("limbs")


def dice(found: np.ndarray, true: np.ndarray) -> float:
    return float(2 * (found & true).sum() / (found.sum() + true.sum()))


def test_its_card_says_that_it_learnt_from_simulated_films_and_what_it_does_to_real_ones() -> None:
    card = Card.load(find("limbs"))
    assert card.parameters <= 6_000_000
    assert all(card.verify(find("limbs"), name).is_file() for name in card.files)
    assert "simulated" in card.summary
    assert any("real films" in failure for failure in card.known_failures)
    assert {score.measure for score in card.scores} == {"F1", "area under the curve"}


@pytest.mark.parametrize("part", ["knee", "hand", "pelvis", "head"])
def test_it_finds_bone_and_soft_tissue_of_parts_of_the_body_it_never_saw_this_patient_of(
    model: Predictor, part: str
) -> None:
    case = simulate_limb(seed=987, body_part=part, size=200)
    result = model(Radiograph(np.rint(case.film * 4095).astype(np.uint16), DisplayMapping(0, 4095)))
    assert result.refused is None
    assert (result.classes["tissue"] == case.tissue).mean() >= 0.9
    assert dice(result.classes["tissue"] == 2, case.tissue == 2) >= 0.85


def test_it_finds_most_of_the_bone_of_a_hip_and_a_lower_leg(
    model: Predictor, shared_data: Path, tmp_path: Path
) -> None:
    pytest.importorskip("pycocotools", reason="reading outlines needs the extra 'train'; runs where it is installed")
    films = shared_data / "dicom" / "radiographs"
    words = ["data", "import", "pairs", str(films), "--polygons", str(OUTLINES), "--skip-missing"]
    assert CliRunner().invoke(app, [*words, "-o", str(tmp_path / "real.csv")]).exit_code == 0
    cases = read_manifest(tmp_path / "real.csv")
    found = {
        case.case.split("_")[0]: dice(model(read(case.film)).classes["tissue"] == 2, case.load_truth()["bone"])
        for case in cases
    }
    assert found.keys() == {"hip", "tibia"}
    assert np.mean(list(found.values())) >= 0.85
