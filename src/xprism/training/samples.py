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

from xprism.data.manifest import Case
from xprism.grid import Placement, resize
from xprism.radiograph import robust_range
from xprism.targets import TargetSet
from xprism.training.augment import AugmentSettings, apply_look, draw_geometry, draw_look, resample, sampling_grid
from xprism.training.recipe import Recipe

FINER = 4 / 3


@dataclass(frozen=True)
class Held:
    """One case in memory: film [1, h, w] in [0, 1] and its extent (ones inside), truth planes uint8 [P', h, w]."""

    film: Tensor
    truth: Tensor
    known: Tensor


def hold(case: Case, targets: TargetSet, size: tuple[int, int]) -> Held:
    """Read a case onto a grid of ``size`` (height, width)."""
    film = case.load_film()
    place = Placement.fit((int(film.shape[0]), int(film.shape[1])), size)
    low, high = robust_range(film, 0.2, 99.8)
    placed = place.onto_grid(np.clip((film - low) / (high - low), 0, 1), border=0)
    extent = place.onto_grid(np.ones(place.film, np.float32), border=0)
    truth = targets.encode(_fitting(case.load_truth(), place.film), place.film)
    planes = [place.onto_grid(plane, border=0) for plane in truth.planes[truth.known]]
    stacked = np.stack(planes) if planes else np.zeros((0, *size), np.float32)
    return Held(
        torch.from_numpy(np.stack([placed, extent])),
        torch.from_numpy(np.rint(stacked * 255).astype(np.uint8)),
        torch.from_numpy(truth.known),
    )


def _fitting(truth: dict[str, NDArray[Any]], film: tuple[int, int]) -> dict[str, NDArray[Any]]:
    """Masks of another size than the film's, brought to it by nearest neighbours."""
    fitted = {}
    for label, plane in truth.items():
        if plane.shape != film:
            plane = resize(plane.astype(np.float32), film)
            plane = plane >= 0.5 if truth[label].dtype == bool else plane
        fitted[label] = plane
    return fitted


class Samples(torch.utils.data.Dataset[tuple[Tensor, Tensor, Tensor]]):
    """The endless, seeded stream of augmented samples; sample n is the same whenever it is asked for.

    Each item is film [1, h, w] scaled for the network, truth planes [P, h, w] and known flags [P].
    """

    def __init__(self, cases: Sequence[Case], recipe: Recipe, *, progress: Callable[[], object] = lambda: None) -> None:
        self.targets, self.spec = recipe.targets, recipe.input
        self.settings: AugmentSettings | None = recipe.augment
        self.seed, self.total = recipe.schedule.seed, recipe.schedule.steps * recipe.schedule.batch
        share = FINER if recipe.augment else 1
        finer = (round(self.spec.size[0] * share), round(self.spec.size[1] * share))

        def load(case: Case) -> Held:
            held = hold(case, self.targets, finer)
            progress()
            return held

        with ThreadPoolExecutor(4) as pool:
            self.held = list(pool.map(load, cases))

    def __len__(self) -> int:
        return self.total

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor, Tensor]:
        epoch, place = divmod(number, len(self.held))
        order = np.random.default_rng([self.seed, 0, epoch]).permutation(len(self.held))
        held = self.held[order[place]]
        film, extent, truth, by_extent = self._augmented(held, number)
        planes = torch.zeros(len(held.known), *self.spec.size)
        planes[held.known] = truth
        inside = film[extent > 0.5] if by_extent else film
        return self._scaled(film, inside)[None], planes, held.known

    def _augmented(self, held: Held, number: int) -> tuple[Tensor, Tensor, Tensor, bool]:
        """Film and extent [h, w], known truth [P', h, w], and whether percentiles come from the extent alone."""
        truth = held.truth.float() / 255
        if self.settings is None:
            return held.film[0], held.film[1], truth, True
        rng = np.random.default_rng([self.seed, 1, number])
        geometry, look = draw_geometry(rng, self.settings), draw_look(rng, self.settings)
        by_extent = bool(rng.random() < 0.5)
        grid = sampling_grid(geometry, self.spec.size)
        film, extent = resample(held.film, grid, replicate=geometry.replicate)
        truth = resample(truth, grid) if len(truth) else torch.zeros(0, *self.spec.size)
        return apply_look(film, look), extent, truth, by_extent

    def _scaled(self, film: Tensor, like: Tensor) -> Tensor:
        sample = like.flatten()[:: max(1, like.numel() // 20_000)].numpy()
        low, high = robust_range(sample, self.spec.low_percent, self.spec.high_percent)
        return ((film - low) * (2 / (high - low)) - 1).clamp(-self.spec.clip, self.spec.clip)
