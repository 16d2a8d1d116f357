"""How far grey values alone tell open beam, soft tissue and bone apart: the best thresholds of a set of films.

    python benchmarks/limb_thresholds.py LEARNT/manifest.csv TESTED/manifest.csv

Grey values run from each film's smallest to its largest, as XNet sees them. Two thresholds make three ranges, each
of which is given to any of the classes; all are chosen on the first films by weighted F1 and scored on the second.
The table gives every one of 256 grey levels to the class it is most often: no threshold can do much better. The last
row chooses thresholds on each tested film by its own truth, which no method can. Intervals: 95 %, bootstrap over films.
"""

from __future__ import annotations

import itertools
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xprism.data.manifest import read_manifest
from xprism.evaluation.froc import percentiles
from xprism.evaluation.interval import draws_by_subject

LEVELS, CLASSES = 256, 3


def counts_of(manifest: Path) -> NDArray[Any]:
    """How often each class has each grey level in every film: [films, classes, levels]."""
    films = []
    for case in read_manifest(manifest):
        film, tissue = case.load_film(), case.load_truth()["tissue"]
        level = np.minimum((film - film.min()) / max(float(np.ptp(film)), 1e-9) * LEVELS, LEVELS - 1).astype(int)
        films.append([np.bincount(level[tissue == k], minlength=LEVELS) for k in range(CLASSES)])
    return np.array(films, float)


def f1(confusion: NDArray[Any]) -> tuple[float, NDArray[Any]]:
    """F1 weighted by the true shares of the classes, and of each class, of a matrix [true, found]."""
    each = 2 * np.diag(confusion) / np.maximum(confusion.sum(0) + confusion.sum(1), 1)
    return float(each @ confusion.sum(1) / confusion.sum()), each


def confusion_of(counts: NDArray[Any], found: NDArray[Any]) -> NDArray[Any]:
    """The matrix [true, found] where every grey level is ``found`` [levels] to be a class."""
    return np.stack([counts[:, found == k].sum(1) for k in range(CLASSES)], axis=1)


def best_thresholds(counts: NDArray[Any], *, step: int = 2) -> NDArray[Any]:
    """The class of every grey level [levels] by the two thresholds that suit counts [classes, levels] best."""
    below = np.concatenate([np.zeros((CLASSES, 1)), np.cumsum(counts, axis=1)], axis=1)
    best, chosen = -1.0, np.zeros(LEVELS, int)
    for low, high in itertools.combinations(range(0, LEVELS + 1, step), 2):
        parts = [below[:, low], below[:, high] - below[:, low], below[:, -1] - below[:, high]]
        for classes in itertools.product(range(CLASSES), repeat=3):
            confusion = np.zeros((CLASSES, CLASSES))
            for part, k in zip(parts, classes, strict=True):
                confusion[:, k] += part
            score = f1(confusion)[0]
            if score > best:
                best, chosen = score, np.repeat(classes, [low, high - low, LEVELS - high])
    return chosen


def main() -> None:
    """Print weighted F1 and that of each class, on the films of the second manifest."""
    learnt, tested = (counts_of(Path(path)) for path in sys.argv[1:3])
    pooled = tested.sum(0)
    shares = ", ".join(f"{share:.3f}" for share in pooled.sum(1) / pooled.sum())
    print(f"{len(learnt)} films to learn from, {len(tested)} to test; shares of the classes {shares}")
    for name, found in (
        ("two thresholds", best_thresholds(learnt.sum(0))),
        ("table of grey levels", learnt.sum(0).argmax(0)),
    ):
        score, each = f1(confusion_of(pooled, found))
        draws = draws_by_subject([str(film) for film in range(len(tested))], np.random.default_rng(0))
        drawn = percentiles(np.array([f1(confusion_of(np.tensordot(often, tested, 1), found))[0] for often in draws]))
        by_class = ", ".join(f"{one:.3f}" for one in each)
        print(f"{name}: weighted F1 {score:.3f} ({drawn.low:.3f} to {drawn.high:.3f}), by class {by_class}")
    own = [f1(confusion_of(film, best_thresholds(film, step=8)))[0] for film in tested]
    print(f"thresholds of each film by its own truth: mean weighted F1 {np.mean(own):.3f}")


if __name__ == "__main__":
    main()
