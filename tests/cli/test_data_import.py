"""``xprism data import`` and ``xprism data check`` as they are typed."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from xprism.cli.app import app
from xprism.data.manifest import read_manifest
from xprism.errors import DataError, OutputError


def _run(*typed: object) -> Any:
    return CliRunner().invoke(app, ["data", *map(str, typed)])


@pytest.fixture
def films(tmp_path: Path) -> Path:
    for part in ("images", "masks"):
        (tmp_path / part).mkdir()
        for name in ("JPCLN001", "JPCNN002"):
            Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / part / f"{name}.png")
    return tmp_path


def test_jsrt_films_become_a_manifest(films: Path) -> None:
    ran = _run("import", "jsrt", films, "-o", films / "m.csv", "--bones", films / "images")
    assert ran.exit_code == 0, ran.output
    assert "2 cases" in ran.output
    cases = read_manifest(films / "m.csv")
    assert [case.flags for case in cases] == sorted((films / "masks").iterdir())
    assert [case.pictures["bone_suppressed"] for case in cases] == sorted((films / "images").iterdir())


def test_films_with_one_mask_each_become_a_manifest(films: Path) -> None:
    ran = _run("import", "pairs", films / "images", "--mask", f"lungs={films / 'masks'}", "-o", films / "m.csv")
    assert ran.exit_code == 0, ran.output
    first = read_manifest(films / "m.csv")[0]
    assert first.masks == {"lungs": films / "masks" / "JPCLN001.png"}
    assert first.attributes == {"source": "images", "group": "images", "polarity": "auto"}


def test_every_kind_of_target_can_be_asked_for_at_once(films: Path) -> None:
    pytest.importorskip("pycocotools")
    outline = {"label": "heart", "points": [[0, 0], [2, 0], [2, 2], [0, 2]], "shape_type": "polygon"}
    for name in ("JPCLN001", "JPCNN002"):
        (films / "images" / f"{name}.json").write_text(json.dumps({"shapes": [outline]}))
    images, masks = films / "images", films / "masks"
    ran = _run(
        *("import", "pairs", images, "-o", films / "m.csv", "--mask", f"lungs={masks}", "--picture", f"soft={images}"),
        *("--labels", masks, "--legend", "rib=1; spine=2", "--polygons", images, "--subject", "(JPC[LN]N)"),
        *("--source", "here", "--polarity", "display"),
    )
    assert ran.exit_code == 0, ran.output
    first, second = read_manifest(films / "m.csv")
    assert (first.subject, second.subject, first.attributes["source"]) == ("JPCLN", "JPCNN", "here")
    truth = first.load_truth()
    assert truth.keys() == {"lungs", "rib", "spine", "heart", "soft"}
    assert truth["heart"].sum() == 4
    assert first.masks["heart"] == films / "m_masks" / "heart" / "JPCLN001.png"


def test_a_pattern_spread_by_the_shell_asks_for_quotes(films: Path) -> None:
    spread = sorted((films / "images").iterdir())
    ran = _run("import", "pairs", *spread, "--mask", f"lungs={films / 'masks'}", "-o", films / "m.csv")
    assert isinstance(ran.exception, DataError)
    assert "quotes" in str(ran.exception)


def test_slices_of_volumes_become_a_manifest_and_are_added_to_it(tmp_path: Path) -> None:
    nibabel = pytest.importorskip("nibabel")
    for name in ("a", "b"):
        values = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
        nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), tmp_path / f"{name}.nii.gz")
    out = tmp_path / "m.csv"
    typed = ("--window=-160,240", "--legend", "x=1", "-o", out)
    first = _run("import", "volume", tmp_path / "a.nii.gz", "--labels", tmp_path / "a.nii.gz", *typed)
    assert first.exit_code == 0, first.output
    assert "note: 22 pixels of 22 values outside the legend" in first.output
    again = ("import", "volume", tmp_path / "b.nii.gz", "--picture", f"t={tmp_path / 'a.nii.gz'}", "-o", out)
    assert isinstance(_run(*again).exception, OutputError)
    assert len(read_manifest(out)) == 4
    assert _run(*again, "--append").exit_code == 0
    assert [case.subject for case in read_manifest(out)] == ["a"] * 4 + ["b"] * 4
    assert (tmp_path / "m_slices" / "b" / "pictures" / "t" / "0003.png").is_file()


def test_a_folder_without_films_is_refused(tmp_path: Path) -> None:
    ran = _run("import", "jsrt", tmp_path, "-o", tmp_path / "m.csv")
    assert isinstance(ran.exception, DataError)
    assert not (tmp_path / "m.csv").exists()


def test_a_check_ends_with_3_only_where_there_are_errors(films: Path) -> None:
    film = np.arange(64, dtype=np.uint8).reshape(8, 8)
    for part in ("images", "masks"):
        Image.fromarray(film * 4).save(films / part / "JPCLN001.png")
        (films / part / "JPCNN002.png").unlink()
    pictures = ("--picture", f"soft={films / 'masks'}", "--polarity", "display")
    _run("import", "pairs", films / "images", *pictures, "-o", films / "m.csv")
    sound = _run("check", films / "m.csv")
    assert (sound.exit_code, sound.output) == (0, "1 cases: 0 errors, 0 warnings, 0 notes\n")
    Image.fromarray(255 - film * 4).save(films / "masks" / "JPCLN001.png")
    wrong = _run("check", films / "m.csv")
    assert wrong.exit_code == 3
    assert wrong.output.startswith("error: JPCLN001: picture 'soft' correlates -1.00 with its film")
    assert wrong.output.endswith("1 cases: 1 errors, 0 warnings, 0 notes\n")


def test_a_volume_is_imported_at_a_low_dose(tmp_path: Path) -> None:
    nibabel = pytest.importorskip("nibabel")
    y, x = np.mgrid[:48, :48] - 23.5
    water = np.where(np.hypot(x, y) < 18, 0, -1000)
    affine = np.diag([4.0, 4.0, 5.0, 1.0])
    nibabel.save(nibabel.Nifti1Image(np.stack([water] * 2, 2).astype(np.int16), affine), tmp_path / "ct.nii")
    typed = ("import", "volume", tmp_path / "ct.nii", "--window=-160,240")
    errors = {}
    for photons in ("1e4", "1e6"):
        ran = _run(*typed, "--low-dose", photons, "-o", tmp_path / f"{photons}.csv")
        assert ran.exit_code == 0, ran.output
        films = [
            (case.load_film(), case.load_truth()["full_dose"]) for case in read_manifest(tmp_path / f"{photons}.csv")
        ]
        assert not np.array_equal(films[0][0], films[1][0])  # each slice has its own noise
        middle = np.hypot(x, y) < 14
        errors[photons] = np.mean([np.std((film - full)[middle]) for film, full in films])
    assert errors["1e4"] > 2 * errors["1e6"] > 0
    refused = _run(*typed, "--low-dose", "0", "-o", tmp_path / "none.csv")
    assert isinstance(refused.exception, DataError)
