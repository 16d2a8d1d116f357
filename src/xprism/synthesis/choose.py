"""Which of a stage's kept weights draw most like real films: the kernel distance to validation, not the eye."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xprism.data.manifest import Case
from xprism.errors import DataError
from xprism.evaluation.film_statistics import Yardstick, film_statistics
from xprism.evaluation.kernel_distance import KernelDistance, kernel_distance
from xprism.synthesis.codes import as_grey
from xprism.synthesis.pipeline import Makes
from xprism.synthesis.runs import SynthRun
from xprism.synthesis.sampling import Sample, Sampler
from xprism.synthesis.sources import Source, labels_in, sources_of


@dataclass(frozen=True)
class SnapshotDistance:
    """How far what the weights of one step draw lies from validation; None where they draw nothing that can be used."""

    stage: int
    step: int
    distance: KernelDistance | None


def snapshot_distances(
    run: SynthRun,
    number: int,
    validation: Sequence[Case],
    *,
    count: int = 64,
    seed: int = 0,
    on_snapshot: Callable[[], object] = lambda: None,
) -> list[SnapshotDistance]:
    """The kernel distance of every snapshot of a stage to validation films, each drawing from the same latents.

    The first stage draws ``count`` samples from noise; another one works on real dots or label maps of the films that
    the run learnt from, at most once each. Dots, label maps and films are compared as pictures, by the statistics of
    films. Raises ``DataError`` where the stage kept no weights.
    """
    stage = run.stage(number)
    steps = run.snapshots_of(stage)
    if not steps:
        raise DataError("this stage kept no weights", where=str(run.folder_of(stage)), remedy="train it first")
    labels = labels_in(run.pipeline.data)
    sources = sources_of(validation, run.pipeline, variants=False)
    true = film_statistics(np.stack([_picture(source, stage.makes, labels) for source in sources]))
    yardstick = Yardstick.of(true)
    count = count if number == 1 else min(count, len(run.films()))
    found = []
    for step in steps:
        sampler = Sampler(replace(run, snapshots={number: step}), (number,))
        try:
            samples = list(sampler.samples(count, seed=seed))
        except DataError:  # dot maps that were all turned down, or values that are no numbers
            found.append(SnapshotDistance(number, step, None))
        else:
            made = film_statistics(np.stack([_picture(sample, stage.makes, labels) for sample in samples]))
            generator = np.random.default_rng(seed)
            pair = yardstick.features(made), yardstick.features(true)
            found.append(SnapshotDistance(number, step, kernel_distance(*pair, generator=generator)))
        on_snapshot()
    return found


def best_snapshot(found: Sequence[SnapshotDistance]) -> SnapshotDistance:
    """The one with the smallest distance, the latest of equal ones; raises ``DataError`` where none can draw."""
    usable = [(one.distance.value, -one.step, one) for one in found if one.distance is not None]
    if not usable:
        raise DataError("none of the weights that were kept can draw", remedy="train this stage for longer")
    return min(usable, key=lambda entry: entry[:2])[2]


def _picture(one: Sample | Source, makes: Makes, labels: int) -> NDArray[Any]:
    """What a stage makes as a picture from 0 to 1, [h, h]: dots, label map, or the film where there is one."""
    if makes == "dots":
        assert one.dots is not None
        return one.dots.picture() / 255
    if makes == "labels":
        assert one.labels is not None
        return as_grey(one.labels, labels) / 255
    assert one.film is not None
    return one.film / 255
