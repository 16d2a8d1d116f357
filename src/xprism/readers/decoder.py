"""The near end of the decoding process: started at the first DICOM film, restarted when it dies."""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO, Any

from xprism.errors import CorruptFile, DecodeLimit, NotARadiograph, ReadError, UnsupportedFile
from xprism.readers.wire import receive, send

START_SECONDS, LEAST_SECONDS, SECONDS_A_MB = 20.0, 4.0, 0.25
_KINDS: dict[str, type[ReadError]] = {
    kind.code: kind for kind in (ReadError, UnsupportedFile, CorruptFile, NotARadiograph, DecodeLimit)
}
# Not "-m": that would put the working directory, and whatever lies in it, before the libraries.
_PROGRAM = (
    "import sys; sys.path += [p for p in sys.argv[1:] if p not in sys.path]; "
    "from xprism.readers.worker import main; main()"
)


class Decoder:
    """One decoding process, shared by all threads; a film that crashes or stalls it costs that film only."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        atexit.register(self.stop)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forget)

    def read(self, path: Path) -> tuple[dict[str, Any], bytearray]:
        """The worker's message and pixel bytes for one file; raises the ``ReadError`` it reports."""
        path = path.absolute()
        seconds = LEAST_SECONDS + SECONDS_A_MB * path.stat().st_size / 2**20
        with self._lock:
            message, pixels = self._ask({"path": str(path), "seconds": seconds}, seconds)
        if "error" in message:
            kind = _KINDS.get(str(message["error"]), ReadError)
            raise kind(str(message["what"]), remedy=str(message["remedy"]))
        return message, pixels

    def stop(self) -> None:
        """End the process, if there is one; the next film starts another."""
        process, self._process = self._process, None
        if process is None:
            return
        _pipe(process.stdin).close()
        try:
            process.wait(timeout=0.5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        _pipe(process.stdout).close()

    def _ask(self, request: dict[str, Any], seconds: float) -> tuple[dict[str, Any], bytearray]:
        process = self._running()
        watch = _Watch(process, seconds)
        try:
            send(_pipe(process.stdin), request)
            message, pixels = receive(_pipe(process.stdout))
        except (OSError, EOFError, ValueError):
            process.kill()
            self.stop()
            remedy = "export the film uncompressed, or look at it with another program"
            if watch.barked:
                raise DecodeLimit(f"decoding took more than {seconds:.0f} s", remedy=remedy) from None
            raise DecodeLimit("the decoder crashed on this file", remedy=remedy) from None
        except BaseException:  # Ctrl-C midway: the answer to this film must not meet the next one
            process.kill()
            self.stop()
            raise
        finally:
            watch.cancel()
        if message.get("error") == DecodeLimit.code:
            self.stop()  # a process that ran out of memory may keep it in pieces
        return message, pixels

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is None:
            return self._process
        self.stop()
        self._process = process = _start()
        watch = _Watch(process, START_SECONDS)
        try:
            receive(_pipe(process.stdout))
        except (OSError, EOFError, ValueError):
            process.kill()
            self.stop()
            remedy = "reinstall xprism and check that `import pydicom, gdcm` works"
            raise ReadError("the DICOM decoder did not start", remedy=remedy) from None
        finally:
            watch.cancel()
        return process

    def _forget(self) -> None:
        """A forked child must not talk into its parent's pipes."""
        self._lock, self._process = threading.Lock(), None


class _Watch:
    """Kills a process that takes too long; works where pipes cannot be polled."""

    def __init__(self, process: subprocess.Popen[bytes], seconds: float) -> None:
        self.barked = False
        self._process = process
        self._timer = threading.Timer(seconds, self._bark)
        self._timer.daemon = True
        self._timer.start()

    def _bark(self) -> None:
        self.barked = True
        self._process.kill()

    def cancel(self) -> None:
        self._timer.cancel()


def _start() -> subprocess.Popen[bytes]:
    places = [place for place in sys.path if os.path.isabs(place)]
    one_thread = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return subprocess.Popen(
        [sys.executable, "-P", "-c", _PROGRAM, str(Path(__file__).parents[2]), *places],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        bufsize=0,
        env=os.environ | one_thread,
    )


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise EOFError
    return stream


DECODER = Decoder()
