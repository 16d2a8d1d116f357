"""The objective of Pix2PixHD: least-squares judgements, and features that real and made pictures share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

Judgement = Sequence[Sequence[Tensor]]
"""For each scale the maps of each layer of its discriminator; the last are the raw judgements."""

PERCEPTUAL_SHARES = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1.0)
"""How much the first to the fifth layer of a perceptual network count."""


@dataclass(frozen=True)
class Pix2PixHDLoss:
    """Losses of discriminators and generator.

    With F and R the judgements of made and real pictures, sums running over scales:
    L_D = 1/2 sum(mean (R - 1)^2 + mean F^2), L_G = sum(mean (F - 1)^2) + feature_weight * features
    + perceptual_weight * perceptual, where ``features`` is the mean absolute difference of each layer's maps, layers
    weighed 4 / (their number) and scales 1 / (theirs).
    ``perceptual`` makes the five maps of a network that was trained on natural pictures (VGG19 in the paper) of
    pictures [B, C, H, W]; no such network comes with xprism, and without one the term is left out.
    """

    feature_weight: float = 10.0
    perceptual_weight: float = 10.0
    perceptual: Callable[[Tensor], Sequence[Tensor]] | None = None

    def discriminator(self, real: Judgement, made: Judgement) -> Tensor:
        """L_D, a scalar."""
        scales = [_missed(r[-1], 1) + _missed(m[-1], 0) for r, m in zip(real, made, strict=True)]
        return torch.stack(scales).sum() / 2

    def generator(
        self, judged_real: Judgement, judged_made: Judgement, *, real: Tensor, made: Tensor
    ) -> dict[str, Tensor]:
        """The parts of L_G, each with its weight: their sum is what the generator minimises."""
        parts = {
            "adversarial": torch.stack([_missed(maps[-1], 1) for maps in judged_made]).sum(),
            "features": self.feature_weight * _features_apart(judged_real, judged_made),
        }
        if self.perceptual is not None:
            with torch.no_grad():
                wanted = self.perceptual(real)
            seen = zip(PERCEPTUAL_SHARES, wanted, self.perceptual(made), strict=True)
            apart = torch.stack([share * F.l1_loss(m.float(), r.float()) for share, r, m in seen])
            parts["perceptual"] = self.perceptual_weight * apart.sum()
        return parts


def _missed(judged: Tensor, wanted: float) -> Tensor:
    return (judged.float() - wanted).square().mean()


def _features_apart(real: Judgement, made: Judgement) -> Tensor:
    apart = []
    for reals, mades in zip(real, made, strict=True):
        layers = len(reals) - 1
        share = 4 / layers / len(real)
        apart += [share * F.l1_loss(m.float(), r.detach().float()) for r, m in zip(reals[:-1], mades[:-1], strict=True)]
    return torch.stack(apart).sum()
