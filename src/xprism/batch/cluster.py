"""Films over the machines of a Ray cluster: workers that keep a model each, and films of lost ones done by others."""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from xprism import telemetry
from xprism.batch.films import Film
from xprism.batch.outcome import Outcome
from xprism.batch.pipeline import Job, Outcomes, drop_outdated
from xprism.batch.portions import TRIES, Portions
from xprism.batch.worker import Order, Worker, makes
from xprism.errors import ClusterError, MissingExtra, XprismError
from xprism.inference.runtimes import usable_cores

CORES = 2
"""Of each worker: two overlap reading and the network, and more workers use a large machine better than more cores."""

_SECONDS_TO_ANSWER, _SECONDS_TO_LOOK = 5.0, 10.0


@dataclass(frozen=True)
class RayEngine:
    """Predicts films by workers of the cluster at ``address`` (``HOST:PORT`` or ``auto``), or of this machine alone.

    ``model`` and ``runtime`` are those of the predictor of the run; every worker loads them itself.
    """

    model: str
    runtime: str = "auto"
    address: str | None = None

    def __call__(self, films: Sequence[Film], job: Job) -> Outcomes:
        """Outcomes as portions of films come back.

        Raises ``MissingExtra`` without Ray, ``ClusterError`` where the cluster does not answer, a machine does not fit,
        or none is left.
        """
        if not films:
            return
        with _started() if self.address is None else _joined(self.address) as ray:
            cores, room = _room(ray)
            if not room:
                raise ClusterError("no machine of the cluster offers a CPU", remedy="add one: ray start --address ...")
            asked = replace(job.asked, out=job.asked.out.absolute(), scratch=job.asked.scratch.absolute())
            order = Order(asked, _everywhere(self.model), self.runtime, cores, makes(job), films[0])
            portions = Portions(films, workers=min(room, len(films)))
            for outcome in _Crew(ray, order, size=min(room, len(films))).work(portions):
                if outcome.code == "worker_lost":
                    drop_outdated(next(film for film in films if film.name == outcome.film), job.asked)
                yield outcome


class _Crew:
    """The workers: hired, given films, replaced when lost, dismissed."""

    def __init__(self, ray: Any, order: Order, *, size: int) -> None:
        self._ray, self._order = ray, order
        self._remote = ray.remote(Worker).options(num_cpus=order.cores, scheduling_strategy="SPREAD")
        self._busy: dict[Any, tuple[Any, list[Film]]] = {}
        self._free: list[Any] = []
        self._false_starts = 0
        for _ in range(size):
            self._hire()

    def work(self, portions: Portions) -> Iterator[Outcome]:
        """Outcomes until every film has one."""
        try:
            while portions.unfinished:
                while self._free and (films := portions.take()):
                    worker = self._free.pop()
                    self._busy[worker.predict.remote(films)] = worker, films
                ready, _ = self._ray.wait(list(self._busy), timeout=_SECONDS_TO_LOOK)
                if not ready and not _room(self._ray)[1]:
                    raise _nobody_left("no machine of the cluster answers")
                for one in ready:
                    yield from self._collect(one, portions)
        finally:
            self._dismiss()

    def _collect(self, one: Any, portions: Portions) -> list[Outcome]:
        """The final outcomes of a call that has ended, in whatever way."""
        errors = self._ray.exceptions
        worker, films = self._busy.pop(one)
        try:
            outcomes = self._ray.get(one)
        except errors.RayTaskError as error:  # the worker lives, and says what is wrong
            if not films:
                raise _reason(error) from None
            self._free.append(worker)
            return portions.lose(films, _line(error.cause))
        except errors.RayError as error:
            self._replace(worker, opening=not films, why=_line(error))
            return portions.lose(films, _line(error))
        self._free.append(worker)
        return portions.finish(outcomes)

    def _hire(self) -> None:
        worker = self._remote.remote(self._order)
        self._busy[worker.open.remote()] = worker, []

    def _replace(self, worker: Any, *, opening: bool, why: str) -> None:
        """Another worker for a lost one; where many are lost while they start, only those that are there go on."""
        self._ray.kill(worker)
        self._false_starts += opening
        if self._false_starts < TRIES or not opening:
            self._hire()
        elif not self._busy and not self._free:
            raise _nobody_left(f"workers do not start: {why}")

    def _dismiss(self) -> None:
        for worker in (*self._free, *(worker for worker, _ in self._busy.values())):
            self._ray.kill(worker)
        if self._busy:  # films in work end here: nothing may be written once the tables are
            self._ray.wait(list(self._busy), num_returns=len(self._busy), timeout=_SECONDS_TO_ANSWER)


@contextmanager
def _started() -> Iterator[Any]:
    """Ray on this machine alone: on loopback only, behind a token, gone with its files afterwards."""
    # Names of sockets may not be long.
    folder = tempfile.mkdtemp(prefix="xprism-ray-", dir="/tmp" if Path("/tmp").is_dir() else None)
    # Whatever the first is called: without it Ray listens on all networks. All are read when Ray is first imported.
    alone = {
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
    }
    before = {name: os.environ.get(name) for name in alone}
    if "ray" not in sys.modules:
        os.environ.update(alone)
    trouble, remedy = "Ray does not start on this machine", "try --engine threads, which needs no Ray"
    settings = {"num_cpus": usable_cores(), "include_dashboard": False, "object_store_memory": 100 * 2**20}
    try:
        with _connection(trouble, remedy, address="local", _temp_dir=folder, **settings) as ray:
            yield ray
    finally:
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _joined(address: str) -> Iterator[Any]:
    """The cluster that runs at the address."""
    host, _, port = address.rpartition(":")
    remedy = (
        "start it with `ray start --head`, run this command on one of its machines, "
        "and set RAY_AUTH_MODE=token where it asks for a token"
    )
    if address != "auto":
        if not (host and port.isdecimal()) or "/" in host:
            raise ClusterError(f"{address!r} is no address", remedy="write HOST:PORT of the cluster's head, or auto")
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=_SECONDS_TO_ANSWER).close()
        except OSError as error:
            raise ClusterError(f"nobody answers: {_line(error)}", where=address, remedy=remedy) from error
    with _connection("the cluster cannot be joined", remedy, address=address) as ray:
        yield ray


@contextmanager
def _connection(trouble: str, remedy: str, *, address: str, **settings: Any) -> Iterator[Any]:
    telemetry.silence()
    try:
        import ray
    except ImportError:
        raise MissingExtra("--engine ray needs Ray", remedy="pip install 'xprism[cluster]'") from None
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **settings)
    except Exception as error:
        raise ClusterError(f"{trouble}: {_line(error)}", where=address, remedy=remedy) from error
    try:
        yield ray
    finally:
        ray.shutdown()


def _room(ray: Any) -> tuple[int, int]:
    """Cores of a worker, and how many workers the machines that live have room for."""
    offered = [int(node["Resources"].get("CPU", 0)) for node in ray.nodes() if node["Alive"]]
    machines = [cpus for cpus in offered if cpus]
    cores = min([CORES, *machines])
    return cores, sum(cpus // cores for cpus in machines)


def _everywhere(model: str) -> str:
    """The model's name as another process finds it: folders by their full path."""
    names = [name.strip() for name in model.split(",")]
    return ",".join(str(Path(name).absolute()) if Path(name).exists() else name for name in names)


def _reason(error: Any) -> XprismError:
    if isinstance(error.cause, XprismError):
        return error.cause
    return ClusterError(f"a worker does not start: {_line(error.cause)}", remedy="try `xprism doctor` on its machine")


def _nobody_left(why: str) -> ClusterError:
    return ClusterError(
        f"nobody is left who works: {why}", remedy="mend the cluster; the same command goes on from there"
    )


def _line(error: object) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
