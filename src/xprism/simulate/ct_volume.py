"""CT volumes: Hounsfield units become materials; the patient is told from the table, and bones from the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import (
    binary_dilation,
    binary_erosion,
    binary_fill_holes,
    binary_opening,
    binary_propagation,
    distance_transform_edt,
    label,
)

from xprism.data.importers.files import need
from xprism.errors import CorruptFile, DataError

Mask = NDArray[np.bool_]

_BONE_HU, _BONE_RIM_HU, _SMALLEST_BONE_MM3, _LARGEST_MARROW_MM2 = 250.0, 120.0, 150.0, 150.0
_SKIN_HU, _LUNG_HU, _AIRWAY_MM2 = -350.0, -500.0, 900.0
# Hounsfield units of air mixed with lung, fat, soft tissue and compact bone, between which voxels are mixtures.
_AIRY_HU, _FAT_HU, _SOFT_HU, _COMPACT_HU = -150.0, -100.0, 45.0, 1500.0
_LUNG_DENSITY = 0.26


@dataclass(frozen=True)
class CtVolume:
    """A CT volume in the phantom's frame: ``hu`` [rows, columns, depths] in Hounsfield units.

    Rows run to the feet, columns to the patient's left, depths to the front; ``spacing_mm`` is the distance of
    voxels along each.
    """

    hu: NDArray[np.float32]
    spacing_mm: tuple[float, float, float]

    def __post_init__(self) -> None:
        if self.hu.ndim != 3 or min(self.hu.shape) < 2 or not all(0 < step < np.inf for step in self.spacing_mm):
            raise DataError(f"a CT volume has three sides and a spacing, not {self.hu.shape} and {self.spacing_mm}")


def read_volume(path: Path | str) -> CtVolume:
    """Read a CT volume from a NIfTI file. Raises DataError where nibabel or the file is missing, or CorruptFile."""
    nibabel, path = need("nibabel"), Path(path)
    if not path.is_file():
        raise DataError("no such volume", where=str(path), remedy="check the path")
    try:
        image = nibabel.as_closest_canonical(nibabel.load(path))
        voxels = np.asarray(image.dataobj, np.float32)
    except Exception as error:  # nibabel passes on whatever its decoders raise
        raise CorruptFile(f"the volume cannot be read: {error}", where=str(path), remedy="copy it again") from error
    if voxels.ndim != 3:
        raise DataError(f"a volume has three axes, this one {list(voxels.shape)}", where=str(path))
    steps = [float(step) for step in image.header.get_zooms()[:3]]
    # NIfTI's canonical axes run to the patient's right, front and head.
    turned = voxels.transpose(2, 0, 1)[::-1, ::-1]
    return CtVolume(np.ascontiguousarray(turned), (steps[2], steps[0], steps[1]))


@dataclass(frozen=True)
class Materials:
    """What a volume's voxels are made of: path lengths per mm by material of the attenuation table, and masks.

    Voxels thinner or denser than the table's material count by their mass.
    """

    shares: Mapping[str, NDArray[np.float32]]
    body: Mask
    bone: Mask
    right_lung: Mask
    left_lung: Mask


def materials_of(volume: CtVolume, *, bone: Mask | None = None) -> Materials:
    """What each voxel is made of; the table and all else outside the body become air.

    ``bone`` [rows, columns, depths] names the bones where they are labelled; otherwise they are found by
    threshold. Raises DataError where there is no body or labels do not fit.
    """
    hu, body = volume.hu, body_mask(volume)
    if bone is not None and bone.shape != hu.shape:
        raise DataError(f"labels of {bone.shape} do not fit a volume of {hu.shape}")
    bone = (bone_mask(volume, body) if bone is None else bone) & body
    airy = hu < _AIRY_HU
    mass = np.maximum(1 + hu / 1000, 0)
    fat = np.clip((_SOFT_HU - hu) / (_SOFT_HU - _FAT_HU), 0, 1)
    compact = np.where(bone, np.clip((hu - _SOFT_HU) / (_COMPACT_HU - _SOFT_HU), 0, 1.5), 0)
    dense = np.where(bone, 1, mass / (1 + np.clip(hu, _FAT_HU, _SOFT_HU) / 1000)) * (body & ~airy)
    shares = {
        "lung": mass / _LUNG_DENSITY * (body & airy),
        "adipose": dense * fat,
        "soft_tissue": dense * (1 - fat) * np.maximum(1 - compact, 0),
        "cortical_bone": compact,
    }
    right, left = lung_masks(volume, body)
    light = {name: share.astype(np.float32) for name, share in shares.items()}
    return Materials(MappingProxyType(light), body, bone, right, left)


def body_mask(volume: CtVolume) -> Mask:
    """The patient without the table: the largest piece that is left when thin plates are opened away, filled."""
    solid = volume.hu > _SKIN_HU
    # Plates are thin within a slice: an opening of 8 mm takes them away and spares the patient.
    reach = [2 * max(1, round(4 / step)) + 1 for step in volume.spacing_mm]
    core = _largest(binary_opening(solid, np.ones((1, reach[1], reach[2]), bool)))
    rim = binary_dilation(core, np.ones((1, 3, 3), bool), iterations=2) & solid
    return np.stack([binary_fill_holes(plane) for plane in binary_propagation(core, mask=rim)])


def bone_mask(volume: CtVolume, body: Mask) -> Mask:
    """Bones: pieces of 250 HU and more, with their softer rims and enclosed marrow; grains of calcium are left."""
    pieces, _ = label((volume.hu >= _BONE_HU) & body, np.ones((3, 3, 3), bool))
    keep = np.bincount(pieces.ravel()) * np.prod(volume.spacing_mm) >= _SMALLEST_BONE_MM3
    keep[0] = False
    bone = keep[pieces]
    bone |= binary_dilation(bone, np.ones((1, 3, 3), bool)) & (volume.hu >= _BONE_RIM_HU) & body
    largest = _LARGEST_MARROW_MM2 / (volume.spacing_mm[1] * volume.spacing_mm[2])
    return np.stack([_with_marrow(plane, largest) for plane in bone])


def _with_marrow(plane: Mask, largest: float) -> Mask:
    """A slice of bone with small enclosed spaces filled; the vertebral canal stays open."""
    holes, _ = label(binary_fill_holes(plane) & ~plane)
    small = np.bincount(holes.ravel()) <= largest
    small[0] = False
    return np.asarray(plane | small[holes])


def lung_masks(volume: CtVolume, body: Mask) -> tuple[Mask, Mask]:
    """Right and left lung: the large air spaces within the body, without the windpipe."""
    air = (volume.hu < _LUNG_HU) & body
    middle = float(np.average(np.arange(body.shape[1]), weights=body.sum((0, 2))))
    near = 25 / volume.spacing_mm[1]
    smallest = _AIRWAY_MM2 / (volume.spacing_mm[1] * volume.spacing_mm[2])
    for plane in air:
        pieces, count = label(plane)
        for number in range(1, count + 1):
            piece = pieces == number
            if piece.sum() < smallest and abs(np.nonzero(piece)[0].mean() - middle) < near:
                plane[piece] = False
    pieces, _ = label(air)
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    # Gas in the bowel and what is left of the airways is small beside a lung.
    lungs = (sizes > 0.15 * sizes.max())[pieces] & (sizes.max() > 0)
    return _sides(lungs, middle, volume.spacing_mm)


def _sides(lungs: Mask, middle: float, spacing_mm: tuple[float, float, float]) -> tuple[Mask, Mask]:
    """The right and the left of two lungs: their cores, parted by erosion where they touch, claim what is nearest."""
    core = lungs
    for _ in range(6):
        pieces, _ = label(core)
        sizes = np.bincount(pieces.ravel())
        sizes[0] = 0
        order = np.argsort(sizes)[::-1]
        if len(order) > 1 and sizes[order[1]] > 0.3 * sizes[order[0]] > 0:
            seeds = [pieces == number for number in order[:2]]
            seeds.sort(key=lambda seed: float(np.nonzero(seed)[1].mean()))
            distance = [distance_transform_edt(~seed, sampling=spacing_mm) for seed in seeds]
            right = distance[0] <= distance[1]
            return lungs & right, lungs & ~right
        core = binary_erosion(core, np.ones((1, 3, 3), bool))
    right = np.arange(lungs.shape[1])[None, :, None] < middle
    return lungs & right, lungs & ~right


def _largest(mask: Mask) -> Mask:
    pieces, found = label(mask)
    if not found:
        raise DataError("no body in this volume", remedy="pass Hounsfield units")
    return np.asarray(pieces == 1 + np.argmax(np.bincount(pieces.ravel())[1:]))
