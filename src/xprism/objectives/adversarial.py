"""The adversarial objective of the pix2pix papers: a patch discriminator judges film and pictures together."""

from __future__ import annotations

import torch
from torch import Tensor

from xprism.targets import Classes, Masks, Picture, TargetSet


class AdversarialLoss:
    """Losses of generator and discriminator, and the pictures that both of them look at.

    With F and R the discriminator's probabilities for made and real pictures:
    L_G = mean(-log(F + eps)) + l1_weight * mean(|Y - G|), L_D = mean(-(log(R + eps) + log(1 - F + eps))).
    Every output channel is a picture in [-1, 1]; channels that a case does not know are zero in both
    made and real ones and have no L1 term. Unions take no part. A picture whose values the network makes
    itself may leave [-1, 1] while it learns.
    """

    def __init__(self, targets: TargetSet, *, l1_weight: float = 10.0, eps: float = 1e-12) -> None:
        self.targets, self.l1_weight, self.eps = targets, l1_weight, eps

    def made(self, raw: Tensor, known: Tensor) -> Tensor:
        """Made pictures [B, K, H, W] in [-1, 1] of raw outputs of the same shape."""
        raw = raw.float()
        parts = []
        for target in self.targets:
            part = raw[:, self.targets.slices[target.name]]
            if isinstance(target, Classes):
                parts.append(2 * part.softmax(1) - 1)
            elif isinstance(target, Picture) and target.activation == "none":
                low, high = target.range
                parts.append(2 * (part - low) / (high - low) - 1)
            elif isinstance(target, Picture) or (isinstance(target, Masks) and target.activation == "tanh"):
                parts.append(torch.tanh(part))
            else:
                parts.append(torch.tanh(part / 2))
        return torch.cat(parts, 1) * self._shown(known)

    def real(self, planes: Tensor, known: Tensor) -> Tensor:
        """Real pictures [B, K, H, W] in [-1, 1] of truth planes [B, P, H, W]."""
        real = 2 * planes[:, : self.targets.channels] - 1
        for target in self.targets:
            if isinstance(target, Picture):
                low, high = target.range
                part = self.targets.slices[target.name]
                real[:, part] = 2 * (planes[:, part] - low) / (high - low) - 1
        return real * self._shown(known)

    def discriminator(self, judged_real: Tensor, judged_made: Tensor) -> Tensor:
        """L_D of raw judgements."""
        real, made = torch.sigmoid(judged_real.float()), torch.sigmoid(judged_made.float())
        return -(torch.log(real + self.eps).mean() + torch.log(1 - made + self.eps).mean())

    def generator(self, judged_made: Tensor) -> Tensor:
        """The adversarial part of L_G of raw judgements."""
        return -torch.log(torch.sigmoid(judged_made.float()) + self.eps).mean()

    def l1(self, made: Tensor, real: Tensor, known: Tensor) -> Tensor:
        """Mean absolute difference over the known channels, in units of [-1, 1], without its weight."""
        shown = self._shown(known)
        pixels = made.shape[-2] * made.shape[-1]
        return (made - real).abs().mul(shown).sum() / (shown.sum() * pixels).clamp(min=1)

    def _shown(self, known: Tensor) -> Tensor:
        return known[:, : self.targets.channels, None, None].float()
