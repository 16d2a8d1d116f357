"""Commands that need an optional part of xprism say so before they start."""

from __future__ import annotations

from importlib.util import find_spec

from xprism.errors import MissingExtra


def need_train() -> None:
    """Raise ``MissingExtra`` where the packages that make models are not installed."""
    missing = [
        name for name in ("torch", "lightning_fabric", "safetensors", "yaml", "onnxscript") if find_spec(name) is None
    ]
    if missing:
        raise MissingExtra(f"making models needs {', '.join(missing)}", remedy="pip install 'xprism[train]'")


def need_evaluate(*, otherwise: str = "") -> None:
    """Raise ``MissingExtra`` where matplotlib is not installed; ``otherwise`` is another way out."""
    if find_spec("matplotlib") is None:
        raise MissingExtra("figures need matplotlib", remedy=f"pip install 'xprism[evaluate]'{otherwise}")
