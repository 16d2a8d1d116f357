"""The radiograph: one 2-D X-ray image as it was stored, and how to look at it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xprism.errors import DataError


@dataclass(frozen=True)
class Spacing:
    """Distance between pixel centres in mm, with where the number came from.

    ``origin`` is ``PixelSpacing``, ``ImagerPixelSpacing`` (at the detector, so lengths in the body
    read too long), ``ImagerPixelSpacing/magnification`` (divided by the stated magnification),
    ``NominalScannedPixelSpacing`` (a scanned film),
    ``file`` (from the format itself) or ``user``.
    """

    row_mm: float
    column_mm: float
    origin: str

    def __post_init__(self) -> None:
        if not (self.row_mm > 0 and self.column_mm > 0):
            raise DataError("pixel spacing must be positive", remedy="pass None where it is unknown")


@dataclass(frozen=True)
class DisplayMapping:
    """Invertible path from stored values to display values (bone bright, lungs dark).

    Stored values between ``low`` and ``high`` (the ends of what the file's bits can hold) go to
    [0, 1]; ``inverted`` turns the scale over, as MONOCHROME1 and raw JSRT films need. ``table``,
    when given, is a modality look-up table indexed by ``stored - table_start``; it must not fall.
    Values outside [low, high] map outside [0, 1]: nothing is clipped.
    """

    low: float
    high: float
    inverted: bool = False
    table: NDArray[np.float64] | None = None
    table_start: int = 0

    def __post_init__(self) -> None:
        if not self.high > self.low:
            raise DataError("a display mapping needs high > low")
        if self.table is not None and np.any(np.diff(self.table) < 0):
            raise DataError("a modality table must not fall", remedy="invert the mapping instead")

    def to_display(self, stored: NDArray[Any]) -> NDArray[np.float32]:
        """Display values, float32, of stored values of any shape."""
        if stored.dtype.kind in "iu" and stored.dtype.itemsize <= 2 and stored.size > 2**16:
            # Every value that can occur is mapped once: ten times faster on a large film, same numbers.
            info = np.iinfo(stored.dtype)
            mapped = self._mapped(np.arange(info.min, info.max + 1))
            return mapped.take(stored.astype(np.int32) - info.min)
        return self._mapped(stored)

    def _mapped(self, stored: NDArray[Any]) -> NDArray[np.float32]:
        values = stored.astype(np.float64)
        if self.table is not None:
            index = np.clip(stored.astype(np.int64) - self.table_start, 0, len(self.table) - 1)
            values = self.table[index]
        if self.inverted:
            values = (self.low + self.high) - values
        return ((values - self.low) / (self.high - self.low)).astype(np.float32)

    def to_stored(self, display: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
        """Stored values of display values: exact for what ``to_display`` made, nearest otherwise."""
        values = display.astype(np.float64) * (self.high - self.low) + self.low
        if self.inverted:
            values = (self.low + self.high) - values
        if self.table is not None:
            right = np.clip(np.searchsorted(self.table, values), 1, len(self.table) - 1)
            nearer_left = values - self.table[right - 1] < self.table[right] - values
            values = (right - nearer_left + self.table_start).astype(np.float64)
        if np.issubdtype(dtype, np.integer):
            info = np.iinfo(dtype)
            values = np.clip(np.rint(values), info.min, info.max)
        return values.astype(dtype)


@dataclass(frozen=True)
class Radiograph:
    """One X-ray image: stored values at full depth, a mapping to display, and how it was read.

    ``stored`` is [H, W] exactly as in the file. ``window`` is a (low, high) pair in display units
    for viewing, or None. ``view`` is ``PA``, ``AP``, ``LATERAL`` or None; ``laterality`` ``L``,
    ``R``, ``B`` or None; ``body_part`` upper case or None. ``origin`` names the file format
    (``dicom``, ``png``, ``jsrt`` ...). ``log`` lists every decision taken on the way, one sentence each. ``header`` is
    a DICOM film's public header without pixels, as a small DICOM file; empty for other formats.
    """

    stored: NDArray[Any]
    mapping: DisplayMapping
    spacing: Spacing | None = None
    modality: str | None = None
    body_part: str | None = None
    view: str | None = None
    laterality: str | None = None
    window: tuple[float, float] | None = None
    origin: str = "array"
    source: str = ""
    sha256: str = ""
    log: tuple[str, ...] = ()
    attributes: dict[str, str] = field(default_factory=dict)
    header: bytes = field(default=b"", repr=False)

    def __post_init__(self) -> None:
        if self.stored.ndim != 2 or min(self.stored.shape) < 1:
            raise DataError(f"a radiograph is [H, W], not {list(self.stored.shape)}", where=self.source)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return int(self.stored.shape[0]), int(self.stored.shape[1])

    @cached_property
    def display(self) -> NDArray[np.float32]:
        """The film for looking at and for networks: float32 [H, W], bone bright, lungs dark, unclipped."""
        return self.mapping.to_display(self.stored)

    def to_stored(self, display: NDArray[Any]) -> NDArray[Any]:
        """Bring display values, float [H, W], back to the file's own scale and data type."""
        return self.mapping.to_stored(display, self.stored.dtype)

    def viewed(self) -> NDArray[np.uint8]:
        """The film as 8-bit grey [H, W] through its window, else through its 0.5 to 99.5 % range."""
        low, high = self.window or robust_range(self.display, 0.5, 99.5)
        scaled = (self.display - low) / max(high - low, 1e-12)
        return np.asarray(np.rint(np.clip(scaled, 0, 1) * 255), np.uint8)

    def noted(self, *sentences: str) -> Radiograph:
        """The same radiograph with sentences added to its reading log."""
        return replace(self, log=self.log + sentences)


def robust_range(values: NDArray[Any], low_percent: float, high_percent: float) -> tuple[float, float]:
    """Percentiles of the finite values, widened to the full range (or by one) where they coincide.

    Large films are thinned to about 60,000 regularly spaced pixels, the same ones at every call,
    unless the whole range is asked for.
    """
    whole = low_percent == 0 and high_percent == 100
    step = 1 if whole else max(1, int(np.sqrt(values.size / 60_000)))
    sample = values[::step, ::step] if values.ndim == 2 else values
    sample = sample[np.isfinite(sample)]
    if not sample.size:
        return 0.0, 1.0
    low, high = (float(v) for v in np.percentile(sample, (low_percent, high_percent)))
    if high <= low:
        low, high = float(sample.min()), float(sample.max())
    return (low, high) if high > low else (low, low + 1.0)
