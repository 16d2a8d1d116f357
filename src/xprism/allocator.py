"""Settings of the C library's memory allocator (glibc); without effect elsewhere."""

from __future__ import annotations

import ctypes
import platform

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX, _ARENA_MAX = -1, -2, -4, -8


def keep_freed_memory() -> None:
    """Let freed memory stay mapped: on a CPU this halves a training step, which else waits for page faults."""
    _set({_MMAP_MAX: 0, _TRIM_THRESHOLD: 2**31 - 1, _TOP_PAD: 256 * 2**20})


def share_arenas() -> None:
    """Let all threads take memory from two pools: with one a thread, what each keeps adds up over many films."""
    _set({_ARENA_MAX: 2})


def _set(options: dict[int, int]) -> None:
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL("libc.so.6")
        for option, value in options.items():
            libc.mallopt(option, value)
