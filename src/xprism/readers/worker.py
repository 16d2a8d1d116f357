"""The decoding process: reads one DICOM file a request, within limits, and dies alone if a codec does."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import IO, Any

from xprism.errors import DecodeLimit, ReadError
from xprism.readers.wire import receive, send

MEMORY_MB = 448  # private memory; with shared libraries the process stays below 512 MB


def main() -> None:
    """Serve requests from standard input until it closes."""
    inlet, outlet = _take_over_pipes()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the program that started this one
    from xprism.readers import dicom_file  # noqa: F401  imported before the limit and the first clock

    _limit_memory()
    send(outlet, {"ready": True})
    while True:
        try:
            request, _ = receive(inlet)
        except EOFError:
            return
        _set_alarm(float(request["seconds"]) + 2)
        _answer(Path(request["path"]), outlet)
        _set_alarm(0)


def _answer(path: Path, outlet: IO[bytes]) -> None:
    from xprism.readers.dicom_file import read_file

    try:
        facts, stored = read_file(path)
    except ReadError as error:
        send(outlet, {"error": error.code, "what": error.what, "remedy": error.remedy})
    except MemoryError:
        what = f"decoding needs more than {MEMORY_MB} MB of memory"
        send(outlet, {"error": DecodeLimit.code, "what": what, "remedy": "export the film smaller or uncompressed"})
    except Exception as error:  # whatever a broken file provokes costs this file only
        what = f"the file breaks the reader ({type(error).__name__}: {str(error)[:200]})"
        send(outlet, {"error": "corrupt", "what": what, "remedy": "send or export the film again"})
    else:
        shape, kind = list(stored.shape), stored.dtype.str
        send(outlet, {"facts": facts.as_json(), "shape": shape, "dtype": kind}, stored.data.cast("B"))


def _take_over_pipes() -> tuple[IO[bytes], IO[bytes]]:
    """Keep the pipes for messages and point 0 and 1 elsewhere, for codecs print to them."""
    inlet, outlet = os.fdopen(os.dup(0), "rb", buffering=0), os.fdopen(os.dup(1), "wb")
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    return inlet, outlet


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:  # Windows has no such limit; the time limit still holds
        return
    limit = MEMORY_MB * 2**20
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _set_alarm(seconds: float) -> None:
    """Let the system end this process should it hang after its parent has died; 0 calls it off."""
    timer: Any = getattr(signal, "setitimer", None)
    if timer is not None:
        timer(signal.ITIMER_REAL, seconds)
