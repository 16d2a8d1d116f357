"""Many films: resuming, failures, tables, parts, and death at any moment."""

from __future__ import annotations

import csv
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import chain
from pathlib import Path

import pytest
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

import tiny_models
from xprism.batch import Outcome, Part, Summary, find_films, predict_films
from xprism.errors import DataError, OutputError
from xprism.inference.predictor import Predictor

LIGHT = ("masks", "json")


@pytest.fixture(scope="module")
def predictor(tiny_model: Path) -> Predictor:
    return Predictor.load(tiny_model)


def add_film(path: Path, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(tiny_models.drawn_film(128, seed=seed)).save(path, "PNG")
    return path


def add_dicom(path: Path, *, modality: str = "DX", body_part: str = "CHEST") -> Path:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ct = "1.2.840.10008.5.1.4.1.1.2"
    meta.MediaStorageSOPClassUID = ct if modality == "CT" else "1.2.840.10008.5.1.4.1.1.1.1"
    meta.MediaStorageSOPInstanceUID = generate_uid()
    film = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    film.SOPClassUID, film.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    film.Modality, film.BodyPartExamined, film.ViewPosition = modality, body_part, "PA"
    pixels = tiny_models.drawn_film(128)
    film.Rows, film.Columns = pixels.shape
    film.SamplesPerPixel, film.PhotometricInterpretation = 1, "MONOCHROME2"
    film.BitsAllocated = film.BitsStored = 8
    film.HighBit, film.PixelRepresentation, film.PixelData = 7, 0, pixels.tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    film.save_as(path, enforce_file_format=True)
    return path


def run(films: Path, out: Path, predictor: Predictor, **options: object) -> tuple[Summary, list[Outcome]]:
    outcomes: list[Outcome] = []
    options = {"to": LIGHT, **options}
    summary = predict_films(find_films([films], out), out, predictor=predictor, on_outcome=outcomes.append, **options)
    return summary, outcomes


def tree(out: Path) -> dict[str, bytes]:
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture
def films(tmp_path: Path) -> Path:
    for number in range(4):
        add_film(tmp_path / "films" / f"{number}.png", number)
    return tmp_path / "films"


def test_a_folder_with_bad_films_among_good_ones_completes(tmp_path: Path, predictor: Predictor) -> None:
    films, out = tmp_path / "films", tmp_path / "out"
    add_film(films / "a" / "same.png", 1)
    add_film(films / "b" / "same.png", 2)
    add_dicom(films / "b" / "IM000001")
    add_dicom(films / "hip.dcm", body_part="HIP")
    add_dicom(films / "slice.dcm", modality="CT")
    (films / "empty.png").write_bytes(b"")
    (films / "notes.txt").write_text("no film")
    (films / "corrupt.png").write_bytes(add_film(tmp_path / "whole.png").read_bytes()[:400])
    (films / ".hidden.png").write_bytes(b"x")
    (films / "DICOMDIR").write_bytes(b"x")
    summary, _ = run(films, out, predictor)
    assert summary == Summary(done=3, refused=1, failed=4)
    assert summary.exit_code == 3
    results = {row["film"]: row for row in table(out / "results.csv")}
    assert set(results) == {"a/same.png", "b/same.png", "b/IM000001", "hip.dcm"}
    assert results["hip.dcm"]["refused"] == "body_part"
    assert results["hip.dcm"]["ctr"] == ""
    assert 0.3 < float(results["b/IM000001"]["ctr"]) < 0.7
    errors = {row["film"]: row for row in table(out / "errors.csv")}
    assert set(errors) == {"slice.dcm", "empty.png", "notes.txt", "corrupt.png"}
    assert all(row["code"] and row["cause"] and row["remedy"] for row in errors.values())
    assert errors["slice.dcm"]["code"] == "not_a_radiograph"
    assert not (out / "hip.dcm" / "masks.png").exists()
    assert (out / "a" / "same.png" / "masks.png").is_file()


def test_exit_codes(films: Path, tmp_path: Path, predictor: Predictor) -> None:
    assert run(films, tmp_path / "out", predictor)[0].exit_code == 0
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "x.txt").write_text("x")
    assert run(tmp_path / "bad", tmp_path / "out2", predictor)[0].exit_code == 1


def test_a_rerun_does_only_what_changed(films: Path, tmp_path: Path, predictor: Predictor) -> None:
    out = tmp_path / "out"
    run(films, out, predictor)
    add_film(films / "2.png", 99)
    add_film(films / "new.png", 5)
    (out / "3.png" / "masks.png").unlink()
    summary, outcomes = run(films, out, predictor)
    assert summary == Summary(done=3, skipped=2)
    assert {one.film for one in outcomes if one.state == "done"} == {"2.png", "3.png", "new.png"}
    assert len(table(out / "results.csv")) == 5


@pytest.mark.parametrize("changed", [{"force": True}, {"clean": False}, {"polarity": "display"}, {"overwrite": True}])
def test_other_options_predict_again(
    films: Path, tmp_path: Path, predictor: Predictor, changed: dict[str, object]
) -> None:
    run(films, tmp_path / "out", predictor)
    assert run(films, tmp_path / "out", predictor, **changed)[0].done == 4


def test_another_model_predicts_again(films: Path, tmp_path: Path, predictor: Predictor) -> None:
    run(films, tmp_path / "out", predictor)
    other = tiny_models.write_model(tmp_path / "m", tiny_models.organ_planes(64), tiny_models.organ_targets())
    assert run(films, tmp_path / "out", Predictor.load(other))[0].done == 4


def test_kinds_asked_for_later_are_added_to_those_there(films: Path, tmp_path: Path, predictor: Predictor) -> None:
    out = tmp_path / "out"
    run(films, out, predictor, to=("masks",))
    assert run(films, out, predictor, to=("overlay",))[0].done == 4
    assert {path.name for path in (out / "0.png").iterdir()} == {"masks.png", "overlay.png", "result.json"}
    assert run(films, out, predictor, to=("masks", "overlay"))[0].skipped == 4


def test_a_film_that_broke_since_loses_its_outdated_result(films: Path, tmp_path: Path, predictor: Predictor) -> None:
    out = tmp_path / "out"
    run(films, out, predictor)
    (films / "1.png").write_bytes(b"")
    assert run(films, out, predictor)[0].failed == 1
    assert {row["film"] for row in table(out / "results.csv")} == {"0.png", "2.png", "3.png"}
    add_film(films / "1.png", 1)
    run(films, out, predictor)
    assert len(table(out / "results.csv")) == 4
    assert table(out / "errors.csv") == []


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": "xprism.result", "schema_version": 1}'])
def test_a_record_that_was_tampered_with_is_made_again(
    films: Path, tmp_path: Path, predictor: Predictor, text: str
) -> None:
    out = tmp_path / "out"
    run(films, out, predictor)
    (out / "1.png" / "result.json").write_text(text)
    assert run(films, out, predictor)[0] == Summary(done=1, skipped=3)
    assert len(table(out / "results.csv")) == 4


def test_an_unexpected_error_in_one_film_is_recorded_and_the_rest_goes_on(
    films: Path, tmp_path: Path, predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish = Predictor.finish

    def break_one(self: Predictor, prepared: object, *rest: object) -> object:
        if prepared.film.source == "2.png":  # type: ignore[attr-defined]
            raise ZeroDivisionError("out of luck")
        return finish(self, prepared, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(Predictor, "finish", break_one)
    summary, _ = run(films, tmp_path / "out", predictor)
    assert summary == Summary(done=3, failed=1)
    (row,) = table(tmp_path / "out" / "errors.csv")
    assert (row["film"], row["code"], row["cause"]) == ("2.png", "internal", "ZeroDivisionError: out of luck")


def test_an_interrupt_leaves_a_consistent_folder(films: Path, tmp_path: Path, predictor: Predictor) -> None:
    out = tmp_path / "out"

    def stop(outcome: Outcome) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        predict_films(find_films([films], out), out, predictor=predictor, to=LIGHT, on_outcome=stop)
    check_consistent(out)
    assert not [path for path in out.iterdir() if path.name.startswith(".")]
    done = {path.name for path in out.iterdir() if path.is_dir()}
    assert {row["film"] for row in table(out / "results.csv")} == done


def test_results_of_other_films_keep_their_rows(films: Path, tmp_path: Path, predictor: Predictor) -> None:
    out = tmp_path / "out"
    (films / "x.txt").write_text("x")
    run(films, out, predictor)
    add_film(tmp_path / "more" / "m.png")
    run(tmp_path / "more", out, predictor)
    assert len(table(out / "results.csv")) == 5
    assert [row["film"] for row in table(out / "errors.csv")] == ["x.txt"]


def test_own_outputs_inside_the_film_folder_are_not_read_as_films(films: Path, predictor: Predictor) -> None:
    run(films, films / "out", predictor)
    run(films, films / "out2", predictor)
    assert [film.name for film in find_films([films], films / "out")] == [f"{n}.png" for n in range(4)]


def test_results_cannot_go_among_the_films(films: Path) -> None:
    with pytest.raises(OutputError, match="folder of the films itself"):
        find_films([films], films)


def test_several_inputs_are_named_from_their_common_folder(tmp_path: Path) -> None:
    one, two = add_film(tmp_path / "a" / "x.png"), add_film(tmp_path / "b" / "c" / "x.png")
    found = find_films([one.parent, two, two], tmp_path / "out")
    assert [film.name for film in found] == ["a/x.png", "b/c/x.png"]
    assert [film.name for film in find_films([one], tmp_path / "out")] == ["x.png"]


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "a/b", "1/0", "-1/2"])
def test_parts_that_make_no_sense_are_refused(text: str) -> None:
    with pytest.raises(DataError):
        Part.parse(text)


def test_parts_cover_every_film_once(tmp_path: Path) -> None:
    names = [f"{n}.png" for n in range(200)]
    shares = [[name for name in names if Part(i, 3).holds(name)] for i in (1, 2, 3)]
    assert sorted(chain.from_iterable(shares)) == sorted(names)
    assert min(map(len, shares)) > 40


def test_names_that_are_no_proper_text_do_no_harm(films: Path, tmp_path: Path, predictor: Predictor) -> None:
    odd = os.fsencode(films) + b"/\xff\xfe.png"
    try:
        with open(odd, "wb") as stream:
            stream.write((films / "0.png").read_bytes())
    except OSError:
        pytest.skip("this file system takes proper names only")
    summary, _ = run(films, tmp_path / "out", predictor, to=("masks", "json", "report"))
    assert summary == Summary(done=5)
    assert run(films, tmp_path / "out", predictor)[0].skipped == 5


# Death at any moment ------------------------------------------------------------------------------------------------


def start(films: Path, out: Path, model: Path, *more: str) -> subprocess.Popen[bytes]:
    # A test run in the background would hand down that it ignores Ctrl-C.
    code = "import signal; signal.signal(2, signal.default_int_handler); from xprism.cli import main; main()"
    command = [sys.executable, "-c", code, "predict", str(films), "-o", str(out), "--model", str(model), *more]
    return subprocess.Popen([*command, "--to", "masks,json,overlay"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def check_consistent(out: Path) -> None:
    """Everything under a final name is whole: pictures open, records and tables parse, listed files are there."""
    for path in out.rglob("*"):
        if any(part.startswith(".") for part in path.relative_to(out).parts) or path.is_dir():
            continue
        if path.suffix == ".png":
            with Image.open(path) as image:
                image.load()
        elif path.suffix == ".json":
            record = json.loads(path.read_text())
            assert sorted(os.listdir(path.parent)) == record["files"]
        else:
            assert path.suffix == ".csv"
            assert path.read_bytes().endswith(b"\n")
            assert all(None not in row and None not in row.values() for row in table(path))


def test_killed_at_any_moment_a_rerun_equals_an_uninterrupted_run(tmp_path: Path, tiny_model: Path) -> None:
    films = tmp_path / "films"
    for number in range(12):
        add_film(films / f"{number}.png", number)
    (films / "bad.png").write_bytes(b"")
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    began = time.monotonic()
    assert start(films, whole, tiny_model).wait() == 3
    length = time.monotonic() - began
    moments = random.Random(os.environ.get("XPRISM_KILL_SEED", "7"))
    for _ in range(int(os.environ.get("XPRISM_KILLS", "4"))):
        process = start(films, killed, tiny_model, *moments.choice([(), ("--overwrite",)]))
        time.sleep(moments.uniform(0.4, 1.0) * length)
        process.kill()
        process.communicate()
        check_consistent(killed)
    assert start(films, killed, tiny_model).wait() == 3
    assert tree(killed) == tree(whole)


def test_ctrl_c_ends_with_tables_of_what_is_finished(tmp_path: Path, tiny_model: Path) -> None:
    films, out = tmp_path / "films", tmp_path / "out"
    for number in range(60):
        add_film(films / f"{number:02}.png", number)
    process = start(films, out, tiny_model)
    waited = time.monotonic() + 30
    while not list(out.glob("*.png")) and time.monotonic() < waited:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    said = process.communicate()[1].decode()
    assert process.returncode == 130
    assert "goes on from there" in said
    assert "Traceback" not in said
    check_consistent(out)
    done = {path.name for path in out.iterdir() if path.is_dir()}
    assert 0 < len(done) < 60
    assert {row["film"] for row in table(out / "results.csv")} == done


def test_two_parts_at_once_then_a_plain_run_equal_one_run(tmp_path: Path, tiny_model: Path) -> None:
    films = tmp_path / "films"
    for number in range(8):
        add_film(films / f"{number}.png", number)
    (films / "bad.png").write_bytes(b"")
    out = tmp_path / "parts"
    both = [start(films, out, tiny_model, "--part", f"{i}/2") for i in (1, 2)]
    assert {process.wait() for process in both} <= {0, 3}
    check_consistent(out)
    rows = [table(out / f"results.part-{i}-of-2.csv") for i in (1, 2)]
    assert sorted(row["film"] for row in rows[0] + rows[1]) == [f"{n}.png" for n in range(8)]
    assert start(films, out, tiny_model).wait() == 3
    assert start(films, tmp_path / "whole", tiny_model).wait() == 3
    assert tree(out) == tree(tmp_path / "whole")


def test_leftovers_of_a_killed_run_are_cleaned_but_not_those_of_a_living_one(
    films: Path, tmp_path: Path, predictor: Predictor
) -> None:
    from xprism.batch.workspace import workspace

    out = tmp_path / "out"
    (out / ".xprism-dead" / "new").mkdir(parents=True)
    with workspace(out) as living:
        assert not (out / ".xprism-dead").exists()
        run(films, out, predictor)
        assert living.is_dir()
    assert not living.exists()


def test_pipeline_holds_only_a_few_films_at_a_time(
    tmp_path: Path, predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(30):
        add_film(tmp_path / "films" / f"{number:02}.png", number)
    begun: list[str] = []
    prepare: Callable[..., object] = Predictor.prepare

    def noting(self: Predictor, film: object) -> object:
        begun.append(film.source)  # type: ignore[attr-defined]
        return prepare(self, film)

    monkeypatch.setattr(Predictor, "prepare", noting)
    ahead: list[int] = []
    out = tmp_path / "out"
    films = find_films([tmp_path / "films"], out)
    predict_films(
        films, out, predictor=predictor, to=LIGHT, on_outcome=lambda one: ahead.append(len(begun) - len(ahead))
    )
    assert max(ahead) <= 12 + 4 * len(os.sched_getaffinity(0))


def test_the_private_dicom_folder_completes(shared_data: Path, tmp_path: Path, predictor: Predictor) -> None:
    summary, _ = run(shared_data / "dicom", tmp_path / "out", predictor, to=("json",))
    assert summary.exit_code == 3
    results = {row["film"]: row for row in table(tmp_path / "out" / "results.csv")}
    assert results["radiographs/hip_cr_mono2_10bit_rle.dcm"]["refused"] == "body_part"
    assert results["radiographs/chest_cr_mono1_15bit_jlsn.dcm"]["ctr"]
    assert "internal" not in {row["code"] for row in table(tmp_path / "out" / "errors.csv")}
