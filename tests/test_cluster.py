"""Films over the machines of a Ray cluster, one of which dies in the middle."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import tiny_models
from test_batch import add_dicom, add_film, table, tree
from xprism.batch import Outcome, Summary, find_films, predict_films
from xprism.batch.cluster import RayEngine
from xprism.batch.films import Film
from xprism.batch.pipeline import Asked, Job
from xprism.batch.portions import Portions
from xprism.batch.worker import Order, Worker, makes
from xprism.cli.app import app
from xprism.errors import ClusterError, MissingExtra, ModelError
from xprism.inference.predictor import Predictor

KINDS = ("masks", "json", "overlay")


# A worker by itself -------------------------------------------------------------------------------------------------


@pytest.fixture
def order(tmp_path: Path, tiny_model: Path) -> Order:
    predictor = Predictor.load(tiny_model)
    (tmp_path / "out" / "scratch").mkdir(parents=True)
    asked = Asked(tmp_path / "out", tmp_path / "out" / "scratch", ("json",), predictor.options(), "auto", False)
    film = Film(add_film(tmp_path / "films" / "a.png"), "a.png")
    return Order(asked, str(tiny_model), "onnx", 1, makes(Job(asked, predictor)), film)


def test_a_worker_predicts_what_it_is_handed(order: Order) -> None:
    worker = Worker(order)
    assert worker.open() == []
    assert worker.predict([order.witness]) == [Outcome("a.png", "done")]
    assert (order.asked.out / "a.png" / "result.json").is_file()


def test_a_machine_without_the_shared_folders_is_told_apart(order: Order, tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="does not see the folder for results"):
        Worker(replace(order, asked=replace(order.asked, scratch=tmp_path / "nowhere"))).open()
    with pytest.raises(ClusterError, match="does not see the films"):
        Worker(replace(order, witness=Film(tmp_path / "nowhere.png", "nowhere.png"))).open()


def test_a_machine_that_would_make_other_results_does_not_work(order: Order, tmp_path: Path) -> None:
    other = tiny_models.write_model(tmp_path / "other", tiny_models.organ_planes(64), tiny_models.organ_targets())
    with pytest.raises(ClusterError, match="would make other results"):
        Worker(replace(order, model=str(other))).open()
    with pytest.raises(ModelError):
        Worker(replace(order, model=str(tmp_path / "no-model"))).open()


# What can be said without a cluster ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--engine", "spark"), "no engine 'spark'"),
        (("--address", "auto"), "add --engine ray"),
        (("--engine", "ray", "--address", "localhost"), "no address"),
        (("--engine", "ray", "--address", "ray://localhost:1"), "no address"),
        (("--engine", "ray", "--address", "127.0.0.1:1"), "nobody answers"),
    ],
)
def test_wrong_engines_and_addresses_say_what_to_do(
    tmp_path: Path, tiny_model: Path, options: tuple[str, ...], said: str
) -> None:
    film = add_film(tmp_path / "films" / "a.png")
    command = ["predict", str(film), "-o", str(tmp_path / "out"), "--model", str(tiny_model), *options]
    error = CliRunner().invoke(app, command).exception
    assert error is not None
    assert said in str(error)


def test_without_ray_the_extra_is_named(tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    film, out = add_film(tmp_path / "films" / "a.png"), tmp_path / "out"
    with pytest.raises(MissingExtra, match="cluster"):
        predict_films(
            find_films([film], out), out, predictor=Predictor.load(tiny_model), engine=RayEngine(str(tiny_model))
        )


# On two machines, as far as Ray can tell ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A head and a second node of one CPU each; a node is taken for dead after two and a half seconds."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    reason = "needs Ray: pip install 'xprism[cluster]', or make suite-cluster, which installs it"
    pytest.importorskip("ray", reason=reason)
    from ray.cluster_utils import Cluster

    health = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 500, "health_check_failure_threshold": 5}
    node = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "include_dashboard": False}
    both = Cluster(initialize_head=True, connect=False, head_node_args={**node, "_system_config": health})
    both.add_node(**node)
    yield both
    both.shutdown()


@pytest.fixture
def films(tmp_path: Path) -> Path:
    folder = tmp_path / "films"
    for number in range(40):
        add_film(folder / "study" / f"{number}.png", number)
    add_dicom(folder / "IM1")
    add_dicom(folder / "hip.dcm", body_part="HIP")
    add_dicom(folder / "slice.dcm", modality="CT")
    (folder / "empty.png").write_bytes(b"")
    return folder


def children(pid: int) -> list[int]:
    """Processes that a process has started, and those that they have."""
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True).stdout.split()
    return [one for child in map(int, found) for one in (child, *children(child))]


def kill_at_work(node: Any) -> None:
    """Kill all processes of a node at once, as soon as its worker has films in hand."""
    raylet = node.all_processes["raylet"][0].process.pid
    limit = time.monotonic() + 120
    while time.monotonic() < limit:
        processes = children(raylet)
        names = [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in processes if Path(f"/proc/{pid}").exists()]
        if any(name.startswith(b"ray::Worker.predict") for name in names):
            for pid in (raylet, *processes):
                os.kill(pid, signal.SIGKILL)
            return
        time.sleep(0.02)


def test_films_of_a_machine_that_dies_are_done_by_the_others(
    films: Path, tmp_path: Path, tiny_model: Path, cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    predictor, plain, spread = Predictor.load(tiny_model), tmp_path / "plain", tmp_path / "spread"
    whole = predict_films(find_films([films], plain), plain, predictor=predictor, to=KINDS)
    assert whole == Summary(done=41, refused=1, failed=2)
    lost: list[Film] = []
    lose = Portions.lose

    def noting(self: Portions, films: list[Film], why: str) -> list[Outcome]:
        lost.extend(films)
        return lose(self, films, why)

    monkeypatch.setattr(Portions, "lose", noting)
    (second,) = cluster.worker_nodes
    killer = threading.Thread(target=kill_at_work, args=(second,))
    killer.start()
    engine = RayEngine(str(tiny_model), address=cluster.address)
    outcomes: list[Outcome] = []
    summary = predict_films(
        find_films([films], spread), spread, predictor=predictor, to=KINDS, engine=engine, on_outcome=outcomes.append
    )
    killer.join()
    assert lost, "the second machine had no films when it died"
    assert sorted(one.film for one in outcomes) == sorted(film.name for film in find_films([films], spread))
    assert (summary.done + summary.skipped, summary.refused, summary.failed) == (41, 1, 2)
    assert tree(spread) == tree(plain)

    # On what is left of the cluster a rerun finds all done.
    engine = RayEngine(str(tiny_model), address=cluster.address)
    again = predict_films(find_films([films], spread), spread, predictor=predictor, to=KINDS, engine=engine)
    assert again == Summary(done=0, refused=0, skipped=42, failed=2)
    assert tree(spread) == tree(plain)


def test_films_of_a_store_equal_those_of_a_folder(films: Path, tmp_path: Path, tiny_model: Path, cluster: Any) -> None:
    pytest.importorskip("fsspec", reason="needs fsspec: pip install 'xprism[cluster]'")
    predictor, plain, spread = Predictor.load(tiny_model), tmp_path / "plain", tmp_path / "spread"
    predict_films(find_films([films], plain), plain, predictor=predictor, to=("json",))
    found = find_films([films.as_uri()], spread)
    assert all(film.url for film in found)
    engine = RayEngine(str(tiny_model), address=cluster.address)
    summary = predict_films(found, spread, predictor=predictor, to=("json",), engine=engine)
    assert summary == Summary(done=41, refused=1, failed=2)
    assert tree(spread) == tree(plain)


def test_a_model_that_a_machine_lacks_stops_the_run_and_says_so(
    films: Path, tmp_path: Path, tiny_model: Path, cluster: Any
) -> None:
    engine = RayEngine(str(tmp_path / "no-model"), address=cluster.address)
    with pytest.raises(ModelError, match="no-model"):
        predict_films(
            find_films([films], tmp_path / "out"), tmp_path / "out", predictor=Predictor.load(tiny_model), engine=engine
        )
    assert table(tmp_path / "out" / "results.csv") == []
