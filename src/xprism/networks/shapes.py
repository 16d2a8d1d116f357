"""What networks ask of their input, said once."""

from __future__ import annotations

from torch import Tensor

from xprism.errors import DataError


def as_input(film: Tensor, *, channels: int, multiple: int) -> Tensor:
    """A film [B, C, H, W] as a network wants it: a grey one is repeated to ``channels``.

    Raises ``DataError`` where C is neither 1 nor ``channels`` or H or W is no multiple of ``multiple``.
    """
    height, width = film.shape[-2:]
    if height % multiple or width % multiple:
        raise DataError(
            f"this network takes sides that are multiples of {multiple}, not {height} x {width}",
            remedy="choose another input size, or less depth",
        )
    if film.shape[1] == channels:
        return film
    if film.shape[1] != 1:
        raise DataError(f"this network takes 1 or {channels} channels, not {film.shape[1]}")
    return film.expand(-1, channels, -1, -1)
