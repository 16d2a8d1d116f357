"""The grey scale of a DICOM film: modality transform into the mapping, window for viewing only."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from xprism.readers.dicom_kind import text
from xprism.readers.dicom_pixels import Layout

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Scale:
    """Stored values to modality values: a line, or a strictly monotone table over stored values.

    ``table`` rises; ``falls`` says that the modality scale runs against it (or against the stored
    values where there is no table). ``known`` is False where a transform had to be left out, so that
    a window in modality units cannot be placed.
    """

    low: float
    high: float
    slope: float = 1.0
    intercept: float = 0.0
    falls: bool = False
    table: Floats | None = None
    table_start: int = 0
    known: bool = True

    def before_turning(self, modality: float) -> float:
        """The value that ``DisplayMapping`` has before it inverts, of a modality value."""
        if self.table is not None:
            return self.low + self.high - modality if self.falls else modality
        return (modality - self.intercept) / self.slope


def numbers(dataset: Dataset, keyword: str) -> list[float]:
    """Header numbers, all finite; empty when absent or malformed."""
    try:
        value = dataset.get(keyword)
        if value is None or value == "":
            return []
        found = [float(v) for v in (value if hasattr(value, "__iter__") and not isinstance(value, str) else [value])]
    except Exception:  # a malformed header raises many kinds
        return []
    return found if np.isfinite(found).all() else []


def scale_of(dataset: Dataset, layout: Layout, stored: NDArray[Any]) -> tuple[Scale, list[str]]:
    """The modality transform of a film with sentences for the log."""
    low, high = layout.ends
    plain = Scale(float(low), float(high))
    if dataset.get("ModalityLUTSequence"):
        return _by_table(dataset, plain, stored)
    slope, intercept = (numbers(dataset, k)[:1] for k in ("RescaleSlope", "RescaleIntercept"))
    if not slope and not intercept:
        said = [k for k in ("RescaleSlope", "RescaleIntercept") if text(dataset, k)]
        return plain, [f"{' and '.join(said)} malformed; left out."] if said else []
    m, b = (slope or [1.0])[0], (intercept or [0.0])[0]
    if m == 0:
        return plain, ["RescaleSlope is zero; left out."]
    notes = [f"Rescale slope {m:g}, intercept {b:g}."] if (m, b) != (1.0, 0.0) else []
    if m < 0:
        notes.append("The rescale slope falls, so the scale was turned over.")
    return Scale(plain.low, plain.high, m, b, m < 0), notes


def _by_table(dataset: Dataset, plain: Scale, stored: NDArray[Any]) -> tuple[Scale, list[str]]:
    found = _lut(dataset, "ModalityLUTSequence", stored.dtype.kind == "i")
    if found is None:
        return replace(plain, known=False), ["The modality LUT is malformed; left out."]
    values, start = found
    first = int(np.clip(int(stored.min()) - start, 0, len(values) - 1))
    last = int(np.clip(int(stored.max()) - start, 0, len(values) - 1))
    outside = int(stored.min()) < start or int(stored.max()) >= start + len(values)
    falls = bool(values[last] < values[first])
    rising = -np.diff(values) if falls else np.diff(values)
    if outside or not (rising[first:last] > 0).all() or first == last:
        direction = Scale(plain.low, plain.high, falls=falls, known=False)
        turned = " Its direction, falling, was kept." if falls else ""
        return direction, [f"The modality LUT cannot be undone on this film's values; left out.{turned}"]
    while first > 0 and rising[first - 1] > 0:
        first -= 1
    while last < len(rising) and rising[last] > 0:
        last += 1
    kept = values[first : last + 1]
    low, high = float(kept.min()), float(kept.max())
    table = low + high - kept if falls else kept
    notes = [f"Applied the modality LUT ({len(kept)} strictly {'falling' if falls else 'rising'} entries)."]
    return Scale(low, high, falls=falls, table=table, table_start=start + first), notes


def _lut(dataset: Dataset, sequence: str, signed: bool) -> tuple[Floats, int] | None:
    """Entries and first input of a look-up table, or None where it is malformed."""
    try:
        item = dataset[sequence].value[0]
        count, start, bits = (int(v) for v in item.LUTDescriptor)
        raw = item.LUTData
        if isinstance(raw, bytes):
            raw = np.frombuffer(raw, np.uint8 if bits == 8 and len(raw) == (count or 65536) else "<u2")
        values = np.asarray(raw, np.float64).ravel()
    except Exception:  # a malformed sequence raises many kinds
        return None
    start = start - 65536 if signed and start > 32767 else start
    return (values, start) if len(values) == (count or 65536) and len(values) > 1 else None


def window_of(dataset: Dataset, scale: Scale) -> tuple[tuple[float, float] | None, list[str]]:
    """The viewing window as two values on the mapping's scale before it inverts, and log sentences."""
    found, notes = _voi_table(dataset) if dataset.get("VOILUTSequence") else (None, [])
    if found is None:
        found, more = _voi_window(dataset)
        notes += more
    if found is None:
        return None, notes
    if not scale.known:
        return None, ["The viewing window needs the modality LUT that was left out."]
    ends = sorted(scale.before_turning(v) for v in found)
    return (ends[0], ends[1]), notes


def _voi_window(dataset: Dataset) -> tuple[tuple[float, float] | None, list[str]]:
    centre, width = numbers(dataset, "WindowCenter")[:1], numbers(dataset, "WindowWidth")[:1]
    if not centre or not width:
        said = text(dataset, "WindowCenter") or text(dataset, "WindowWidth")
        return None, ["The viewing window is incomplete or malformed; left out."] if said else []
    c, w, function = centre[0], width[0], text(dataset, "VOILUTFunction").upper() or "LINEAR"
    if w <= (1 if function == "LINEAR" else 0):
        return None, [f"The viewing window's width {w:g} is too small; left out."]
    low, high = (c - 0.5 - (w - 1) / 2, c - 0.5 + (w - 1) / 2) if function == "LINEAR" else (c - w / 2, c + w / 2)
    sigmoid = " (a sigmoid, taken as a straight line)" if function == "SIGMOID" else ""
    return (low, high), [f"Window centre {c:g}, width {w:g}{sigmoid}: for viewing only, nothing is clipped."]


def _voi_table(dataset: Dataset) -> tuple[tuple[float, float] | None, list[str]]:
    intercept = numbers(dataset, "RescaleIntercept")[:1] or [0.0]
    signed = text(dataset, "PixelRepresentation") == "1" or intercept[0] < 0
    found = _lut(dataset, "VOILUTSequence", signed)
    if found is None:
        return None, ["The VOI LUT is malformed; left out."]
    values, start = found
    moves = np.flatnonzero(np.diff(values))
    if not moves.size or values[moves[-1] + 1] <= values[moves[0]]:
        return None, ["The VOI LUT does not rise; left out."]
    notes = ["The VOI LUT gives the range for viewing only; its curve is not applied."]
    return (float(start + moves[0]), float(start + moves[-1] + 1)), notes
