"""Films below a prefix in an object store."""

from __future__ import annotations

import sys
import uuid
from pathlib import Path

import pytest

from test_batch import LIGHT, add_film, tree
from xprism.batch import find_films, predict_films
from xprism.errors import DataError, MissingExtra
from xprism.inference.predictor import Predictor

fsspec = pytest.importorskip("fsspec", reason="needs fsspec: pip install 'xprism[cluster]'")


@pytest.fixture
def bucket() -> str:
    return f"memory://{uuid.uuid4().hex}/films"


def put(url: str, content: bytes) -> None:
    with fsspec.open(url, "wb") as stream:
        stream.write(content)


def names(url: str) -> list[str]:
    return [film.name for film in find_films([url], "out")]


def test_results_from_a_store_equal_those_from_a_folder(tmp_path: Path, tiny_model: Path, bucket: str) -> None:
    for number in range(3):
        film = add_film(tmp_path / "films" / "study" / f"{number}.png", number)
        put(f"{bucket}/study/{number}.png", film.read_bytes())
    (tmp_path / "films" / "empty").write_bytes(b"")
    put(f"{bucket}/empty", b"")
    predictor = Predictor.load(tiny_model)
    for source, out in ((tmp_path / "films", tmp_path / "a"), (bucket, tmp_path / "b")):
        summary = predict_films(find_films([source], out), out, predictor=predictor, to=LIGHT)
        assert (summary.done, summary.failed) == (3, 1)
    assert tree(tmp_path / "b") == tree(tmp_path / "a")


def test_a_rerun_does_what_changed_in_the_store(tmp_path: Path, tiny_model: Path, bucket: str) -> None:
    out, predictor = tmp_path / "out", Predictor.load(tiny_model)
    for number in range(3):
        put(f"{bucket}/{number}.png", add_film(tmp_path / "one.png", number).read_bytes())
    predict_films(find_films([bucket], out), out, predictor=predictor, to=LIGHT)
    put(f"{bucket}/1.png", add_film(tmp_path / "one.png", 9).read_bytes())
    summary = predict_films(find_films([bucket], out), out, predictor=predictor, to=LIGHT)
    assert (summary.done, summary.skipped) == (1, 2)
    put(f"{bucket}/1.png", b"broken")
    summary = predict_films(find_films([bucket], out), out, predictor=predictor, to=LIGHT)
    assert (summary.failed, summary.skipped) == (1, 2)
    assert not (out / "1.png").exists()


def test_a_film_that_vanished_from_the_store_costs_itself_only(tmp_path: Path, tiny_model: Path, bucket: str) -> None:
    for number in range(2):
        put(f"{bucket}/{number}.png", add_film(tmp_path / "one.png", number).read_bytes())
    films, out = find_films([bucket], tmp_path / "out"), tmp_path / "out"
    files, path = fsspec.core.url_to_fs(f"{bucket}/0.png")
    files.rm(path)
    summary = predict_films(films, out, predictor=Predictor.load(tiny_model), to=LIGHT)
    assert (summary.done, summary.failed) == (1, 1)
    assert "0.png,unreadable,the film cannot be fetched" in (out / "errors.csv").read_text()
    assert [path.name for path in out.iterdir() if path.name.startswith(".")] == []


def test_hidden_objects_and_other_known_files_are_left_out(bucket: str) -> None:
    for name in ("a/x.png", "IM1", ".hidden", ".cache/x.png", "a/DICOMDIR"):
        put(f"{bucket}/{name}", b"x")
    assert names(bucket) == ["IM1", "a/x.png"]


def test_a_single_object_is_named_by_its_own_name(bucket: str) -> None:
    put(f"{bucket}/a/x.png", b"x")
    assert names(f"{bucket}/a/x.png") == ["x.png"]


@pytest.mark.parametrize("name", ["../../etc/x", "a/./x", "a/../x"])
def test_names_that_lead_elsewhere_are_refused(bucket: str, name: str) -> None:
    files, path = fsspec.core.url_to_fs(bucket)
    files.pipe(f"{path}/{name}", b"x")
    with pytest.raises(DataError, match="cannot be the name of a result"):
        names(bucket)


def test_a_film_below_another_film_is_refused(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    files, path = fsspec.core.url_to_fs(bucket)
    # Object stores have such names; the one in memory, which else stands for them, does not.
    monkeypatch.setattr(type(files), "find", lambda self, root: [f"{path}/a", f"{path}/a/b"])
    with pytest.raises(DataError, match="cannot be the name of a result"):
        names(bucket)


def test_wrong_urls_say_what_to_do(tmp_path: Path, bucket: str) -> None:
    with pytest.raises(DataError, match="no films found"):
        names(bucket)
    with pytest.raises(DataError, match="Protocol not known"):
        names("nowhere://bucket/films")
    with pytest.raises(DataError, match="one URL at a time"):
        find_films([bucket, tmp_path], "out")


def test_a_store_whose_package_is_missing_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(MissingExtra, match="s3fs"):
        names("s3://bucket/films")


def test_without_fsspec_a_url_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(MissingExtra, match="cluster"):
        names("s3://bucket/films")
