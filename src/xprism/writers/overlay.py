"""The overlay: the film with coloured outlines, boxes of findings, the lines of the ratio and a legend."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from xprism.grid import resize
from xprism.png import png_of
from xprism.radiograph import Radiograph, robust_range
from xprism.result import Lesion, Measurement, Result
from xprism.targets import Layer
from xprism.writers.record import notice_of

Colour = tuple[int, int, int]

LONG_SIDE, SHORT_FILM = 1024, 640
"""Long side of the picture in pixels: larger films are shrunk to the first, smaller ones enlarged to the second."""

COLOURS: dict[str, Colour] = {
    "right_lung": (86, 180, 233),
    "left_lung": (0, 200, 150),
    "heart": (255, 105, 97),
    "right_clavicle": (240, 228, 66),
    "left_clavicle": (245, 165, 40),
}
"""Colours that stay apart for colour-blind eyes (after Okabe and Ito)."""

_MORE: tuple[Colour, ...] = ((204, 121, 167), (86, 180, 233), (240, 228, 66), (0, 200, 150), (245, 165, 40))
_INK, _PAPER, _FAINT = (235, 235, 235), (18, 20, 24), (160, 165, 172)
_HEART_LINE, _THORAX_LINE = (255, 150, 140), (255, 255, 255)


@dataclass(frozen=True)
class _Canvas:
    """The picture being drawn: its scale against the film and the line width that suits its size."""

    picture: Image.Image
    rows: float
    columns: float

    @property
    def line(self) -> int:
        return max(1, round(max(self.picture.size) / 420))

    @property
    def letter(self) -> int:
        return max(12, round(max(self.picture.size) / 52))

    def at(self, row: float, column: float) -> tuple[float, float]:
        """Picture position (x, y) of a film position whose (0, 0) is the centre of the first pixel."""
        return (column + 0.5) * self.columns - 0.5, (row + 0.5) * self.rows - 0.5


def overlay_png(result: Result) -> bytes:
    """The overlay of a result as a PNG, RGB, 640 to 1024 pixels on its long side plus the legend."""
    return png_of(np.asarray(draw_overlay(result)))


def draw_overlay(result: Result) -> Image.Image:
    """The overlay of a result as a picture; a refused film is shown with the reason and no outlines."""
    canvas, masks = _canvas(result.radiograph), outlined(result)
    for label, mask in masks.items():
        if label not in result.lesion_labels:
            _draw_mask(canvas, mask, colour_of(label, tuple(masks)))
    for label in result.lesion_labels:
        for lesion in result.reported(label):
            _draw_lesion(canvas, lesion, colour_of(label, (*masks, label)))
    _draw_sides(canvas, result)
    if "ctr" in result.measurements:
        _draw_ratio(canvas, result.measurements["ctr"])
    return _with_legend(canvas, result)


def outlined(result: Result) -> dict[str, NDArray[np.bool_]]:
    """What has an outline [H, W]: every mask, and of class maps every class but the first, which is all the rest."""
    found = dict(result.masks)
    for name, index in result.classes.items():
        for number, label in enumerate(result.class_labels.get(name, ())[1:], start=1):
            found.setdefault(label, index == number)
    return found


def view_png(film: Radiograph) -> bytes:
    """The film alone, 8-bit grey, at the size of the overlay."""
    return png_of(_viewed(film.display, _window(film)))


def picture_png(result: Result, name: str) -> bytes:
    """One picture [H, W] of a result as 8-bit grey at the size of the overlay.

    What a layer leaves of the film is shown through the film's own window, so that the two can be compared; any
    other picture through its 0.5 to 99.5 % range.
    """
    film, values = result.radiograph, result.pictures[name]
    remains = {target.leaves for target in (result.card.targets if result.card else ()) if isinstance(target, Layer)}
    return png_of(_viewed(values, _window(film) if name in remains else robust_range(values, 0.5, 99.5)))


def layer_png(result: Result, layer: Layer) -> bytes:
    """What was taken from the film [H, W] as 8-bit grey at the size of the overlay: 0 is dark grey."""
    values = result.radiograph.display - result.pictures[layer.leaves]
    reach = max(float(np.percentile(values, 99.5)), 1e-3)
    return png_of(_viewed(values, (-reach / 3, reach)))


def _window(film: Radiograph) -> tuple[float, float]:
    return film.window or robust_range(film.display, 0.5, 99.5)


def colour_of(label: str, labels: tuple[str, ...]) -> Colour:
    """The colour of a structure: fixed for the organs, by its place among ``labels`` otherwise."""
    return COLOURS.get(label) or _MORE[labels.index(label) % len(_MORE)]


def _viewed(values: NDArray[np.float32], window: tuple[float, float]) -> NDArray[np.uint8]:
    """Display values [H, W] through a window as 8-bit grey, shrunk first: a tenth of the work for a large film."""
    long = max(values.shape)
    scale = min(1.0, LONG_SIDE / long) if long > SHORT_FILM else SHORT_FILM / long
    height, width = (max(1, round(side * scale)) for side in values.shape)
    low, high = window
    scaled = resize(values, (height, width)) - np.float32(low)
    scaled *= np.float32(255 / max(high - low, 1e-12))
    viewed: NDArray[np.uint8] = np.clip(scaled + np.float32(0.5), 0, 255).astype(np.uint8)
    return viewed


def _canvas(film: Radiograph) -> _Canvas:
    grey = Image.fromarray(_viewed(film.display, _window(film)))
    return _Canvas(grey.convert("RGB"), grey.height / film.shape[0], grey.width / film.shape[1])


def _draw_mask(canvas: _Canvas, mask: NDArray[np.bool_], colour: Colour) -> None:
    """A light fill and a smooth outline along the border of the mask, drawn in its own box only."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return
    margin = 4 * canvas.line
    first, last = canvas.at(float(rows[0]), float(columns[0])), canvas.at(float(rows[-1]), float(columns[-1]))
    left, top = (max(0, int(v) - margin) for v in first)
    right, bottom = (min(side, int(v) + margin) for v, side in zip(last, canvas.picture.size, strict=True))
    far = min(right / canvas.columns, mask.shape[1]), min(bottom / canvas.rows, mask.shape[0])
    box = left / canvas.columns, top / canvas.rows, *far
    shape = Image.fromarray(mask.view(np.uint8) * np.uint8(255))
    how = Image.Resampling.BILINEAR if canvas.rows > 1 else Image.Resampling.NEAREST
    soft = shape.resize((right - left, bottom - top), how, box=box).filter(ImageFilter.BoxBlur(canvas.line * 0.75))
    canvas.picture.paste(colour, (left, top), soft.point(_OPACITY))


def _draw_lesion(canvas: _Canvas, lesion: Lesion, colour: Colour) -> None:
    """The box along the outer edges of its pixels, with the score above it."""
    top, left, bottom, right = lesion.box_px
    corners = canvas.at(top - 0.5, left - 0.5), canvas.at(bottom - 0.5, right - 0.5)
    ImageDraw.Draw(canvas.picture).rectangle(corners, outline=colour, width=canvas.line)
    above = corners[0][0], corners[0][1] - 2 * canvas.line
    _label(canvas, f"{lesion.score:.2f}", above, anchor="lb", size=canvas.letter)


def _opacity() -> list[int]:
    """Opacity (0 to 255) by blurred mask value: a light fill inside, opaque along the border."""
    value = np.arange(256) / 255
    outline = np.clip(1.35 - 2.7 * np.abs(value - 0.5), 0, 1) * 0.95
    return [int(v) for v in np.rint(255 * np.maximum(outline, 0.13 * (value > 0.5)))]


_OPACITY = _opacity()


def _draw_sides(canvas: _Canvas, result: Result) -> None:
    """R and L where the masks say that the patient's right and left are."""
    right, left = (result.structures.get(f"{side}_lung") for side in ("right", "left"))
    if right is None or left is None or right.centroid_px is None or left.centroid_px is None:
        return
    words = ("R", "L") if right.centroid_px[1] < left.centroid_px[1] else ("L", "R")
    edge = canvas.letter
    _label(canvas, words[0], (edge, edge), anchor="lt", size=round(canvas.letter * 1.3))
    _label(canvas, words[1], (canvas.picture.width - edge, edge), anchor="rt", size=round(canvas.letter * 1.3))


def _draw_ratio(canvas: _Canvas, ratio: Measurement) -> None:
    draw = ImageDraw.Draw(canvas.picture)
    *heart, thorax = ratio.lines
    midline = canvas.at(*heart[0][1])[0]
    bottom = canvas.at(*thorax[0])[1]
    top = min(canvas.at(*line[0])[1] for line in heart) - 3 * canvas.letter
    for dash in range(int(top), int(bottom), 4 * canvas.line + 4):
        draw.line([(midline, dash), (midline, dash + 2 * canvas.line + 2)], fill=_FAINT, width=max(1, canvas.line // 2))
    for line, colour in ((thorax, _THORAX_LINE), *((one, _HEART_LINE) for one in heart)):
        start, end = (canvas.at(*point) for point in line)
        draw.line([start, end], fill=colour, width=canvas.line)
        for x, y in (start, end):
            draw.line([(x, y - 3 * canvas.line), (x, y + 3 * canvas.line)], fill=colour, width=canvas.line)
    middle = (canvas.at(*thorax[0])[0] + canvas.at(*thorax[1])[0]) / 2
    text = f"CTR {ratio.value:.2f}" + ("" if ratio.reliable else " (unreliable)")
    _label(canvas, text, (middle, bottom + 2 * canvas.line), anchor="mt", size=canvas.letter)


def _label(canvas: _Canvas, text: str, at: tuple[float, float], *, anchor: str, size: int) -> None:
    """Light words on a dark ground, moved inside the picture where they would leave it."""
    draw = ImageDraw.Draw(canvas.picture)
    left, top, right, bottom = draw.textbbox(at, text, font=_font(size), anchor=anchor)
    pad = size // 4
    x = at[0] + max(0, pad - left) - max(0, right + pad - canvas.picture.width)
    y = at[1] + max(0, pad - top) - max(0, bottom + pad - canvas.picture.height)
    left, top, right, bottom = draw.textbbox((x, y), text, font=_font(size), anchor=anchor)
    draw.rectangle((left - pad, top - pad, right + pad, bottom + pad), fill=_PAPER)
    draw.text((x, y), text, fill=_INK, font=_font(size), anchor=anchor)


def _with_legend(canvas: _Canvas, result: Result) -> Image.Image:
    """The picture with a strip below it: colours and names, numbers, refusal, permitted use."""
    size, width = canvas.letter, canvas.picture.width
    pad, step = size // 2, round(size * 1.5)
    draw = ImageDraw.Draw(canvas.picture)
    labels = tuple(outlined(result))
    swatches = _wrapped(draw, [(label.replace("_", " "), label) for label in labels], width - 2 * pad, size)
    lines = [line for text in _sentences(result) for line in _broken(draw, text, width - 2 * pad, size)]
    sheet = Image.new("RGB", (width, canvas.picture.height + step * (len(swatches) + len(lines)) + 2 * pad), _PAPER)
    sheet.paste(canvas.picture)
    draw, y = ImageDraw.Draw(sheet), canvas.picture.height + pad
    for swatch_row in swatches:
        for x, text, label in swatch_row:
            colour = colour_of(label, labels)
            draw.rectangle((pad + x, y + size // 8, pad + x + size - 1, y + size), fill=colour)
            draw.text((pad + x + round(size * 1.4), y), text, fill=_INK, font=_font(size))
        y += step
    for line in lines:
        draw.text((pad, y), line, fill=_FAINT, font=_font(size))
        y += step
    return sheet


def _wrapped(
    draw: ImageDraw.ImageDraw, entries: list[tuple[str, str]], width: int, size: int
) -> list[list[tuple[int, str, str]]]:
    rows: list[list[tuple[int, str, str]]] = []
    x = 0
    for text, label in entries:
        needed = round(draw.textlength(text, font=_font(size)) + 2.6 * size)
        if not rows or x + needed > width + size:
            rows.append([])
            x = 0
        rows[-1].append((x, text, label))
        x += needed
    return rows


def _broken(draw: ImageDraw.ImageDraw, text: str, width: int, size: int) -> list[str]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and draw.textlength(longer, font=_font(size)) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _sentences(result: Result) -> list[str]:
    if result.refused is not None:
        return [f"Refused ({result.refused.code}): {result.refused.reason}", notice_of(result)]
    numbers = [*_numbers(result.measurements), *_findings(result)]
    forced = ["Forced past a refusal"] if result.overridden is not None else []
    return [" · ".join([*forced, *numbers, f"quality {result.quality.score:.2f}"]), notice_of(result)]


def _numbers(measurements: Mapping[str, Measurement]) -> list[str]:
    words = []
    for name, one in measurements.items():
        if name.startswith(("heart_width", "thoracic_width")):
            words.append(f"{name.rsplit('_', 1)[0].replace('_', ' ')} {one.value:.0f} {one.unit}")
    return words


def _findings(result: Result) -> list[str]:
    counts = {label.replace("_", " "): len(result.reported(label)) for label in result.lesion_labels}
    return [f"{name}: {number} found" if number else f"no {name} found" for name, number in counts.items()]


@lru_cache(maxsize=8)
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
