"""Training samples: cases held in memory at a grid somewhat finer than the network's, augmented on demand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from xprism.card import InputSpec
from xprism.data.manifest import Case
from xprism.grid import Placement, resize
from xprism.radiograph import robust_range
from xprism.targets import TargetSet
from xprism.training.augment import (
    AugmentSettings,
    Geometry,
    PaperAugment,
    apply_look,
    draw_geometry,
    draw_look,
    draw_paper_geometry,
    paper_copies,
    resample,
    sampling_grid,
)
from xprism.training.recipe import Recipe

FINER = 4 / 3


@dataclass(frozen=True)
class Held:
    """One case in memory: film [1, h, w] in [0, 1] and its extent (ones inside), truth planes uint8 [P', h, w]."""

    film: Tensor
    truth: Tensor
    known: Tensor


def hold(case: Case, targets: TargetSet, size: tuple[int, int], spec: InputSpec) -> Held:
    """Read a case onto a grid of ``size`` (height, width); films lie in [0, 1], turned over where ``spec`` says so."""
    film = case.load_film()
    place = Placement.fit((int(film.shape[0]), int(film.shape[1])), size)
    low, high = robust_range(film, min(0.2, spec.low_percent), max(99.8, spec.high_percent))
    shown = np.clip((film - low) / (high - low), 0, 1)
    placed = place.onto_grid(1 - shown if spec.inverted else shown, border=0)
    extent = place.onto_grid(np.ones(place.film, np.float32), border=0)
    shape = (place.height, place.width)
    truth = targets.encode({label: _resized(plane, shape) for label, plane in case.load_truth().items()}, shape)
    planes = np.zeros((int(truth.known.sum()), *size), np.float32)
    place.crop(planes)[:] = truth.planes[truth.known]
    return Held(torch.from_numpy(np.stack([placed, extent])), _stored(planes), torch.from_numpy(truth.known))


def _resized(plane: NDArray[Any], shape: tuple[int, int]) -> NDArray[Any]:
    """Masks and pictures smoothed as they shrink, so that masks have soft edges; class maps by the nearest pixel."""
    if plane.dtype != bool and plane.dtype.kind in "iu":
        rows, columns = ((np.arange(new) + 0.5) * old / new for new, old in zip(shape, plane.shape, strict=True))
        nearest: NDArray[Any] = plane[rows.astype(int)[:, None], columns.astype(int)]
        return nearest
    return resize(plane.astype(np.float32), shape)


def _stored(planes: NDArray[np.float32]) -> Tensor:
    """Planes in [0, 1] as 8 bit, to save memory; others as they are."""
    if planes.size and (planes.min() < 0 or planes.max() > 1):
        return torch.from_numpy(planes)
    return torch.from_numpy(np.rint(planes * 255).astype(np.uint8))


class Samples(torch.utils.data.Dataset[tuple[Tensor, Tensor, Tensor]]):
    """The endless, seeded stream of augmented samples; sample n is the same whenever it is asked for.

    Each item is film [1, h, w] scaled for the network, truth planes [P, h, w] and known flags [P].
    """

    def __init__(self, cases: Sequence[Case], recipe: Recipe, *, progress: Callable[[], object] = lambda: None) -> None:
        self.targets, self.spec = recipe.targets, recipe.input
        self.other_side = list(recipe.targets.other_side)
        self.settings: AugmentSettings | PaperAugment | None = recipe.augment
        self.seed, self.total = recipe.schedule.seed, recipe.schedule.steps * recipe.schedule.batch
        share = FINER if isinstance(self.settings, AugmentSettings) else 1
        finer = (round(self.spec.size[0] * share), round(self.spec.size[1] * share))

        def load(case: Case) -> Held:
            held = hold(case, self.targets, finer, self.spec)
            progress()
            return held

        with ThreadPoolExecutor(4) as pool:
            self.held = list(pool.map(load, cases))
        repeats = [recipe.data.repeat.get(case.attributes.get("source", ""), 1) for case in cases]
        with_copies = isinstance(self.settings, PaperAugment) and self.settings.copies
        self.copies = paper_copies(self.spec.size) if with_copies else (None,)
        epoch = [place for place, often in enumerate(repeats) for _ in range(often)]
        self.epoch = [(place, copy) for place in epoch for copy in range(len(self.copies))]

    def __len__(self) -> int:
        return self.total

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor, Tensor]:
        epoch, place = divmod(number, len(self.epoch))
        order = np.random.default_rng([self.seed, 0, epoch]).permutation(len(self.epoch))
        case, copy = self.epoch[order[place]]
        held = self.held[case]
        rng = np.random.default_rng([self.seed, 1, number])
        if isinstance(self.settings, AugmentSettings):
            film, extent, truth, swapped = self._at_random(held, self.settings, rng)
            inside = film[extent > 0.5] if rng.random() < 0.5 else film
        else:
            film, truth = self._as_in_paper(held, self.copies[copy], rng)
            inside, swapped = held.film[0][held.film[1] > 0.5], False
        planes, known = torch.zeros(len(held.known), *self.spec.size), held.known
        planes[known] = truth
        if swapped:
            planes, known = planes[self.other_side], known[self.other_side]
        return self._scaled(film, inside)[None], planes, known

    def _at_random(
        self, held: Held, settings: AugmentSettings, rng: np.random.Generator
    ) -> tuple[Tensor, Tensor, Tensor, bool]:
        """Film and extent [h, w], known truth [P', h, w], and whether the sides change places."""
        geometry, look = draw_geometry(rng, settings), draw_look(rng, settings)
        grid = sampling_grid(geometry, self.spec.size)
        film, extent = resample(held.film, grid, replicate=geometry.replicate)
        truth = resample(_unit(held.truth), grid) if len(held.truth) else torch.zeros(0, *self.spec.size)
        return apply_look(film, look), extent, truth, geometry.flipped and not settings.flip_keeps_labels

    def _as_in_paper(self, held: Held, copy: Geometry | None, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Film [h, w] and known truth [P', h, w] of a film or one of its copies."""
        film, truth = held.film[0], _unit(held.truth)
        drawn = draw_paper_geometry(rng, self.settings) if isinstance(self.settings, PaperAugment) else None
        for geometry in (copy, drawn):
            if geometry is not None:
                grid = sampling_grid(geometry, self.spec.size)
                film, truth = resample(film[None], grid)[0], resample(truth, grid)
        return film, truth

    def _scaled(self, film: Tensor, like: Tensor) -> Tensor:
        low_percent, high_percent = self.spec.low_percent, self.spec.high_percent
        if self.spec.inverted:
            low_percent, high_percent = 100 - high_percent, 100 - low_percent
        whole = (low_percent, high_percent) == (0, 100)
        sample = like.flatten()[:: 1 if whole else max(1, like.numel() // 20_000)].numpy()
        low, high = robust_range(sample, low_percent, high_percent)
        return ((film - low) * (2 / (high - low)) - 1).clamp(-self.spec.clip, self.spec.clip)


def _unit(truth: Tensor) -> Tensor:
    return truth.float() / 255 if truth.dtype == torch.uint8 else truth
