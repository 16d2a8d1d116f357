"""Class maps of other programs, scored as pictures named like cases."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from xprism.cli.app import app
from xprism.data.manifest import Case, write_manifest
from xprism.errors import DataError

NAMES = ("--classes", "tissue=open_beam,soft_tissue,bone")
COLOURS = np.array([(70, 0, 80), (0, 255, 255), (255, 0, 0)])
LEGEND = ("--legend", "soft_tissue=0,255,255; bone=255,0,0", "--tolerance", "100")


def _save(path: Path, values: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(values, np.uint8)).save(path)


def _evaluate(folder: Path, *typed: str) -> Any:
    files = (folder / "theirs", folder / "m.csv", "-o", folder / "out", "--no-figures")
    return CliRunner().invoke(app, ["evaluate", *map(str, files), *typed])


@pytest.fixture
def maps(tmp_path: Path) -> tuple[np.ndarray, np.ndarray]:
    """True and found maps [4, 20, 24] of four films, whose manifest is ``m.csv``."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, (4, 20, 24))
    found = np.where(rng.random(truth.shape) < 0.3, rng.integers(0, 3, truth.shape), truth)
    cases = []
    for k in range(4):
        _save(tmp_path / "films" / f"c{k}.png", rng.integers(0, 256, (20, 24)))
        _save(tmp_path / "truth" / f"c{k}.png", truth[k])
        film, known = tmp_path / "films" / f"c{k}.png", {"tissue": tmp_path / "truth" / f"c{k}.png"}
        cases.append(Case(f"c{k}", f"s{k}", film, attributes={"polarity": "display"}, classes=known))
    write_manifest(tmp_path / "m.csv", cases)
    return truth, found


@pytest.mark.parametrize("coloured", [False, True])
@pytest.mark.parametrize("place", ["theirs", "theirs/tissue"])
def test_numbers_and_colours_have_the_same_confusion_matrix(
    tmp_path: Path, maps: tuple[np.ndarray, np.ndarray], coloured: bool, place: str
) -> None:
    truth, found = maps
    for k, one in enumerate(found):
        _save(tmp_path / place / f"c{k}.png", COLOURS[one] if coloured else one)
    done = _evaluate(tmp_path, *NAMES, *(LEGEND if coloured else ()))
    assert done.exit_code == 0, done.output
    with (tmp_path / "out" / "confusion.csv").open() as stream:
        pixels = [int(row["pixels"]) for row in csv.DictReader(stream)]
    by_hand = [[((truth == true) & (found == one)).sum() for one in range(3)] for true in range(3)]
    np.testing.assert_array_equal(np.reshape(pixels, (3, 3)), by_hand)


def test_what_cannot_be_scored_is_named_film_by_film(tmp_path: Path, maps: tuple[np.ndarray, np.ndarray]) -> None:
    _, found = maps
    _save(tmp_path / "theirs" / "c0.png", found[0])
    _save(tmp_path / "theirs" / "c1.png", found[1] + 5)
    _save(tmp_path / "theirs" / "c2.png", found[2][:10])
    done = _evaluate(tmp_path, *NAMES)
    assert done.exit_code == 3
    with (tmp_path / "out" / "errors.csv").open() as stream:
        problems = {row["case"]: row["cause"] for row in csv.DictReader(stream)}
    assert problems.keys() == {"c1", "c2", "c3"}
    assert "numbers that the legend does not list" in problems["c1"]
    assert "10 x 24 pixels, the film 20 x 24" in problems["c2"]
    assert "no c3.png" in problems["c3"]


@pytest.mark.usefixtures("maps")
def test_a_missing_folder_and_a_legend_of_no_class_are_refused(tmp_path: Path) -> None:
    assert "no such folder" in str(_evaluate(tmp_path, *NAMES).exception)
    (tmp_path / "theirs").mkdir()
    done = _evaluate(tmp_path, *NAMES, "--legend", "cast=1")
    assert isinstance(done.exception, DataError)
    assert "cast: no class" in str(done.exception)
