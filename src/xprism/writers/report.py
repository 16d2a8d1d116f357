"""The report: one self-contained HTML page a film, to be read in any browser without a network."""

from __future__ import annotations

from base64 import b64encode
from functools import lru_cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined, Template

from xprism import __version__
from xprism.result import Lesion, Measurement, Result
from xprism.targets import Layer
from xprism.writers.overlay import colour_of, layer_png, outlined, picture_png, view_png
from xprism.writers.record import notice_of

_NAMES = {"ctr": "cardiothoracic ratio"}
_UNITS = {"ratio": "", "mm": "mm", "mm2": "cm²", "px": "px"}


def report_html(result: Result, *, overlay: bytes) -> str:
    """The page as text; ``overlay`` is the PNG to show beside the film."""
    card = result.card
    return _template().render(
        title=_title(result),
        film=result.radiograph,
        result=result,
        card=card,
        overlay=_data_uri(overlay),
        plain=_data_uri(view_png(result.radiograph)),
        pictures=[(name, _data_uri(picture_png(result, name))) for name in _grey(result)],
        layers={layer.leaves: (layer.name, _data_uri(layer_png(result, layer))) for layer in _layers(result)},
        structures=[_structure_row(result, label) for label in result.structures],
        lesions=[_lesion_row(lesion) for label in result.lesion_labels for lesion in result.reported(label)],
        measurements=[_measurement_row(one) for one in result.measurements.values()],
        log=[*result.radiograph.log, *result.log],
        notice=notice_of(result),
        version=__version__,
    )


@lru_cache(maxsize=1)
def _template() -> Template:
    text = (files("xprism.writers") / "templates" / "report.html").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(text)


def _grey(result: Result) -> list[str]:
    return [name for name, values in result.pictures.items() if values.ndim == 2]


def _layers(result: Result) -> list[Layer]:
    """The layers that were taken off; none of a film that was refused."""
    if result.card is None or result.refused is not None:
        return []
    return [target for target in result.card.targets if isinstance(target, Layer)]


def _title(result: Result) -> str:
    return result.radiograph.source.replace("\\", "/").rsplit("/", 1)[-1] or "film"


def _data_uri(png: bytes) -> str:
    return "data:image/png;base64," + b64encode(png).decode()


def _structure_row(result: Result, label: str) -> dict[str, Any]:
    one = result.structures[label]
    labels = tuple(outlined(result))
    return {
        "name": label.replace("_", " "),
        "colour": "#{:02x}{:02x}{:02x}".format(*colour_of(label, labels)) if label in labels else "transparent",
        "area": f"{one.area_px:,} px" if one.area_mm2 is None else f"{one.area_mm2 / 100:,.1f} cm²",
        "centroid": "" if one.centroid_px is None else "{:.0f}, {:.0f}".format(*one.centroid_px),
        "box": "" if one.box_px is None else "{}, {} to {}, {}".format(*one.box_px),
    }


def _lesion_row(one: Lesion) -> dict[str, str]:
    top, left, bottom, right = one.box_px
    return {
        "label": one.label.replace("_", " "),
        "centre": "{:.0f}, {:.0f}".format(*one.centre_px),
        "box": f"{top}, {left} to {bottom}, {right}",
        "size": f"{max(bottom - top, right - left)} px" if one.diameter_mm is None else f"{one.diameter_mm:.0f} mm",
        "score": f"{one.score:.2f}",
    }


def _measurement_row(one: Measurement) -> dict[str, Any]:
    stem = one.name if one.unit == "ratio" else one.name.removesuffix(f"_{one.unit}")
    value = {"ratio": f"{one.value:.3f}", "mm2": f"{one.value / 100:,.1f}"}.get(one.unit, f"{one.value:,.1f}")
    return {
        "name": _NAMES.get(stem, stem.replace("_", " ")),
        "value": f"{value} {_UNITS.get(one.unit, one.unit)}".strip(),
        "reliable": one.reliable,
        "note": one.note,
    }
