"""Results as DICOM objects beside the film (extra ``dicom``): segmentation, derived image, report, overlay."""

from __future__ import annotations

from importlib.util import find_spec

from xprism.errors import MissingExtra

KINDS = ("dicom", "dicom-labelled", "dicom-probabilities")
"""``dicom``: masks, what remains of the film without its layers, measurements and the overlay; ``dicom-labelled``:
what remains, with words burnt in; ``dicom-probabilities``: the probabilities of the masks."""


def need_dicom() -> None:
    """Raise ``MissingExtra`` where highdicom is not installed."""
    if find_spec("highdicom") is None:
        raise MissingExtra("DICOM results need highdicom", remedy="pip install 'xprism[dicom]'")
