"""What a network's raw outputs mean, read out by the targets of its card."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xprism.grid import Placement, resize
from xprism.inference.postprocess import Cleaning, Piece, bounding_window, clean_plane, enlarge_mask, find_pieces
from xprism.radiograph import Spacing
from xprism.result import Lesion
from xprism.targets import UNIONS, Classes, Layer, Lesions, Masks, Picture, TargetSet


@dataclass(frozen=True)
class Certainty:
    """How sure a network is of one mask.

    ``confidence`` in [0, 1] is the mean of |2p - 1| inside it; ``stability`` in [0, 1] the share of
    the mask at a low threshold that is still there at a high one; ``cleaning`` what was tidied.
    """

    confidence: float
    stability: float
    cleaning: Cleaning


@dataclass
class Decoded:
    """A film's masks, pictures, class maps and lesions on its own grid, with the certainty of each mask."""

    masks: dict[str, NDArray[np.bool_]] = field(default_factory=dict)
    probabilities: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    pictures: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    classes: dict[str, NDArray[np.uint8]] = field(default_factory=dict)
    lesions: list[Lesion] = field(default_factory=list)
    certainty: dict[str, Certainty] = field(default_factory=dict)


def decode(
    raw: NDArray[Any],
    targets: TargetSet,
    place: Placement,
    *,
    clean: bool,
    film: NDArray[np.float32],
    spacing: Spacing | None = None,
    part: str | None = None,
) -> Decoded:
    """Read raw outputs [K, h, w] of one ``film`` [H, W], as it is displayed, out on the film's own grid.

    ``clean`` keeps the largest piece of every mask (two of `lungs`, which are two organs) and fills its holes; lesions
    are left as they are. A layer is taken from the film, not clipped, so the picture that remains has the film's own
    depth and detail. Lesions have a size in mm where the ``spacing`` is known. Thresholds of classes are those for the
    ``part`` of the body.
    """
    values = targets.activate(place.crop(raw))
    decoded = Decoded()
    for target in targets:
        planes = values[targets.slices[target.name]]
        if isinstance(target, Masks):
            _masks(decoded, target, planes, place, clean=clean)
        elif isinstance(target, Picture):
            picture = _picture(planes, place.window_shape)
            decoded.pictures[target.name] = place.paste(picture, outside=target.range[0])
        elif isinstance(target, Layer):
            decoded.pictures[target.leaves] = film - place.paste(
                resize(planes[0] * np.float32(place.grey), place.window_shape)
            )
        elif isinstance(target, Classes):
            decoded.classes[target.name] = place.paste(_classes(target, planes, place.window_shape, part))
        else:
            _lesions(decoded, target, planes[0], place, spacing)
    return decoded


def _masks(decoded: Decoded, target: Masks, planes: NDArray[Any], place: Placement, *, clean: bool) -> None:
    for label, plane in zip(target.labels, planes, strict=True):
        keep = len(UNIONS.get(label, (label,)))
        tidy, cleaning = clean_plane(plane, target.threshold, keep=keep) if clean else (plane, Cleaning())
        decoded.masks[label] = place.paste(enlarge_mask(tidy, target.threshold, place.window_shape))
        decoded.probabilities[label] = plane
        confidence, stability = certainty(plane, target.threshold, within=tidy >= target.threshold)
        decoded.certainty[label] = Certainty(confidence, stability, cleaning)


def certainty(plane: NDArray[Any], threshold: float, *, within: NDArray[np.bool_]) -> tuple[float, float]:
    """Confidence and stability of the mask ``within`` of probabilities [h, w]; both 0 for an empty mask."""
    window = bounding_window(within)
    if window is None:
        return 0.0, 0.0
    inside = plane[window][within[window]]
    margin = 0.6 * min(threshold, 1 - threshold)
    surely, maybe = np.count_nonzero(plane >= threshold + margin), np.count_nonzero(plane >= threshold - margin)
    return float(np.abs(2 * inside - 1).mean()), surely / maybe


def _picture(planes: NDArray[Any], film: tuple[int, int]) -> NDArray[np.float32]:
    enlarged = [resize(plane, film) for plane in planes]
    return enlarged[0] if len(enlarged) == 1 else np.stack(enlarged, axis=-1)


def _classes(
    target: Classes, planes: NDArray[Any], film: tuple[int, int], part: str | None = None
) -> NDArray[np.uint8]:
    """The class [H, W] of every pixel: that of the largest probability, or by the target's thresholds."""
    thresholds, index = target.thresholds_for(part), np.zeros(film, np.uint8)
    best = np.full(film, -2, np.float32)
    for k, (label, plane) in enumerate(zip(target.labels, planes, strict=True)):
        enlarged = resize(plane, film)
        if label in thresholds:  # before every class without a threshold, or behind
            enlarged = np.where(enlarged > thresholds[label], enlarged + 2, enlarged - 2)
        better = enlarged > best
        index[better] = k
        np.copyto(best, enlarged, where=better)
    return index


def _lesions(decoded: Decoded, target: Lesions, plane: NDArray[Any], place: Placement, spacing: Spacing | None) -> None:
    """Findings of one plane, best first, and the mask of those that are reported."""
    shown = np.zeros(plane.shape, np.float32)
    for piece in find_pieces(plane, target.threshold):
        if piece.area < target.min_area_px:
            continue
        lesion = _lesion(target, piece, plane.shape, place, spacing)
        decoded.lesions.append(lesion)
        if lesion.reported:
            shown[piece.window][piece.inside] = plane[piece.window][piece.inside]
    decoded.probabilities[target.label] = plane
    decoded.masks[target.label] = place.paste(enlarge_mask(shown, target.threshold, place.window_shape))


def _lesion(target: Lesions, piece: Piece, grid: tuple[int, ...], place: Placement, spacing: Spacing | None) -> Lesion:
    """A piece of a plane of ``grid`` (height, width) pixels as a finding in the film's pixels."""
    sides, centre = [], []
    for side, middle, pixels, start, length in zip(
        piece.window, piece.centre, grid, place.window[:2], place.window_shape, strict=True
    ):
        step = length / pixels
        sides.append((start + int(side.start * step), start + min(length, int(np.ceil(side.stop * step)))))
        centre.append(start + (middle + 0.5) * step - 0.5)
    (top, bottom), (left, right) = sides
    diameter = None if spacing is None else max((bottom - top) * spacing.row_mm, (right - left) * spacing.column_mm)
    box = (top, left, bottom, right)
    return Lesion(target.label, box, piece.score, (centre[0], centre[1]), diameter, piece.score >= target.report_from)
