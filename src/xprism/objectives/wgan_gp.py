"""The Wasserstein objective with gradient penalty (Gulrajani et al. 2017), as progressive growing uses it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class WassersteinLoss:
    """Losses of generator and critic from raw judgements D [B] and the critic's gradient norms [B].

    L_G = -mean D(made); L_D = mean D(made) - mean D(real) + penalty * mean (norm - 1)^2 + drift * mean D(real)^2.
    The last term keeps judgements near zero, of which the others see differences only.
    """

    penalty: float = 10.0
    drift: float = 0.001

    def generator(self, judged_made: Tensor) -> Tensor:
        """L_G, a scalar."""
        return -judged_made.float().mean()

    def critic(self, judged_real: Tensor, judged_made: Tensor, norms: Tensor) -> Tensor:
        """L_D, a scalar; ``norms`` as ``gradient_norms`` gives them."""
        real, made = judged_real.float(), judged_made.float()
        steepness = (norms - 1).square().mean()
        return made.mean() - real.mean() + self.penalty * steepness + self.drift * real.square().mean()


def gradient_norms(critic: Callable[[Tensor], Tensor], real: Tensor, made: Tensor, shares: Tensor) -> Tensor:
    """How steep a critic is between real and made pictures [B, C, H, W]: the norm of its gradient, [B].

    The place between a real and a made picture is drawn by the caller: ``shares`` [B] in [0, 1], 1 for the made one.
    The critic's weights get a gradient of what is computed from the norms; the pictures get none.
    """
    between = torch.lerp(real.detach(), made.detach(), shares.view(-1, 1, 1, 1)).requires_grad_()
    (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    norms: Tensor = slope.float().flatten(1).norm(dim=1)
    return norms
