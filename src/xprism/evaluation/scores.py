"""Everything that is measured of one structure or picture of one case."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xprism.errors import DataError
from xprism.evaluation.overlap import Counts
from xprism.evaluation.similarity import mssim, psnr, rmse
from xprism.evaluation.surface import surface_distances
from xprism.targets import Picture

MASK_MEASURES = ("dice", "jaccard", "fnr", "fpr_gt", "hd95", "assd")
PICTURE_MEASURES = ("rmse", "psnr", "mssim")
OVERLAP_MEASURES = ("dice", "jaccard", "fnr", "fpr_gt")
DISTANCE_MEASURES = ("hd95", "assd")

Spacing = tuple[float, float]


@dataclass(frozen=True)
class Score:
    """One structure of one case, or one picture of it within a ``region`` (``frame``, ``lung``, ``frame_unmasked``).

    What does not apply is None, what is undefined NaN. ``unit`` is that of ``hd95`` and ``assd``,
    mm or px. ``tp``, ``fp`` and ``fn`` count pixels. ``subject`` is whose film it is.
    """

    case: str
    subject: str
    structure: str
    region: str = ""
    dice: float | None = None
    jaccard: float | None = None
    fnr: float | None = None
    fpr_gt: float | None = None
    hd95: float | None = None
    assd: float | None = None
    unit: str = ""
    tp: int | None = None
    fp: int | None = None
    fn: int | None = None
    rmse: float | None = None
    psnr: float | None = None
    mssim: float | None = None
    matched_by: str = ""

    @property
    def counts(self) -> Counts | None:
        """The pixel counts of a mask; None for a picture."""
        if self.tp is None or self.fp is None or self.fn is None:
            return None
        return Counts(self.tp, self.fp, self.fn)


def mask_measures(predicted: NDArray[Any], reference: NDArray[Any], *, spacing: Spacing | None) -> dict[str, Any]:
    """All measures of a mask [H, W] against its reference; distances are in mm where ``spacing`` (row, column) is."""
    counts = Counts.of(predicted, reference)
    hd95, assd = surface_distances(predicted, reference, spacing=spacing or (1.0, 1.0))
    overlap = {name: getattr(counts, name) for name in OVERLAP_MEASURES}
    distances = {"hd95": hd95, "assd": assd, "unit": "px" if spacing is None else "mm"}
    return {**overlap, **distances, "tp": counts.tp, "fp": counts.fp, "fn": counts.fn}


def picture_measures(
    made: NDArray[Any], real: NDArray[Any], *, lungs: NDArray[np.bool_] | None, cut: bool = True
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Region and measures of a picture of grey levels [H, W].

    ``frame`` is every pixel, ``lung`` those inside the lungs where lungs are known. A picture that is not ``cut``
    to the lungs has its every pixel measured as ``frame_unmasked``; its ``frame`` is then what the papers
    measure, with both pictures black outside the true lungs.
    """
    inside = None if lungs is None or not lungs.any() else lungs
    if inside is not None and not cut:
        yield "frame_unmasked", _similarity(made, real, None)
        made, real = np.where(inside, made, 0), np.where(inside, real, 0)
    yield "frame", _similarity(made, real, None)
    if inside is not None:
        yield "lung", _similarity(made, real, inside)


def _similarity(made: NDArray[Any], real: NDArray[Any], inside: NDArray[np.bool_] | None) -> dict[str, Any]:
    return {
        "rmse": rmse(made, real, inside=inside),
        "psnr": psnr(made, real, inside=inside),
        "mssim": mssim(made, real, inside=inside),
    }


def grey_levels(picture: NDArray[Any], target: Picture) -> NDArray[np.float64]:
    """A picture [H, W] or [H, W, 3] in the units of its target as grey levels 0 to 255.

    Values are rounded as they are when the picture is written (16 bits for one channel, 8 for three),
    then to 8 bits; three channels are averaged. So a picture scores the same before and after it was saved.
    """
    low, high = target.range
    share = np.clip((picture - low) / (high - low), 0, 1)  # in the picture's own precision, as it is written
    if picture.ndim == 3:
        return np.asarray(np.rint(share * 255).astype(np.float64).mean(axis=-1))
    return np.asarray(np.rint(np.rint(share * 65535).astype(np.float64) / 257))


def true_levels(target: Picture, known: Mapping[str, NDArray[Any]]) -> NDArray[np.float64] | None:
    """Grey levels of a case's real picture as its target has it: cut to masks where the target says so.

    None where the case does not know enough. Raises ``DataError`` where picture and masks differ in size.
    """
    sizes = {name: list(known[name].shape[:2]) for name in (target.name, *target.within) if name in known}
    if len({tuple(size) for size in sizes.values()}) > 1:
        raise DataError(f"a picture and the masks it is cut to differ in size: {sizes}", remedy="bring them onto one")
    planes = target.encode(known)
    if not planes:
        return None
    stacked = [planes[label] for label in target.channel_labels]
    return grey_levels(stacked[0] if len(stacked) == 1 else np.stack(stacked, axis=-1), target)
