"""Bone layers: what the bones of a phantom alone add to a film, to be laid over other pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xprism.errors import DataError
from xprism.simulate.body import Mask, Projection, draw_anatomy, project
from xprism.simulate.display import FILM, Display, show
from xprism.simulate.film import Noise, expose
from xprism.simulate.parameters import ChestParameters
from xprism.simulate.phantom import FIELD_MM, check_request, rays_of

Picture = NDArray[np.float32]

_DARKEST = 1e-3


@dataclass(frozen=True)
class BoneLayer:
    """What bones add to a film, without noise; float32 [H, W].

    ``log_signal`` is the log signal with bones minus the log signal without; ``shown`` the same in display units
    (0 to 1) over this phantom's own soft tissue. ``masks`` holds bool [H, W] by label: organs and bones.
    ``spacing_mm`` is at the detector.
    """

    log_signal: Picture
    shown: Picture
    masks: Mapping[str, Mask]
    spacing_mm: float
    parameters: ChestParameters


def bone_layer(
    seed: int | np.random.Generator, size: int | tuple[int, int] = 512, *, display: Display = FILM
) -> BoneLayer:
    """The bone layer of the phantom ``seed``: that of ``simulate_chest(seed, size)``, save its lung vessels and noise.

    The vessels matter for bones only through scatter, and are left out because they take time.
    """
    shape = check_request(0 if isinstance(seed, np.random.Generator) else seed, size, 0)
    rng = seed if isinstance(seed, np.random.Generator) else np.random.default_rng(seed)
    body_rng, nodule_rng, _ = rng.spawn(3)
    anatomy = draw_anatomy(body_rng, nodule_rng, vessels=False)
    projection = project(anatomy, rays_of(anatomy.parameters, shape))
    return layer_of(projection, anatomy.parameters, spacing_mm=FIELD_MM / max(shape), display=display)


def layer_of(
    projection: Projection, parameters: ChestParameters, *, spacing_mm: float, display: Display = FILM
) -> BoneLayer:
    """The bone layer of a projected body."""
    exposure = parameters.exposure
    still = Noise(np.zeros(projection.with_bone["soft_tissue"].shape))
    signals = [
        expose(lengths, exposure, spacing_mm=spacing_mm, noise=still)
        for lengths in (projection.with_bone, projection.without_bone)
    ]
    shown = [show(signal, exposure, display, spacing_mm=spacing_mm) for signal in signals]
    log_signal = (signals[0] - signals[1]).astype(np.float32)
    return BoneLayer(log_signal, shown[0] - shown[1], projection.masks, spacing_mm, parameters)


def superimpose(picture: NDArray[Any], log_signal: NDArray[Any], *, contrast: float, strength: float = 1.0) -> Picture:
    """Lay a bone layer over a picture without bones, as if both had been exposed together: float32 [H, W].

    ``picture`` holds display values in [0, 1] (bone bright) and is taken to be shown by a film curve of
    ``contrast`` (that of ``Exposure``); ``strength`` multiplies the bones. Raises DataError where shapes differ.
    """
    if picture.shape != log_signal.shape:
        raise DataError(f"a picture of {picture.shape} and a bone layer of {log_signal.shape} do not fit together")
    tone = np.clip(picture.astype(float), _DARKEST, 1 - _DARKEST)
    exponent = np.log(tone / (1 - tone)) + contrast * strength * log_signal
    return np.asarray(1 / (1 + np.exp(-exponent)), np.float32)
