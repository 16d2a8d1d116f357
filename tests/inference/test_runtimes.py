"""Which runtime works: what is asked for, else the fastest that passed; and none of them reports to its makers."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import tiny_models
import xprism
from xprism.card import Card, sha256_of
from xprism.errors import ModelError
from xprism.inference import runtimes
from xprism.inference.exported import (
    NETWORK,
    RECORD,
    WEIGHTS,
    Exported,
    Figure,
    Parity,
    cached_runtimes,
    find_exported,
    processor,
)
from xprism.inference.predictor import Predictor
from xprism.radiograph import DisplayMapping, Radiograph
from xprism.targets import Masks, TargetSet

needs_openvino = pytest.mark.skipif(find_spec("openvino") is None, reason="OpenVINO is of the extra 'fast'")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return tiny_models.write_model(tmp_path / "m", tiny_models.organ_planes(32), tiny_models.organ_targets())


def film() -> Radiograph:
    return Radiograph(tiny_models.drawn_film(), DisplayMapping(0, 255), source="film.png", sha256="0" * 64)


def parity(*, runtime_ms: float = 1.0, value: float = 0.0, on: str | None = None) -> Parity:
    figure = Figure(of="heart", measure="1 - Jaccard", value=value, limit=0.02)
    return Parity(
        films=3, films_from="here", calibrated_on=0, figures=(figure,),
        reference_ms=10, runtime_ms=runtime_ms, processor=on or processor(), threads=1,
    )  # fmt: skip


def publish(base: Path, card: Card, precision: str, compared: Parity | None, *, weights: bytes = b"w") -> Exported:
    """A record as an export leaves it, with files that no runtime can open."""
    folder = base / f"openvino-{precision}"
    folder.mkdir(parents=True)
    for name, content in ((NETWORK, b"x"), (WEIGHTS, weights)):
        (folder / name).write_bytes(content)
    record = Exported(
        precision=precision, model=card.name, model_version=card.version, model_sha256=card.sha256,
        files={name: sha256_of(folder / name) for name in (NETWORK, WEIGHTS)}, made_with={}, parity=compared,
    )  # fmt: skip
    (folder / RECORD).write_text(record.model_dump_json())
    return record


def test_without_faster_forms_auto_is_the_model_itself(model: Path) -> None:
    predictor = xprism.load(model)
    assert predictor.runtimes == (runtimes.RuntimeId("onnx", "fp32"),)
    options = predictor(film()).options
    assert (options["runtime"], options["precision"]) == ("onnx", "fp32")
    assert "network_sha256" not in options


def test_auto_tries_what_passed_and_is_faster_the_fastest_first(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtimes, "find_spec", lambda name: object())
    card = Card.load(model)
    publish(model, card, "bf16", parity(runtime_ms=5))
    publish(model, card, "int8", parity(runtime_ms=2))
    assert list(runtimes.faster_than_reference(model, card)) == ["openvino-int8", "openvino-bf16"]
    other = tiny_models.write_model(tmp_path / "n", tiny_models.organ_planes(16), tiny_models.organ_targets())
    publish(other, Card.load(other), "fp32", parity(runtime_ms=11))  # slower than the model itself
    publish(other, Card.load(other), "bf16", None)  # not compared
    publish(other, Card.load(other), "int8", parity(value=0.03))  # too far away
    assert list(runtimes.faster_than_reference(other, Card.load(other))) == []


def test_what_passed_on_another_kind_of_processor_is_used_only_when_asked_for(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtimes, "find_spec", lambda name: object())
    publish(model, Card.load(model), "int8", parity(on="another"))
    assert list(runtimes.faster_than_reference(model, Card.load(model))) == []


def test_without_openvino_auto_is_the_model_itself(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(model, Card.load(model), "int8", parity())
    monkeypatch.setattr(runtimes, "find_spec", lambda name: None)
    assert list(runtimes.faster_than_reference(model, Card.load(model))) == []
    assert Predictor.load(model, runtime="auto").runtimes[0].name == "onnx"


def test_a_form_that_cannot_be_opened_is_passed_over_unless_it_was_asked_for(model: Path) -> None:
    publish(model, Card.load(model), "int8", parity())
    (model / "openvino-int8" / WEIGHTS).write_bytes(b"changed")
    assert Predictor.load(model, runtime="auto").runtimes[0].name == "onnx"
    with pytest.raises(ModelError, match="does not match its record"):
        Predictor.load(model, runtime="openvino-int8")


def test_the_models_folder_comes_before_the_cache_and_other_weights_do_not_count(model: Path) -> None:
    card = Card.load(model)
    publish(cached_runtimes(card), card, "int8", parity(), weights=b"cache")
    own = publish(model, card, "int8", parity(), weights=b"own")
    publish(model, card.model_copy(update={"files": {"model.onnx": "0" * 64}}), "bf16", parity())
    (model / "openvino-fp32").mkdir()
    (model / "openvino-fp32" / RECORD).write_text("{}")
    found = find_exported(model, card)
    assert list(found) == ["openvino-int8"]
    assert found["openvino-int8"] == (model / "openvino-int8", own)


def test_a_form_that_is_not_there_comes_with_the_command_that_makes_it(model: Path) -> None:
    with pytest.raises(ModelError, match="xprism models export tiny --to openvino --precision bf16"):
        Predictor.load(model, runtime="openvino-bf16")


def test_the_cache_follows_xdg_cache_home_and_lies_in_the_home_folder_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from xprism.inference.exported import cache_folder

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "xprism"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # the standard says to ignore such
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "me")
    assert cache_folder() == tmp_path / "me" / ".cache" / "xprism"


def test_several_models_say_which_runtime_ran_each(model: Path, tmp_path: Path) -> None:
    nodules = TargetSet(targets=(Masks(name="ribs", labels=("ribs",)),))
    other = tiny_models.write_model(tmp_path / "o", tiny_models.organ_planes(32)[:1], nodules)
    together = xprism.load([model, other])
    assert together.recorded(together.options())["runtime"] == "onnx"
    together.runtimes = (runtimes.RuntimeId("openvino", "int8", "ab"), runtimes.RuntimeId())
    recorded = together.recorded(together.options())
    assert recorded["runtime"] == "openvino+onnx"
    assert recorded["precision"] == "int8+fp32"
    assert recorded["network_sha256"] == "ab+"


@needs_openvino
def test_what_openvino_compiled_is_kept_and_gives_the_same_numbers(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    first, second = (Predictor.load(model, runtime="openvino") for _ in range(2))
    assert len(list((tmp_path / "cache" / "xprism" / "compiled").glob("*.blob"))) == 1
    prepared = first.prepare(film())
    np.testing.assert_array_equal(first.infer(prepared), second.infer(prepared))


@needs_openvino
def test_a_cache_that_cannot_be_written_is_done_without(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert Predictor.load(model, runtime="openvino")(film()).masks


@needs_openvino
def test_bf16_is_refused_where_the_processor_has_none(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from xprism.inference import openvino

    class Core:
        def get_property(self, device: str, name: str) -> list[str]:
            return ["FP32", "INT8"]

    monkeypatch.setattr(openvino, "import_openvino", lambda: SimpleNamespace(Core=Core))
    with pytest.raises(ModelError, match="bf16"):
        openvino.OpenvinoRuntime(model / "model.onnx", precision="bf16", threads=1)


@pytest.mark.parametrize("runtime", ["onnx", pytest.param("openvino", marks=needs_openvino)])
def test_no_runtime_notes_or_reports_its_use(model: Path, tmp_path: Path, runtime: str) -> None:
    home, cache = tmp_path / "home", tmp_path / "cache"
    home.mkdir()
    code = (
        "import sys\n"
        "from xprism.inference.predictor import Predictor\n"
        f"Predictor.load({str(model)!r}, runtime={runtime!r})\n"
        "assert sys.modules.get('openvino_telemetry') is None\n"
    )
    quiet = {"CI", "ORT_DISABLE_TELEMETRY", "NNCF_CI"}
    environment = {key: value for key, value in os.environ.items() if key not in quiet}
    environment |= {"HOME": str(home), "XDG_CACHE_HOME": str(cache)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
    left = [path for path in (*home.rglob("*"), *cache.rglob("*")) if path.is_file()]
    assert all(path.is_relative_to(cache / "xprism") for path in left), left
