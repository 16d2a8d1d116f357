"""The command ``xprism synth audit``."""

import csv
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tiny_models
from xprism.cli.app import run
from xprism.data.manifest import Case, write_manifest

BITS = {"right_lung": 1, "left_lung": 2, "heart": 4, "right_clavicle": 8, "left_clavicle": 16}


def here(monkeypatch: pytest.MonkeyPatch, *words: str | Path) -> int:
    monkeypatch.setattr(sys, "argv", ["xprism", *map(str, words)])
    with pytest.raises(SystemExit) as end:
        run()
    return int(end.value.code or 0)


def chests(folder: Path, numbers: range) -> Path:
    """Manifest of drawn chests 48 x 48 whose organs each lie and swell a little differently."""
    cases = []
    for number in numbers:
        rng = np.random.default_rng(number)
        film, flags = 0.6 + 0.03 * rng.standard_normal((48, 48)), np.zeros((48, 48), np.uint8)
        for label, bit in BITS.items():
            inside = tiny_models.ellipse(48, *(np.array(tiny_models.ELLIPSES[label]) * rng.uniform(0.9, 1.1, 4))) > 0
            film += np.where(inside, -0.25 if "lung" in label else 0.15, 0)
            flags |= inside.astype(np.uint8) * np.uint8(bit)
        paths = [folder / f"{kind}{number}.png" for kind in ("film", "flags")]
        paths[0].parent.mkdir(exist_ok=True)
        Image.fromarray(np.clip(255 * film, 0, 255).astype(np.uint8)).save(paths[0])
        Image.fromarray(flags).save(paths[1])
        cases.append(Case(f"c{number}", f"s{number}", *paths, attributes={"polarity": "display"}))
    write_manifest(folder / "manifest.csv", cases)
    return folder / "manifest.csv"


def test_it_writes_a_page_tables_and_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real, synth, held_out = (
        chests(tmp_path / name, numbers)
        for name, numbers in (("real", range(8)), ("synth", range(8, 17)), ("held", range(20, 27)))
    )
    words = ("synth", "audit", synth, "--real", real, "--held-out", held_out, "-o", tmp_path / "out", "--strict")
    assert here(monkeypatch, *words) == 0
    said = capsys.readouterr().out
    assert said.count("passes  ") == 7
    assert "REAL has 8 films only" in said
    record = json.loads((tmp_path / "out" / "report.json").read_text())
    assert {name: one["cases"] for name, one in record["sets"].items()} == {"synth": 9, "real": 8, "held_out": 7}
    assert record["flagged"] == []
    assert record["grid_px"] == 48
    with (tmp_path / "out" / "samples.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["sample"] for row in rows] == [f"c{number}" for number in range(8, 17)]
    assert {row["film_copied"] for row in rows} == {"False"}
    page = (tmp_path / "out" / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 4
    assert "http://" not in page
    assert "https://" not in page


def test_copies_are_flagged_and_strict_says_so_by_its_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = chests(tmp_path / "real", range(8))
    for words, code in (((), 0), (("--strict",), 3)):
        out = tmp_path / f"out{code}"
        assert here(monkeypatch, "synth", "audit", real, "--real", real, "-o", out, *words) == code
        assert "FLAGGED copied films" in capsys.readouterr().out
    # Equal inputs and seeds, equal reports.
    assert (tmp_path / "out0" / "report.json").read_bytes() == (tmp_path / "out3" / "report.json").read_bytes()


def test_mistakes_are_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real, few = chests(tmp_path / "real", range(4)), chests(tmp_path / "few", range(5, 7))
    for words, cause in (
        ((few, "--real", real), "a set of 2 films cannot be audited"),
        ((real, "--real", real, "--held-out", real), "4 held-out subjects are among the real ones"),
        ((real, "--real", tmp_path / "none.csv"), "no such manifest"),
    ):
        assert here(monkeypatch, "synth", "audit", *words, "-o", tmp_path / "out") == 2
        assert cause in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
