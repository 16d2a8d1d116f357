"""Films per second over a folder of 1024 x 1024 PNG films, and how memory grows.

Prints three rates of one run on the same films: masks and JSON alone, the default outputs without
the report, and all default outputs; each also as a ratio to the first, and the processor time of a film, which other
work on the machine changes less. Films are simulated (a few
phantoms, repeated with a changed pixel so that each file is its own), or taken from --films.

    python benchmarks/folder_throughput.py [--films FOLDER] [--count 300] [--model chest] [--runtime auto]
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from xprism.batch import find_films, predict_films
from xprism.inference.predictor import Predictor
from xprism.simulate import simulate_chest

KINDS = {
    "masks,json": ("masks", "json"),
    "masks,json,overlay": ("masks", "json", "overlay"),
    "masks,json,overlay,report": ("masks", "json", "overlay", "report"),
}


def resident_mb() -> float:
    """Memory that this process holds now, in MB (Linux)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def simulated(folder: Path, count: int) -> None:
    """``count`` films of five phantoms."""
    films = [
        np.rint(simulate_chest(seed=seed, size=1024).film * 255).clip(0, 255).astype(np.uint8) for seed in range(5)
    ]
    for number in range(count):
        film = films[number % len(films)].copy()
        film.flat[number] ^= 1
        Image.fromarray(film).save(folder / f"film{number:04d}.png", compress_level=1)


def repeated(source: Path, folder: Path, count: int) -> None:
    """``count`` copies of the films of a folder, in turn."""
    films = sorted(source.glob("*.png"))
    for number in range(count):
        shutil.copy(films[number % len(films)], folder / f"film{number:04d}.png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--films", type=Path)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--model", default="chest")
    parser.add_argument("--runtime", default="auto")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch) / "films"
        source.mkdir()
        repeated(asked.films, source, asked.count) if asked.films else simulated(source, asked.count)
        predictor = Predictor.load(asked.model, runtime=asked.runtime)
        print(f"{predictor.card.name} {predictor.card.version}, {predictor.runtimes[0]}")
        rates = {}
        for name, kinds in KINDS.items():
            out = Path(scratch) / name.replace(",", "-")
            memory: list[float] = []
            start, processor = time.perf_counter(), time.process_time()
            summary = predict_films(
                find_films([source], out),
                out,
                predictor=predictor,
                to=kinds,
                on_outcome=lambda outcome, memory=memory: memory.append(resident_mb()),
            )
            rates[name] = len(memory) / (time.perf_counter() - start)
            processor_ms = 1000 * (time.process_time() - processor) / len(memory)
            # Medians over 20 films: how many films are in flight at one moment makes single readings jump.
            growth = float(np.median(memory[-20:]) - np.median(memory[19:39]))
            ratio = rates[name] / rates["masks,json"]
            print(
                f"{name:28} {rates[name]:6.2f} films/s  ratio {ratio:.2f}  {processor_ms:.0f} ms of processor a film  "
                f"memory {memory[-1]:.0f} MB, {growth:+.1f} MB from films 20-39 to the last 20  "
                f"({summary.done} done, {summary.refused} refused, {summary.failed} failed)"
            )


if __name__ == "__main__":
    main()
