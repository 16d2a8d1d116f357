"""Films from CT volumes: rays run through their materials, in parallel or from a point."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from xprism.errors import DataError
from xprism.simulate.ct_volume import CtVolume, Mask, materials_of
from xprism.simulate.display import FILM, Display, show
from xprism.simulate.film import Noise, expose
from xprism.simulate.parameters import Exposure

Floats = NDArray[np.float64]

_SEEN_BONE_MM, _SEEN_LUNG_MM = 0.5, 10.0


@dataclass(frozen=True)
class Geometry:
    """How rays run: in parallel, or from a point ``source_mm`` from the detector (behind the patient: a PA film).

    The detector touches the patient's front. ``spacing_mm`` is that of its pixels, ``shape`` (H, W) their number; by
    default the film takes in the whole volume.
    """

    source_mm: float | None = None
    spacing_mm: float = 1.0
    shape: tuple[int, int] | None = None


PARALLEL = Geometry()


def project_volume(share: NDArray[np.float32], spacing_mm: tuple[float, float, float], geometry: Geometry) -> Floats:
    """Path lengths in mm [H, W] through one material: rays are sampled once in every layer of depth, linearly.

    The volume's middle lies on the central ray, which is perpendicular to the detector.
    """
    height, width = _shape(share.shape, spacing_mm, geometry)
    if geometry.source_mm is None:
        share = share.sum(2, keepdims=True, dtype=float)
    v = (np.arange(height) - (height - 1) / 2) * geometry.spacing_mm
    u = (np.arange(width) - (width - 1) / 2) * geometry.spacing_mm
    total = np.zeros((height, width))
    depths = share.shape[2]
    for k in np.flatnonzero(share.any((0, 1))):
        # The last layer lies against the detector.
        shrink = _shrink((depths - 0.5 - k) * spacing_mm[2], geometry)
        down = _weights(v * shrink / spacing_mm[0], share.shape[0])
        across = _weights(u * shrink / spacing_mm[1], share.shape[1])
        total += (across @ (down @ share[:, :, k]).T).T
    if geometry.source_mm is not None:
        # Rays cross the layers at a slant.
        total *= np.sqrt(1 + (v[:, None] ** 2 + u[None, :] ** 2) / geometry.source_mm**2)
    return np.asarray(total * spacing_mm[2])


def _shape(sides: tuple[int, ...], spacing_mm: tuple[float, float, float], geometry: Geometry) -> tuple[int, int]:
    if geometry.shape is not None:
        return geometry.shape
    wide = 1 / _shrink(sides[2] * spacing_mm[2], geometry)
    lengths = [side * step * wide / geometry.spacing_mm for side, step in zip(sides, spacing_mm, strict=False)]
    return int(np.ceil(lengths[0])), int(np.ceil(lengths[1]))


def _shrink(before_mm: float, geometry: Geometry) -> float:
    """How much smaller than on the detector things are that lie ``before_mm`` in front of it."""
    if geometry.source_mm is None:
        return 1.0
    if before_mm >= geometry.source_mm:
        raise DataError(f"the source is {geometry.source_mm:g} mm from the detector, inside the patient")
    return (geometry.source_mm - before_mm) / geometry.source_mm


def _weights(places: NDArray[Any], count: int) -> csr_array:
    """Linear interpolation [len(places), count] at places in voxels from the middle; nothing outside."""
    at = places + (count - 1) / 2
    low = np.floor(at).astype(int)
    rows = np.repeat(np.arange(len(at)), 2)
    columns = np.stack([low, low + 1], 1).ravel()
    values = np.stack([low + 1 - at, at - low], 1).ravel()
    held = (columns >= 0) & (columns < count)
    return csr_array((values[held], (rows[held], columns[held])), shape=(len(at), count))


@dataclass(frozen=True)
class CtCase:
    """A film made from a CT volume; pictures are [H, W], display values in [0, 1], bone bright.

    ``bone_layer`` is the log signal with bones minus that without. ``masks`` holds ``right_lung``, ``left_lung``
    (all air spaces, also behind heart and domes) and ``bones``; ``spacing_mm`` is at the detector.
    """

    film: NDArray[np.float32]
    film_without_bone: NDArray[np.float32]
    bone_layer: NDArray[np.float32]
    masks: Mapping[str, Mask]
    spacing_mm: float


def film_of_volume(
    volume: CtVolume,
    exposure: Exposure,
    rng: np.random.Generator,
    *,
    geometry: Geometry = PARALLEL,
    bone: Mask | None = None,
    display: Display = FILM,
) -> CtCase:
    """Simulate the PA film of a CT volume and its twin without bones, which soft tissue replaces."""
    materials = materials_of(volume, bone=bone)
    rays = {name: project_volume(share, volume.spacing_mm, geometry) for name, share in materials.shares.items()}
    bony = rays["cortical_bone"]
    without = {name: path for name, path in rays.items() if name != "cortical_bone"}
    without["soft_tissue"] = without["soft_tissue"] + bony
    spacing, shape = geometry.spacing_mm, bony.shape
    noise, still = Noise.draw(rng, (shape[0], shape[1])), Noise(np.zeros(shape))
    noisy = [expose(paths, exposure, spacing_mm=spacing, noise=noise) for paths in (rays, without)]
    clean = [expose(paths, exposure, spacing_mm=spacing, noise=still) for paths in (rays, without)]
    films = [show(signal, exposure, display, spacing_mm=spacing) for signal in noisy]
    masks = {"bones": bony > _SEEN_BONE_MM}
    for name, lung in (("right_lung", materials.right_lung), ("left_lung", materials.left_lung)):
        masks[name] = project_volume(lung.astype(np.float32), volume.spacing_mm, geometry) > _SEEN_LUNG_MM
    layer = (clean[0] - clean[1]).astype(np.float32)
    return CtCase(films[0], films[1], layer, MappingProxyType(masks), spacing)
