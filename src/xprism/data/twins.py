"""Films that are there twice: equal pixels under two names, and films that look alike."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xprism.grid import resize
from xprism.radiograph import Radiograph

SIDE = 16
ALIKE_BITS = 8
"""Of 256: among 224 chest films no two differed by fewer than 12, while recompressed or rescaled copies differ by 6."""


@dataclass(frozen=True)
class Print:
    """What is kept of a film to know it again: a hash of its pixels, and the signs of 256 differences."""

    case: str
    subject: str
    pixels: str
    look: NDArray[np.uint8]


def fingerprint(film: Radiograph, *, case: str, subject: str) -> Print:
    """The print of a film; ``look`` tells where a small copy grows brighter to the right, 32 bytes."""
    digest = hashlib.blake2b(f"{film.stored.shape}".encode(), digest_size=16)
    digest.update(np.ascontiguousarray(film.stored.astype(np.uint16, copy=False)).tobytes())
    small = resize(film.display, (SIDE, SIDE + 1))
    return Print(case, subject, digest.hexdigest(), np.packbits(small[:, 1:] > small[:, :-1]))


def equal_films(prints: Sequence[Print]) -> Iterator[tuple[Print, Print]]:
    """Pairs of prints with equal pixels: each repeated film with the first of its kind."""
    first: dict[str, Print] = {}
    for each in prints:
        earlier = first.setdefault(each.pixels, each)
        if earlier is not each:
            yield earlier, each


def alike_films(prints: Sequence[Print]) -> Iterator[tuple[Print, Print]]:
    """Pairs of prints of two subjects that look alike but are not equal."""
    looks = np.array([each.look for each in prints])
    for place, each in enumerate(prints[:-1]):
        differing = np.bitwise_count(looks[place + 1 :] ^ looks[place]).sum(axis=1)
        for other in np.flatnonzero(differing <= ALIKE_BITS):
            later = prints[place + 1 + int(other)]
            if later.subject != each.subject and later.pixels != each.pixels:
                yield each, later
