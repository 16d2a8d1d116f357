"""The run over many films: reading, network and writing overlap, and one bad film stops nothing."""

from __future__ import annotations

import shutil
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from xprism.allocator import share_arenas
from xprism.batch.films import Film, Part
from xprism.batch.ledger import Ledger
from xprism.batch.outcome import Outcome, Summary
from xprism.batch.store import at_hand
from xprism.batch.workspace import workspace
from xprism.card import sha256_of
from xprism.errors import ReadError, XprismError
from xprism.inference.predictor import Options, Predictor, Prepared
from xprism.inference.runtimes import usable_cores
from xprism.readers.polarity import check_choice
from xprism.writers.folder import KINDS, USUAL, check_kinds, write_result
from xprism.writers.record import options_sha256, read_record


@dataclass(frozen=True)
class Asked:
    """What is asked of every film of a run, and where unfinished work lies; plain values that can travel."""

    out: Path
    scratch: Path
    kinds: tuple[str, ...]
    options: Options
    polarity: str
    overwrite: bool

    def folder_of(self, film: Film) -> Path:
        return self.out / film.name


@dataclass(frozen=True)
class Job:
    """What is asked, the model that answers, and the cores it may use."""

    asked: Asked
    predictor: Predictor
    cores: int = field(default_factory=usable_cores)

    @property
    def recorded(self) -> dict[str, Any]:
        """The options as results record them."""
        return {**self.predictor.recorded(self.asked.options), "polarity": self.asked.polarity}


Outcomes = Generator[Outcome, None, None]
Engine = Callable[[Sequence[Film], Job], Outcomes]
"""What brings films through a job: outcomes in any order, one a film, written as a result before it is told."""


def predict_films(
    films: Sequence[Film],
    out: str | Path,
    *,
    predictor: Predictor,
    to: Sequence[str] = USUAL,
    polarity: str = "auto",
    clean: bool | None = None,
    force: bool = False,
    overwrite: bool = False,
    part: Part | None = None,
    engine: Engine | None = None,
    on_outcome: Callable[[Outcome], None] = lambda outcome: None,
) -> Summary:
    """Predict films into ``out``, one folder each, and write ``results.csv`` and ``errors.csv``.

    ``engine`` does the work: ``run_films`` in this process by default, or a ``cluster.RayEngine``.

    A film whose input, model and options hash as before, and whose asked files are there, is
    skipped. At whatever moment the process dies, no unfinished file bears a final name, and a rerun
    completes the folder. Raises ``OutputError`` where ``out`` cannot be written or ``to`` names an
    unknown kind.
    """
    check_choice(polarity)
    share_arenas()
    target, kinds, options = Path(out), check_kinds(to), predictor.options(clean=clean, force=force)
    mine = [film for film in films if part is None or part.holds(film.name)]
    counts = {"done": 0, "refused": 0, "skipped": 0, "failed": 0}
    with workspace(target) as scratch:
        job = Job(Asked(target, scratch, kinds, options, polarity, overwrite), predictor)
        ledger = Ledger(target, scratch, part=part, films=[film.name for film in mine])
        try:
            # Closed first of all: an interrupt must let the writers finish before the tables are made.
            with closing((engine or run_films)(mine, job)) as outcomes:
                for outcome in outcomes:
                    counts[outcome.state] += 1
                    ledger.add(outcome)
                    on_outcome(outcome)
        finally:
            ledger.close()
    return Summary(**counts)


def run_films(films: Sequence[Film], job: Job) -> Outcomes:
    """Outcomes in the order in which films finish being written; the calling thread runs the network."""
    workers = max(1, job.cores // 2)
    readers, writers = ThreadPoolExecutor(workers), ThreadPoolExecutor(workers + 1)
    writing: deque[Future[Outcome]] = deque()
    try:
        for film, step in _ahead(readers, films, lambda film: _read(film, job), depth=workers + 1):
            outcome = step.result()
            if isinstance(outcome, Outcome):
                yield outcome
                continue
            made = _infer(film, outcome, job)
            if isinstance(made, Outcome):
                yield made
                continue
            writing.append(writers.submit(_write, film, outcome, made, job))
            while len(writing) > workers + 1 or (writing and writing[0].done()):
                yield writing.popleft().result()
        while writing:
            yield writing.popleft().result()
    finally:
        readers.shutdown(cancel_futures=True)
        writers.shutdown(cancel_futures=True)


def _ahead(
    pool: ThreadPoolExecutor, films: Iterable[Film], read: Callable[[Film], Any], *, depth: int
) -> Iterator[tuple[Film, Future[Any]]]:
    """Films with their reading under way, at most ``depth`` ahead of the one that is handed out."""
    waiting: deque[tuple[Film, Future[Any]]] = deque()
    for film in films:
        waiting.append((film, pool.submit(read, film)))
        if len(waiting) > depth:
            yield waiting.popleft()
    yield from waiting


def _read(film: Film, job: Job) -> Prepared | Outcome:
    """A film read and brought onto the network's grid, or why not."""
    from xprism.readers import read

    try:
        with at_hand(film, job.asked.scratch) as path:
            if not job.asked.overwrite and is_current(film, path, job):
                return Outcome(film.name, "skipped")
            radiograph = read(path, polarity=job.asked.polarity)
            sha256 = radiograph.sha256 or sha256_of(path)
        return job.predictor.prepare(replace(radiograph, source=film.name, sha256=sha256))
    except Exception as error:  # one bad film must not stop the others
        return _failed(film, error, job)


def is_current(film: Film, path: Path, job: Job) -> bool:
    """Whether the film's folder holds the result of this very input, model and options, with all files asked for."""
    folder = job.asked.folder_of(film)
    record = read_record(folder)
    return (
        record is not None
        and record["model"].get("sha256") == job.predictor.model.sha256
        and record["options_sha256"] == options_sha256(job.recorded)
        and set(job.asked.kinds) <= set(record["kinds"])
        and all((folder / name).is_file() for name in record["files"])
        and record["input"].get("sha256") == sha256_of(path)
    )


def _infer(film: Film, prepared: Prepared, job: Job) -> Any:
    """Raw outputs, or None where the network is not needed, or the failure."""
    try:
        if not job.predictor.needs_network(prepared, job.asked.options):
            return None
        return job.predictor.infer(prepared)
    except Exception as error:
        return _failed(film, error, job)


def _write(film: Film, prepared: Prepared, raw: Any, job: Job) -> Outcome:
    asked = job.asked
    try:
        result = replace(job.predictor.finish(prepared, raw, asked.options), options=job.recorded)
        before = read_record(asked.folder_of(film)) or {}
        kinds = {*asked.kinds, *(kind for kind in before.get("kinds", ()) if kind in KINDS)}
        write_result(result, asked.folder_of(film), to=sorted(kinds), scratch=asked.scratch)
    except Exception as error:
        return _failed(film, error, job)
    if result.refused is not None:
        return Outcome(film.name, "refused", result.refused.code, result.refused.reason)
    return Outcome(film.name, "done")


def _failed(film: Film, error: Exception, job: Job) -> Outcome:
    """The failure as a row of ``errors.csv``; a result of earlier content of the file is taken away."""
    drop_outdated(film, job.asked)
    if isinstance(error, XprismError):
        return Outcome(film.name, "failed", error.code, error.what, error.remedy)
    if isinstance(error, OSError):
        cause = error.strerror or str(error)
        return Outcome(film.name, "failed", ReadError.code, cause, "check that the file can be opened")
    last = traceback.format_exception_only(error)[-1].strip()
    return Outcome(film.name, "failed", "internal", last, "report it to the makers of xprism, if you can with the film")


def drop_outdated(film: Film, asked: Asked) -> None:
    """Take away a result of earlier content of the file."""
    folder = asked.folder_of(film)
    record = read_record(folder)
    if record is None:
        return
    with suppress(OSError, XprismError), at_hand(film, asked.scratch) as path:
        if record["input"].get("sha256") != sha256_of(path):
            shutil.rmtree(folder)
