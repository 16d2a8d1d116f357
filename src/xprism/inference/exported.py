"""Networks in the form of a faster runtime: where they lie, what was measured of them, whether they passed.

Below the model's own folder, or in the user's cache below the hash of the model's weights, each has a folder of
its own such as ``openvino-int8`` with its files and a record, ``parity.json``.
"""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from xprism.card import Card, sha256_of
from xprism.errors import ModelError

Precision = Literal["fp32", "bf16", "int8"]
PRECISIONS: tuple[Precision, ...] = ("fp32", "bf16", "int8")
RECORD, NETWORK, WEIGHTS = "parity.json", "model.xml", "model.bin"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Figure(_Part):
    """One thing that was compared: of which structure or picture, how large, and how large it may be.

    ``limit`` is None for what is told but not judged.
    """

    of: str
    measure: str
    value: float
    limit: float | None = None

    @property
    def well(self) -> bool:
        """Whether the value keeps to its limit."""
        return self.limit is None or self.value <= self.limit


class Parity(_Part):
    """What a runtime's results differ from those of ONNX Runtime at full precision, on which films."""

    films: int
    films_from: str
    calibrated_on: int = Field(description="other films, from which ranges of values were taken; 0 where none are")
    figures: tuple[Figure, ...]
    reference_ms: float = Field(description="least time of the network in ONNX Runtime at full precision, a film")
    runtime_ms: float = Field(description="least time in this runtime, taken in turns with the reference")
    processor: str
    threads: int

    @property
    def passed(self) -> bool:
        """Whether every figure keeps to its limit."""
        return all(figure.well for figure in self.figures)

    @property
    def speed(self) -> float:
        """How many times as fast as the reference."""
        return self.reference_ms / max(self.runtime_ms, 1e-9)


class Exported(_Part):
    """The record of a network in the form of a runtime. ``parity`` is None where nothing was compared."""

    schema_version: Literal[1] = 1
    runtime: Literal["openvino"] = "openvino"
    precision: Precision
    model: str
    model_version: str
    model_sha256: str
    files: dict[str, str] = Field(description="sha256 by file name")
    made_with: dict[str, str] = Field(description="versions of the packages by name")
    parity: Parity | None

    @property
    def name(self) -> str:
        """The name by which it is asked for, and that of its folder."""
        return f"{self.runtime}-{self.precision}"

    @property
    def passed(self) -> bool:
        """Whether its results were compared and were close enough."""
        return self.parity is not None and self.parity.passed

    @property
    def sha256(self) -> str:
        """Hash of the file that holds the weights."""
        return self.files[WEIGHTS]

    def verify(self, folder: Path) -> Path:
        """Path of the file that the runtime opens, after every file was found to match its hash."""
        for name, known in self.files.items():
            path = folder / name
            if not path.is_file() or sha256_of(path) != known:
                raise ModelError(
                    f"{name} is missing or does not match its record",
                    where=str(folder),
                    remedy=f"remove the folder, or make it again: {export_command(self.model, self.name)}",
                )
        return folder / NETWORK


def cache_folder() -> Path:
    """Where runtimes and compiled networks of this user are kept: ``xprism`` in XDG_CACHE_HOME, else ~/.cache."""
    given = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(given) if os.path.isabs(given) else Path.home() / ".cache") / "xprism"


def cached_runtimes(card: Card) -> Path:
    """The folder in the cache for runtimes of the model with this card."""
    return cache_folder() / "runtimes" / card.sha256


def find_exported(model: Path, card: Card) -> dict[str, tuple[Path, Exported]]:
    """The runtimes of a model by name, each with its folder; those in the model's folder before those in the cache.

    Records of other weights, or that cannot be read, do not count.
    """
    found: dict[str, tuple[Path, Exported]] = {}
    for base in (model, cached_runtimes(card)):
        for path in sorted(base.glob(f"*/{RECORD}")):
            record = _read(path)
            if record is not None and record.model_sha256 == card.sha256 and record.name == path.parent.name:
                found.setdefault(record.name, (path.parent, record))
    return found


def processor() -> str:
    """The name of this machine's processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def export_command(model: str, name: str) -> str:
    """The command that makes a runtime of a model."""
    runtime, _, precision = name.partition("-")
    return f"xprism models export {model} --to {runtime} --precision {precision}"


def _read(path: Path) -> Exported | None:
    try:
        return Exported.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
