"""Supervised losses, one term a target; what a case does not know costs nothing."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from xprism.objectives.ms_ssim import ms_ssim
from xprism.targets import Classes, Layer, Masks, Picture, TargetSet

LAYER_SCALES = (1, 2, 4, 8)
"""Pixels that are averaged before layers are compared: noise hides a bone's edge from one pixel to the next."""


class SupervisedLoss:
    """Weighted cross-entropy plus soft Dice for masks and classes; L1, squared error and 1 - MS-SSIM for pictures.

    Called with raw outputs [B, K, H, W], truth planes [B, P, H, W] and known flags [B, P] as
    ``TargetSet.encode`` makes them; returns a scalar. A union plane supervises the probability that
    any of its channels is on, 1 - prod(1 - p), and counts only where a member is not known itself.
    ``weights`` says how often a mask of some label counts within its target; others count once.
    Pictures are compared in parts of their range; layers by L1 of their values and of their differences
    between neighbours (``layer_edges``), in units of the network's input, where they are known (not NaN): the mean
    over pixels and over blocks of 2, 4 and 8 pixels.
    """

    def __init__(
        self,
        targets: TargetSet,
        *,
        cross_entropy: float = 2.0,
        dice: float = 1.0,
        l1: float = 1.0,
        mse: float = 0.0,
        ms_ssim: float = 0.0,
        layer: float = 5.0,
        layer_edges: float = 5.0,
        weights: Mapping[str, float] | None = None,
    ) -> None:
        self.targets = targets
        self.cross_entropy, self.dice = cross_entropy, dice
        self.l1, self.mse, self.ms_ssim = l1, mse, ms_ssim
        self.layer, self.layer_edges = layer, layer_edges
        weights = weights or {}
        self._weights = torch.tensor([weights.get(label, 1.0) for label in targets.channel_labels])

    def __call__(self, raw: Tensor, planes: Tensor, known: Tensor) -> Tensor:
        raw = raw.float()
        channels = self.targets.channels
        terms = []
        for target in self.targets:
            part = self.targets.slices[target.name]
            share = (raw[:, part], planes[:, part], known[:, part])
            if isinstance(target, Picture):
                terms.append(self._picture(target, *share))
            elif isinstance(target, Layer):
                terms.append(self._layer(*share))
            elif isinstance(target, Classes):
                terms.append(self._classes(*share))
            else:
                tanh = isinstance(target, Masks) and target.activation == "tanh"
                counts = share[2] * self._weights[part].to(raw.device)
                terms.append(self._masks(2 * share[0] if tanh else share[0], share[1], counts))
        for k, members in enumerate(self.targets.unions.values()):
            partly = known[:, channels + k] & ~known[:, list(members)].all(1)
            terms.append(self._union(raw[:, list(members)], planes[:, channels + k], partly))
        return torch.stack(terms).sum()

    def _masks(self, raw: Tensor, truth: Tensor, counts: Tensor) -> Tensor:
        entropy = F.binary_cross_entropy_with_logits(raw, truth, reduction="none").mean((2, 3))
        return _over_known(self.cross_entropy * entropy + self.dice * _dice_loss(torch.sigmoid(raw), truth), counts)

    def _union(self, raw: Tensor, truth: Tensor, known: Tensor) -> Tensor:
        log_none = F.logsigmoid(-raw).sum(1)
        log_any = torch.log(-torch.expm1(log_none.clamp(max=-1e-6)))
        entropy = -(truth * log_any + (1 - truth) * log_none).mean((1, 2))
        return _over_known(self.cross_entropy * entropy + self.dice * _dice_loss(1 - log_none.exp(), truth), known)

    def _classes(self, raw: Tensor, truth: Tensor, known: Tensor) -> Tensor:
        entropy = -(truth * F.log_softmax(raw, 1)).sum(1).mean((1, 2))
        dice = _dice_loss(raw.softmax(1), truth).mean(1)
        return _over_known(self.cross_entropy * entropy + self.dice * dice, known.all(1))

    def _picture(self, target: Picture, raw: Tensor, truth: Tensor, known: Tensor) -> Tensor:
        low, high = target.range
        made = (torch.tanh(raw) + 1) / 2 if target.activation == "tanh" else (raw - low) / (high - low)
        real = (truth - low) / (high - low)
        cost = self.l1 * (made - real).abs().mean((2, 3)) + self.mse * (made - real).square().mean((2, 3))
        if self.ms_ssim:
            cost = cost + self.ms_ssim * (1 - ms_ssim(made, real))
        return _over_known(cost, known)

    def _layer(self, made: Tensor, real: Tensor, known: Tensor) -> Tensor:
        is_known = (~real.isnan()).float()
        apart = torch.where(real.isnan(), 0.0, made - real)
        cost = torch.zeros_like(known, dtype=torch.float32)
        for scale in LAYER_SCALES:
            coarse, whole = F.avg_pool2d(apart, scale), (F.avg_pool2d(is_known, scale) > 0.999).float()
            cost = cost + self.layer / len(LAYER_SCALES) * (coarse.abs() * whole).mean((2, 3))
            for axis in (2, 3):
                n = coarse.shape[axis] - 1
                both = whole.narrow(axis, 0, n) * whole.narrow(axis, 1, n)
                edges = (coarse.diff(dim=axis).abs() * both).mean((2, 3))
                cost = cost + self.layer_edges / len(LAYER_SCALES) * edges
        return _over_known(cost, known)


def _dice_loss(probability: Tensor, truth: Tensor) -> Tensor:
    """One minus soft Dice over the last two axes, smoothed by one pixel."""
    both = 2 * (probability * truth).sum((-2, -1)) + 1
    return 1 - both / (probability.sum((-2, -1)) + truth.sum((-2, -1)) + 1)


def _over_known(values: Tensor, counts: Tensor) -> Tensor:
    """Mean of ``values``, each as often as it counts; zero, with a gradient of zero, where nothing is known."""
    return (values * counts).sum() / counts.sum().clamp(min=1)
