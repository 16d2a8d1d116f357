"""Is this installation fit to work? One check a line, each with what to do."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version

from xprism.card import Card
from xprism.errors import XprismError
from xprism.inference.exported import cache_folder, find_exported
from xprism.inference.runtimes import usable_cores
from xprism.zoo import find, names

_NEEDED = ("numpy", "scipy", "pillow", "pydicom", "onnxruntime", "pydantic", "jinja2", "typer", "rich")
_CODECS = {
    "RLE": ("rle", "pylibjpeg-rle"),
    "JPEG 2000": ("openjpeg", "pylibjpeg-openjpeg"),
    "JPEG-LS": ("jpeg_ls", "pyjpegls"),
    "JPEG, JPEG lossless": ("gdcm", "python-gdcm"),
}
_OPTIONAL = {"openvino": "fast", "torch": "train", "highdicom": "dicom", "matplotlib": "evaluate"}
_ENOUGH_GIB = 2.0


@dataclass(frozen=True)
class Check:
    """One thing looked at: whether it is well (None: not installed, and not needed), what was found, what to do."""

    name: str
    well: bool | None
    found: str
    remedy: str = ""


def examine() -> Iterator[Check]:
    """Look at Python, packages, codecs, runtimes, cores, memory and the shipped models, one after the other."""
    python = sys.version_info >= (3, 11)
    yield Check("python", python, sys.version.split()[0], "" if python else "install Python 3.11 or newer")
    yield from (_package(name) for name in _NEEDED)
    yield from (_codec(name, module, package) for name, (module, package) in _CODECS.items())
    yield from (_optional(name, extra) for name, extra in _OPTIONAL.items())
    yield Check("cores", True, str(usable_cores()))
    yield _memory()
    yield from _models()
    yield _cache()


def _package(name: str) -> Check:
    try:
        return Check(name, True, version(name))
    except PackageNotFoundError:
        return Check(name, False, "not installed", f"pip install {name}")


def _codec(name: str, module: str, package: str) -> Check:
    try:
        import_module(module)
    except Exception as error:  # a broken binary raises anything
        return Check(f"codec {name}", False, f"{package}: {error}", f"pip install --force-reinstall {package}")
    return Check(f"codec {name}", True, f"{package} {version(package)}")


def _optional(name: str, extra: str) -> Check:
    try:
        return Check(name, True, version(name))
    except PackageNotFoundError:
        return Check(name, None, "not installed", f"only if wanted: pip install 'xprism[{extra}]'")


def _memory() -> Check:
    free = _available_gib()
    if free is None:
        return Check("memory", None, "cannot be asked here")
    enough = free >= _ENOUGH_GIB
    remedy = "" if enough else "close other programs before large films"
    return Check("memory", enough, f"{free:.1f} GiB available", remedy)


def _available_gib() -> float | None:
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            facts = dict(line.split(":", 1) for line in lines)
        return int(facts["MemAvailable"].split()[0]) / 2**20
    except (OSError, KeyError, ValueError):
        return None


def _cache() -> Check:
    """Where faster forms of models and what was compiled of them lie, and how much room they take."""
    folder = cache_folder()
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    remedy = "remove the folder to clear it" if size else ""
    return Check("cache", True if size else None, f"{folder}, {size / 2**20:.0f} MB", remedy)


def _models() -> Iterator[Check]:
    if not names():
        yield Check(
            "models", False, "none shipped with this installation", "install xprism again, or use --model FOLDER"
        )
    for name in names():
        try:
            card = Card.load(find(name))
            for file in card.files:
                card.verify(find(name), file)
            yield Check(f"model {name}", True, f"{card.version}, {len(card.files)} files match their card")
            yield from _runtimes(name, card)
        except XprismError as error:
            yield Check(f"model {name}", False, error.what, "install xprism again")


def _runtimes(name: str, card: Card) -> Iterator[Check]:
    for runtime, (folder, record) in find_exported(find(name), card).items():
        try:
            record.verify(folder)
        except XprismError as error:
            yield Check(f"  {runtime}", False, error.what, error.remedy)
        else:
            speed = f"{record.parity.speed:.1f} times as fast" if record.parity else "not compared, not used by itself"
            yield Check(f"  {runtime}", record.passed or None, speed)
