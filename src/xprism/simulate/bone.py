"""A bone as the phantom knows it: a bent tube of compact bone around marrow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from xprism.simulate.projection import Rays, Tube, tube_lengths

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Bone:
    """One tube of bone: ``wall`` [N] mm of cortex around marrow, of which ``filling`` [N] (0 to 1) is spongiosa.

    What is neither cortex nor spongiosa counts as soft tissue. The marrow lies ``lift`` mm above the tube's axis.
    """

    tube: Tube
    wall: Floats
    filling: Floats
    lift: float = 0.0

    @classmethod
    def even(cls, tube: Tube, wall: float, *, filling: float = 1.0) -> Bone:
        """A bone with the same cortex (mm) and filling all along."""
        count = len(tube.points)
        return cls(tube, np.full(count, wall), np.full(count, filling))

    def marrow(self) -> Tube:
        """The tube within the cortex."""
        inside = self.tube.thinned(self.wall)
        return Tube(inside.points - np.array([0.0, self.lift, 0.0]), inside.radii, inside.normals)


@dataclass
class BoneSum:
    """Path lengths [H, W] in mm that bones add up to: through cortex, through spongiosa, and through all."""

    cortical: Floats
    spongiosa: Floats
    alone: Floats

    @classmethod
    def empty(cls, shape: tuple[int, int]) -> BoneSum:
        """No bone yet."""
        return cls(np.zeros(shape), np.zeros(shape), np.zeros(shape))

    def add(self, rays: Rays, bone: Bone) -> None:
        """Add one bone."""
        whole, marrow = np.zeros(rays.shape), np.zeros(rays.shape)
        for _, block, length in tube_lengths(rays, bone.tube):
            whole[block] += length
        if bone.filling.any():
            share = (bone.filling[1:] + bone.filling[:-1]) / 2
            for k, block, length in tube_lengths(rays, bone.marrow()):
                # A lifted marrow may stick out of a thin wall by a hair.
                inside = np.minimum(length, np.maximum(whole[block] - marrow[block], 0))
                marrow[block] += inside
                self.spongiosa[block] += share[k] * inside
        margin = 1.5 * float(bone.tube.radii.max())
        low, high = bone.tube.points.min(0) - margin, bone.tube.points.max(0) + margin
        shown = rays.window((low[0], high[0]), (low[1], high[1]))
        self.cortical[shown] += whole[shown] - marrow[shown]
        self.alone[shown] += whole[shown]


def smooth(points: Floats, count: int) -> Floats:
    """A cubic through points [N, D], read at ``count`` places."""
    t = np.linspace(0, len(points) - 1, count)
    return np.asarray(CubicSpline(np.arange(len(points)), points)(t))
