"""Dual-energy films: two exposures of one body, and the pictures of soft tissue and of bone that they give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xprism.simulate.attenuation import transmission
from xprism.simulate.body import Mask
from xprism.simulate.display import FILM, Display, show
from xprism.simulate.film import Noise, expose
from xprism.simulate.layers import BoneLayer, layer_of
from xprism.simulate.parameters import Exposure
from xprism.simulate.phantom import ChestCase, drawn_chest, film_of
from xprism.simulate.spectrum import Beam, with_beam

Floats = NDArray[np.float64]

LOW, HIGH = Beam(60, 2.5), Beam(120, 2.5, 0.5)
_BODY_MM, _STEP_MM = 150.0, 5.0
_BONE_WHITE_MM = 25.0


@dataclass(frozen=True)
class Weights:
    """Effective attenuation in 1/mm of soft tissue, and what bone has more, in a low and a high beam.

    Where bone takes the place of soft tissue, log signals are ``soft * body + bone * bone thickness`` in mm;
    two of them are solved for body and bone.
    """

    soft: tuple[float, float]
    bone: tuple[float, float]

    @classmethod
    def of(cls, low: Exposure, high: Exposure, *, body_mm: float = _BODY_MM) -> Weights:
        """Slopes of the log signal behind ``body_mm`` of soft tissue, where beams have hardened as in a chest."""
        found = []
        for exposure in (low, high):
            around = np.array([body_mm - _STEP_MM, body_mm, body_mm + _STEP_MM, body_mm - _STEP_MM])
            bone = np.array([0.0, 0.0, 0.0, _STEP_MM])
            lengths = {"soft_tissue": around, "cortical_bone": bone}
            logs = -np.log(transmission(lengths, energies=exposure.energies, shares=exposure.shares))
            soft = (logs[2] - logs[0]) / (2 * _STEP_MM)
            found.append((float(soft), float((logs[3] - logs[1]) / _STEP_MM)))
        return cls((found[0][0], found[1][0]), (found[0][1], found[1][1]))

    @property
    def determinant(self) -> float:
        """How far the two beams tell the materials apart, 1/mm2."""
        return self.soft[0] * self.bone[1] - self.soft[1] * self.bone[0]

    def body(self, low: Floats, high: Floats) -> Floats:
        """Thickness in mm of soft tissue that two log signals say, bone cancelled."""
        return np.asarray((self.bone[1] * low - self.bone[0] * high) / self.determinant)

    def skeleton(self, low: Floats, high: Floats) -> Floats:
        """Thickness in mm of compact bone that two log signals say, soft tissue cancelled."""
        return np.asarray((self.soft[0] * high - self.soft[1] * low) / self.determinant)


@dataclass(frozen=True)
class DualEnergyCase:
    """A film and a dual-energy pair of one simulated body; pictures are [H, W].

    ``low`` and ``high`` are log signals, ``soft_mm`` and ``bone_mm`` what they are solved for; ``soft_film`` and
    ``bone_film`` show these as a workstation does (float32, 0 to 1; the soft film by the film's own curve).
    ``case`` has the ordinary film, the true film without bones, masks, nodules and the body; ``layer`` the true
    bone layer. Lengths in mm: ``spacing_mm`` at the detector, ``body_spacing_mm`` in the body.
    """

    case: ChestCase
    layer: BoneLayer
    low: Floats
    high: Floats
    soft_mm: Floats
    bone_mm: Floats
    soft_film: NDArray[np.float32]
    bone_film: NDArray[np.float32]

    @property
    def film(self) -> NDArray[np.float32]:
        """The ordinary film."""
        return self.case.film

    @property
    def film_without_bone(self) -> NDArray[np.float32]:
        """The ordinary film's true twin without bones."""
        return self.case.film_without_bone

    @property
    def masks(self) -> Mapping[str, Mask]:
        """Exact masks, bool [H, W] by label."""
        return self.case.masks

    @property
    def spacing_mm(self) -> float:
        """Pixel spacing at the detector in mm."""
        return self.case.spacing_mm

    @property
    def body_spacing_mm(self) -> float:
        """Pixel spacing in the body in mm."""
        return self.case.spacing_mm / self.case.parameters.pose.magnification


def simulate_dual_energy(
    seed: int | np.random.Generator,
    size: int | tuple[int, int] = 512,
    *,
    nodules: int | Sequence[tuple[float, float]] = 0,
    low: Beam = LOW,
    high: Beam = HIGH,
    display: Display = FILM,
) -> DualEnergyCase:
    """Simulate the film of ``simulate_chest(seed, size)`` and a dual-energy pair of the same body.

    Both exposures share scatter, quanta and blur with the film; each has noise of its own.
    """
    anatomy, noise_rng, shape = drawn_chest(seed, size, nodules)
    case = film_of(anatomy, shape, noise=Noise.draw(noise_rng, shape), display=display)
    exposure, spacing = case.parameters.exposure, case.spacing_mm
    beams = [with_beam(exposure, beam) for beam in (low, high)]
    signals = [
        expose(case.projection.with_bone, beam, spacing_mm=spacing, noise=Noise.draw(rng, shape))
        for beam, rng in zip(beams, noise_rng.spawn(2), strict=True)
    ]
    weights = Weights.of(*beams)
    soft, bone = weights.body(*signals), weights.skeleton(*signals)
    film_slope = Weights.of(exposure, exposure).soft[0]
    return DualEnergyCase(
        case=case,
        layer=layer_of(case.projection, case.parameters, spacing_mm=spacing, display=display),
        low=signals[0],
        high=signals[1],
        soft_mm=soft,
        bone_mm=bone,
        soft_film=show(film_slope * soft, exposure, display, spacing_mm=spacing),
        bone_film=np.clip(bone / _BONE_WHITE_MM, 0, 1).astype(np.float32),
    )
