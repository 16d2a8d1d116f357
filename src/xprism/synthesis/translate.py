"""Training of a stage that works on the one before it: Pix2PixHD makes label maps of dots, or films of label maps."""

from __future__ import annotations

import math
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from xprism.networks.pix2pixhd import Pix2PixHDGenerator, ScaledDiscriminators
from xprism.objectives.pix2pixhd import Pix2PixHDLoss
from xprism.synthesis.codes import as_signal
from xprism.synthesis.draws import averaged, in_epochs
from xprism.synthesis.pipeline import Pix2PixHDPart


def one_hot(numbers: NDArray[np.uint8], count: int) -> Tensor:
    """Maps of numbers [n, h, w] as one channel a number, [n, count, h, w], 1 where it is."""
    return F.one_hot(torch.from_numpy(numbers.astype(np.int64)), count).movedim(-1, 1).float()


Pair = tuple[NDArray[np.uint8], NDArray[np.uint8]]
Varied = Callable[[int, np.random.Generator], Pair]


class Pairs:
    """Conditions as numbers [n, h, h] below ``conditions``, and what is to be made of them: [n, h, h].

    That are the numbers of label maps below ``labels``, made as one score a label, or, where there are no ``labels``,
    grey films. Films come as they are, without flips, which would swap the sides. Each pair is followed, in number, by
    ``more`` that ``varied`` makes of it, by its place and a chance of their own in every epoch.
    """

    def __init__(
        self,
        given: NDArray[np.uint8],
        wanted: NDArray[np.uint8],
        *,
        conditions: int,
        labels: int | None,
        more: int = 0,
        varied: Varied | None = None,
        seed: int = 0,
    ) -> None:
        self._given, self._wanted, self.conditions, self._labels = given, wanted, conditions, labels
        self._more, self._varied, self._seed = more, varied, seed
        self.channels = labels or 1

    def __len__(self) -> int:
        return len(self._given) * (1 + self._more)

    def at(self, numbers: NDArray[np.int64], epochs: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Pairs by number as they are in an epoch.

        Conditions have one channel each, [n, conditions, h, h]; what belongs to them is [n, channels, h, h], -1 to 1.
        """
        pairs = [self._pair(int(number), int(epoch)) for number, epoch in zip(numbers, epochs, strict=True)]
        given, wanted = (np.stack(pictures) for pictures in zip(*pairs, strict=True))
        if self._labels is None:
            real = torch.from_numpy(as_signal(wanted))[:, None]
        else:
            real = 2 * one_hot(wanted, self._labels) - 1
        return one_hot(given, self.conditions), real

    def _pair(self, number: int, epoch: int) -> Pair:
        place, which = divmod(number, 1 + self._more)
        if which == 0 or self._varied is None:
            return self._given[place], self._wanted[place]
        return self._varied(place, np.random.default_rng([self._seed, place, which, epoch]))


class TranslationTraining:
    """Steps of Pix2PixHD: generator and discriminators both learn from what they made and judged before either moves.

    ``kept`` is the generator whose weights are averages.
    """

    def __init__(self, settings: Pix2PixHDPart, pairs: Pairs, device: torch.device) -> None:
        self._settings, self._pairs, self._device = settings, pairs, device
        self._loss = Pix2PixHDLoss(feature_weight=settings.feature_weight)
        self._generator = Pix2PixHDGenerator(
            pairs.conditions, pairs.channels, width=settings.width, downs=settings.downs, blocks=settings.blocks
        ).to(device)
        both = pairs.conditions + pairs.channels
        self._judges = ScaledDiscriminators(both, width=settings.discriminator_width).to(device)
        self.kept: nn.Module = deepcopy(self._generator)
        networks: tuple[nn.Module, ...] = (self._generator, self._judges)
        self._optimizers = [torch.optim.Adam(one.parameters(), 1e-3, betas=settings.betas) for one in networks]
        epochs = settings.epochs + settings.epochs_of_decline
        self.steps = math.ceil(epochs * len(pairs) / settings.batch)
        self.work: Callable[[int], float] = float

    def __call__(self, step: int) -> dict[str, float]:
        """Take a step; what it depends on is the seed, the step and the weights alone."""
        settings = self._settings
        for optimizer in self._optimizers:
            optimizer.param_groups[0]["lr"] = self._rate(step)
        first = step * settings.batch
        numbers = in_epochs(settings.seed, len(self._pairs), first, settings.batch)
        epochs = np.arange(first, first + settings.batch) // len(self._pairs)
        given, real = (pictures.to(self._device) for pictures in self._pairs.at(numbers, epochs))
        with self._autocast():
            made = self._generator(given)
            judged_real, judged_made = self._judged(given, real), self._judged(given, made.detach())
            self._judges.requires_grad_(False)
            believed = self._judged(given, made)
        parts = self._loss.generator(judged_real, believed, real=real, made=made)
        self._move(0, torch.stack([*parts.values()]).sum())
        self._judges.requires_grad_(True)
        discriminator = self._loss.discriminator(judged_real, judged_made)
        self._move(1, discriminator)
        averaged(self.kept, self._generator, settings.ema, step)
        parts["discriminator"] = discriminator
        return {name: float(value.detach()) for name, value in parts.items()}

    def facts(self, step: int) -> dict[str, Any]:
        """Where a step stands, for the log: epochs gone and the rate."""
        shown = (step + 1) * self._settings.batch
        return {"epoch": round(shown / len(self._pairs), 4), "rate": self._rate(step)}

    def is_ready(self, steps: int) -> bool:
        """Whether the network makes whole pictures: from the first step on."""
        return steps > 0

    @torch.no_grad()
    def look(self, steps: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """What is made of fixed conditions, and what belongs to them, [n, C, h, h]."""
        numbers = np.linspace(0, len(self._pairs) - 1, min(self._settings.watched, len(self._pairs))).astype(np.int64)
        given, real = self._pairs.at(numbers, np.zeros_like(numbers))
        with self._autocast():
            made = [self.kept(one[None].to(self._device)).float().cpu() for one in given]
        return torch.cat(made).numpy(), real.numpy()

    def state_dict(self) -> dict[str, Any]:
        parts = {"generator": self._generator, "judges": self._judges, "kept": self.kept}
        state: dict[str, Any] = {name: part.state_dict() for name, part in parts.items()}
        return state | {"optimizers": [optimizer.state_dict() for optimizer in self._optimizers]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name, part in {"generator": self._generator, "judges": self._judges, "kept": self.kept}.items():
            part.load_state_dict(state[name])
        for optimizer, one in zip(self._optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(one)

    def _judged(self, given: Tensor, picture: Tensor) -> list[list[Tensor]]:
        judged: list[list[Tensor]] = self._judges(torch.cat([given, picture], dim=1))
        return judged

    def _move(self, which: int, loss: Tensor) -> None:
        self._optimizers[which].zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizers[which].step()

    def _autocast(self) -> torch.autocast:
        wanted = self._settings.precision == "bf16-mixed"
        return torch.autocast(self._device.type, torch.bfloat16, enabled=wanted)

    def _rate(self, step: int) -> float:
        settings = self._settings
        epoch = step * settings.batch // len(self._pairs)
        gone = max(0, epoch - settings.epochs) / max(1, settings.epochs_of_decline)
        return settings.learning_rate * (1 - gone)
