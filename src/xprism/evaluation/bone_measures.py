"""Measures of a bone-suppressed picture that see bones: inside the lungs, after a straight-line grey fit.

Lungs are masks bool [H, W] that are given, never a method's own, and hold both lungs: their width from the
leftmost to the rightmost column is the unit of length, so that no pixel spacing is needed. In adults it
is about 27 cm.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from xprism.errors import DataError
from xprism.evaluation.similarity import rmse

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

# Of the lungs' width.
_RIB_FINE, _RIB_COARSE = 1 / 150, 1 / 25
_STRUCTURE, _MARGIN = 1 / 20, 1 / 150


@dataclass(frozen=True)
class RibGradient:
    """How the gradient of a picture differs from the target's in the band of the ribs.

    ``error`` is the root mean squared difference, in the target's grey levels over a hundredth of the lungs'
    width. ``bone_left`` and ``tissue_kept`` are the shares of the film's bone gradient and of the target's
    gradient that are found in the picture: 0 and 1 in a perfect one, 1 and 1 in the film, both small in a
    blurred one; NaN where film and target do not differ.
    """

    error: float
    bone_left: float
    tissue_kept: float


def grey_fit(picture: NDArray[Any], reference: NDArray[Any], *, inside: Mask) -> Floats:
    """The picture [H, W] on the grey scale of the reference: the straight line of least squares ``inside`` a mask."""
    if not picture.shape == reference.shape == inside.shape or not inside.any():
        raise DataError("picture, reference and mask must have one size, and the mask at least one pixel")
    levels, goal = np.asarray(picture, np.float64), np.asarray(reference, np.float64)
    mean, wanted = levels[inside].mean(), goal[inside].mean()
    apart = levels[inside] - mean
    slope = float(apart @ (goal[inside] - wanted)) / (float(apart @ apart) or 1.0)
    return np.asarray(slope * (levels - mean) + wanted)


def lung_rmse(picture: NDArray[Any], target: NDArray[Any], *, lungs: Mask) -> float:
    """Root mean squared error inside the lungs after the grey fit, in the target's grey levels."""
    return rmse(grey_fit(picture, target, inside=lungs), target, inside=lungs)


def rib_gradient(picture: NDArray[Any], *, film: NDArray[Any], target: NDArray[Any], lungs: Mask) -> RibGradient:
    """Compare a picture's gradient with the target's where ribs show; all [H, W] and laid on each other.

    Picture and film are fitted to the target's grey levels inside the lungs. Of each the difference of two Gaussian
    blurs is taken, of 1/150 and 1/25 of the lungs' width, and of that the derivative down the rows, as most
    edges of ribs within the lungs run across. This passes half or more of what has 9 to 46 periods in the lungs'
    width (31 to 6 mm in lungs 27 cm wide). Blurs are means over the lungs' pixels alone, so that nothing enters from
    outside; a pixel counts where its neighbours above and below lie in the lungs, too.
    """
    goal = np.asarray(target, np.float64)
    inner = lungs & ndimage.binary_erosion(lungs, np.ones((3, 1)))
    width = lungs_width(lungs)
    made, real, bones = (
        _band(one, lungs, width)[inner] * width / 100
        for one in (
            grey_fit(picture, goal, inside=lungs),
            goal,
            grey_fit(film, goal, inside=lungs) - goal,
        )
    )
    error = float(np.sqrt(((made - real) ** 2).mean()))
    if not np.abs(bones).max() > 1e-9 * np.abs(real).max():
        return RibGradient(error, float("nan"), float("nan"))
    kept, left = np.linalg.lstsq(np.stack([real, bones], 1), made, rcond=None)[0]
    return RibGradient(error, float(left), float(kept))


def false_structure(
    picture: NDArray[Any], *, film: NDArray[Any], target: NDArray[Any], lungs: Mask, bones: Mask
) -> float:
    """What a picture changes where there is no bone, over what removing the bones changes where there is bone.

    Needs to know exactly where bone is, as in phantoms. Picture and target are fitted to the film's grey levels
    outside the bones inside the lungs, less a margin of 1/150 of the lungs' width around bones. Numerator: root mean
    square, over that region, of (picture - film) less its Gaussian mean of 1/20 of the lungs' width, taken
    over the region alone. Denominator: the same of (target - film) with means over the lungs, on bones inside
    the lungs. 0 for the film itself and, but for scatter, for a perfect picture; structure that was taken away
    counts like structure that was added. Raises ``DataError`` without lung on and off bones.
    """
    width = lungs_width(lungs)
    reach = int(np.ceil(_MARGIN * width))
    free = lungs & ~ndimage.binary_dilation(bones, iterations=reach)
    behind = lungs & bones
    if not free.any() or not behind.any():
        raise DataError("the lungs must lie partly behind bones and partly not", remedy="check the masks")
    levels = np.asarray(film, np.float64)
    added = grey_fit(picture, levels, inside=free) - levels
    removed = grey_fit(target, levels, inside=free) - levels
    noise = (added - _mean_within(added, free, _STRUCTURE * width))[free]
    signal = (removed - _mean_within(removed, lungs, _STRUCTURE * width))[behind]
    power = float((signal**2).mean())
    return float(np.sqrt((noise**2).mean() / power)) if power else float("nan")


def nodule_contrast(
    picture: NDArray[Any], row: float, column: float, radius_px: float, *, inside: Mask | None = None
) -> float:
    """Mean of a picture [H, W] within a disc over the plane that is fitted to the ring around it, in grey levels.

    The ring reaches from 1.5 to 2.5 radii; of it, only pixels ``inside`` a mask are used. A slope of the
    background adds nothing. Linear in the picture: a difference of two pictures, with and without a nodule, may be
    given as well. NaN where the disc leaves the picture or less than a half of the ring is there.
    """
    height, width = picture.shape
    down, along = np.mgrid[:height, :width] - np.array([row, column])[:, None, None]
    distance = np.hypot(down, along)
    disc, ring = distance <= radius_px, (distance >= 1.5 * radius_px) & (distance <= 2.5 * radius_px)
    ring = ring if inside is None else ring & inside
    whole = radius_px <= min(row, column, height - 1 - row, width - 1 - column)
    if not whole or ring.sum() < 0.5 * np.pi * (2.5**2 - 1.5**2) * radius_px**2 or not disc.any():
        return float("nan")
    levels = np.asarray(picture, np.float64)
    plane = np.stack([np.ones_like(distance), down, along], -1)
    flat = np.linalg.lstsq(plane[ring], levels[ring], rcond=None)[0]
    return float((levels[disc] - plane[disc] @ flat).mean())


def contrast_kept(
    picture: NDArray[Any], reference: NDArray[Any], row: float, column: float, radius_px: float, *, lungs: Mask
) -> float:
    """A nodule's contrast in the picture over that in the reference, the film without bones or the target.

    The picture is fitted to the reference's grey levels inside the lungs first. NaN where either contrast is not
    known, or the reference has none.
    """
    made = nodule_contrast(grey_fit(picture, reference, inside=lungs), row, column, radius_px, inside=lungs)
    real = nodule_contrast(reference, row, column, radius_px, inside=lungs)
    return made / real if abs(real) > 1e-9 * np.abs(reference).max() else float("nan")


def lungs_width(lungs: Mask) -> int:
    """Columns from the leftmost to the rightmost pixel of the lungs; raises ``DataError`` where there is none."""
    columns = np.flatnonzero(lungs.any(0))
    if not columns.size:
        raise DataError("the lungs' mask is empty")
    return int(columns[-1] - columns[0] + 1)


def _band(levels: Floats, lungs: Mask, width: int) -> Floats:
    between = _mean_within(levels, lungs, _RIB_FINE * width) - _mean_within(levels, lungs, _RIB_COARSE * width)
    return np.asarray(np.gradient(between, axis=0))


def _mean_within(levels: Floats, region: Mask, sigma_px: float) -> Floats:
    """Gaussian mean of the pixels of a region alone; meaningful inside it."""
    weight = ndimage.gaussian_filter(region.astype(np.float64), sigma_px, mode="constant")
    total = ndimage.gaussian_filter(np.where(region, levels, 0.0), sigma_px, mode="constant")
    return np.asarray(total / np.maximum(weight, 1e-12))
