"""Which films show a network usual values, and on which others its results are compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xprism.batch.films import find_films
from xprism.card import Card
from xprism.data.manifest import Case, read_manifest
from xprism.errors import DataError
from xprism.protocols.parity import ParityFilm
from xprism.radiograph import DisplayMapping, Radiograph
from xprism.readers import read
from xprism.targets import TargetSet

MOST_TO_CALIBRATE, MOST_TO_COMPARE = 24, 100
_FEWEST = 4
_SIMULATED, _SIDE_PX = 12, 512


@dataclass(frozen=True)
class ParityFilms:
    """Films to calibrate on, others to compare on, and where they come from."""

    calibrate: tuple[ParityFilm, ...]
    compare: tuple[ParityFilm, ...]
    origin: str


def choose_films(given: Path | None, card: Card, *, calibrate: bool) -> ParityFilms:
    """The films of a manifest or a folder, or simulated chests, dealt out evenly.

    At most 24 calibrate, where that is wanted, and at most 100 of the others are compared. Raises ``DataError`` for
    fewer than four, and where none are given for a model that is not of chests.
    """
    if given is None:
        if card.gate != "frontal_chest":
            raise DataError(
                f"{card.name} is no model of chests, which could be simulated",
                remedy="give films that it is for: --films MANIFEST or --films FOLDER",
            )
        return deal(
            [ParityFilm(partial(_chest, seed), _no_truth) for seed in range(_SIMULATED)],
            "simulated chests",
            calibrate=calibrate,
        )
    if given.is_dir():
        found = find_films([given], given / "results")
        return deal(
            [ParityFilm(partial(read, film.path), _no_truth) for film in found], given.name, calibrate=calibrate
        )
    return deal([_of_case(case) for case in read_manifest(given)], given.name, calibrate=calibrate)


def deal(films: Sequence[ParityFilm], origin: str, *, calibrate: bool) -> ParityFilms:
    """Films for either purpose, evenly spread over the list; without calibration all may be compared."""
    if len(films) < _FEWEST:
        raise DataError(f"{len(films)} films are too few", where=origin, remedy=f"give at least {_FEWEST}, better 50")
    first = _spread(len(films), min(MOST_TO_CALIBRATE, len(films) // 2)) if calibrate else []
    rest = [number for number in range(len(films)) if number not in first]
    compared = [rest[place] for place in _spread(len(rest), min(MOST_TO_COMPARE, len(rest)))]
    return ParityFilms(tuple(films[k] for k in first), tuple(films[k] for k in compared), origin)


def _spread(total: int, wanted: int) -> list[int]:
    """So many whole numbers below ``total``, at equal distances."""
    return [number * total // wanted for number in range(wanted)]


def _of_case(case: Case) -> ParityFilm:
    return ParityFilm(lambda: read(case.film, polarity=case.attributes.get("polarity", "auto")), case.load_truth_for)


def _no_truth(targets: TargetSet, film: tuple[int, int]) -> dict[str, NDArray[Any]]:
    return {}


def _chest(seed: int) -> Radiograph:
    """A simulated chest as one of many systems shows it; its truth says nothing of real films and is not asked."""
    from xprism.simulate import simulate_chest

    film = simulate_chest(seed=seed, size=_SIDE_PX, display="drawn").film
    return Radiograph(np.rint(film.clip(0, 1) * 65535).astype(np.uint16), DisplayMapping(0, 65535))
