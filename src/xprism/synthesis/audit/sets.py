"""Films and masks of a manifest, all on one square grid, so that two sets can be set against each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xprism.data.manifest import Case
from xprism.errors import DataError
from xprism.grid import Placement
from xprism.radiograph import robust_range
from xprism.readers.masks import FLAGS

GRID = 128
LOW, HIGH = 0.5, 99.5
"""Percentiles of a film that become black and white, as in the training of a pipeline."""


@dataclass(frozen=True)
class FilmSet:
    """Films [n, h, h] from 0 to 1, and the masks [n, h, h] of every structure that all of its cases know."""

    names: tuple[str, ...]
    films: NDArray[np.float32]
    masks: dict[str, NDArray[np.bool_]]

    def __len__(self) -> int:
        return len(self.names)

    def take(self, numbers: NDArray[np.int64] | Sequence[int]) -> FilmSet:
        """The cases of these numbers, in their order."""
        numbers = np.asarray(numbers, np.int64)
        masks = {label: planes[numbers] for label, planes in self.masks.items()}
        return FilmSet(tuple(self.names[number] for number in numbers), self.films[numbers], masks)

    def of(self, labels: Sequence[str]) -> NDArray[np.bool_]:
        """Masks of some structures, [n, structures, h, h]."""
        return np.stack([self.masks[label] for label in labels], axis=1)


def check_apart(real: Sequence[Case], held_out: Sequence[Case]) -> None:
    """Raise ``DataError`` where a held-out film is of a subject whose films are among the real ones."""
    known = {case.subject for case in real}
    if shared := sorted({case.subject for case in held_out} & known):
        raise DataError(
            f"{len(shared)} held-out subjects are among the real ones: {', '.join(shared[:3])}",
            remedy="hold out films that nothing was learnt from",
        )


def grid_of(cases: Sequence[Case]) -> int:
    """Side of the grid that suits films such as the first one: their own side, 128 at most."""
    if not cases:
        raise DataError("a manifest without films", remedy="give three or more")
    return min(GRID, *map(int, cases[0].load_film().shape))


def load_set(cases: Sequence[Case], *, grid: int = GRID, on_case: Callable[[str], object] = lambda _: None) -> FilmSet:
    """Load the films of cases and their masks of lungs, heart and clavicles onto a grid of ``grid`` pixels a side.

    Films of other shapes lie in the middle of the square. Raises ``DataError`` where there are fewer than three cases,
    or a mask has another size than its film.
    """
    if len(cases) < 3:
        raise DataError(f"a set of {len(cases)} films cannot be audited", remedy="give three or more")

    def load(case: Case) -> tuple[NDArray[np.float32], dict[str, NDArray[np.bool_]]]:
        found = _loaded(case, grid)
        on_case(case.case)
        return found

    with ThreadPoolExecutor(4) as pool:
        loaded = list(pool.map(load, cases))
    known = [label for label in FLAGS if all(label in masks for _, masks in loaded)]
    masks = {label: np.stack([masks[label] for _, masks in loaded]) for label in known}
    return FilmSet(tuple(case.case for case in cases), np.stack([film for film, _ in loaded]), masks)


def _loaded(case: Case, grid: int) -> tuple[NDArray[np.float32], dict[str, NDArray[np.bool_]]]:
    film = case.load_film()
    place = Placement.fit((int(film.shape[0]), int(film.shape[1])), (grid, grid))
    low, high = robust_range(film, LOW, HIGH)
    unit = place.onto_grid(np.clip((film - low) / (high - low), 0, 1).astype(np.float32), border=0)
    masks = {}
    for label, mask in case.load_truth().items():
        if label not in FLAGS:
            continue
        if mask.shape != film.shape:
            raise DataError(
                f"its mask of {label} has another size than the film", where=case.case, remedy="mend the manifest"
            )
        masks[label] = place.onto_grid(mask.astype(np.float32), border=0) >= 0.5
    return unit, masks
