"""A model made faster: what is computed in whole numbers, how results are compared, what is published."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from typer.testing import CliRunner

import tiny_models
import xprism
from xprism.card import Card
from xprism.cli.app import app
from xprism.errors import DataError, MissingExtra, ModelError, OutputError
from xprism.inference.exported import RECORD, Exported, cached_runtimes
from xprism.inference.predictor import Predictor
from xprism.protocols import parity
from xprism.protocols.parity import ParityFilm, Tolerance, complaint, measure_parity
from xprism.protocols.parity_films import choose_films, deal
from xprism.protocols.runtime_export import export_runtime
from xprism.radiograph import DisplayMapping, Radiograph
from xprism.targets import Classes, Layer, Lesions, Masks, TargetSet

SIDE = 64


def radiograph(seed: int = 0) -> Radiograph:
    return Radiograph(tiny_models.drawn_film(SIDE, seed=seed), DisplayMapping(0, 255))


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Models of equal weights share what lies in the cache; tests must not."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    for seed in range(8):
        Image.fromarray(tiny_models.drawn_film(SIDE, seed=seed)).save(folder / f"{seed}.png")
    return folder


@pytest.fixture
def model(tmp_path: Path) -> Path:
    targets = TargetSet(targets=(Masks(name="bright", labels=("some", "more", "most")),))
    return tiny_models.write_convolutions(tmp_path / "model", targets, size=SIDE, gate="none")


def compared(
    targets: TargetSet,
    first: NDArray[np.float32],
    second: NDArray[np.float32],
    *,
    truth: dict[str, NDArray[np.bool_]] | None = None,
) -> dict[tuple[str, str], float]:
    """The figures of two networks that always return these raw outputs [K, h, w], on two films."""
    card = tiny_models.card(targets, gate="none", size=(SIDE, SIDE), files={"model.onnx": "0" * 64})
    models = [Predictor(card, lambda film, raw=raw: raw[None]) for raw in (first, second)]
    given = [ParityFilm(lambda: radiograph(), lambda targets, shape: truth or {})] * 2
    found = measure_parity(
        *models, given, precision="int8", films_from="here", calibrated_on=0, threads=1
    )  # fmt: skip
    assert found.films == 2
    return {(one.of, one.measure): one.value for one in found.figures}


def test_figures_of_masks_are_those_counted_by_hand() -> None:
    first = np.full((1, SIDE, SIDE), -5, np.float32)
    second = first.copy()
    first[0, 10:20, 10:30] = 5  # 200 pixels
    second[0, 10:20, 12:30] = 3  # 180 of them
    known = np.zeros((SIDE, SIDE), bool)
    known[10:20, 10:30] = True
    figures = compared(TargetSet(targets=(Masks(name="m", labels=("a",)),)), first, second, truth={"a": known})
    assert figures["all outputs", "largest difference"] == 10
    assert figures["a", "1 - Jaccard between both"] == pytest.approx(0.1)
    assert figures["a", "Jaccard lost against the truth"] == pytest.approx(0.1)
    assert figures["a", "pixels that disagree"] == pytest.approx(20 / SIDE**2, abs=1e-6)


def test_a_changed_layer_counts_in_the_films_own_grey() -> None:
    targets = TargetSet(targets=(Layer(name="bones", leaves="soft"),))
    first = np.zeros((1, SIDE, SIDE), np.float32)
    second = first.copy()
    second[0, :, : SIDE // 2] = 0.02
    grey = Predictor(
        tiny_models.card(targets, gate="none", size=(SIDE, SIDE), files={"model.onnx": "0" * 64}), lambda film: film
    )
    scale = grey.prepare(radiograph()).place.grey
    figures = compared(targets, first, second)
    assert figures["soft", "RMSE between both"] == pytest.approx(0.02 * scale / np.sqrt(2), abs=1e-6)
    assert figures["soft", "RMSE in 8-bit grey levels"] == pytest.approx(255 * 0.02 * scale / np.sqrt(2), abs=1e-3)
    assert figures["soft", "largest difference"] == pytest.approx(0.02 * scale, abs=1e-6)


def test_classes_and_lesions_are_compared_too() -> None:
    targets = TargetSet(targets=(Classes(name="t", labels=("air", "bone")), Lesions(name="n", label="nodule")))
    first = np.zeros((3, SIDE, SIDE), np.float32)
    first[0], first[2] = 1, -4
    first[1, :16] = 2
    first[2, 5:9, 5:9] = 2.0
    second = first.copy()
    second[1, 8:16] = 0
    second[2, 5:9, 5:9] = 1.0
    figures = compared(targets, first, second)
    assert figures["bone", "1 - Jaccard between both"] == pytest.approx(0.5)
    assert figures["air", "1 - Jaccard between both"] == pytest.approx(8 / (SIDE - 8), abs=1e-6)
    change = 1 / (1 + np.exp(-2.0)) - 1 / (1 + np.exp(-1.0))
    assert figures["nodule", "change of the best score"] == pytest.approx(change, abs=1e-6)


def test_films_to_calibrate_on_are_not_compared_and_both_are_spread_over_the_list() -> None:
    films = [ParityFilm(lambda: radiograph(), lambda targets, shape: {}) for _ in range(300)]
    dealt = deal(films, "here", calibrate=True)
    first, rest = ({films.index(one) for one in part} for part in (dealt.calibrate, dealt.compare))
    assert (len(first), len(rest)) == (24, 100)
    assert not first & rest
    assert max(first) > 280
    assert max(rest) > 280
    assert len(deal(films[:9], "here", calibrate=True).compare) == 5
    assert len(deal(films[:9], "here", calibrate=False).compare) == 9
    with pytest.raises(DataError, match="too few"):
        deal(films[:3], "here", calibrate=True)


def test_a_model_that_is_not_of_chests_needs_films(model: Path) -> None:
    with pytest.raises(DataError, match="no model of chests"):
        choose_films(None, Card.load(model), calibrate=True)


def test_only_what_lies_between_activations_and_the_last_convolution_become_whole_numbers(model: Path) -> None:
    pytest.importorskip("openvino", reason="OpenVINO is of the extra 'fast'")
    from xprism.protocols.quantise import kept_exact, load_network

    network = load_network(model / "model.onnx")
    kept = kept_exact(network)
    exact = {
        node.get_friendly_name().split("/")[0]: node.get_friendly_name() in kept
        for node in network.get_ordered_ops()
        if node.get_type_name() in ("Convolution", "Multiply")
    }
    assert exact == {"first": True, "inner": False, "last": False, "film_share": True}


@pytest.mark.parametrize(("channels", "products"), [(1, 2), (3, 0)])
@pytest.mark.parametrize(("small", "large"), [((5, 7), (20, 21)), ((4, 4), (4, 8))])
def test_single_planes_are_enlarged_by_products_to_what_onnx_runtime_makes_of_them(
    tmp_path: Path, channels: int, products: int, small: tuple[int, int], large: tuple[int, int]
) -> None:
    openvino = pytest.importorskip("openvino", reason="OpenVINO is of the extra 'fast'")
    import onnx
    import onnxruntime
    from onnx import TensorProto, helper

    from xprism.protocols.quantise import load_network

    sizes = helper.make_tensor("sizes", TensorProto.INT64, [4], [1, channels, *large])
    node = helper.make_node("Resize", ["plane", "", "", "sizes"], ["raw"], mode="linear")
    shapes = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, channels, *size])
        for name, size in (("plane", small), ("raw", large))
    ]
    graph = helper.make_graph([node], "enlarge", shapes[:1], shapes[1:], [sizes])
    path = tmp_path / "enlarge.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)
    plane = np.random.default_rng(0).random((1, channels, *small), np.float32)
    (expected,) = onnxruntime.InferenceSession(path).run(None, {"plane": plane})
    network = load_network(path)
    kinds = [one.get_type_name() for one in network.get_ordered_ops()]
    assert kinds.count("MatMul") == products
    made = openvino.Core().compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(plane)["raw"]
    np.testing.assert_allclose(made, expected, atol=1e-6)


@pytest.fixture
def int8(model: Path, films: Path) -> tuple[Path, Exported]:
    pytest.importorskip("openvino", reason="OpenVINO is of the extra 'fast'")
    pytest.importorskip("nncf", reason="NNCF is of the extra 'export'")
    return export_runtime(model, precision="int8", films=films)


def test_an_int8_network_is_published_with_its_comparison_and_predict_takes_it(
    model: Path, films: Path, int8: tuple[Path, Exported], tmp_path: Path
) -> None:
    folder, record = int8
    assert folder == cached_runtimes(Card.load(model)) / "openvino-int8"
    assert sorted(os.listdir(folder)) == ["model.bin", "model.xml", "parity.json"]
    assert "FakeQuantize" in (folder / "model.xml").read_text()
    assert record.parity is not None
    assert record.passed
    assert (record.parity.films, record.parity.calibrated_on) == (4, 4)
    assert "nncf" in record.made_with
    # A network this small is no faster in int8: say that it was.
    faster = record.model_copy(update={"parity": record.parity.model_copy(update={"reference_ms": 1e6})})
    (folder / RECORD).write_text(faster.model_dump_json())
    said = CliRunner().invoke(app, ["predict", str(films), "-o", str(tmp_path / "out"), "--model", str(model)])
    assert "network run by openvino int8" in said.output
    options = json.loads((tmp_path / "out" / "0.png" / "result.json").read_text())["options"]
    assert (options["runtime"], options["precision"]) == ("openvino", "int8")
    assert options["network_sha256"] == record.sha256
    shown = CliRunner().invoke(app, ["models", "show", str(model)]).output
    assert "openvino int8" in shown


def test_int8_gives_the_same_numbers_each_time(model: Path, int8: tuple[Path, Exported]) -> None:
    first, second = (Predictor.load(model, runtime="openvino-int8") for _ in range(2))
    reference = Predictor.load(model)
    prepared = first.prepare(radiograph(20))
    raw = first.infer(prepared)
    np.testing.assert_array_equal(raw, second.infer(prepared))
    np.testing.assert_array_equal(raw, first.infer(prepared))
    assert 0 < np.abs(raw - reference.infer(prepared)).max() < 0.2


def test_nothing_is_written_where_results_are_too_far_away(
    model: Path, films: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("openvino", reason="OpenVINO is of the extra 'fast'")
    nothing = Tolerance(disagree=-1, lost=0, picture=0, score=0)
    monkeypatch.setitem(parity.TOLERANCES, "fp32", nothing)
    with pytest.raises(ModelError, match=r"1 - Jaccard between both of some is 0\.0000, at most -1") as refused:
        export_runtime(model, precision="fp32", films=films)
    assert "--films" in refused.value.remedy
    assert not cached_runtimes(Card.load(model)).exists()
    with pytest.raises(ModelError, match="too far"):
        export_runtime(model, precision="fp32", films=films, out=model.parent / "new")
    assert not (model.parent / "new").exists()


def test_what_was_not_compared_is_used_only_when_asked_for(model: Path) -> None:
    pytest.importorskip("openvino", reason="OpenVINO is of the extra 'fast'")
    _, record = export_runtime(model, precision="fp32", check=False)
    assert record.parity is None
    assert xprism.load(model).runtimes[0].name == "onnx"
    chosen = Predictor.load(model, runtime="openvino-fp32")
    assert str(chosen.runtimes[0]) == "openvino fp32"
    prepared = chosen.prepare(radiograph())
    np.testing.assert_allclose(chosen.infer(prepared), Predictor.load(model).infer(prepared), atol=1e-4)


def test_a_folder_of_its_own_is_a_whole_model(model: Path, films: Path, tmp_path: Path) -> None:
    pytest.importorskip("openvino", reason="OpenVINO is of the extra 'fast'")
    out = tmp_path / "fast"
    words = ["models", "export", str(model), "--to", "openvino", "--precision", "fp32", "--films", str(films)]
    said = CliRunner().invoke(app, [*words, "-o", str(out)])
    assert said.exit_code == 0, said.output
    assert "at most 0.001" in said.output
    assert sorted(os.listdir(out)) == ["LICENSE", "card.json", "model.onnx", "openvino-fp32"]
    assert str(Predictor.load(out, runtime="openvino-fp32").runtimes[0]) == "openvino fp32"
    other = tiny_models.write_model(tmp_path / "other", tiny_models.organ_planes(32), tiny_models.organ_targets())
    with pytest.raises(OutputError, match="another model"):
        export_runtime(other, precision="fp32", films=films, out=out)


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        (("--precision", "int8"), "onnx is fp32"),
        (("--to", "gpu"), "no runtime 'gpu'"),
        ((), "ONNX already"),
        (("--to", "openvino", "--precision", "fp8"), "no precision 'fp8'"),
    ],
)
def test_what_cannot_be_exported_is_explained(model: Path, words: tuple[str, ...], cause: str) -> None:
    error = CliRunner().invoke(app, ["models", "export", str(model), *words]).exception
    assert isinstance(error, ModelError)
    assert cause in error.what


def test_int8_without_nncf_says_what_to_install(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("openvino", reason="OpenVINO is of the extra 'fast'")
    from xprism.protocols import quantise

    monkeypatch.setattr(quantise, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match="nncf"):
        export_runtime(model, precision="int8")


def test_nncf_does_not_report_its_use() -> None:
    pytest.importorskip("nncf", reason="NNCF is of the extra 'export'")
    code = (
        "from xprism.protocols.quantise import need_nncf\n"
        "need_nncf()\n"
        "from nncf.telemetry import telemetry\n"
        "assert type(telemetry).__name__ != 'NNCFTelemetry', telemetry\n"
    )
    environment = {key: value for key, value in os.environ.items() if key not in {"NNCF_CI", "NNCF_DEV"}}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)


def test_a_complaint_names_figure_and_limit() -> None:
    targets = TargetSet(targets=(Masks(name="m", labels=("a",)),))
    card = tiny_models.card(targets, gate="none", size=(SIDE, SIDE), files={"model.onnx": "0" * 64})
    raw = np.full((1, SIDE, SIDE), -5, np.float32)
    raw[0, :8] = 5
    models = [Predictor(card, lambda film, one=one: one[None]) for one in (raw, -raw)]
    film = ParityFilm(lambda: radiograph(), lambda targets, shape: {})
    found = measure_parity(*models, [film], precision="bf16", films_from="x", calibrated_on=0, threads=1)
    assert not found.passed
    assert complaint(found) == "1 - Jaccard between both of a is 1.0000, at most 0.01 is allowed"
