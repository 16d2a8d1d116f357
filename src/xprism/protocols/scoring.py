"""One case's prediction beside its truth, on one pixel grid, and every measure of the two."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xprism.data.manifest import Case
from xprism.errors import DataError
from xprism.evaluation.cases import with_derived
from xprism.evaluation.class_planes import nearest
from xprism.evaluation.scores import Score, grey_levels, mask_measures, picture_measures, true_levels
from xprism.grid import resize
from xprism.protocols.predictions import Prediction, Source
from xprism.readers import read

Shape = tuple[int, int]


@dataclass(frozen=True)
class Pair:
    """Truth and prediction of a case on the film's own grid, with what follows from their masks.

    ``resized`` says that some truth had another size than the film.
    """

    case: Case
    truth: dict[str, NDArray[Any]]
    prediction: Prediction
    resized: bool = False


def pair(case: Case, source: Source, truth: Mapping[str, NDArray[Any]]) -> Pair:
    """The prediction of a case beside its ``truth`` as the manifest has it.

    Raises ``NoPrediction`` where there is none, and ``DataError`` where it does not have the film's
    size or the truth not its shape. The film is read only where sizes differ.
    """
    prediction = source(case)
    made = prediction.masks | {name: values for name, (_, values) in prediction.pictures.items()}
    resized = len({plane.shape[:2] for plane in (*made.values(), *truth.values())}) > 1
    if resized:
        film = read(case.film, polarity=case.attributes.get("polarity", "auto")).shape
        for name, plane in made.items():
            _refuse_other_size(name, plane, film)
        truth = truth_on(film, truth)
    prediction = replace(prediction, masks=with_derived(prediction.masks, source.unions))
    return Pair(case, with_derived(truth, source.unions), prediction, resized)


def truth_on(film: Shape, truth: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """True masks, class maps and pictures [h, w] at the film's size.

    Bilinear, a mask where it is a half or more; class maps by the nearest pixel.
    Raises ``DataError`` where one does not have the film's shape.
    """
    return {name: _onto(film, plane, name) for name, plane in truth.items()}


def score_pair(both: Pair) -> list[Score]:
    """Every measure of every mask and picture that both the truth and the prediction of a case have."""
    case, truth, prediction = both.case, both.truth, both.prediction
    spacing, masks = spacing_of(case, prediction), prediction.masks
    about: dict[str, Any] = {"case": case.case, "subject": case.subject, "matched_by": prediction.matched_by}
    scores = []
    for label in truth:
        if label in masks and label not in case.pictures:
            scores.append(Score(structure=label, **about, **mask_measures(masks[label], truth[label], spacing=spacing)))
    for name, (target, values) in prediction.pictures.items():
        if name in truth and np.isnan(truth[name]).any():
            continue  # known in a region only, so that there is no frame to score
        real = true_levels(target, truth)
        if real is not None:
            made, lungs = grey_levels(values, target), truth.get("lungs")
            for region, measures in picture_measures(made, real, lungs=lungs, cut=bool(target.within)):
                scores.append(Score(structure=name, region=region, **about, **measures))
    return scores


def spacing_of(case: Case, prediction: Prediction) -> tuple[float, float] | None:
    """Distance of pixels (row, column) in mm: as the manifest states it, else the film; None where neither does."""
    if case.stated_spacing is None and prediction.spacing is not None:
        return prediction.spacing
    return case.load_spacing()


def _refuse_other_size(name: str, plane: NDArray[Any], film: Shape) -> None:
    if plane.shape[:2] != film:
        raise DataError(
            f"the predicted {name} has {plane.shape[0]} x {plane.shape[1]} pixels, the film {film[0]} x {film[1]}",
            remedy="bring predictions onto the film's own pixel grid",
        )


def _onto(film: Shape, plane: NDArray[Any], name: str) -> NDArray[Any]:
    rows, columns = plane.shape[:2]
    if (rows, columns) == film:
        return plane
    if abs(rows * film[1] / (columns * film[0]) - 1) > 0.01:
        raise DataError(
            f"the true {name} has {rows} x {columns} pixels, the film {film[0]} x {film[1]}: not the same shape",
            remedy="correct the manifest or the file",
        )
    if plane.dtype == np.uint8:  # the numbers of classes
        return nearest(plane, film)
    larger = resize(plane, film)
    return np.asarray(larger >= 0.5) if plane.dtype == bool else larger
