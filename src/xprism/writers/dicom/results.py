"""All DICOM objects of one result."""

from __future__ import annotations

import io
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from xprism.result import Result
from xprism.targets import Layer
from xprism.writers.dicom.capture import capture
from xprism.writers.dicom.companion import companion, name_of
from xprism.writers.dicom.measurements import measurements
from xprism.writers.dicom.origin import Origin, write
from xprism.writers.dicom.segmentation import binary, fractional, masks_of


def write_dicom(result: Result, folder: Path, *, kinds: Collection[str], overlay: bytes) -> Result:
    """Write the DICOM objects of ``kinds`` into ``folder``; the result comes back with what was left out in its log.

    ``overlay`` is the overlay as PNG. Of a refused film nothing is written.
    Raises ``OutputError`` where nothing can refer to the film.
    """
    if result.refused is not None:
        return result
    origin = Origin.of(result)
    if "dicom" in kinds:
        masks = masks_of(result)
        segmentation = binary(origin, masks) if masks else None
        if segmentation is not None:
            write(segmentation, folder / "masks.dcm")
        write(measurements(origin, segmentation), folder / "measurements.dcm")
        with Image.open(io.BytesIO(overlay)) as picture:
            write(capture(origin, np.asarray(picture.convert("RGB"))), folder / "overlay.dcm")
        _write_companions(origin, folder, labelled=False)
    if "dicom-labelled" in kinds:
        _write_companions(origin, folder, labelled=True)
    if "dicom-probabilities" in kinds and result.probabilities:
        write(fractional(origin), folder / "probabilities.dcm")
    return replace(result, log=(*result.log, *origin.notes))


def _write_companions(origin: Origin, folder: Path, *, labelled: bool) -> None:
    for layer in origin.result.card.targets if origin.result.card is not None else ():
        if isinstance(layer, Layer):
            made = companion(origin, layer, labelled=labelled)
            write(made, folder / f"{name_of(layer, labelled=labelled)}.dcm")
