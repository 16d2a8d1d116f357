"""One X-ray in, many images out: organ masks, pictures and measurements from a radiograph."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xprism.inference.predictor import Predictor as Predictor
    from xprism.radiograph import Radiograph as Radiograph
    from xprism.result import Result as Result

try:
    __version__ = version("xprism")
except PackageNotFoundError:
    __version__ = "0+unknown"

__all__ = ["__version__", "load", "read"]


def read(path: Any, *, polarity: str = "auto") -> Radiograph:
    """Read one film of any supported format.

    ``polarity`` is ``auto`` (by tags, else from the picture), ``display`` (bone is bright) or
    ``inverted`` (bone is dark). Raises ``xprism.errors.ReadError`` naming cause and remedy.
    """
    from xprism.readers import read as read_film

    return read_film(path, polarity=polarity)


def load(model: Any = "chest", *, runtime: str = "auto") -> Predictor:
    """Load a model by its name in the zoo or by its folder, or a list of them; call it with a ``Radiograph``.

    The ``runtime`` is as for ``xprism predict``: ``auto`` is the fastest that ``xprism models export`` made here.
    """
    from xprism.inference.together import load_predictor

    return load_predictor(model, runtime=runtime)
