"""A long run of `xprism predict`: bad files among good ones, memory, and death at random moments.

Makes a folder of simulated films (links to a few phantoms, three of four as PNG and the fourth as DICOM), of which
2 % cannot be read: empty, text, a cut-off PNG, a cut-off DICOM file. Then

1. predicts all in one run and asks whether every good film is done, whether errors.csv names every bad one and no
   other, and whether memory, that of the decoding process included, grows by less than 1 MB per 1,000 films (judged
   over the second half, and not for fewer than 2,000 films: the first few hundred fill the allocator's pools);
2. starts the same again into another folder, kills it (SIGKILL) at random moments, lets the last start end, and asks
   whether both folders hold the same files, byte for byte.

Prints what it found; the exit code is 1 where one of the four answers is no.

    python benchmarks/many_films.py WORK [--count 10000] [--bad 0.02] [--kills 3] [--model chest] [--size 512]
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image

from xprism.batch import Summary, find_films, predict_films
from xprism.inference.together import load_predictor
from xprism.simulate import simulate_chest
from xprism.simulate.dicom import write_dicom

PHANTOMS, EVERY, LIMIT, ENOUGH = 8, 20, 1.0, 2000


def make_films(folder: Path, sources: Path, *, count: int, bad: float, size: int, rng: random.Random) -> set[str]:
    """Fill ``folder`` with ``count`` links to a few films; returns the names of the bad ones."""
    sources.mkdir(parents=True, exist_ok=True)
    for seed in range(PHANTOMS):
        case = simulate_chest(seed=seed, size=size)
        picture = np.rint(case.film * 255).clip(0, 255).astype(np.uint8)
        Image.fromarray(picture).save(sources / f"{seed}.png")
        write_dicom(case, case.film, sources / f"{seed}.dcm", name=str(seed), picture="film")
    for kind in ("png", "dcm"):
        whole = (sources / f"0.{kind}").read_bytes()
        (sources / f"cut.{kind}").write_bytes(whole[: len(whole) // 2])
    (sources / "empty").write_bytes(b"")
    (sources / "text").write_text("no film\n")
    numbers = set(rng.sample(range(count), round(count * bad)))
    names = set()
    for number in range(count):
        kind = "dcm" if number % 4 == 3 else "png"
        source = f"{number % PHANTOMS}.{kind}"
        if number in numbers:
            source = ("empty", "text", "cut.png", "cut.dcm")[len(names) % 4]
        film = folder / f"{number // 1000:03}" / f"{number:05}.{kind}"
        film.parent.mkdir(parents=True, exist_ok=True)
        os.link(sources / source, film)
        if number in numbers:
            names.add(film.relative_to(folder).as_posix())
    return names


def held_mb() -> float:
    """Memory that this process and those that it started hold now, in MB (Linux)."""
    own = os.getpid()
    started = Path(f"/proc/{own}/task/{own}/children")
    every = [str(own)] + [
        one for task in started.parents[1].iterdir() for one in (task / "children").read_text().split()
    ]
    pages = 0
    for process in every:
        try:
            pages += int(Path(f"/proc/{process}/statm").read_text().split()[1])
        except OSError:  # ended since
            continue
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def predict_watched(
    films: Path, out: Path, *, count: int, model: str, kinds: list[str]
) -> tuple[Summary, float, float]:
    """The run in this process: its summary, MB per 1,000 films by least squares over the second half, and seconds."""
    memory = np.zeros(count // EVERY)
    seen = 0

    def note(outcome: object) -> None:
        nonlocal seen
        seen += 1
        if seen % EVERY == 0:
            memory[seen // EVERY - 1] = held_mb()

    start = time.perf_counter()
    summary = predict_films(find_films([films], out), out, predictor=load_predictor(model), to=kinds, on_outcome=note)
    seconds = time.perf_counter() - start
    first = len(memory) // 2
    thousands = np.arange(first, len(memory)) * EVERY / 1000
    return summary, float(np.polyfit(thousands, memory[first:], 1)[0]), seconds


def predict_killed(
    films: Path, out: Path, *, model: str, kinds: list[str], kills: int, seconds: float, rng: random.Random
) -> int:
    """The run as a command, killed at random moments of its work and started again; how many films were done then."""
    command = [sys.executable, "-c", "from xprism.cli import main; main()", "predict", str(films), "-o", str(out)]
    command += ["--model", model, "--to", ",".join(kinds)]
    for number in range(kills + 1):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if number == kills:
            process.wait()
            break
        try:
            process.wait(timeout=rng.uniform(0.2, 0.9) * seconds / kills)
            print("  ended before it could be killed")
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            print(f"  killed with {sum(1 for _ in out.rglob('result.json'))} films under way or done")
    return process.returncode


def hashes(out: Path) -> dict[str, str]:
    """SHA-256 of every file of a folder by its name."""
    found = {}
    for path in out.rglob("*"):
        if path.is_file():
            with path.open("rb") as stream:
                found[path.relative_to(out).as_posix()] = hashlib.file_digest(stream, "sha256").hexdigest()
    return found


def column(path: Path, name: str) -> set[str]:
    with path.open(newline="") as stream:
        return {row[name] for row in csv.DictReader(stream)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path, help="folder for films and results, made new")
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--bad", type=float, default=0.02)
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--model", default="chest")
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--to", default="masks,json")
    asked = parser.parse_args()
    asked.work.mkdir(parents=True)
    films, whole, killed = asked.work / "films", asked.work / "whole", asked.work / "killed"
    rng, kinds = random.Random(asked.seed), asked.to.split(",")
    bad = make_films(films, asked.work / "sources", count=asked.count, bad=asked.bad, size=asked.size, rng=rng)
    summary, slope, seconds = predict_watched(films, whole, count=asked.count, model=asked.model, kinds=kinds)
    print(f"{asked.count} films, {len(bad)} bad: {summary}, {asked.count / seconds:.1f} films a second")
    rows, errors = column(whole / "results.csv", "film"), column(whole / "errors.csv", "film")
    code = predict_killed(films, killed, model=asked.model, kinds=kinds, kills=asked.kills, seconds=seconds, rng=rng)
    one, other = hashes(whole), hashes(killed)
    answers = {
        f"all {asked.count - len(bad)} good films have a result": len(rows) == asked.count - len(bad)
        and not rows & bad,
        f"errors.csv names the {len(bad)} bad ones and no other": errors == bad,
        f"memory grows by {slope:.2f} MB per 1,000 films, less than {LIMIT:g}": slope < LIMIT or asked.count < ENOUGH,
        f"killed {asked.kills} times, {len(one)} files are the same (exit code {code})": one == other,
    }
    if asked.count < ENOUGH:
        print("too few films to judge memory by")
    for answer, holds in answers.items():
        print(f"{'yes' if holds else 'NO '} {answer}")
    sys.exit(0 if all(answers.values()) else 1)


if __name__ == "__main__":
    main()
