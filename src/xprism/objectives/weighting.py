"""What counts how much: the classes of a mask that covers little of a film, and the tasks of one network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

ClassWeighting = Literal["none", "paper", "equal"]


def class_weights(share: Tensor, kind: ClassWeighting, *, largest: float, classes: int = 2) -> Tensor:
    """The weight of a pixel of a class that covers ``share`` (0 to 1, any shape) of a batch's pixels.

    ``paper`` is (N - r) / r of Park et al. 2020, section 3.2, where r of N pixels belong to the class; ``equal`` is
    N / (classes * r), by which all classes weigh the same together. A class that is not there weighs nothing, and
    none weighs more than ``largest``. A mask has two ``classes``, on and off.
    """
    if kind == "none":
        return torch.ones_like(share)
    weight = (1 - share) / share if kind == "paper" else 1 / (classes * share)
    return torch.where(share > 0, weight, 0.0).clamp(max=largest)


class UncertaintyBalance(nn.Module):
    """The sum of tasks' losses, each weighed by an uncertainty that is learnt (Kendall, Gal, Cipolla, CVPR 2018).

    With s the logarithm of a task's variance, sum of exp(-s) L + s / 2: eq. 10 of theirs, in which a regression has
    half the factor, which s takes up. At its best a task weighs 1 / (2 L). A task of whose loss a batch holds nothing
    (it is exactly zero) moves no s. Called with the losses [T]; returns a scalar.
    """

    def __init__(self, tasks: Sequence[str]) -> None:
        super().__init__()
        self.tasks = tuple(tasks)
        self.log_variances = nn.Parameter(torch.zeros(len(self.tasks)))

    def forward(self, losses: Tensor) -> Tensor:
        there = (losses.detach() != 0).to(losses.dtype)
        return torch.exp(-self.log_variances) @ losses + 0.5 * (there * self.log_variances).sum()

    def weights(self) -> dict[str, float]:
        """How much each task weighs now: exp(-s)."""
        return dict(zip(self.tasks, torch.exp(-self.log_variances.detach()).tolist(), strict=True))
