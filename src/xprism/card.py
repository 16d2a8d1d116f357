"""The card of a model: everything prediction and a careful reader need to know about it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from xprism.errors import ModelError
from xprism.targets import TargetSet


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class InputSpec(_Part):
    """How a display image becomes the network's input.

    The film is shrunk or enlarged to fit ``size`` (height, width) without changing its aspect,
    centred, and the border filled with the low end. Percentiles of the film (not of the border)
    map to [-1, 1]; values beyond them are clipped to [-``clip``, ``clip``]. ``inverted`` shows the network
    films with lungs bright and bone dark. A network that takes a ``window`` (height, width) learns from such parts of
    the grid at random places; in use it sees windows that lie over each other, and their raw outputs are averaged.
    """

    size: tuple[int, int] = Field(description="height and width of the network's grid")
    low_percent: float = Field(1.0, ge=0, lt=100, description="percentile of the film that becomes -1")
    high_percent: float = Field(99.0, gt=0, le=100, description="percentile of the film that becomes 1")
    clip: float = Field(1.5, ge=1, description="values are cut off beyond this")
    inverted: bool = Field(False, description="lungs bright, as on the films of the pix2pix papers")
    whole: bool = Field(False, description="a model in use sees wide blank borders, too, as training does")
    window: tuple[int, int] | None = Field(
        None, description="height and width of the part of the grid that the network sees at once; null: all of it"
    )
    stride: int | None = Field(
        None, gt=0, description="most pixels from one window to the next; null: two thirds of the window"
    )

    @model_validator(mode="after")
    def _windows_cover_the_grid(self) -> InputSpec:
        if self.window is None:
            if self.stride is not None:
                raise ValueError("stride goes with a window")
            return self
        if any(not 0 < part <= side for part, side in zip(self.window, self.size, strict=True)):
            raise ValueError(f"window {self.window} must lie within size {self.size}")
        if self.stride is not None and self.stride > min(self.window):
            raise ValueError(f"stride {self.stride} would leave gaps between windows of {self.window}")
        return self

    @property
    def seen(self) -> tuple[int, int]:
        """Height and width of what the network sees at once."""
        return self.window or self.size


class Score(_Part):
    """One measured figure: what, on which films, how."""

    measure: str
    structure: str
    mean: float
    low_5_percent: float | None = None
    worst: float | None = None
    films: int
    protocol: str


class TrainingRecord(_Part):
    """What a model learnt from, for how long, on which machine."""

    data: tuple[str, ...]
    films: int
    minutes: float
    hardware: str
    recipe: str
    seed: int


class Card(_Part):
    """``card.json``: targets, input, licence, training, figures, known failures and file hashes."""

    schema_version: Literal[1] = 1
    name: str
    version: str
    summary: str
    intended_use: str
    gate: Literal["frontal_chest", "none"] = "none"
    targets: TargetSet
    input: InputSpec
    parameters: int = Field(gt=0)
    network: dict[str, Any] = Field(default_factory=dict, description="the recipe's settings of the network")
    licence: str
    licence_file: str
    training: TrainingRecord
    scores: tuple[Score, ...] = ()
    known_failures: tuple[str, ...] = ()
    files: dict[str, str] = Field(default_factory=dict, description="sha256 by file name")

    @property
    def sha256(self) -> str:
        """Hash that identifies the weights: that of ``model.onnx``."""
        return self.files["model.onnx"]

    def save(self, folder: Path) -> None:
        """Write ``card.json`` into ``folder``."""
        (folder / "card.json").write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Card:
        """Read ``card.json`` of a model folder.

        Raises ``ModelError`` where it is missing or does not follow the schema.
        """
        path = folder / "card.json"
        try:
            return cls.model_validate_json(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ModelError(
                "no card.json", where=str(folder), remedy="give a model folder or a name from 'xprism models list'"
            ) from None
        except ValidationError as error:
            raise ModelError(_first(error.errors()), where=str(path), remedy="export the model again") from None

    def verify(self, folder: Path, name: str) -> Path:
        """Path of a file of the model, after its sha256 was found to match the card."""
        path = folder / name
        if name not in self.files or not path.is_file():
            raise ModelError(f"{name} is missing", where=str(folder), remedy="copy the whole model folder")
        if sha256_of(path) != self.files[name]:
            raise ModelError(f"{name} does not match its card", where=str(folder), remedy="copy the model folder again")
        return path


def sha256_of(path: Path) -> str:
    """Hexadecimal sha256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _first(errors: list[Any]) -> str:
    error = errors[0]
    return f"{'.'.join(str(part) for part in error['loc'])}: {error['msg']}"
