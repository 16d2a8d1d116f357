"""A training as something to evaluate: its model, and the films that chose its weights."""

from __future__ import annotations

from pathlib import Path

from xprism.card import Card
from xprism.data.manifest import Case, read_manifest
from xprism.errors import MissingExtra
from xprism.targets import Classes

_CHECKPOINT, _MODEL = "checkpoint.pt", "model"


def is_run(folder: Path) -> bool:
    """Whether a folder holds a training; asked without torch."""
    return (folder / _CHECKPOINT).is_file()


def model_of(run: Path) -> Path:
    """The model folder inside a run, exported now where there is none or where training went on since.

    Raises ``MissingExtra`` where it has to be exported and torch is not installed.
    """
    card = run / _MODEL / "card.json"
    if not card.is_file() or card.stat().st_mtime < (run / _CHECKPOINT).stat().st_mtime:
        try:
            from xprism.protocols.release import release
            from xprism.training.runs import load_run
        except ImportError:
            what = "a training has to be exported before it is used, which needs torch"
            raise MissingExtra(what, where=str(run), remedy="pip install 'xprism[train]'") from None
        release(load_run(run), run / _MODEL)
    return run / _MODEL


def chose_weights(run: Path, model: Path) -> tuple[Case, ...]:
    """The films that chose the weights of a run, where its ``model`` makes class maps; none where nobody set any aside.

    Only class maps are scored on these films too.
    """
    listed = run / "validation.csv"
    maps = any(isinstance(target, Classes) for target in Card.load(model).targets)
    return read_manifest(listed) if maps and listed.is_file() else ()
