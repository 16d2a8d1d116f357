"""Masks, class maps and translated pictures as PNG files on the film's own grid."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xprism.png import save_png
from xprism.result import Result
from xprism.targets import Classes, Layer, Lesions, Masks, Picture, Target

FLAG_TARGET = "organs"
"""A ``Masks`` target of this name with at most eight labels goes into one ``masks.png`` of bit flags."""


@dataclass(frozen=True)
class ImageFile:
    """One PNG of a result: which target it shows and how to read its values."""

    file: str
    target: str
    kind: str
    reading: dict[str, Any] = field(default_factory=dict)


def write_images(result: Result, folder: Path) -> list[ImageFile]:
    """Write every mask, class map and picture of a result into ``folder`` and say what each file holds."""
    if result.refused is not None:
        return []
    written: list[ImageFile] = []
    for target in targets_of(result):
        if isinstance(target, Masks):
            written += _write_masks(result, target, folder)
        elif isinstance(target, Classes):
            image = ImageFile(f"{target.name}.png", target.name, "classes", {"labels": list(target.labels)})
            save_png(result.classes[target.name], folder / image.file)
            written.append(image)
        elif isinstance(target, Picture):
            written.append(_write_picture(result, target, folder))
        elif isinstance(target, Layer):
            written.append(_write_picture(result, Picture(name=target.leaves), folder))
        elif isinstance(target, Lesions):
            written.append(_write_mask(result.masks[target.label], target.name, target.label, folder))
    return written


def write_layers(result: Result, folder: Path) -> list[ImageFile]:
    """Write what was taken from the film, such as its bones, in 16 bits on the film's grey scale about a zero.

    ``film = remains + (stored - zero) / full_scale`` in display values; a layer is cut at half of the film's range.
    """
    if result.refused is not None:
        return []
    written = []
    for target in targets_of(result):
        if isinstance(target, Layer):
            layer = result.radiograph.display - result.pictures[target.leaves]
            save_png(np.rint(np.clip(32768 + 65535 * layer, 0, 65535)).astype(np.uint16), folder / f"{target.name}.png")
            reading = {"zero": 32768, "full_scale": 65535, "leaves": target.leaves}
            written.append(ImageFile(f"{target.name}.png", target.name, "layer", reading))
    return written


def targets_of(result: Result) -> tuple[Target, ...]:
    """The targets of a result: its card's, or else one set of independent masks."""
    if result.card is not None:
        return result.card.targets.targets
    return (Masks(name="masks", labels=tuple(result.masks)),) if result.masks else ()


def flags_of(target: Masks) -> dict[str, int] | None:
    """Bit of each label, 1, 2, 4 ... in the order of the labels, or None where each has a file of its own."""
    if target.name != FLAG_TARGET or len(target.labels) > 8:
        return None
    return {label: 1 << bit for bit, label in enumerate(target.labels)}


def _write_masks(result: Result, target: Masks, folder: Path) -> list[ImageFile]:
    flags = flags_of(target)
    if flags is None:
        return [_write_mask(result.masks[label], target.name, label, folder) for label in target.labels]
    picture = np.zeros(result.radiograph.shape, np.uint8)
    for label, flag in flags.items():
        picture |= result.masks[label].view(np.uint8) * np.uint8(flag)
    save_png(picture, folder / "masks.png")
    return [ImageFile("masks.png", target.name, "flags", {"flags": flags})]


def _write_mask(mask: NDArray[np.bool_], target: str, label: str, folder: Path) -> ImageFile:
    image = ImageFile(f"{label}.png", target, "mask", {"label": label, "inside": 255})
    save_png(mask.view(np.uint8) * np.uint8(255), folder / image.file)
    return image


def _write_picture(result: Result, target: Picture, folder: Path) -> ImageFile:
    """16 bits for one channel; 8 bits for three, as PNG writers have no deeper colour."""
    values = result.pictures[target.name]
    low, high = target.range
    depth, kind = (65535, np.uint16) if target.channels == 1 else (255, np.uint8)
    scaled = np.rint(np.clip((values - low) / (high - low), 0, 1) * depth).astype(kind)
    save_png(scaled, folder / f"{target.name}.png")
    return ImageFile(f"{target.name}.png", target.name, "picture", {"range": [low, high], "full_scale": depth})
