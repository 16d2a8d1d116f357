"""The phantom chest: a drawn body, its path lengths, its exact masks and its films."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from xprism.errors import DataError
from xprism.simulate.body import Anatomy, Mask, Projection, draw_anatomy, project
from xprism.simulate.display import FILM, Display, draw_display, show
from xprism.simulate.film import Noise, expose
from xprism.simulate.parameters import ChestParameters, Exposure
from xprism.simulate.projection import Rays
from xprism.simulate.vessels import Nodule

FIELD_MM = 358.4
SMALLEST, LARGEST, MOST_NODULES = 32, 4096, 8


@dataclass(frozen=True)
class NoduleTruth:
    """Where a nodule projects: row and column of its centre in pixels, diameter in mm in the body."""

    row: float
    column: float
    diameter_mm: float
    density: float
    side: str


@dataclass(frozen=True)
class ChestCase:
    """A simulated frontal chest film with everything that is true of it.

    ``film`` and ``film_without_bone`` are float32 [H, W] display values in [0, 1] (bone bright, lungs
    dark); ``masks`` holds bool [H, W] by label; ``spacing_mm`` is at the detector. The patient's right
    is on the image's left.
    """

    film: NDArray[np.float32]
    film_without_bone: NDArray[np.float32]
    masks: Mapping[str, Mask]
    nodules: tuple[NoduleTruth, ...]
    spacing_mm: float
    parameters: ChestParameters
    projection: Projection


def simulate_chest(
    seed: int | np.random.Generator,
    size: int | tuple[int, int] = 512,
    *,
    nodules: int | Sequence[tuple[float, float]] = 0,
    exposure: Callable[[Exposure], Exposure] | None = None,
    display: Display | Literal["drawn"] = FILM,
) -> ChestCase:
    """Simulate one frontal chest film with exact masks and its twin without bones.

    ``size`` is the film's side in pixels, or (H, W); the longer side covers 358.4 mm. ``nodules``
    round nodules are put into the lungs; a list gives the diameter in mm and the density (0 to 1) of each.
    ``exposure`` changes the drawn exposure, for example
    ``lambda drawn: replace(with_beam(drawn, Beam(110)), scatter=0.3)``. A ``display`` that is "drawn" is that of
    one system or another, the same for equal seeds. Equal seeds give equal films; the body does not depend on
    ``size`` nor on ``nodules``. Raises DataError for a size, count or nodule that cannot be.
    """
    anatomy, noise_rng, shape = drawn_chest(seed, size, nodules)
    if exposure is not None:
        parameters = replace(anatomy.parameters, exposure=exposure(anatomy.parameters.exposure))
        anatomy = replace(anatomy, parameters=parameters)
    if display == "drawn":
        display = draw_display(noise_rng.spawn(1)[0], anatomy.parameters.exposure)
    return film_of(anatomy, shape, noise=Noise.draw(noise_rng, shape), display=display)


def drawn_chest(
    seed: int | np.random.Generator, size: int | tuple[int, int], nodules: int | Sequence[tuple[float, float]]
) -> tuple[Anatomy, np.random.Generator, tuple[int, int]]:
    """A drawn body, the generator of its films' noise, and the shape of its films."""
    count = nodules if isinstance(nodules, int) else len(nodules)
    shape = check_request(0 if isinstance(seed, np.random.Generator) else seed, size, count)
    rng = seed if isinstance(seed, np.random.Generator) else np.random.default_rng(seed)
    body_rng, nodule_rng, noise_rng = rng.spawn(3)
    return draw_anatomy(body_rng, nodule_rng, nodules=nodules), noise_rng, shape


def check_request(seed: int, size: int | tuple[int, int], nodules: int) -> tuple[int, int]:
    """The film's shape (H, W), after a check of what was asked; raises DataError where it cannot be."""
    if seed < 0:
        raise DataError(f"a seed is a whole number from 0, not {seed}")
    if not 0 <= nodules <= MOST_NODULES:
        raise DataError(f"a phantom has 0 to {MOST_NODULES} nodules, not {nodules}")
    height, width = size if isinstance(size, tuple) else (size, size)
    if not all(SMALLEST <= side <= LARGEST for side in (height, width)):
        raise DataError(f"a film has {SMALLEST} to {LARGEST} pixels a side, not {size}")
    return height, width


def rays_of(parameters: ChestParameters, shape: tuple[int, int]) -> Rays:
    """The rays of a film of ``shape`` (H, W) in the body's frame."""
    pose = parameters.pose
    step = FIELD_MM / max(shape) / pose.magnification
    return Rays.parallel(shape, step=step, origin=pose.centre, roll=pose.roll)


def film_of(anatomy: Anatomy, shape: tuple[int, int], *, noise: Noise, display: Display = FILM) -> ChestCase:
    """Expose a drawn body to a film of ``shape`` (H, W), with bones and without."""
    parameters, spacing = anatomy.parameters, FIELD_MM / max(shape)
    rays = rays_of(parameters, shape)
    projection, exposure = project(anatomy, rays), parameters.exposure
    films = [
        show(expose(lengths, exposure, spacing_mm=spacing, noise=noise), exposure, display, spacing_mm=spacing)
        for lengths in (projection.with_bone, projection.without_bone)
    ]
    truths = tuple(_nodule_truth(rays, nodule) for nodule in anatomy.nodules)
    return ChestCase(films[0], films[1], projection.masks, truths, spacing, parameters, projection)


def _nodule_truth(rays: Rays, nodule: Nodule) -> NoduleTruth:
    row, column = rays.pixel(nodule.centre[0], nodule.centre[1])
    side = "right" if nodule.centre[0] < 0 else "left"
    return NoduleTruth(float(row), float(column), nodule.diameter_mm, nodule.density, side)


def summary(case: ChestCase) -> dict[str, Any]:
    """A few facts of a case for a table: sex, widths in mm, the true cardiothoracic ratio."""
    heart, lungs = case.masks["heart"], case.masks["right_lung"] | case.masks["left_lung"]
    wide = [np.flatnonzero(mask.any(0)) for mask in (heart, lungs)]
    ratio = (wide[0][-1] - wide[0][0] + 1) / (wide[1][-1] - wide[1][0] + 1)
    return {"sex": case.parameters.build.sex, "ctr": round(float(ratio), 4)}
