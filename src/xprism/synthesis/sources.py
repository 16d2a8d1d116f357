"""Real films and their masks as the stages learn from them: six of each, with label map and dots."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xprism.data.manifest import Case, read_manifest
from xprism.data.split import by_lists
from xprism.errors import DataError
from xprism.grid import Placement
from xprism.radiograph import robust_range
from xprism.readers.masks import FLAGS
from xprism.synthesis.augment import Variant, variants_of
from xprism.synthesis.codes import as_grey
from xprism.synthesis.dots import NUMBERS, Dots, dots_of, enlarged
from xprism.synthesis.label_map import LABELS, label_map_of
from xprism.synthesis.pipeline import FilmsPart, Makes, Pipeline

LOW, HIGH = 0.5, 99.5
"""Percentiles of a film that become black and white."""


@dataclass(frozen=True)
class Source:
    """A film or a variant of it as grey values [H, H], its label map [H, H], and its dots where they are used."""

    film: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    dots: Dots | None


def labels_in(data: FilmsPart) -> int:
    """How many numbers the label maps of a pipeline have."""
    return len(LABELS) if data.clavicles else LABELS.index("heart") + 1


def films_of(manifest: Path, data: FilmsPart) -> tuple[Case, ...]:
    """The cases of a manifest that teach; raises ``DataError`` where there are none, or a listed name is unknown."""
    cases = read_manifest(manifest)
    if data.films is not None:
        listed = by_lists(cases, [data.films])
        cases = tuple(case for case in cases if case.subject in listed)
    if not cases:
        raise DataError("no film to learn from", where=str(manifest), remedy="give a manifest with films and masks")
    return cases


def sources_of(
    cases: Sequence[Case], pipeline: Pipeline, *, variants: bool, on_film: Callable[[], object] = lambda: None
) -> list[Source]:
    """The films of a pipeline at its size, in order, each followed by its variants where they are wanted.

    Films of other shapes lie in the middle of a square. Raises ``DataError`` naming the case that lacks a mask.
    """
    data, size = pipeline.data, pipeline.size
    planned = [(case, Variant("original")) for case in cases]
    if variants and data.variants:
        planned = variants_of(cases, data.seed, data.limits)
    each = len(planned) // len(cases)
    dots_size = pipeline.stages.dots.size if pipeline.stages.dots else None

    def load(number: int) -> list[Source]:
        case = cases[number]
        try:
            film, flags = _on_square(case, size)
            wanted = [variant for _, variant in planned[each * number : each * (number + 1)]]
            return [_source(variant.of_film(film), variant.of_labels(flags), data, dots_size) for variant in wanted]
        except DataError as error:
            raise DataError(error.what, where=error.where or case.case, remedy=error.remedy) from error
        finally:
            on_film()

    with ThreadPoolExecutor(4) as pool:
        return [source for made in pool.map(load, range(len(cases))) for source in made]


def _on_square(case: Case, size: int) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """The film [size, size] in [0, 1] and its masks as bit flags."""
    film = case.load_film()
    place = Placement.fit((int(film.shape[0]), int(film.shape[1])), (size, size))
    low, high = robust_range(film, LOW, HIGH)
    unit = place.onto_grid(np.clip((film - low) / (high - low), 0, 1).astype(np.float32), border=0)
    flags = np.zeros((size, size), np.uint8)
    truth = case.load_truth()
    for label, bit in FLAGS.items():
        if label not in truth:
            raise DataError(f"has no mask of {label}", remedy="films teach by masks of lungs, heart and clavicles")
        if truth[label].shape != film.shape:
            raise DataError(f"its mask of {label} has another size than the film", remedy="mend the manifest")
        inside = place.onto_grid(truth[label].astype(np.float32), border=0) >= 0.5
        flags |= np.where(inside, np.uint8(bit), np.uint8(0))
    return unit, flags


def _source(film: NDArray[np.float32], flags: NDArray[Any], data: FilmsPart, dots_size: int | None) -> Source:
    masks = {label: (flags & bit) > 0 for label, bit in FLAGS.items()}
    dots = None if dots_size is None else dots_of(masks, size=dots_size, radius=data.dot_radius)
    grey = np.rint(255 * film).astype(np.uint8)
    return Source(grey, label_map_of(masks, clavicles=data.clavicles), dots)


def pictures_of(sources: Sequence[Source], makes: Makes, *, labels: int) -> NDArray[np.uint8]:
    """What a PGGAN is to draw like, as grey values [n, channels, h, h]: one channel, or label map and film."""
    if makes == "dots":
        return np.stack([_dots(source).picture()[None] for source in sources])
    maps = np.stack([as_grey(source.labels, labels)[None] for source in sources])
    if makes == "labels":
        return maps
    return np.concatenate([maps, np.stack([source.film[None] for source in sources])], axis=1)


def conditions_of(sources: Sequence[Source], makes: Makes, *, size: int) -> NDArray[np.uint8]:
    """What a Pix2PixHD works on, as numbers [n, size, size]: dots for label maps, label maps for films."""
    if makes == "labels":
        return np.stack([condition_of(_dots(source), size) for source in sources])
    return np.stack([source.labels for source in sources])


def condition_of(dots: Dots, size: int) -> NDArray[np.uint8]:
    """A dot map as the next stage sees it: numbers of structures [size, size]."""
    return np.asarray(enlarged(dots.numbers(), size))


def numbers_in(makes: Makes, *, labels: int) -> int:
    """How many numbers the maps have that a Pix2PixHD works on."""
    return NUMBERS if makes == "labels" else labels


def _dots(source: Source) -> Dots:
    assert source.dots is not None
    return source.dots
