"""Where the structures of a chest lie: one dot each, to be drawn by a network or set by hand.

The first stage of Ciano et al. 2021: a dot lies at the centroid of each structure and has that structure's grey value.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from xprism.errors import DataError, OutputError
from xprism.synthesis.codes import as_grey

Structure = Literal["right_lung", "left_lung", "heart", "right_clavicle", "left_clavicle"]
STRUCTURES: tuple[Structure, ...] = ("right_lung", "left_lung", "heart", "right_clavicle", "left_clavicle")
"""In the order of their numbers, 1 to 5; 0 is background."""
NUMBERS = 1 + len(STRUCTURES)
SIZE = 64


class Dot(BaseModel):
    """A block of 2 radius + 1 pixels on a side about a pixel of the dot map."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    row: int = Field(ge=0)
    column: int = Field(ge=0)
    radius: int = Field(1, ge=0)


class Dots(BaseModel):
    """The dots of one film, on a map of ``size`` x ``size`` pixels; ``dots.json`` holds the same."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    schema_version: Literal[1] = 1
    size: int = Field(SIZE, ge=1)
    dots: dict[Structure, Dot]

    @model_validator(mode="after")
    def _lie_on_the_map(self) -> Dots:
        for structure, dot in self.dots.items():
            if max(dot.row, dot.column) >= self.size:
                raise ValueError(f"{structure} lies at {dot.row}, {dot.column}, outside a map of {self.size} pixels")
        return self

    def moved(self, structure: str, *, down: int = 0, right: int = 0) -> Dots:
        """The dots with one moved by pixels of the map; raises ``DataError`` where it would leave the map."""
        dot = self._dot(structure)
        row, column = dot.row + down, dot.column + right
        if not (0 <= row < self.size and 0 <= column < self.size):
            raise DataError(
                f"{structure} would lie at {row}, {column}", remedy=f"rows and columns run from 0 to {self.size - 1}"
            )
        return self._with(structure, dot.model_copy(update={"row": row, "column": column}))

    def scaled(self, structure: str, radius: int) -> Dots:
        """The dots with one of another ``radius``, 0 for one pixel."""
        if radius < 0:
            raise DataError(f"the radius of {structure} must be 0 or more, not {radius}")
        return self._with(structure, self._dot(structure).model_copy(update={"radius": radius}))

    def drawn_with(self, radius: int) -> Dots:
        """The dots with all of one ``radius``."""
        return self.model_copy(
            update={"dots": {name: dot.model_copy(update={"radius": radius}) for name, dot in self.dots.items()}}
        )

    def removed(self, structure: str) -> Dots:
        """The dots without one."""
        self._dot(structure)
        return self.model_copy(update={"dots": {name: dot for name, dot in self.dots.items() if name != structure}})

    def numbers(self) -> NDArray[np.uint8]:
        """The map [size, size] of the structures' numbers; where dots meet, the later structure is seen."""
        drawn = np.zeros((self.size, self.size), np.uint8)
        for number, structure in enumerate(STRUCTURES, start=1):
            if dot := self.dots.get(structure):
                rows, columns = (
                    slice(max(0, centre - dot.radius), centre + dot.radius + 1) for centre in (dot.row, dot.column)
                )
                drawn[rows, columns] = number
        return drawn

    def picture(self) -> NDArray[np.uint8]:
        """The dot map [size, size] in grey values, background 0."""
        return as_grey(self.numbers(), NUMBERS)

    def save(self, path: Path) -> None:
        """Write ``dots.json``; raises ``OutputError`` where that cannot be."""
        try:
            path.write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")
        except OSError as error:
            raise OutputError(f"cannot write dots: {error.strerror}", where=str(path)) from error

    @classmethod
    def load(cls, path: Path, *, radius: int = 1) -> Dots:
        """Read ``dots.json``; dots of which it states no radius have ``radius``.

        Raises ``DataError`` that says which entry is wrong, and where.
        """
        try:
            dots = cls.model_validate_json(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise DataError("no such file", where=str(path), remedy="give a dots.json") from None
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"cannot read dots: {error}", where=str(path)) from error
        except ValidationError as error:
            first = error.errors()[0]
            what = ": ".join(filter(None, (".".join(map(str, first["loc"])), first["msg"])))
            remedy = f"structures are {', '.join(STRUCTURES)}, each with row, column and radius"
            raise DataError(what, where=str(path), remedy=remedy) from None
        stated = {name: dot for name, dot in dots.dots.items() if "radius" in dot.model_fields_set}
        return dots.model_copy(update={"dots": {**dots.drawn_with(radius).dots, **stated}})

    def _dot(self, structure: str) -> Dot:
        for name, dot in self.dots.items():
            if name == structure:
                return dot
        raise DataError(f"there is no dot of {structure!r}", remedy=f"there are {', '.join(self.dots) or 'none'}")

    def _with(self, structure: str, dot: Dot) -> Dots:
        return self.model_copy(
            update={"dots": {name: dot if name == structure else old for name, old in self.dots.items()}}
        )


def dots_of(masks: Mapping[str, NDArray[Any]], *, size: int = SIZE, radius: int = 1) -> Dots:
    """A dot for each structure from its mask [H, W] at full size: floor(centroid * size / side), side H or W.

    Raises ``DataError`` where a mask is missing or empty.
    """
    found: dict[Structure, Dot] = {}
    for structure in STRUCTURES:
        mask = np.asarray(masks.get(structure, np.zeros((size, size)))) > 0
        if not mask.any():
            raise DataError(f"{structure} has no pixels, so no dot", remedy="give a mask of every structure")
        row, column = (
            math.floor(pixels.mean() * size / side) for pixels, side in zip(np.nonzero(mask), mask.shape, strict=True)
        )
        found[structure] = Dot(row=row, column=column, radius=radius)
    return Dots(size=size, dots=found)


def enlarged(picture: NDArray[Any], size: int) -> NDArray[Any]:
    """A square map [h, h] at ``size`` x ``size`` pixels, each repeated, so that no new value comes up."""
    times, rest = divmod(size, len(picture))
    if rest or not times:
        raise DataError(f"a map of {len(picture)} pixels cannot be enlarged to {size}", remedy="choose a multiple")
    return picture.repeat(times, axis=0).repeat(times, axis=1)
