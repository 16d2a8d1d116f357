"""PNG, TIFF, JPEG, GIF and BMP films, as a viewer would show them and at full depth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from xprism.errors import CorruptFile, DecodeLimit, NotARadiograph, UnsupportedFile
from xprism.radiograph import DisplayMapping, Radiograph
from xprism.readers.polarity import Polarity, resolve
from xprism.readers.sniff import kind_of

MOST_PIXELS = 80_000_000  # below Pillow's own bomb warning; a large mammogram has 30 million
_SIXTEEN = ("I;16", "I;16B", "I;16L", "I;16N", "I")
_ORIENTATION, _PHOTOMETRIC, _WHITE_IS_ZERO = 0x0112, 262, 0


def read_picture(path: Path, polarity: Polarity) -> Radiograph:
    """Read a grey picture as uint8 or uint16 [H, W]; colour, several pages and damage are typed errors."""
    kind = kind_of(path).upper()
    if kind == "TIFF":
        from PIL import TiffImagePlugin  # noqa: F401  spares Pillow's search through all its plugins
    try:
        with Image.open(path, formats=(kind,)) as image:
            _refuse_what_is_no_film(image)
            log = [f"Read as {kind}, {image.width} x {image.height}, Pillow mode {image.mode}."]
            stored, notes = _grey(_upright(image, log))
            log += notes + _about_depth(path, image) + _about_resolution(image)
    except UnidentifiedImageError:
        raise CorruptFile("the picture's header is damaged", remedy="export the film again") from None
    except Image.DecompressionBombError:
        raise _too_large() from None
    except MemoryError:
        raise DecodeLimit("the picture needs more memory than there is", remedy="reduce it first") from None
    except (OSError, SyntaxError, ValueError, IndexError, KeyError, TypeError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise CorruptFile(f"the picture is damaged: {error}", remedy="copy or export the film again") from error
    inverted, evidence = resolve(stored, polarity)
    return Radiograph(
        stored=stored,
        mapping=DisplayMapping(0, float(np.iinfo(stored.dtype).max), inverted=inverted),
        origin=kind.lower(),
        log=(*log, evidence),
    )


def _too_large() -> DecodeLimit:
    return DecodeLimit(f"more than {MOST_PIXELS // 10**6} million pixels", remedy="reduce the picture first")


def _refuse_what_is_no_film(image: Image.Image) -> None:
    if image.width * image.height > MOST_PIXELS:
        raise _too_large()
    if image.format != "MPO" and getattr(image, "n_frames", 1) > 1:
        raise NotARadiograph("several pages or frames in one file", remedy="save the film alone")
    if image.mode == "1":
        raise NotARadiograph("one bit a pixel: a mask, not a film", remedy="give the film itself")
    if image.mode == "F":
        raise UnsupportedFile("floating-point pixels have no known range", remedy="save as 16-bit grey PNG")


def _upright(image: Image.Image, log: list[str]) -> Image.Image:
    """The picture turned as its orientation tag tells viewers to show it."""
    turn = image.getexif().get(_ORIENTATION, 1)
    if image.format != "JPEG" or turn == 1:
        return image
    log.append(f"Turned as orientation tag {turn} says.")
    return ImageOps.exif_transpose(image)


def _grey(image: Image.Image) -> tuple[NDArray[Any], list[str]]:
    if image.mode == "L":
        return np.array(image), []
    if image.mode in _SIXTEEN:
        return _sixteen_bits(image)
    if image.mode in ("P", "PA"):
        return _equal_channels(image.convert("RGBA" if _transparent(image) else "RGB"), "Applied the colour palette.")
    if image.mode in ("RGB", "RGBA", "LA"):
        return _equal_channels(image, "")
    raise NotARadiograph(f"a colour picture ({image.mode})", remedy="save it as 8- or 16-bit grey")


def _transparent(image: Image.Image) -> bool:
    return image.mode == "PA" or "transparency" in image.info


def _sixteen_bits(image: Image.Image) -> tuple[NDArray[Any], list[str]]:
    values = np.array(image)
    if int(values.min()) < 0 or int(values.max()) > 65535:
        raise UnsupportedFile("32-bit pixels beyond 0 to 65535", remedy="save as 16-bit grey PNG")
    stored = values.astype(np.uint16)
    tags = getattr(image, "tag_v2", {})
    if tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
        # Pillow turns 8-bit white-is-zero pictures over, but not 16-bit ones.
        return 65535 - stored, ["White is zero in this TIFF, so values were turned over as a viewer does."]
    return stored, []


def _equal_channels(image: Image.Image, note: str) -> tuple[NDArray[Any], list[str]]:
    notes, pixels = [note] if note else [], np.array(image)
    if image.mode in ("RGBA", "LA"):
        if int(pixels[..., -1].min()) < 255:
            notes.append("Ignored the transparency of some pixels.")
        pixels = pixels[..., :-1]
    if pixels.shape[-1] == 3:
        if not (pixels == pixels[..., :1]).all():
            raise NotARadiograph("a colour picture: its channels differ", remedy="save the film as 8- or 16-bit grey")
        notes.append("Took one of three equal colour channels.")
    return np.ascontiguousarray(pixels[..., 0]), notes


def _about_depth(path: Path, image: Image.Image) -> list[str]:
    """Pillow reads 16-bit colour and grey-with-alpha PNGs as 8 bits; the log must say so."""
    if image.format != "PNG" or image.mode in _SIXTEEN:
        return []
    with path.open("rb") as stream:
        depth = stream.read(25)[24]
    return ["Only the upper 8 of 16 bits of this colour PNG were kept; save as 16-bit grey."] if depth == 16 else []


def _about_resolution(image: Image.Image) -> list[str]:
    if "dpi" not in image.info:
        return ["The file states no pixel spacing."]
    return ["The resolution in the file is one for printing and screens, so it is not taken as pixel spacing."]
