"""Training samples: cases held in memory at a grid somewhat finer than the network's, augmented on demand."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from xprism.card import InputSpec
from xprism.data.manifest import Case
from xprism.evaluation.cases import with_derived
from xprism.grid import Placement, resize
from xprism.radiograph import robust_range
from xprism.targets import UNIONS, Lesions, TargetSet, Truth
from xprism.training.augment import (
    NO_PLACES,
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
from xprism.training.cases import times_shown
from xprism.training.recipe import Recipe
from xprism.training.small_data import SmallDataAugment, draw_warp, one_class_a_pixel, positions, warp_film, warp_labels
from xprism.training.tissue import draw_nodules, draw_tissue

FINER = 4 / 3


@dataclass(frozen=True)
class Held:
    """One case in memory: film [1, h, w] in [0, 1] and its extent (ones inside), truth planes uint8 [P', h, w].

    ``remains`` [L', h, w] is what the film without each known layer shows, on the film's scale, NaN where that is
    not known; P' are the other known planes. ``lesions`` [n, 2] are the centres (x, y) of known lesions in [-1, 1].
    """

    film: Tensor
    truth: Tensor
    remains: Tensor
    known: Tensor
    lesions: NDArray[np.float64] = field(default_factory=NO_PLACES.copy)


def hold(
    case: Case,
    targets: TargetSet,
    size: tuple[int, int],
    spec: InputSpec,
    *,
    teaches: Collection[str] | None = None,
) -> Held:
    """Read a case onto a grid of ``size`` (height, width); films lie in [0, 1], turned over where ``spec`` says so.

    Where the case ``teaches`` some targets alone, nothing is known of the others.
    """
    film = case.load_film()
    place = Placement.fit((int(film.shape[0]), int(film.shape[1])), size)
    low, high = robust_range(film, min(0.2, spec.low_percent), max(99.8, spec.high_percent))

    def shown(plane: NDArray[Any]) -> NDArray[Any]:
        unit = np.clip((plane - low) / (high - low), 0, 1)
        return 1 - unit if spec.inverted else unit

    placed = place.onto_grid(shown(film), border=0)
    extent = place.onto_grid(np.ones(place.film, np.float32), border=0)
    shape = (place.height, place.width)
    learnt = {union: parts for union, parts in UNIONS.items() if union in targets.channel_labels}
    known = with_derived(case.load_truth_for(targets, place.film), learnt)
    truth = targets.encode({label: _resized(plane, shape) for label, plane in known.items()}, shape)
    if teaches is not None:
        truth = replace(truth, known=truth.known & np.isin(np.arange(len(truth.known)), targets.part(teaches)[2]))
    layers = targets.is_layer & truth.known
    planes = _around(place, truth.planes[truth.known & ~layers])
    remains = _around(place, shown(truth.planes[layers]))
    return Held(
        torch.from_numpy(np.stack([placed, extent])),
        _stored(planes),
        torch.from_numpy(remains).half(),
        torch.from_numpy(truth.known),
        _lesion_centres(targets, truth, place),
    )


def _lesion_centres(targets: TargetSet, truth: Truth, place: Placement) -> NDArray[np.float64]:
    """Centre (x, y) of every piece of a lesion mask, in [-1, 1] of the grid."""
    labels = {target.label for target in targets if isinstance(target, Lesions)}
    centres = [NO_PLACES]
    for label, plane, known in zip(targets.plane_labels, truth.planes, truth.known, strict=True):
        if known and label in labels and plane.any():
            pieces, count = ndimage.label(plane > 0)
            rows, columns = np.transpose(ndimage.center_of_mass(plane, pieces, range(1, count + 1)))
            x, y = 2 * (place.left + columns + 0.5) / place.grid[1], 2 * (place.top + rows + 0.5) / place.grid[0]
            centres.append(np.stack([x - 1, y - 1], axis=1))
    return np.concatenate(centres)


def _around(place: Placement, planes: NDArray[Any]) -> NDArray[np.float32]:
    """Planes [n, height, width] at their place on the grid, zero around them."""
    placed = np.zeros((len(planes), *place.grid), np.float32)
    place.crop(placed)[:] = planes
    return placed


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

    Each item is film [1, h, w] scaled for the network, truth planes [P, h, w] (layers NaN where they are not
    known) and known flags [P]; of a network that sees windows, one window anywhere.
    """

    def __init__(self, cases: Sequence[Case], recipe: Recipe, *, progress: Callable[[], object] = lambda: None) -> None:
        self.targets, self.spec = recipe.targets, recipe.input
        self.other_side = list(recipe.targets.other_side)
        self.is_layer = torch.from_numpy(recipe.targets.is_layer)
        self.settings: AugmentSettings | PaperAugment | SmallDataAugment | None = recipe.augment
        self.seed, self.total = recipe.schedule.seed, recipe.schedule.steps * recipe.schedule.batch
        share = FINER if isinstance(self.settings, AugmentSettings) else 1
        finer = (round(self.spec.size[0] * share), round(self.spec.size[1] * share))

        def load(case: Case) -> Held:
            teaches = recipe.data.teaches.get(case.attributes.get("source", ""))
            held = hold(case, self.targets, finer, self.spec, teaches=teaches)
            progress()
            return held

        with ThreadPoolExecutor(4) as pool:
            self.held = list(pool.map(load, cases))
        repeats, self.keeps_originals = times_shown(cases, recipe.data), recipe.data.oversample is not None
        with_copies = isinstance(self.settings, PaperAugment) and self.settings.copies
        self.copies = paper_copies(self.spec.size) if with_copies else (None,)
        epoch = [place for place, often in enumerate(repeats) for _ in range(often)]
        self.epoch = [(place, copy) for place in epoch for copy in range(len(self.copies))]
        if isinstance(self.settings, SmallDataAugment):
            self.epoch = [(place, copy) for place, often in enumerate(repeats) for copy in range(often)]
        self.layered = [place for place in epoch if len(self.held[place].remains)]

    def __len__(self) -> int:
        return self.total

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor, Tensor]:
        epoch, place = divmod(number, len(self.epoch))
        order = np.random.default_rng([self.seed, 0, epoch]).permutation(len(self.epoch))
        case, copy = self.epoch[order[place]]
        held = self.held[case]
        rng = np.random.default_rng([self.seed, 1, number])
        if isinstance(self.settings, AugmentSettings):
            held = self._exchanged(held, self.settings, rng)
            films, extent, truth, swapped = self._at_random(held, self.settings, rng)
            inside = films[0][extent > 0.5] if rng.random() < 0.5 else films[0]
        elif isinstance(self.settings, SmallDataAugment) and not (self.keeps_originals and copy == 0):
            films, extent, truth, swapped = self._warped(held, self.settings, rng)
            inside = films[0][extent > 0.5]
        else:
            films, truth = self._as_in_paper(held, self.copies[copy], rng)
            inside, swapped = held.film[0][held.film[1] > 0.5], False
        film, *remains = self._scaled(films, inside)
        known = held.known
        planes = torch.zeros(len(known), *self.spec.size)
        planes[known & ~self.is_layer] = truth
        if isinstance(self.settings, SmallDataAugment):
            planes = one_class_a_pixel(planes, known, self.targets)
        if remains:
            planes[known & self.is_layer] = film - torch.stack(remains)
        if swapped:
            planes, known = planes[self.other_side], known[self.other_side]
        if self.spec.window is not None:
            part = _anywhere(rng, self.spec.size, self.spec.window)
            film, planes = film[part], planes[..., *part]
        return film[None], planes, known

    def _exchanged(self, held: Held, settings: AugmentSettings, rng: np.random.Generator) -> Held:
        """At times what remains of a case below the layer of another one, drawn weaker or stronger."""
        if not settings.exchange_layers or not len(held.remains) or rng.random() >= settings.exchange_layers:
            return held
        other = self.held[rng.choice(self.layered)]
        layer = (other.film[:1] - other.remains[:1]).nan_to_num(0)
        place = sampling_grid(draw_geometry(rng, settings), (layer.shape[1], layer.shape[2]))
        layer = resample(layer, place, cubic=True)
        below = torch.where(held.remains[:1].isnan(), held.film[:1], held.remains[:1].float())
        film = (below + float(rng.uniform(0.6, 1.4)) * layer).clamp(0, 1)
        return Held(torch.cat([film, held.film[1:]]), held.truth[:0], held.remains[:1], held.known & self.is_layer)

    def _at_random(
        self, held: Held, settings: AugmentSettings, rng: np.random.Generator
    ) -> tuple[Tensor, Tensor, Tensor, bool]:
        """Film and what layers leave of it [1 + L', h, w], extent, known truth [P', h, w], and whether sides swap."""
        geometry, look = draw_geometry(rng, settings, held.lesions), draw_look(rng, settings)
        grid = sampling_grid(geometry, self.spec.size)
        films = resample(torch.cat([held.film, held.remains.float()]), grid, replicate=geometry.replicate, cubic=True)
        truth = resample(_unit(held.truth), grid) if len(held.truth) else torch.zeros(0, *self.spec.size)
        if settings.tissue_probability and rng.random() < settings.tissue_probability:
            tissue = draw_tissue(rng, self.spec.size)
            films = torch.cat([films[:1] + tissue, films[1:2], films[2:] + tissue])
        if settings.insert_lesions and rng.random() < settings.insert_lesions:
            films, truth = self._with_nodules(films, truth, held.known, rng)
        unknown = films[2:].isnan()
        shown = apply_look(torch.cat([films[:1], torch.where(unknown, films[:1], films[2:])]), look)
        shown[1:][unknown] = float("nan")
        return shown, films[1], truth, geometry.flipped and not settings.flip_keeps_labels

    def _with_nodules(
        self, films: Tensor, truth: Tensor, known: Tensor, rng: np.random.Generator
    ) -> tuple[Tensor, Tensor]:
        """Films and truth with nodules laid into the lungs, where those and the film's own lesions are known."""
        labels = [
            label for label, is_known in zip(self.targets.plane_labels, known & ~self.is_layer, strict=True) if is_known
        ]
        lesions = [target for target in self.targets if isinstance(target, Lesions) and target.label in labels]
        if len(lesions) != 1 or "lungs" not in labels:
            return films, truth
        nodules, mask = draw_nodules(rng, films[0], truth[labels.index("lungs")], square=lesions[0].shape == "square")
        place = labels.index(lesions[0].label)
        truth = truth.clone()
        truth[place] = torch.maximum(truth[place], mask)
        return torch.cat([films[:1] + nodules, films[1:2], films[2:] + nodules]), truth

    def _warped(
        self, held: Held, settings: SmallDataAugment, rng: np.random.Generator
    ) -> tuple[Tensor, Tensor, Tensor, bool]:
        """As ``_at_random``, by the small-data preset."""
        warp = draw_warp(rng, settings, self.spec.size)
        place = positions(warp, self.spec.size)
        films, truth = warp_film(torch.cat([held.film, held.remains.float()]), place, warp), _unit(held.truth)
        truth = warp_labels(truth, place) if len(truth) else torch.zeros(0, *self.spec.size)
        return torch.cat([films[:1], films[2:]]), films[1], truth, warp.flipped[0]

    def _as_in_paper(self, held: Held, copy: Geometry | None, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Film and what layers leave of it [1 + L', h, w], and known truth [P', h, w], of a film or copy."""
        films, truth = torch.cat([held.film[:1], held.remains.float()]), _unit(held.truth)
        drawn = draw_paper_geometry(rng, self.settings) if isinstance(self.settings, PaperAugment) else None
        for geometry in (copy, drawn):
            if geometry is not None:
                grid = sampling_grid(geometry, self.spec.size)
                films, truth = resample(films, grid), resample(truth, grid)
        return films, truth

    def _scaled(self, films: Tensor, like: Tensor) -> Tensor:
        low_percent, high_percent = self.spec.low_percent, self.spec.high_percent
        if self.spec.inverted:
            low_percent, high_percent = 100 - high_percent, 100 - low_percent
        whole = (low_percent, high_percent) == (0, 100)
        sample = like.flatten()[:: 1 if whole else max(1, like.numel() // 20_000)].numpy()
        low, high = robust_range(sample, low_percent, high_percent)
        return ((films - low) * (2 / (high - low)) - 1).clamp(-self.spec.clip, self.spec.clip)


def _anywhere(rng: np.random.Generator, size: tuple[int, int], window: tuple[int, int]) -> tuple[slice, slice]:
    """Rows and columns of a window whose place on a grid of ``size`` is drawn, every place as likely."""
    top, left = (int(rng.integers(side - part + 1)) for side, part in zip(size, window, strict=True))
    return slice(top, top + window[0]), slice(left, left + window[1])


def _unit(truth: Tensor) -> Tensor:
    return truth.float() / 255 if truth.dtype == torch.uint8 else truth
