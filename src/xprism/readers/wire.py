"""Messages between xprism and its decoding process: a length, JSON, then raw bytes. Nothing is pickled."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import IO, Any

_LENGTHS = struct.Struct("<QQ")
_MOST_JSON = 64 * 2**20
_MOST_BYTES = 2**31


def send(stream: IO[bytes], message: Mapping[str, Any], payload: memoryview | bytes = b"") -> None:
    """Write one message and flush it."""
    head = json.dumps(message).encode("ascii")
    stream.write(_LENGTHS.pack(len(head), len(payload)))
    stream.write(head)
    if len(payload):
        stream.write(payload)
    stream.flush()


def receive(stream: IO[bytes]) -> tuple[dict[str, Any], bytearray]:
    """Read one message; raises ``EOFError`` when the other side is gone or talks nonsense."""
    head_length, payload_length = _LENGTHS.unpack(_exactly(stream, _LENGTHS.size))
    if head_length > _MOST_JSON or payload_length > _MOST_BYTES:
        raise EOFError
    message = json.loads(bytes(_exactly(stream, head_length)))
    return message, _exactly(stream, payload_length)


def _exactly(stream: IO[bytes], count: int) -> bytearray:
    buffer = bytearray(count)
    view, filled = memoryview(buffer), 0
    while filled < count:
        got = stream.readinto(view[filled:])  # type: ignore[attr-defined]
        if not got:
            raise EOFError
        filled += got
    return buffer
