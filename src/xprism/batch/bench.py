"""How many films a second a run over a folder does, with reading, network and writing overlapped."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from xprism.batch.films import find_films
from xprism.batch.pipeline import predict_films
from xprism.inference.predictor import Predictor


def folder_rate(film: Path, predictor: Predictor, *, kinds: Sequence[str], count: int) -> float:
    """Films a second over ``count`` copies of a film, by a run as `xprism predict` does it; the gate is forced."""
    with TemporaryDirectory() as scratch:
        folder, out = Path(scratch) / "films", Path(scratch) / "results"
        folder.mkdir()
        for number in range(count):
            shutil.copy(film, folder / f"{number:05d}{film.suffix}")
        films, start = find_films([folder], out), time.perf_counter()
        predict_films(films, out, predictor=predictor, to=kinds, force=True)
        return count / (time.perf_counter() - start)
