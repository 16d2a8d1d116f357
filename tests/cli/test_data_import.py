"""``xprism data import`` as it is typed."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from xprism.cli.app import app
from xprism.data.manifest import read_manifest
from xprism.errors import DataError


@pytest.fixture
def films(tmp_path: Path) -> Path:
    for part in ("images", "masks"):
        (tmp_path / part).mkdir()
        for name in ("JPCLN001", "JPCNN002"):
            Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / part / f"{name}.png")
    return tmp_path


def test_jsrt_films_become_a_manifest(films: Path) -> None:
    ran = CliRunner().invoke(app, ["data", "import", "jsrt", str(films), "-o", str(films / "m.csv")])
    assert ran.exit_code == 0, ran.output
    assert "2 cases" in ran.output
    assert [case.flags for case in read_manifest(films / "m.csv")] == sorted((films / "masks").iterdir())


def test_films_with_one_mask_each_become_a_manifest(films: Path) -> None:
    asked = ["data", "import", "folder", str(films), "-o", str(films / "m.csv"), "--label", "lungs"]
    assert CliRunner().invoke(app, asked).exit_code == 0
    first = read_manifest(films / "m.csv")[0]
    assert first.masks == {"lungs": films / "masks" / "JPCLN001.png"}
    assert first.attributes["polarity"] == "auto"


def test_a_folder_without_films_is_refused(tmp_path: Path) -> None:
    ran = CliRunner().invoke(app, ["data", "import", "jsrt", str(tmp_path), "-o", str(tmp_path / "m.csv")])
    assert isinstance(ran.exception, DataError)
    assert not (tmp_path / "m.csv").exists()
