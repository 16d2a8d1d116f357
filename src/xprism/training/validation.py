"""Looks at films that do not train: keeps the best weights, and says when they no longer get better."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray
from torch import Tensor, nn

from xprism.card import InputSpec
from xprism.errors import DataError
from xprism.evaluation.overlap import Counts
from xprism.grid import windows
from xprism.objectives.supervised import SupervisedLoss
from xprism.targets import Classes, Lesions, Masks, TargetSet
from xprism.training.cases import validation_cases
from xprism.training.monitor import Noted
from xprism.training.recipe import Recipe, ValidationPart
from xprism.training.samples import Samples


class Validation:
    """Measures a network on the films of the validation, as they are, every so many steps.

    ``loss`` is that of supervision; ``dice`` the mean over films and known masks, on the network's grid.
    ``noted`` holds the figure for the log. The weights at the best look are part of the state, so that a
    resumed training equals an unbroken one. A recipe without validation has no films to look at.
    """

    def __init__(self, recipe: Recipe, fabric: Fabric) -> None:
        self._part = recipe.validation or ValidationPart()
        self._targets, self._fabric = recipe.targets, fabric
        self._batch, self._last = recipe.schedule.batch, recipe.schedule.steps
        self._loss = SupervisedLoss(recipe.targets, **recipe.objective.supervised.loss)
        once = recipe.data.model_copy(update={"repeat": {}, "oversample": None})
        self._input = recipe.input
        whole = recipe.input.model_copy(update={"window": None, "stride": None})
        plain = recipe.model_copy(update={"augment": None, "data": once, "input": whole})
        self._samples = Samples(validation_cases(recipe), plain)
        self._best: dict[str, Any] = {"figure": None, "step": 0, "weights": {}, "looks_since": 0}
        self.noted = Noted()

    def __call__(self, step: int, network: nn.Module, *, ends: bool = False) -> str | None:
        """Look at ``network`` where it is time, or training ``ends``; a reason to stop, or None."""
        self.noted = Noted()
        if not self.is_due(step, ends=ends):
            return None
        figure, measure = self._measure(network), self._part.measure
        self.noted = Noted({f"validation_{measure}": figure}, (f"validation {measure} {figure:.4f}",))
        if self._is_better(figure):
            weights = {name: value.detach().cpu().clone() for name, value in network.state_dict().items()}
            self._best = {"figure": figure, "step": step, "weights": weights, "looks_since": 0}
        else:
            self._best["looks_since"] += 1
        if self._best["looks_since"] < self._part.patience:
            return None
        return f"validation {measure} was best at step {self._best['step']} ({self._best['figure']:.4f})"

    def is_due(self, step: int, *, ends: bool = False) -> bool:
        """Whether it is time for a look; never where there are no films for it."""
        return bool(self._samples.epoch) and (step % self._part.every == 0 or step == self._last or ends)

    def state_dict(self) -> dict[str, Any]:
        """Everything that a resumed training needs, the best weights among it."""
        return dict(self._best)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved state."""
        self._best |= state

    def _is_better(self, figure: float) -> bool:
        best = self._best["figure"]
        if best is None or math.isnan(best):
            return True
        return bool(figure < best if self._part.measure == "loss" else figure > best)

    @torch.no_grad()
    def _measure(self, network: nn.Module) -> float:
        trained = network.training
        network.eval()
        figures = [figure for batch in self._batches() for figure in self._figures(network, *batch)]
        network.train(trained)
        if not figures:
            raise DataError(
                "no film of the validation knows what it is measured by", remedy="choose another validation.measure"
            )
        # Each device has batch norms of its own; the first one's weights are saved, so its figure counts.
        return float(self._fabric.broadcast(float(np.mean(figures))))

    def _batches(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        count = len(self._samples.epoch)
        for start in range(0, count, self._batch):
            taken = [self._samples[number] for number in range(start, min(count, start + self._batch))]
            films, planes, known = (torch.stack(parts).to(self._fabric.device) for parts in zip(*taken, strict=True))
            yield films.contiguous(memory_format=torch.channels_last), planes, known

    def _figures(self, network: nn.Module, films: Tensor, planes: Tensor, known: Tensor) -> list[float]:
        """One loss a film, or one Dice a film and known mask."""
        with self._fabric.autocast():
            raw = over_windows(network, films, self._input)
        if self._part.measure == "loss":
            each = (slice(k, k + 1) for k in range(len(raw)) if known[k].any())
            return [float(self._loss(raw[film], planes[film], known[film], films=films[film])) for film in each]
        return dice_scores(self._targets, raw.cpu().numpy(), planes.cpu().numpy() >= 0.5, known.cpu().numpy())


def over_windows(network: nn.Module, films: Tensor, spec: InputSpec) -> Tensor:
    """Raw outputs [B, K, h, w] for films [B, 1, h, w] of the whole grid, means of the network's windows."""
    places = windows(spec)
    if len(places) == 1:
        return torch.as_tensor(network(films)).float()
    parts: list[Tensor] = [network(films[..., rows, columns]).float() for rows, columns in places]
    total = parts[0].new_zeros(len(films), parts[0].shape[1], *spec.size)
    times = total.new_zeros(spec.size)
    for (rows, columns), part in zip(places, parts, strict=True):
        total[..., rows, columns] += part
        times[rows, columns] += 1
    return total / times


def dice_scores(
    targets: TargetSet, raw: NDArray[Any], truth: NDArray[np.bool_], known: NDArray[np.bool_]
) -> list[float]:
    """Dice of every known mask of raw outputs [B, K, H, W] against truth planes [B, P, H, W].

    A union counts only for films that do not know all of its members; what is no mask has no Dice.
    """
    values = targets.activate(raw)
    planes, counted = np.zeros(truth.shape, bool), known.copy()
    for target in targets:
        part = targets.slices[target.name]
        if isinstance(target, Classes):
            planes[:, part] = values[:, part] == values[:, part].max(1, keepdims=True)
        elif isinstance(target, Masks | Lesions):
            planes[:, part] = values[:, part] >= target.threshold
        else:
            counted[:, part] = False
    for place, members in enumerate(targets.unions.values(), start=targets.channels):
        planes[:, place] = planes[:, list(members)].any(1)
        counted[:, place] &= ~known[:, list(members)].all(1)
    return [Counts.of(planes[case], truth[case]).dice for case in zip(*np.nonzero(counted), strict=True)]
