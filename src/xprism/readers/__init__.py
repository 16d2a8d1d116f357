"""Files in, radiographs out: one module a format, chosen by what is in the file and not by its name."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path

from xprism.errors import CorruptFile, ReadError, UnsupportedFile
from xprism.radiograph import Radiograph
from xprism.readers.masks import read_flags, read_mask
from xprism.readers.sniff import PICTURES, kind_of

__all__ = ["read", "read_flags", "read_mask"]

READABLE = "xprism reads DICOM, PNG, TIFF, JPEG, GIF, BMP and raw JSRT .IMG films"


def read(path: str | os.PathLike[str], *, polarity: str = "auto") -> Radiograph:
    """Read one film of any supported format.

    ``polarity`` is ``auto`` (DICOM by its tags, JSRT by its format, other pictures judged from what
    they show), ``display`` (bone is bright in the stored values) or ``inverted`` (bone is dark).
    The format is known by the file's content. Every decision taken is a sentence in the log.

    Raises ``ReadError`` or one of its kinds: ``UnsupportedFile``, ``CorruptFile``,
    ``NotARadiograph``, ``DecodeLimit``; each names the file, the cause and the remedy.
    """
    from xprism.readers.polarity import check_choice

    choice, film = check_choice(polarity), Path(path)
    try:
        kind = kind_of(film)
        if kind == "dicom":
            from xprism.readers.dicom import read_dicom as reader
        elif kind == "jsrt":
            from xprism.readers.jsrt import read_jsrt as reader
        elif kind in PICTURES:
            from xprism.readers.picture import read_picture as reader
        else:
            raise _unknown(film)
        radiograph = reader(film, choice)
        return replace(radiograph, source=str(film), sha256=_sha256(film))
    except ReadError as error:
        raise type(error)(error.what, where=str(film), remedy=error.remedy) from error.__cause__
    except FileNotFoundError:
        raise ReadError("there is no such file", where=str(film), remedy="check the path") from None
    except IsADirectoryError:
        raise ReadError("this is a folder", where=str(film), remedy="name the films in it one by one") from None
    except OSError as error:
        reason = error.strerror or str(error)
        raise ReadError(f"the file cannot be opened: {reason}", where=str(film), remedy="check its rights") from error


def _unknown(film: Path) -> ReadError:
    if film.suffix.lower() in (".dcm", ".dicom"):
        return CorruptFile("named like DICOM, but holds no DICOM data", remedy="send or export the film again")
    if film.suffix.lower() in PICTURES.values():
        return CorruptFile("named like a picture, but does not start like one", remedy="export the film again")
    return UnsupportedFile("the format is not known", remedy=READABLE)


def _sha256(film: Path) -> str:
    with film.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
