"""One process of a cluster that keeps a model and predicts the films it is handed."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

from xprism import __version__
from xprism.allocator import share_arenas
from xprism.batch.films import Film
from xprism.batch.outcome import Outcome
from xprism.batch.pipeline import Asked, Job, run_films
from xprism.errors import ClusterError
from xprism.inference.together import load_predictor


@dataclass(frozen=True)
class Order:
    """What a worker has to know. ``makes`` is what results follow from; ``witness`` is one of the films."""

    asked: Asked
    model: str
    runtime: str
    cores: int
    makes: str
    witness: Film


class Worker:
    """Opens the model once, and then predicts portions of films, overlapping as on one machine."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._job: Job | None = None

    def open(self) -> list[Outcome]:
        """Load the model; no outcomes yet.

        Raises ``ClusterError`` where this machine does not see the folders or would make other results, ``ModelError``
        and ``MissingExtra`` where it lacks the model or its runtime.
        """
        order, here = self._order, platform.node()
        shared = "all machines must see films and results under the same path"
        if not order.asked.scratch.is_dir():
            raise ClusterError(f"{here} does not see the folder for results", where=str(order.asked.out), remedy=shared)
        if order.witness.url is None and not order.witness.path.exists():
            raise ClusterError(f"{here} does not see the films", where=str(order.witness.path), remedy=shared)
        share_arenas()
        job = Job(order.asked, load_predictor(order.model, runtime=order.runtime, threads=order.cores), order.cores)
        if makes(job) != order.makes:
            remedy = "install the same version of xprism and of the model everywhere, and name a --runtime"
            raise ClusterError(f"{here} would make other results: {makes(job)}, not {order.makes}", remedy=remedy)
        self._job = job
        return []

    def predict(self, films: Sequence[Film]) -> list[Outcome]:
        """What became of each film, when all are written."""
        if self._job is None:
            raise ClusterError("the worker has no model yet", remedy="open it first")
        with closing(run_films(films, self._job)) as outcomes:
            return list(outcomes)


def makes(job: Job) -> str:
    """What the results of a job follow from besides the films: program, model and options, as text."""
    return json.dumps({"xprism": __version__, "model": job.predictor.model.sha256, **job.recorded}, sort_keys=True)
