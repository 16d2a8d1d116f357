"""A model folder in, results out."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from scipy import ndimage

import tiny_models
import xprism
from xprism import zoo
from xprism.errors import MissingExtra, ModelError
from xprism.grid import Placement
from xprism.inference.decode import decode
from xprism.inference.predictor import Predictor
from xprism.radiograph import DisplayMapping, Radiograph
from xprism.targets import Classes, Lesions, Masks, Picture, TargetSet


def radiograph(pixels: np.ndarray, **facts: str) -> Radiograph:
    return Radiograph(pixels, DisplayMapping(0, 255), source="film.png", sha256="0" * 64, **facts)


@pytest.fixture(scope="module")
def predictor(tiny_model: Path) -> Predictor:
    return Predictor.load(tiny_model)


def test_masks_lie_on_the_films_own_grid_in_label_order(predictor: Predictor) -> None:
    result = predictor(radiograph(tiny_models.drawn_film(shape=(300, 260))))
    assert tuple(result.masks) == tiny_models.ORGANS
    assert all(mask.shape == (300, 260) and mask.dtype == bool for mask in result.masks.values())
    assert result.refused is None
    assert 0.3 < result.measurements["ctr"].value < 0.7


def test_heart_and_lung_may_overlap(predictor: Predictor) -> None:
    masks = predictor(radiograph(tiny_models.drawn_film())).masks
    assert (masks["heart"] & masks["left_lung"]).any()


def test_masks_equal_the_threshold_of_enlarged_probabilities(tiny_model: Path, predictor: Predictor) -> None:
    film = radiograph(tiny_models.drawn_film(shape=(200, 320)))
    prepared = predictor.prepare(film)
    session = onnxruntime.InferenceSession(tiny_model / "model.onnx", providers=["CPUExecutionProvider"])
    raw = session.run(None, {"film": prepared.grid})[0][0]
    masks = predictor(film, clean=False).masks
    for plane, label in zip(1 / (1 + np.exp(-raw)), tiny_models.ORGANS, strict=True):
        enlarged = prepared.place.onto_film(plane)
        certain = np.abs(enlarged - 0.5) > 1e-4
        np.testing.assert_array_equal(masks[label][certain], (enlarged >= 0.5)[certain])


def test_a_hip_gets_neither_masks_nor_ratio(predictor: Predictor) -> None:
    result = predictor(radiograph(tiny_models.drawn_film(), modality="CR", body_part="HIP"))
    assert result.refused is not None
    assert result.refused.code == "body_part"
    assert not result.masks
    assert not result.measurements
    assert result.quality.score == 0


def test_force_measures_and_marks(predictor: Predictor) -> None:
    result = predictor(radiograph(tiny_models.drawn_film(), body_part="HIP"), force=True)
    assert result.refused is None
    assert result.overridden is not None
    assert result.overridden.code == "body_part"
    assert "ctr" in result.measurements
    assert result.quality.score <= 0.3
    assert "forced" in result.quality.remarks[0]


def test_a_film_without_lungs_is_no_chest(tmp_path: Path) -> None:
    planes = np.full((5, 64, 64), -6, np.float32)
    model = tiny_models.write_model(tmp_path, planes, tiny_models.organ_targets())
    refused = Predictor.load(model)(radiograph(tiny_models.drawn_film())).refused
    assert refused is not None
    assert refused.code == "not_a_chest"


@pytest.mark.parametrize("shape", [(1, 1), (5, 400), (64, 64), (3000, 40)])
def test_any_film_size_gives_a_result(predictor: Predictor, shape: tuple[int, int]) -> None:
    film = radiograph(np.random.default_rng(0).integers(0, 255, shape).astype(np.uint8))
    result = predictor(film, force=True)
    assert all(mask.shape == shape for mask in result.masks.values())


def test_a_blank_film_is_no_error(predictor: Predictor) -> None:
    predictor(radiograph(np.zeros((100, 100), np.uint8)))


def mixed_targets() -> TargetSet:
    return TargetSet(
        targets=(
            Picture(name="bone_suppressed"),
            Classes(name="tissue", labels=("air", "soft", "bone")),
            Lesions(name="nodules", label="nodule"),
            Masks(name="bones", labels=("ribs", "spine"), activation="tanh"),
        )
    )


def test_every_kind_of_target_is_read_out() -> None:
    raw = np.full((7, 32, 32), -4, np.float32)
    raw[0, :16] = 4
    raw[1], raw[2, 10:20], raw[3, 25:] = 0, 3, 5
    raw[4, 4:8, 6:10], raw[4, 20:22, 20:24] = 3, 1
    raw[5, :, 12:20] = 4
    place = Placement.fit((64, 128), (32, 32))
    found = decode(raw, mixed_targets(), place, clean=False, film=np.zeros(place.film, np.float32))
    picture, tissue = found.pictures["bone_suppressed"], found.classes["tissue"]
    assert picture.shape == tissue.shape == (64, 128)
    assert picture[2, 5] > 0.99 > 0.01 > picture[-2, 5]
    assert tissue[30, 0] == 1
    assert tissue[0, 0] == 0
    best = found.lesions[0]
    assert (best.label, best.box_px) == ("nodule", (48, 80, 56, 96))
    assert best.score == pytest.approx(1 / (1 + np.exp(-1)), abs=1e-4)
    assert set(found.masks) == {"nodule", "ribs", "spine"}
    assert found.masks["ribs"][10, 60]


def test_tidied_both_lungs_stay_and_one_heart() -> None:
    raw = np.full((2, 40, 40), -4, np.float32)
    raw[:, 5:30, 4:16] = raw[:, 5:28, 24:36] = raw[:, 35:37, 18:20] = 4
    targets = TargetSet(targets=(Masks(name="organs", labels=("lungs", "heart")),))
    found = decode(raw, targets, Placement.fit((40, 40), (40, 40)), clean=True, film=np.zeros((40, 40), np.float32))
    assert [ndimage.label(found.masks[label])[1] for label in ("lungs", "heart")] == [2, 1]
    assert found.masks["lungs"].sum() == 25 * 12 + 23 * 12


def test_three_channel_pictures_come_as_one() -> None:
    film = np.zeros((20, 20), np.float32)
    targets = TargetSet(targets=(Picture(name="stain", channels=3),))
    found = decode(np.zeros((3, 8, 8), np.float32), targets, Placement.fit((20, 20), (8, 8)), clean=False, film=film)
    assert found.pictures["stain"].shape == (20, 20, 3)
    assert found.pictures["stain"].mean() == pytest.approx(0.5)


def test_changed_weights_are_found_out(tmp_path: Path) -> None:
    model = tiny_models.write_model(tmp_path / "m", tiny_models.organ_planes(32), tiny_models.organ_targets())
    with (model / "model.onnx").open("ab") as stream:
        stream.write(b"\0")
    with pytest.raises(ModelError, match="does not match its card"):
        Predictor.load(model)


def test_a_network_that_does_not_fit_its_card_is_named(tmp_path: Path) -> None:
    model = tiny_models.write_model(tmp_path, tiny_models.organ_planes(32)[:3], tiny_models.organ_targets())
    with pytest.raises(ModelError, match="its card says"):
        Predictor.load(model)(radiograph(tiny_models.drawn_film()))


@pytest.mark.parametrize(("model", "runtime", "words"), [("nope", "onnx", "no model"), (None, "foo", "no runtime")])
def test_unknown_names_are_explained(tiny_model: Path, model: str | None, runtime: str, words: str) -> None:
    with pytest.raises(ModelError, match=words):
        Predictor.load(model or tiny_model, runtime=runtime)


def test_onnx_that_cannot_be_loaded_is_a_model_error(tmp_path: Path) -> None:
    model = tiny_models.write_model(tmp_path, tiny_models.organ_planes(32), tiny_models.organ_targets())
    (model / "model.onnx").write_bytes(b"rubbish")
    card = json.loads((model / "card.json").read_text())
    card["files"]["model.onnx"] = xprism.card.sha256_of(model / "model.onnx")
    (model / "card.json").write_text(json.dumps(card))
    with pytest.raises(ModelError, match="ONNX Runtime cannot load it"):
        Predictor.load(model)


def test_openvino_agrees_with_onnx_runtime_or_says_what_to_install(tiny_model: Path) -> None:
    if find_spec("openvino") is None:
        with pytest.raises(MissingExtra, match=r"xprism\[fast\]"):
            Predictor.load(tiny_model, runtime="openvino")
        return
    fast = Predictor.load(tiny_model, runtime="openvino")
    film = radiograph(tiny_models.drawn_film())
    slow = Predictor.load(tiny_model)
    for label, mask in slow(film).masks.items():
        assert (fast(film).masks[label] != mask).mean() < 1e-3


def test_prediction_needs_no_torch() -> None:
    code = "import xprism.inference.predictor, xprism.batch, xprism.cli.app, sys; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_inverting_twice_gives_identical_masks(predictor: Predictor) -> None:
    pixels = tiny_models.drawn_film()
    film = radiograph(pixels)
    twin = replace(film, stored=255 - pixels, mapping=DisplayMapping(0, 255, inverted=True))
    for label, mask in predictor(film).masks.items():
        np.testing.assert_array_equal(mask, predictor(twin).masks[label])


@pytest.mark.skipif("organs" not in zoo.names(), reason="the shipped organ model is not there yet")
def test_shipped_model_reads_a_simulated_chest() -> None:
    simulate = pytest.importorskip("xprism.simulate")
    case = simulate.simulate_chest(seed=7, size=512)
    film = case.film if isinstance(case.film, Radiograph) else radiograph(case.film)
    result = xprism.load("organs")(film)
    assert result.refused is None
    for side in ("right_lung", "left_lung"):
        mask, truth = result.masks[side], case.masks[side]
        assert (mask & truth).sum() / (mask | truth).sum() > 0.6
