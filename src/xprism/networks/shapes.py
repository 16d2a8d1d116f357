"""What networks ask of their input, said once."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

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


def padded(film: Tensor, *, channels: int, multiple: int) -> Tensor:
    """``as_input`` of a film of any size: its edges are repeated around it until H and W are multiples."""
    rows, columns = (-side % multiple for side in film.shape[-2:])
    if rows or columns:
        around = (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2)
        film = F.pad(film, around, mode="replicate")
    return as_input(film, channels=channels, multiple=multiple)


def cut_to(raw: Tensor, film: Tensor) -> Tensor:
    """The part of ``raw`` [B, K, h, w], made of a ``film`` that was ``padded``, that lies on the film itself."""
    height, width = film.shape[-2:]
    top, left = (raw.shape[-2] - height) // 2, (raw.shape[-1] - width) // 2
    return raw[..., top : top + height, left : left + width]
