"""What the decoding process tells of a DICOM film besides its pixels; plain values that fit in JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Facts:
    """The mapping's parts, header values and the log; ``inverted`` is None where no tag tells.

    ``window`` is in the mapping's units before it inverts; ``spacing`` is row mm, column mm, origin; ``header`` the
    header for results that lie beside the film, in base64.
    """

    low: float
    high: float
    inverted: bool | None
    table: list[float] | None
    table_start: int
    window: tuple[float, float] | None
    spacing: tuple[float, float, str] | None
    modality: str | None
    body_part: str | None
    view: str | None
    laterality: str | None
    attributes: dict[str, str]
    log: list[str]
    header: str = ""

    def as_json(self) -> dict[str, Any]:
        """The fields by name."""
        return asdict(self)
