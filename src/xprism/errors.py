"""Every error xprism raises on purpose; each says what happened, where, and what to do."""

from __future__ import annotations


class XprismError(Exception):
    """Something the user can mend; the message names the remedy.

    Parameters: ``what`` happened, ``where`` (a path or setting, may be empty) and the ``remedy``.
    ``code`` is a short stable word for tables such as ``errors.csv``.
    """

    code = "error"

    def __init__(self, what: str, *, where: str = "", remedy: str = "") -> None:
        self.what, self.where, self.remedy = what, where, remedy
        super().__init__(": ".join(part for part in (where, what) if part) + (f" ({remedy})" if remedy else ""))

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.what, self.where, self.remedy)


def _rebuild(kind: type[XprismError], what: str, where: str, remedy: str) -> XprismError:
    return kind(what, where=where, remedy=remedy)


class ReadError(XprismError):
    """A file could not be turned into a radiograph."""

    code = "unreadable"


class UnsupportedFile(ReadError):
    """The file is of a kind that xprism does not read."""

    code = "unsupported"


class CorruptFile(ReadError):
    """The file is of a known kind but damaged or incomplete."""

    code = "corrupt"


class NotARadiograph(ReadError):
    """The file is readable but holds no single 2-D X-ray image (a CT slice, a report, a colour picture)."""

    code = "not_a_radiograph"


class DecodeLimit(ReadError):
    """Decoding took more time or memory than allowed, or the decoder crashed."""

    code = "decode_limit"


class MissingExtra(XprismError):
    """An optional package is needed for what was asked."""

    code = "missing_extra"


class ModelError(XprismError):
    """A model folder is missing, incomplete or does not match its card."""

    code = "model"


class DataError(XprismError):
    """A manifest, mask or split does not fit what it is used for."""

    code = "data"


class RecipeError(XprismError):
    """A recipe says something that training cannot follow."""

    code = "recipe"


class OutputError(XprismError):
    """Results could not be written where they were asked for."""

    code = "output"


class ClusterError(XprismError):
    """A Ray cluster does not answer, does not fit, or has nobody left who works."""

    code = "cluster"
