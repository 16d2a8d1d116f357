"""Several models on one film: one result that holds what each of them says alone."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import tiny_models
import xprism
from xprism.cli.app import app
from xprism.errors import ModelError
from xprism.inference.predictor import Predictor
from xprism.inference.together import load_predictor
from xprism.radiograph import DisplayMapping, Radiograph
from xprism.targets import Lesions, Masks, TargetSet

NODULES = TargetSet(
    targets=(
        Lesions(name="nodules", label="nodule", report_from=0.5),
        Masks(name="lungs", labels=("lungs",)),
    )
)


@pytest.fixture(scope="module")
def nodules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    planes = np.full((2, 64, 64), -6, np.float32)
    planes[0, 20:24, 30:34], planes[1, 10:50, 10:50] = 3, 6
    return tiny_models.write_model(tmp_path_factory.mktemp("nodules"), planes, NODULES)


def film(**facts: str) -> Radiograph:
    return Radiograph(tiny_models.drawn_film(shape=(300, 260)), DisplayMapping(0, 255), source="film.png", **facts)


def test_a_result_of_two_models_is_that_of_each(tiny_model: Path, nodules: Path) -> None:
    both, organs, alone = (load_predictor(model)(film()) for model in ([tiny_model, nodules], tiny_model, nodules))
    for label, mask in organs.masks.items():
        np.testing.assert_array_equal(both.masks[label], mask)
    np.testing.assert_array_equal(both.masks["nodule"], alone.masks["nodule"])
    assert both.lesions == alone.lesions
    assert len(both.reported("nodule")) == 1
    assert both.lesion_labels == ("nodule",)
    assert both.measurements == organs.measurements
    assert both.quality == organs.quality
    assert set(both.structures) == {*organs.structures, "nodule"}


def test_masks_that_the_first_model_has_are_not_made_twice(tmp_path: Path, nodules: Path) -> None:
    lungs = TargetSet(targets=(Masks(name="lungs", labels=("lungs",)),))
    first = tiny_models.write_model(tmp_path, np.full((1, 64, 64), 6, np.float32), lungs, gate="none")
    result = load_predictor([first, nodules])(film())
    assert set(result.masks) == {"lungs", "nodule"}
    assert result.masks["lungs"].all()


def test_what_the_first_model_refuses_is_refused(tiny_model: Path, nodules: Path) -> None:
    result = load_predictor([tiny_model, nodules])(film(body_part="HIP"))
    assert result.refused is not None
    assert not result.lesions
    assert result.model.name == "tiny+tiny"


def test_models_of_other_input_sizes_see_the_film_at_their_own(tiny_model: Path, tmp_path: Path) -> None:
    planes = np.full((2, 96, 96), -6, np.float32)
    planes[0, 30:36, 45:51] = 3
    finer = tiny_models.write_model(tmp_path, planes, NODULES)
    both, alone = load_predictor([tiny_model, finer])(film()), load_predictor(finer)(film())
    assert both.lesions == alone.lesions
    assert both.lesions


def test_one_name_or_a_list_of_one_is_that_model(tiny_model: Path) -> None:
    assert type(load_predictor(str(tiny_model))) is type(load_predictor([tiny_model])) is Predictor
    assert type(xprism.load(tiny_model)) is Predictor


def test_the_same_model_twice_is_an_error_that_says_so(tiny_model: Path) -> None:
    with pytest.raises(ModelError, match="adds nothing"):
        load_predictor(f"{tiny_model},{tiny_model}")


def test_predict_takes_models_joined_by_commas(tiny_model: Path, nodules: Path, tmp_path: Path) -> None:
    Image.fromarray(tiny_models.drawn_film()).save(tmp_path / "film.png")
    asked = ["predict", str(tmp_path / "film.png"), "-o", str(tmp_path / "out"), "--model", f"{tiny_model},{nodules}"]
    shown = CliRunner().invoke(app, asked)
    assert shown.exit_code == 0, shown.output
    record = json.loads((tmp_path / "out" / "film.png" / "result.json").read_text())
    assert record["model"]["name"] == "tiny+tiny"
    assert [one["label"] for one in record["lesions"]] == ["nodule"]
    again = CliRunner().invoke(app, asked)
    assert "1 skipped" in again.output or "up to date" in again.output
