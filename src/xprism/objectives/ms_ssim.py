"""Multi-scale structural similarity, to learn pictures by."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from xprism.errors import DataError

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Exponents of the scales, from fine to coarse."""
SIDE, SIGMA = 11, 1.5
"""The Gaussian window in pixels."""
C1, C2 = 0.01**2, 0.03**2
"""Constants for pictures whose range is 1."""
LEAST = 1e-6
"""What a scale counts at least: roots of zero have no gradient, those of negative numbers no value."""


def ms_ssim(made: Tensor, real: Tensor) -> Tensor:
    """How alike two pictures look, from coarse to fine, 1 where they are equal (Wang et al. 2003).

    Pictures [B, C, H, W] with a range of 1 in, the index [B, C] out. Each scale has half the size of the one
    before, by means over 2x2 pixels; only windows that lie within the picture count. Where the shorter side
    is too small for all five scales (below 176), the first ones share the weight. Gradients are finite
    everywhere. Raises ``DataError`` for pictures smaller than a window.
    """
    scales = _scales(min(made.shape[-2:]))
    weights = WEIGHTS[:scales]
    index = made.new_ones(made.shape[:2])
    for scale, weight in enumerate(weights):
        if scale:
            made, real = F.avg_pool2d(made, 2), F.avg_pool2d(real, 2)
        luminance, contrast = _likeness(made, real)
        likeness = luminance * contrast if scale == scales - 1 else contrast
        index = index * likeness.mean((2, 3)).clamp(min=LEAST) ** (weight / sum(weights))
    return index


def _scales(side: int) -> int:
    if side < SIDE:
        raise DataError(f"MS-SSIM needs pictures of {SIDE} pixels a side or more, not {side}")
    return sum(side >= SIDE * 2**scale for scale in range(len(WEIGHTS)))


def _likeness(made: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
    """Luminance and contrast-structure terms [B, C, h, w] of every window."""
    planes = torch.stack([made, real, made * made, real * real, made * real])
    means = _window_means(planes.flatten(0, 2))
    mean1, mean2, square1, square2, product = means.reshape(*planes.shape[:3], *means.shape[1:])
    luminance = (2 * mean1 * mean2 + C1) / (mean1**2 + mean2**2 + C1)
    variances = square1 - mean1**2 + square2 - mean2**2
    return luminance, (2 * (product - mean1 * mean2) + C2) / (variances + C2)


def _window_means(planes: Tensor) -> Tensor:
    """Gaussian means [N, h, w] over the windows that lie within planes [N, H, W]."""
    place = torch.arange(SIDE, dtype=planes.dtype, device=planes.device) - SIDE // 2
    taps = torch.exp(-0.5 * (place / SIGMA) ** 2)
    taps = taps / taps.sum()
    down = F.conv2d(planes[:, None], taps.view(1, 1, -1, 1))
    return F.conv2d(down, taps.view(1, 1, 1, -1))[:, 0]
