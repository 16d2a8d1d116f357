"""The models that come with xprism, one folder each, with card and licence."""

from __future__ import annotations

from pathlib import Path

from xprism.errors import ModelError

_SHIPPED = Path(__file__).parent


def names() -> tuple[str, ...]:
    """Names of the shipped models, in alphabetical order."""
    return tuple(sorted(card.parent.name for card in _SHIPPED.glob("*/card.json")))


def find(model: str | Path) -> Path:
    """Folder of a model given by its shipped name or by its path.

    Raises ``ModelError`` where there is neither.
    """
    if isinstance(model, str) and model in names():
        return _SHIPPED / model
    folder = Path(model)
    if folder.name == "card.json" or folder.suffix == ".onnx":
        folder = folder.parent
    if folder.is_dir():
        return folder
    shipped = ", ".join(names()) or "none yet"
    raise ModelError(f"there is no model {str(model)!r}", remedy=f"give a model folder or a shipped name: {shipped}")
