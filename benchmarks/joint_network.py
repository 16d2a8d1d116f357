"""Time of one network for organs and bones over that of a network for organs alone, in one run.

Films are simulated. Both models see every film in turn, so that whatever else the machine does meets both alike;
printed are medians and their ratio, for the network alone and for a whole call (film in memory to result).

    python benchmarks/joint_network.py [--joint chest] [--organs organs] [--rounds 30] [--runtime onnx] [--threads 2]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

from xprism.inference.predictor import Predictor
from xprism.radiograph import DisplayMapping, Radiograph
from xprism.simulate import simulate_chest


def milliseconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--joint", default="chest")
    parser.add_argument("--organs", default="organs")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--runtime", default="onnx")
    parser.add_argument("--threads", type=int, default=2)
    asked = parser.parse_args()
    models = {
        name: Predictor.load(name, runtime=asked.runtime, threads=asked.threads) for name in (asked.organs, asked.joint)
    }
    sizes = {tuple(model.card.input.size) for model in models.values()}
    if len(sizes) > 1:
        parser.error(f"the models see films at different sizes: {sorted(sizes)}")
    films = [
        Radiograph((65535 * simulate_chest(seed=seed, size=1024).film).astype("uint16"), DisplayMapping(0, 65535))
        for seed in range(3)
    ]
    network: dict[str, list[float]] = {name: [] for name in models}
    whole: dict[str, list[float]] = {name: [] for name in models}
    for turn in range(asked.rounds + 2):
        film = films[turn % len(films)]
        for name, model in models.items():
            prepared = model.prepare(film)
            times = (
                milliseconds(lambda m=model, p=prepared: m.infer(p)),
                milliseconds(lambda m=model, f=film: m(f, force=True)),
            )
            if turn >= 2:
                network[name].append(times[0])
                whole[name].append(times[1])
    for title, found in (("network", network), ("whole call", whole)):
        organs, joint = (statistics.median(found[name]) for name in (asked.organs, asked.joint))
        print(f"{title}: {asked.organs} {organs:.1f} ms, {asked.joint} {joint:.1f} ms, ratio {joint / organs:.3f}")


if __name__ == "__main__":
    main()
