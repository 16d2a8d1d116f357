"""Supervised losses, one term a target; what a case does not know costs nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from xprism.objectives.ms_ssim import ms_ssim
from xprism.objectives.weighting import ClassWeighting, class_weights
from xprism.targets import Classes, Layer, Masks, Picture, Target, TargetSet

LAYER_SCALES = (1, 2, 4, 8)
"""Pixels that are averaged before layers are compared: noise hides a bone's edge from one pixel to the next."""

TYPICAL_LAYER, FAINT_LAYER = 0.05, 0.2
"""Mean absolute value of a bone layer in units of the network's input, and the share of it below which layers of
one film count no more than those of another."""

NOISE_POWER = 1e-5
"""Mean square of differences between neighbours, in units of the network's input, below which there is no tissue."""


class SupervisedLoss:
    """Weighted cross-entropy plus soft Dice for masks and classes; L1, squared error and 1 - MS-SSIM for pictures.

    Called with raw outputs [B, K, H, W], truth planes [B, P, H, W] and known flags [B, P] as
    ``TargetSet.encode`` makes them; returns a scalar. A union plane supervises the probability that
    any of its channels is on, 1 - prod(1 - p), and counts only where a member is not known itself.
    ``weights`` says how often a mask of some label counts within its target, and ``tasks`` how often a target
    counts; others count once. By ``class_weights`` cross-entropy weighs a pixel by how much of the batch its class
    covers, no more than ``largest_class_weight``.
    Pictures are compared in parts of their range; layers by L1 of their values and of their differences
    between neighbours (``layer_edges``), in units of the network's input, where they are known (not NaN): the mean
    over pixels and over blocks of 2, 4 and 8 pixels, in parts of the layer's own strength. ``layer_tissue`` weighs
    what a layer takes of the tissue beside it: for which the films [B, 1, H, W] are needed.
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
        layer_tissue: float = 0.0,
        weights: Mapping[str, float] | None = None,
        tasks: Mapping[str, float] | None = None,
        class_weights: ClassWeighting = "none",
        largest_class_weight: float = 1e4,
    ) -> None:
        self.targets = targets
        self.cross_entropy, self.dice = cross_entropy, dice
        self.class_weights, self.largest_class_weight = class_weights, largest_class_weight
        self.l1, self.mse, self.ms_ssim = l1, mse, ms_ssim
        self.layer, self.layer_edges, self.layer_tissue = layer, layer_edges, layer_tissue
        weights, tasks = weights or {}, tasks or {}
        self._tasks = {target.name: tasks.get(target.name, 1.0) for target in targets}
        self._weights = torch.tensor([weights.get(label, 1.0) for label in targets.channel_labels])

    def __call__(self, raw: Tensor, planes: Tensor, known: Tensor, *, films: Tensor | None = None) -> Tensor:
        return self.total(self.parts(raw, planes, known, films=films))

    def total(self, parts: Mapping[str, Tensor]) -> Tensor:
        """The sum of the targets' losses, each as often as it counts."""
        return torch.stack([self._tasks[name] * part for name, part in parts.items()]).sum()

    def parts(self, raw: Tensor, planes: Tensor, known: Tensor, *, films: Tensor | None = None) -> dict[str, Tensor]:
        """The loss of each target by its name, a scalar, before they are weighed against each other."""
        raw = raw.float()
        return {target.name: self._part(target, raw, planes, known, films) for target in self.targets}

    def _part(self, target: Target, raw: Tensor, planes: Tensor, known: Tensor, films: Tensor | None) -> Tensor:
        part = self.targets.slices[target.name]
        share = (raw[:, part], planes[:, part], known[:, part])
        if isinstance(target, Picture):
            return self._picture(target, *share)
        if isinstance(target, Layer):
            return self._layer(*share, films)
        if isinstance(target, Classes):
            return self._classes(*share)
        tanh = isinstance(target, Masks) and target.activation == "tanh"
        cost = self._masks(2 * share[0] if tanh else share[0], *share[1:], self._weights[part].to(raw.device))
        for k, (union, members) in enumerate(self.targets.unions.items(), start=self.targets.channels):
            if isinstance(target, Masks) and union in target.unions:
                partly = known[:, k] & ~known[:, list(members)].all(1)
                cost = cost + self._union(raw[:, list(members)], planes[:, k], partly)
        return cost

    def _masks(self, raw: Tensor, truth: Tensor, known: Tensor, weights: Tensor) -> Tensor:
        if self.class_weights == "none":
            entropy = F.binary_cross_entropy_with_logits(raw, truth, reduction="none").mean((2, 3))
        else:
            entropy = self._entropy(F.logsigmoid(raw), F.logsigmoid(-raw), truth, known)
        cost = self.cross_entropy * entropy + self.dice * _dice_loss(torch.sigmoid(raw), truth)
        return _over_known(cost, known * weights)

    def _union(self, raw: Tensor, truth: Tensor, known: Tensor) -> Tensor:
        log_none = F.logsigmoid(-raw).sum(1)
        log_any = torch.log(-torch.expm1(log_none.clamp(max=-1e-6)))
        entropy = self._entropy(log_any[:, None], log_none[:, None], truth[:, None], known[:, None])[:, 0]
        return _over_known(self.cross_entropy * entropy + self.dice * _dice_loss(1 - log_none.exp(), truth), known)

    def _entropy(self, log_on: Tensor, log_off: Tensor, truth: Tensor, known: Tensor) -> Tensor:
        """Cross-entropy [B, K] of masks [B, K, H, W] whose probabilities have these logarithms."""
        on, off = (self._class_weights(one, known, classes=2)[:, None, None] for one in (truth, 1 - truth))
        return -(on * truth * log_on + off * (1 - truth) * log_off).mean((2, 3))

    def _classes(self, raw: Tensor, truth: Tensor, known: Tensor) -> Tensor:
        weights = self._class_weights(truth, known, classes=truth.shape[1])[:, None, None]
        entropy = -(weights * truth * F.log_softmax(raw, 1)).sum(1).mean((1, 2))
        dice = _dice_loss(raw.softmax(1), truth).mean(1)
        return _over_known(self.cross_entropy * entropy + self.dice * dice, known.all(1))

    def _class_weights(self, truth: Tensor, known: Tensor, *, classes: int) -> Tensor:
        """The weight [K] of each of the classes [B, K, H, W] by its share of the known films of a batch."""
        share = (truth.mean((2, 3)) * known).sum(0) / known.sum(0).clamp(min=1)
        return class_weights(share, self.class_weights, largest=self.largest_class_weight, classes=classes)

    def _picture(self, target: Picture, raw: Tensor, truth: Tensor, known: Tensor) -> Tensor:
        low, high = target.range
        made = (torch.tanh(raw) + 1) / 2 if target.activation == "tanh" else (raw - low) / (high - low)
        real = (truth - low) / (high - low)
        cost = self.l1 * (made - real).abs().mean((2, 3)) + self.mse * (made - real).square().mean((2, 3))
        if self.ms_ssim:
            cost = cost + self.ms_ssim * (1 - ms_ssim(made, real))
        return _over_known(cost, known)

    def _layer(self, made: Tensor, real: Tensor, known: Tensor, films: Tensor | None = None) -> Tensor:
        is_known = (~real.isnan()).float()
        apart = torch.where(real.isnan(), 0.0, made - real)
        tissue = None
        if self.layer_tissue:
            assert films is not None, "what a layer takes of the tissue is told from the films"
            tissue = torch.where(real.isnan(), 0.0, films[:, :1] - real)
        cost = torch.zeros_like(known, dtype=torch.float32)
        for scale in LAYER_SCALES:
            coarse, whole = F.avg_pool2d(apart, scale), (F.avg_pool2d(is_known, scale) > 0.999).float()
            cost = cost + self.layer / len(LAYER_SCALES) * (coarse.abs() * whole).mean((2, 3))
            for axis in (2, 3):
                n = coarse.shape[axis] - 1
                both = whole.narrow(axis, 0, n) * whole.narrow(axis, 1, n)
                edges = (coarse.diff(dim=axis).abs() * both).mean((2, 3))
                cost = cost + self.layer_edges / len(LAYER_SCALES) * edges
            if tissue is not None:
                taken = _taken(coarse, F.avg_pool2d(tissue, scale), whole)
                cost = cost + self.layer_tissue / len(LAYER_SCALES) * taken
        # A film of low contrast has a faint layer; it is to be learnt as well as a strong one.
        size = (real.nan_to_num(0).abs() * is_known).mean((2, 3)) / is_known.mean((2, 3)).clamp(min=1e-6)
        cost = cost * (1 + FAINT_LAYER) * TYPICAL_LAYER / (size + FAINT_LAYER * TYPICAL_LAYER)
        return _over_known(cost, known)


def _taken(apart: Tensor, tissue: Tensor, whole: Tensor) -> Tensor:
    """What of the tissue's own structure lies in a layer's error, [B, K] from planes [B, K, H, W].

    In windows of 8 x 8 pixels the error's differences between neighbours are projected on the tissue's: a bone that
    was missed cancels out there, a nodule that was taken for one does not.
    """
    window = min(8, *tissue.shape[-2:])
    along, power = torch.zeros(()), torch.full((), NOISE_POWER)
    for axis in (2, 3):
        n = tissue.shape[axis] - 1
        both = whole.narrow(axis, 0, n) * whole.narrow(axis, 1, n)
        edges = F.pad(tissue.diff(dim=axis) * both, (0, 1, 0, 0) if axis == 3 else (0, 0, 0, 1))
        missed = F.pad(apart.diff(dim=axis), (0, 1, 0, 0) if axis == 3 else (0, 0, 0, 1))
        along = along + F.avg_pool2d(missed * edges, window)
        power = power + F.avg_pool2d(edges.square(), window)
    return (along.abs() / power.sqrt()).mean((2, 3))


def kernels_of(network: nn.Module) -> list[Tensor]:
    """The kernels of every convolution, transposed ones too; biases and norms are none."""
    return [layer.weight for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)]


def sum_of_squares(kernels: Iterable[Tensor]) -> Tensor:
    """The sum of the squares of all weights, a scalar; Keras's L2 penalty is a multiple of it, without a half."""
    return torch.stack([kernel.float().square().sum() for kernel in kernels]).sum()


def _dice_loss(probability: Tensor, truth: Tensor) -> Tensor:
    """One minus soft Dice over the last two axes, smoothed by one pixel."""
    both = 2 * (probability * truth).sum((-2, -1)) + 1
    return 1 - both / (probability.sum((-2, -1)) + truth.sum((-2, -1)) + 1)


def _over_known(values: Tensor, counts: Tensor) -> Tensor:
    """Mean of ``values``, each as often as it counts; zero, with a gradient of zero, where nothing is known."""
    return (values * counts).sum() / counts.sum().clamp(min=1)
