"""Muon: matrices of weights moved by the orthogonal part of their momentum (Jordan et al. 2024)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, overload

import torch
from torch import Tensor, nn

MOMENTUM = 0.95
SWEEPS = 5
QUINTIC = (3.4445, -4.7750, 2.0315)
"""Jordan's coefficients: steepest at zero, and singular values end between about 0.7 and 1.2, which is near enough."""


class Muon(torch.optim.Optimizer):
    """Muon for weights of two and more dimensions, a convolution's as a matrix [out, in * k * k]; AdamW for the rest.

    A step is scaled to the size of AdamW's, 0.2 * sqrt(max(out, in * k * k)) times the rate (Liu et al. 2025), so that
    one rate serves both. ``torch.optim.Muon`` does the same for matrices alone.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        lr: float,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        weight_decay: float = 0.0,
    ) -> None:
        given = [*parameters]
        groups: list[dict[str, Any]] = [
            {"params": [one for one in given if one.ndim >= 2], "orthogonal": True},
            {"params": [one for one in given if one.ndim < 2]},
        ]
        shared = {"lr": lr, "betas": betas, "weight_decay": weight_decay, "orthogonal": False}
        super().__init__([group for group in groups if group["params"]], shared)

    @overload
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], float]) -> float: ...
    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Move every weight that has a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    weight.mul_(1 - group["lr"] * group["weight_decay"])
                    move = _along_matrix if group["orthogonal"] else _along_moments
                    weight.add_(move(weight.grad, self.state[weight], group), alpha=-group["lr"])
        return loss


def _along_matrix(gradient: Tensor, state: dict[str, Any], _: dict[str, Any]) -> Tensor:
    momentum: Tensor = state.setdefault("momentum", torch.zeros_like(gradient))
    momentum.lerp_(gradient, 1 - MOMENTUM)
    moved = orthogonal(gradient.lerp(momentum, MOMENTUM).flatten(1))
    return (0.2 * math.sqrt(max(moved.shape)) * moved).view(gradient.shape)


def _along_moments(gradient: Tensor, state: dict[str, Any], group: dict[str, Any]) -> Tensor:
    mean: Tensor = state.setdefault("mean", torch.zeros_like(gradient))
    square: Tensor = state.setdefault("square", torch.zeros_like(gradient))
    steps: int = state.get("steps", 0) + 1
    state["steps"] = steps
    for moment, value, beta in ((mean, gradient, group["betas"][0]), (square, gradient.square(), group["betas"][1])):
        moment.lerp_(value, 1 - beta)
    spread: Tensor = (square / (1 - group["betas"][1] ** steps)).sqrt() + 1e-8
    direction: Tensor = mean / (1 - group["betas"][0] ** steps) / spread
    return direction


def orthogonal(matrix: Tensor) -> Tensor:
    """About U V^T of a matrix U S V^T [m, n], by five sweeps of Newton and Schulz in bf16; float32."""
    x = matrix.bfloat16()
    x = x.T if matrix.shape[0] > matrix.shape[1] else x
    x = x / x.norm().clamp(min=1e-7)
    a, b, c = QUINTIC
    for _ in range(SWEEPS):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return (x.T if matrix.shape[0] > matrix.shape[1] else x).float()
