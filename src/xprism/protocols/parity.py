"""How far the results of a faster runtime are from those of ONNX Runtime at full precision, on films."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xprism.errors import ModelError
from xprism.evaluation.class_planes import class_masks
from xprism.evaluation.overlap import jaccard
from xprism.inference.decode import Decoded, decode
from xprism.inference.exported import Figure, Parity, Precision, processor
from xprism.inference.predictor import Predictor, Prepared
from xprism.radiograph import DisplayMapping, Radiograph
from xprism.targets import Lesions, TargetSet


@dataclass(frozen=True)
class Tolerance:
    """How far results may be from those at full precision.

    ``disagree`` is 1 - Jaccard between the masks of both, pixels of all films together; ``lost`` what the mean Jaccard
    against the truth may fall by; ``picture`` the RMSE between pictures in display values from 0 to 1; ``score`` the
    mean change of the highest probability of a lesion.
    """

    disagree: float
    lost: float
    picture: float
    score: float


TOLERANCES: dict[Precision, Tolerance] = {
    "fp32": Tolerance(disagree=0.001, lost=0.0002, picture=0.0001, score=0.001),
    "bf16": Tolerance(disagree=0.01, lost=0.001, picture=0.001, score=0.01),
    "int8": Tolerance(disagree=0.02, lost=0.002, picture=0.002, score=0.03),
}

_SHARED, _EITHER = "pixels of both", "pixels of either"
_TIMES = 20
Clocks = tuple[list[float], list[float]]


@dataclass(frozen=True)
class ParityFilm:
    """A film, and what is known of it: masks and class maps by label, each read when it is asked for."""

    read: Callable[[], Radiograph]
    truth: Callable[[TargetSet, tuple[int, int]], Mapping[str, NDArray[Any]]]


def measure_parity(
    reference: Predictor,
    runtime: Predictor,
    films: Iterable[ParityFilm],
    *,
    precision: Precision,
    films_from: str,
    calibrated_on: int,
    threads: int,
    on_film: Callable[[], object] = lambda: None,
) -> Parity:
    """Predict every film with both, one after the other, and compare what comes out.

    Jaccard against the truth counts for structures that the films know. The gate is not asked.
    """
    rows: list[dict[tuple[str, str], float]] = []
    clocks: Clocks = [], []
    for film in films:
        rows.append(_film(reference, runtime, film, clocks))
        on_film()
    _time_more(reference, runtime, clocks)
    return Parity(
        films=len(rows),
        films_from=films_from,
        calibrated_on=calibrated_on,
        figures=tuple(_figures(rows, TOLERANCES[precision])),
        reference_ms=round(1000 * min(clocks[0]), 2),
        runtime_ms=round(1000 * min(clocks[1]), 2),
        processor=processor(),
        threads=threads,
    )


def complaint(parity: Parity) -> str:
    """Which figures are beyond their limits, by how much."""
    return "; ".join(
        f"{one.measure} of {one.of} is {one.value:.4f}, at most {one.limit:g} is allowed"
        for one in parity.figures
        if not one.well
    )


def need_parity(parity: Parity, *, where: str, remedy: str) -> None:
    """Raise ``ModelError`` with the figures beyond their limits, where there are any."""
    if not parity.passed:
        raise ModelError(f"too far from full precision: {complaint(parity)}", where=where, remedy=remedy)


def _film(reference: Predictor, runtime: Predictor, film: ParityFilm, clocks: Clocks) -> dict[tuple[str, str], float]:
    """What one film's results differ by, by structure and measure."""
    radiograph = film.read()
    prepared = reference.prepare(radiograph)
    raw = [_timed(model, prepared, clock) for model, clock in zip((reference, runtime), clocks, strict=True)]
    first, second = (_decoded(reference, prepared, one) for one in raw)
    targets = reference.card.targets
    row = {("all outputs", "largest difference"): float(np.abs(raw[0] - raw[1]).max())}
    truth = film.truth(targets, radiograph.shape)
    truth = {**truth, **class_masks(targets, truth, radiograph.shape)}
    lesions = [target.label for target in targets if isinstance(target, Lesions)]
    ours, theirs = _masks(first, targets), _masks(second, targets)
    for label, mask in ours.items():
        row[label, "pixels that disagree"] = float(np.mean(mask != theirs[label]))
        if label in lesions:
            best = [float(one.probabilities[label].max()) for one in (first, second)]
            row[label, "change of the best score"] = abs(best[0] - best[1])
            continue
        row[label, _SHARED], row[label, _EITHER] = (
            float(np.sum(mask & theirs[label])),
            float(np.sum(mask | theirs[label])),
        )
        if label in truth:
            known = np.asarray(truth[label]).astype(bool)
            row[label, "Jaccard lost against the truth"] = jaccard(mask, known) - jaccard(theirs[label], known)
    for name, picture in first.pictures.items():
        change = second.pictures[name].astype(np.float64) - picture
        row[name, "RMSE between both"] = float(np.sqrt(np.mean(change**2)))
        row[name, "largest difference"] = float(np.abs(change).max())
    return row


def _time_more(reference: Predictor, runtime: Predictor, clocks: Clocks) -> None:
    """A few more times of each, so that the least one is not a chance of other work on the machine."""
    blank = np.zeros((64, 64), np.uint8)
    prepared = reference.prepare(Radiograph(blank, DisplayMapping(0, 255)))
    while len(clocks[0]) < _TIMES:
        for model, clock in zip((reference, runtime), clocks, strict=True):
            _timed(model, prepared, clock)


def _timed(model: Predictor, prepared: Prepared, clock: list[float]) -> NDArray[Any]:
    start = time.perf_counter()
    raw = model.infer(prepared)
    clock.append(time.perf_counter() - start)
    return raw


def _decoded(model: Predictor, prepared: Prepared, raw: NDArray[Any]) -> Decoded:
    clean = model.options().clean
    return decode(raw, model.card.targets, prepared.place, clean=clean, film=prepared.film.display)


def _masks(decoded: Decoded, targets: TargetSet) -> dict[str, NDArray[np.bool_]]:
    """Masks by label, those of the classes of class maps included."""
    masks = dict(decoded.masks)
    for name, index in decoded.classes.items():
        masks |= {label: index == k for k, label in enumerate(targets[name].channel_labels)}
    return masks


def _figures(rows: list[dict[tuple[str, str], float]], tolerance: Tolerance) -> Iterable[Figure]:
    """Means over films, but overlaps of all their pixels, and the largest of largest differences."""
    limits = {
        "1 - Jaccard between both": tolerance.disagree,
        "Jaccard lost against the truth": tolerance.lost,
        "RMSE between both": tolerance.picture,
        "change of the best score": tolerance.score,
    }
    values: dict[tuple[str, str], list[float]] = defaultdict(list)
    for row in rows:
        for key, value in row.items():
            values[key].append(value)
    for (of, measure), found in values.items():
        if measure == _SHARED:
            continue
        if measure == _EITHER:  # over all films, so that a structure of few pixels on some of them does not decide
            measure, found = "1 - Jaccard between both", [1 - sum(values[of, _SHARED]) / max(1.0, sum(found))]
        value = max(found) if measure == "largest difference" else float(np.mean(found))
        yield Figure(of=of, measure=measure, value=round(value, 6), limit=limits.get(measure))
        if measure == "RMSE between both":
            yield Figure(of=of, measure="RMSE in 8-bit grey levels", value=round(255 * value, 4))
