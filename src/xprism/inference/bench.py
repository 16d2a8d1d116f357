"""Where the time of a prediction goes, step by step."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from xprism.inference.decode import decode
from xprism.inference.measure import measure
from xprism.inference.predictor import Predictor, structures_of
from xprism.radiograph import Radiograph
from xprism.result import Result


@dataclass(frozen=True)
class Timing:
    """Median wall and CPU milliseconds of one step of a prediction."""

    step: str
    wall_ms: float
    cpu_ms: float


def bench_film(
    read: Callable[[], Radiograph],
    predictor: Predictor,
    write: Callable[[Result, Path, str], Any],
    *,
    kinds: Sequence[str],
    repeat: int,
) -> list[Timing]:
    """Time ``repeat`` predictions of one film: read, prepare, network, postprocess, measure, and write by kind.

    ``read`` reads the film anew at each call; ``write`` writes one kind of a result into a folder.
    The gate is forced, so that every step runs. One more, untimed, prediction comes first.
    """
    clocks: dict[str, list[tuple[float, float]]] = {}

    def timed(step: str, work: Callable[[], Any]) -> Any:
        wall, cpu = time.perf_counter(), time.process_time()
        made = work()
        clocks.setdefault(step, []).append((time.perf_counter() - wall, time.process_time() - cpu))
        return made

    with tempfile.TemporaryDirectory() as scratch:
        for number in range(repeat + 1):
            if number == 1:
                clocks.clear()
            _one(timed, read, predictor, write, kinds, Path(scratch))
    return [
        Timing(step, 1000 * median(wall for wall, _ in times), 1000 * median(cpu for _, cpu in times))
        for step, times in clocks.items()
    ]


def _one(
    timed: Callable[[str, Callable[[], Any]], Any],
    read: Callable[[], Radiograph],
    predictor: Predictor,
    write: Callable[[Result, Path, str], Any],
    kinds: Sequence[str],
    scratch: Path,
) -> None:
    options = predictor.options(force=True)
    film = replace(timed("read", read))
    prepared = timed("prepare", lambda: predictor.prepare(film))
    raw = timed("network", lambda: predictor.infer(prepared))
    targets = predictor.card.targets
    decoded = timed(
        "postprocess", lambda: decode(raw, targets, prepared.place, clean=options.clean, film=prepared.film.display)
    )
    timed("measure", lambda: (structures_of(decoded, predictor.card, film), measure(decoded.masks, film)))
    result = predictor.finish(prepared, raw, options)
    for kind in kinds:
        timed(f"write {kind}", partial(write, result, scratch / kind, kind))
