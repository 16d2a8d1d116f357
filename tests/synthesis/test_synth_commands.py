"""The commands ``xprism synth train``, ``sample`` and ``edit``, on the smoke pipelines that come along."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from xprism.cli.app import run
from xprism.data.manifest import read_manifest
from xprism.synthesis.dots import Dots
from xprism.training.cases import training_cases
from xprism.training.recipe_file import load_recipe

HOME = Path(__file__).parents[2] / "recipes" / "synthesis"
FASTER = ("--set", "data.variants=false", "--set", "threads=1")


def here(monkeypatch: pytest.MonkeyPatch, *words: str | Path) -> int:
    """Run a command in this process and return its exit code."""
    monkeypatch.setattr(sys, "argv", ["xprism", *map(str, words)])
    with pytest.raises(SystemExit) as end:
        run()
    return int(end.value.code or 0)


@pytest.fixture
def trained(chests: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A smoke run of three stages."""
    pipeline = HOME / "three-stage.yaml"
    words = ("synth", "train", pipeline, "--profile", "smoke", "--data", chests, "-o", tmp_path / "run", *FASTER)
    assert here(monkeypatch, *words) == 0
    return tmp_path / "run"


@pytest.mark.parametrize("pipeline", ["one-stage", "two-stage"])
def test_smoke_pipelines_run_from_films_to_samples(
    chests: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], pipeline: str
) -> None:
    made, samples = tmp_path / "run", tmp_path / "samples"
    given = ("--profile", "smoke", "--data", chests, "-o", made, *FASTER)
    assert here(monkeypatch, "synth", "train", HOME / f"{pipeline}.yaml", *given) == 0
    assert here(monkeypatch, "synth", "sample", made, "-n", "2", "-o", samples, "--seed", "3") == 0
    said = capsys.readouterr().out
    assert f"learnt from 5 films; the run lies in {made}" in said
    assert "2 drawn, 0 turned down" in said
    assert f"2 samples; manifest {samples / 'manifest.csv'}" in said
    assert [case.load_film().shape for case in read_manifest(samples / "manifest.csv")] == [(32, 32)] * 2


def test_three_stages_run_from_films_to_edited_dots(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    samples, edited, same = (tmp_path / name for name in ("samples", "edited", "same"))
    assert here(monkeypatch, "synth", "sample", trained, "-n", "2", "-o", samples) == 0
    assert "2 drawn, 0 turned down (" in capsys.readouterr().out
    dots = sorted((samples / "dots").iterdir())[0]
    change = ("--move", "heart", "2", "-1", "--scale", "left_lung", "1", "--remove", "right_clavicle")
    # The smoke network draws no dots worth the name: these are.
    drawn = {"right_lung": (7, 5), "left_lung": (7, 11), "heart": (10, 8), "right_clavicle": (2, 5)}
    said = {name: {"row": row, "column": column, "radius": 0} for name, (row, column) in drawn.items()}
    (tmp_path / "dots.json").write_text(json.dumps({"size": 16, "dots": said}))
    assert here(monkeypatch, "synth", "edit", trained, "--dots", tmp_path / "dots.json", "-o", edited, *change) == 0
    found = Dots.load(edited / "dots" / "edited.json").dots
    assert {name: (dot.row, dot.column, dot.radius) for name, dot in found.items()} == {
        "right_lung": (7, 5, 0),
        "left_lung": (7, 11, 1),
        "heart": (12, 7, 0),
    }
    (case,) = read_manifest(edited / "manifest.csv")
    assert case.load_film().shape == (32, 32)
    assert "seed" not in case.attributes
    # Dots that nobody changed give the sample again.
    assert here(monkeypatch, "synth", "edit", trained, "--dots", dots, "-o", same) == 0
    for kind in ("films", "labels", "masks"):
        again, first = (
            np.asarray(Image.open(path)) for path in (same / kind / "edited.png", samples / kind / f"{dots.stem}.png")
        )
        np.testing.assert_array_equal(again, first)


def test_each_stage_can_be_sampled_alone_and_at_each_look(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for stage, kinds in ((1, {"dots"}), (2, {"dots", "labels", "masks"}), (3, {"dots", "films", "labels", "masks"})):
        out = tmp_path / f"stage-{stage}"
        assert here(monkeypatch, "synth", "sample", trained, "-n", "2", "--stage", str(stage), "-o", out) == 0
        assert {path.name for path in out.iterdir() if path.is_dir()} == kinds
        assert (out / "manifest.csv").is_file() == (stage == 3)
    looks = sorted(int(path.stem) for path in (trained / "3-film" / "snapshots").iterdir())
    for step in looks:
        out = tmp_path / f"look-{step}"
        words = ("synth", "sample", trained, "-n", "1", "-o", out, "--snapshot", f"3={step}")
        assert here(monkeypatch, *words) == 0
        assert json.loads((out / "samples.json").read_text())["stages"][2]["step"] == step


def test_samples_train_what_any_manifest_trains(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert here(monkeypatch, "synth", "sample", trained, "-n", "3", "-o", tmp_path / "samples") == 0
    recipe = tmp_path / "organs.yaml"
    recipe.write_text(
        "name: organs\ndata: {manifests: [samples/manifest.csv]}\ninput: {size: [32, 32]}\n"
        "targets: [{kind: masks, name: organs, labels: [right_lung, left_lung, heart]}]\n"
        "network: {kind: compact_unet, widths: [8, 8, 8], blocks: [0, 0, 0]}\n"
        "schedule: {steps: 1, batch: 2, threads: 1, precision: 32-true}\n"
    )
    assert len(training_cases(load_recipe(recipe))) == 3
    assert here(monkeypatch, "train", recipe, "-o", tmp_path / "organs") == 0


def test_a_run_is_resumed_when_it_is_asked_for(
    trained: Path, chests: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = (
        "synth",
        "train",
        HOME / "three-stage.yaml",
        "--profile",
        "smoke",
        "--data",
        chests,
        "-o",
        trained,
        *FASTER,
    )
    assert here(monkeypatch, *words) == 2
    assert "this stage has begun already" in capsys.readouterr().err
    before = (trained / "1-dots" / "metrics.jsonl").read_bytes()
    assert here(monkeypatch, *words, "--resume") == 0
    assert (trained / "1-dots" / "metrics.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    ("words", "cause", "remedy"),
    [
        (("train", "{home}/none.yaml", "--data", "{chests}"), "no such recipe", "recipes/"),
        (("train", "{home}/one-stage.yaml", "--data", "none.csv"), "no such manifest", "xprism data import"),
        (("train", "{home}/tiny/one-stage.yaml", "--data", "{chests}"), "JPCLN003", "as they stand in the manifests"),
        (("train", "{home}/one-stage.yaml", "--data", "{chests}", "--profile", "huge"), "no profile 'huge'", "smoke"),
        (("sample", "{home}", "-n", "1"), "no pipeline.yaml", "xprism synth train"),
        (("edit", "{home}", "--dots", "none.json"), "no pipeline.yaml", "xprism synth train"),
        (("sample", "{home}", "-n", "1", "--snapshot", "first"), "cannot read 'first'", "--snapshot 1=4000"),
    ],
)
def test_mistakes_are_explained_without_a_traceback(
    chests: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    cause: str,
    remedy: str,
) -> None:
    given = [word.format(home=HOME, chests=chests) for word in words]
    assert here(monkeypatch, "synth", *given, "-o", tmp_path / "out") == 2
    said = capsys.readouterr().err
    assert cause in said
    assert remedy in said
    assert "Traceback" not in said


def test_a_move_to_nowhere_is_explained(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "dots.json").write_text('{"size": 16, "dots": {"heart": {"row": 3, "column": 4}}}')
    for move, cause in (
        (("heart", "13", "0"), "heart would lie at 16, 4"),
        (("spleen", "1", "0"), "no dot of 'spleen'"),
    ):
        words = ("synth", "edit", trained, "--dots", tmp_path / "dots.json", "-o", tmp_path / "out", "--move", *move)
        assert here(monkeypatch, *words) == 2
        assert cause in capsys.readouterr().err


@pytest.mark.parametrize("words", [("synth",), ("synth", "train"), ("synth", "sample"), ("synth", "edit")])
def test_help_imports_neither_numpy_nor_torch(words: tuple[str, ...]) -> None:
    code = (
        f"import sys; sys.argv = ['xprism', *{list(words)}, '--help']\n"
        "from xprism.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy', 'scipy', 'PIL', 'onnxruntime', 'torch', 'yaml'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Usage: xprism synth" in done.stdout
