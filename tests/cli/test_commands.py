"""The command line: what it prints, how it ends, and how soon."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

import tiny_models
from xprism.cli.app import app, run
from xprism.errors import XprismError


def call(*words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from xprism.cli import main; main()", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def here(monkeypatch: pytest.MonkeyPatch, *words: str | Path) -> int:
    """Run a command in this process and return its exit code."""
    monkeypatch.setattr(sys, "argv", ["xprism", *map(str, words)])
    with pytest.raises(SystemExit) as end:
        run()
    return int(end.value.code or 0)


@pytest.fixture
def film(tmp_path: Path) -> Path:
    path = tmp_path / "films" / "film.png"
    path.parent.mkdir()
    Image.fromarray(tiny_models.drawn_film(256)).save(path)
    return path


def test_help_imports_neither_numpy_nor_a_runtime() -> None:
    code = (
        "import sys; sys.argv = ['xprism', '--help']\n"
        "from xprism.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy', 'scipy', 'PIL', 'onnxruntime', 'pydantic', 'pydicom', 'rich', 'torch'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "predict" in done.stdout


def test_predict_writes_the_default_outputs_and_says_where(film: Path, tmp_path: Path, tiny_model: Path) -> None:
    out = tmp_path / "out"
    done = call("predict", film, "-o", out, "--model", tiny_model)
    assert done.returncode == 0, done.stderr
    assert "1 predicted" in done.stdout
    assert str(out) in done.stdout
    assert "Research use only" in done.stdout
    assert sorted(os.listdir(out / "film.png")) == ["masks.png", "overlay.png", "report.html", "result.json"]
    assert sorted(os.listdir(out)) == ["errors.csv", "film.png", "results.csv"]


def test_failures_and_refusals_are_said_in_plain_lines(
    film: Path, tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (film.parent / "x.txt").write_text("x")
    code = here(monkeypatch, "predict", film.parent, "-o", tmp_path / "out", "--model", tiny_model, "--to", "json")
    said = capsys.readouterr()
    assert code == 3
    assert "failed   x.txt" in said.err
    assert "1 predicted, 1 failed" in said.out


@pytest.mark.parametrize(
    ("words", "cause", "remedy"),
    [
        (("no-such-film.png",), "no such file", "check the path"),
        (("{film}", "--model", "nope"), "no model 'nope'", "model folder"),
        (("{film}", "--to", "masks,pdf"), "cannot write 'pdf'", "choose from"),
        (("{film}", "--part", "3/2"), "no part 3 of 2", "1/4"),
        (("{film}", "--polarity", "negative"), "negative", "inverted"),
        (("{film}", "--runtime", "gpu"), "no runtime 'gpu'", "onnx"),
        (("{empty}",), "no films found", "folder that holds films"),
        (("{film}", "-o", "{folder}"), "folder of the films itself", "another folder"),
        (("{film}", "-o", "{film}/x"), "film.png", "may write to"),
    ],
)
def test_mistakes_are_explained_without_a_traceback(
    film: Path,
    tmp_path: Path,
    tiny_model: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    cause: str,
    remedy: str,
) -> None:
    (tmp_path / "empty").mkdir()
    places = {"film": film, "folder": film.parent, "empty": tmp_path / "empty"}
    given = [word.format(**places) for word in words]
    given += [] if "-o" in given else ["-o", str(tmp_path / "out")]
    given += [] if "--model" in given else ["--model", str(tiny_model)]
    assert here(monkeypatch, "predict", *given) == 2
    said = capsys.readouterr().err
    assert cause in said
    assert "what to do" in said
    assert remedy in said
    assert "Traceback" not in said


def test_a_missing_option_is_a_usage_error() -> None:
    assert CliRunner().invoke(app, ["predict", "x.png"]).exit_code == 2


def test_models_show_names_licence_and_targets(tiny_model: Path) -> None:
    said = CliRunner().invoke(app, ["models", "show", str(tiny_model)])
    assert said.exit_code == 0
    assert "LicenseRef-xprism-research-weights" in said.output
    assert "right_clavicle" in said.output


def test_models_list_and_version_answer() -> None:
    assert CliRunner().invoke(app, ["models", "list"]).exit_code == 0
    assert "xprism" in CliRunner().invoke(app, ["version"]).output
    assert CliRunner().invoke(app, ["--version"]).output.startswith("xprism ")


def test_unknown_model_in_show_is_an_explained_error() -> None:
    assert isinstance(CliRunner().invoke(app, ["models", "show", "nope"]).exception, XprismError)


def test_doctor_names_packages_codecs_and_models() -> None:
    said = CliRunner().invoke(app, ["doctor"]).output
    for word in ("python", "onnxruntime", "codec JPEG 2000", "cores", "memory", "model"):
        assert word in said


def test_bench_splits_the_time(film: Path, tiny_model: Path) -> None:
    said = CliRunner().invoke(app, ["bench", str(film), "--model", str(tiny_model), "--repeat", "1"]).output
    for step in ("read", "prepare", "network", "postprocess", "measure", "write masks", "folder to masks,json "):
        assert step in said


def test_bench_times_every_runtime_of_every_model_asked_for(film: Path, tiny_model: Path) -> None:
    from importlib.util import find_spec

    models = ("--model", str(tiny_model), "--model", "organs")
    said = CliRunner().invoke(app, ["bench", str(film), *models, "--repeat", "1"]).output
    runtimes = {"onnx fp32"} | ({"openvino fp32"} if find_spec("openvino") else set())
    blocks = {line for line in said.splitlines() if "network run by" in line}
    for runtime in runtimes:
        assert sum(line.endswith(f"network run by {runtime}") for line in blocks) == 2
