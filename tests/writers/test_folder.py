"""What a result becomes on disk."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tiny_models
from xprism.errors import OutputError
from xprism.inference.predictor import Predictor
from xprism.radiograph import DisplayMapping, Radiograph, Spacing
from xprism.result import Lesion, Measurement, ModelId, Result
from xprism.targets import Classes, Layer, Lesions, Masks, Picture, TargetSet
from xprism.writers.folder import write_result
from xprism.writers.record import options_sha256, read_record

MODEL = ModelId("made up", "1", "f" * 64, "Apache-2.0")


@pytest.fixture(scope="module")
def result(tiny_model: Path) -> Result:
    film = Radiograph(
        tiny_models.drawn_film(shape=(320, 280)),
        DisplayMapping(0, 255),
        spacing=Spacing(0.8, 0.8, "PixelSpacing"),
        view="PA",
        source="/somewhere/private/<film>.png",
        sha256="a" * 64,
        log=("Read as a <test>.",),
    )
    return Predictor.load(tiny_model)(film)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_mask_flags_read_back_as_the_masks(result: Result, tmp_path: Path) -> None:
    write_result(result, tmp_path / "out")
    with Image.open(tmp_path / "out" / "masks.png") as image:
        assert (image.mode, image.size) == ("L", (280, 320))
        flags = np.asarray(image)
    for bit, label in enumerate(("right_lung", "left_lung", "heart", "right_clavicle", "left_clavicle")):
        np.testing.assert_array_equal(flags & (1 << bit) > 0, result.masks[label])


def test_record_says_everything_and_no_private_path(result: Result, tmp_path: Path) -> None:
    write_result(result, tmp_path / "out")
    text = (tmp_path / "out" / "result.json").read_text()
    record = json.loads(text)
    assert "private" not in text
    assert record["schema_version"] == 1
    assert record["input"]["sha256"] == "a" * 64
    assert record["images"]["masks.png"]["flags"]["left_clavicle"] == 16
    assert record["structures"]["heart"]["area_px"] == int(result.masks["heart"].sum())
    assert record["measurements"]["ctr"]["value"] == pytest.approx(result.measurements["ctr"].value, abs=1e-6)
    assert record["log"][0] == "Read as a <test>."
    assert record["files"] == sorted(path.name for path in (tmp_path / "out").iterdir())


def test_writing_twice_gives_the_same_bytes(result: Result, tmp_path: Path) -> None:
    write_result(result, tmp_path / "one")
    write_result(result, tmp_path / "two")
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_only_the_kinds_asked_for_are_written(result: Result, tmp_path: Path) -> None:
    write_result(result, tmp_path / "out", to=("masks",))
    assert set(contents(tmp_path / "out")) == {"masks.png", "result.json"}


def test_an_unknown_kind_is_refused_before_anything_is_written(result: Result, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot write 'pdf'"):
        write_result(result, tmp_path / "out", to=("pdf",))
    assert not (tmp_path / "out").exists()


def test_an_earlier_result_is_replaced_whole(result: Result, tmp_path: Path) -> None:
    write_result(result, tmp_path / "out")
    write_result(result, tmp_path / "out", to=("json",))
    assert set(contents(tmp_path / "out")) == {"result.json"}


def test_files_of_other_origin_are_left_alone(result: Result, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "diary.txt").write_text("mine")
    result.save(tmp_path / "out", to=("masks",))
    result.save(tmp_path / "out", to=("masks",))
    assert set(contents(tmp_path / "out")) == {"diary.txt", "masks.png", "result.json"}


def test_no_temporary_folder_is_left_behind(result: Result, tmp_path: Path) -> None:
    write_result(result, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_place_that_cannot_be_written_is_named(result: Result, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file"):
        write_result(result, tmp_path / "file" / "out")


def test_numbers_that_are_not_finite_become_null(result: Result, tmp_path: Path) -> None:
    odd = replace(result, measurements={"odd": Measurement("odd", math.nan, "px")})
    write_result(odd, tmp_path / "out", to=("json",))
    record = read_record(tmp_path / "out")
    assert record is not None
    assert record["measurements"]["odd"]["value"] is None


def test_hash_of_options_ignores_their_order() -> None:
    assert options_sha256({"a": 1, "b": True}) == options_sha256({"b": True, "a": 1})
    assert options_sha256({"a": 1}) != options_sha256({"a": 2})


def mixed_result(tmp_path: Path) -> Result:
    targets = TargetSet(
        targets=(
            Picture(name="bone_suppressed", range=(-1, 1)),
            Picture(name="stain", channels=3),
            Classes(name="tissue", labels=("air", "soft", "bone")),
            Lesions(name="nodules", label="nodule"),
            Masks(name="bones", labels=("ribs", "spine")),
        )
    )
    planes = np.zeros((targets.channels, 16, 16), np.float32)
    card = Predictor.load(tiny_models.write_model(tmp_path / "mixed", planes, targets, gate="none")).card
    film = Radiograph(np.arange(600, dtype=np.uint16).reshape(20, 30), DisplayMapping(0, 65535))
    rows, columns = np.mgrid[:20, :30]
    return Result(
        film,
        MODEL,
        masks={"nodule": rows > 15, "ribs": columns > 3, "spine": columns > 20},
        pictures={"bone_suppressed": (rows / 9.5 - 1).astype(np.float32), "stain": np.full((20, 30, 3), 0.5)},
        classes={"tissue": (columns // 10).astype(np.uint8)},
        lesions=(Lesion("nodule", (16, 0, 20, 30), 0.75, (17.5, 14.5)),),
        card=card,
    )


def layered_result(tmp_path: Path) -> Result:
    targets = TargetSet(targets=(Layer(name="bones", leaves="bone_suppressed"),))
    rows, columns = np.mgrid[:16, :16]
    planes = np.where(columns % 5 < 2, 0.2, -0.05).astype(np.float32)[None]
    predictor = Predictor.load(tiny_models.write_model(tmp_path / "layered", planes, targets, gate="none"))
    return predictor(Radiograph((40 * rows + 25 * columns).astype(np.uint16), DisplayMapping(0, 1200)))


def test_a_layer_is_written_on_demand_and_adds_up_with_what_it_leaves_to_the_film(tmp_path: Path) -> None:
    result = layered_result(tmp_path)
    write_result(result, tmp_path / "usual")
    assert not (tmp_path / "usual" / "bones.png").exists()
    write_result(result, tmp_path / "out", to=("masks", "layers", "report"))
    assert "The layer bones" in (tmp_path / "out" / "report.html").read_text()
    reading = json.loads((tmp_path / "out" / "result.json").read_text())["images"]["bones.png"]
    stored = [np.asarray(Image.open(tmp_path / "out" / name), float) for name in ("bones.png", "bone_suppressed.png")]
    layer = (stored[0] - reading["zero"]) / reading["full_scale"]
    assert np.ptp(layer) > 0.05
    remains = stored[1] / 65535
    inside = (remains > 0) & (remains < 1)
    assert inside.mean() > 0.8
    np.testing.assert_allclose((remains + layer)[inside], result.radiograph.display[inside], atol=2e-5)


def test_every_kind_of_target_has_a_file_of_its_own(tmp_path: Path) -> None:
    result = mixed_result(tmp_path)
    found = write_result(result, tmp_path / "out", to=("masks",))
    names = {"bone_suppressed.png", "stain.png", "tissue.png", "nodule.png", "ribs.png", "spine.png", "result.json"}
    assert set(contents(found)) == names
    with Image.open(found / "bone_suppressed.png") as image:
        assert image.mode == "I;16"
        deep = np.asarray(image)
    assert deep.min() == 0
    assert deep.max() == 65535
    np.testing.assert_allclose(2.0 * deep / 65535 - 1, result.pictures["bone_suppressed"], atol=2e-5)
    np.testing.assert_array_equal(np.asarray(Image.open(found / "tissue.png")), result.classes["tissue"])
    np.testing.assert_array_equal(np.asarray(Image.open(found / "ribs.png")) == 255, result.masks["ribs"])
    record = read_record(found)
    assert record is not None
    found = {"label": "nodule", "box_px": [16, 0, 20, 30], "score": 0.75, "centre_px": [17.5, 14.5]}
    assert record["lesions"] == [found | {"diameter_mm": None, "reported": True}]
    assert record["lesion_labels"] == ["nodule"]
    assert record["images"]["bone_suppressed.png"]["range"] == [-1, 1]


def test_every_kind_of_target_can_be_shown(tmp_path: Path) -> None:
    found = write_result(mixed_result(tmp_path), tmp_path / "out")
    assert {"overlay.png", "report.html"} <= set(contents(found))
