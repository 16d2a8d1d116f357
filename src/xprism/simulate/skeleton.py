"""The whole skeleton: what every ray passes of compact and spongy bone, and the shadow of every group of bones."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xprism.grid import resize
from xprism.simulate.bone import Bone, BoneSum
from xprism.simulate.detail import BoneDetail
from xprism.simulate.mediastinum import Outline
from xprism.simulate.parameters import Bones, Build, Pose
from xprism.simulate.projection import Rays, ellipsoid, pillow, tubes_length
from xprism.simulate.ribs import RibCage
from xprism.simulate.shoulder import Shoulder
from xprism.simulate.spine import Spine

Floats = NDArray[np.float64]

_COARSE_MM = 0.75


@dataclass(frozen=True)
class Skeleton:
    """The bones of one patient in one pose."""

    build: Build
    bones: Bones
    pose: Pose
    detail: BoneDetail

    @property
    def spine(self) -> Spine:
        """The vertebrae."""
        return Spine(self.build, self.bones, self.pose, self.detail)

    @property
    def cage(self) -> RibCage:
        """Ribs and breastbone."""
        return RibCage(self.build, self.bones, self.pose, self.detail)

    def shoulder(self, side: int) -> Shoulder:
        """Clavicle, shoulder blade and upper arm bone; side -1 is the patient's right, 1 the left."""
        return Shoulder(self.build, self.bones, self.pose, self.detail, side)


@dataclass(frozen=True)
class BoneLengths:
    """Path lengths [H, W] in mm through compact and spongy bone, and which rays pass which bones."""

    cortical: Floats
    spongiosa: Floats
    masks: dict[str, NDArray[np.bool_]]


def bone_lengths(rays: Rays, skeleton: Skeleton, grain: Floats) -> BoneLengths:
    """Path lengths through the whole skeleton and the exact shadow of each group of bones.

    ``grain`` is a random field over the film, the uneven structure within bone; it moves no outline. Where pixels
    are wider than cortex is thick, lengths are the mean over nine rays a pixel; shadows are those of the middle ray.
    """
    if rays.step <= _COARSE_MM:
        return _sampled(rays, skeleton, grain)
    fine = _sampled(rays.finer(3), skeleton, grain)
    masks = {name: mask[1::3, 1::3] for name, mask in fine.masks.items()}
    return BoneLengths(_pooled(fine.cortical), _pooled(fine.spongiosa), masks)


def _pooled(lengths: Floats) -> Floats:
    height, width = lengths.shape[0] // 3, lengths.shape[1] // 3
    return np.asarray(lengths.reshape(height, 3, width, 3).mean((1, 3)))


def _sampled(rays: Rays, skeleton: Skeleton, grain: Floats) -> BoneLengths:
    tally = _Tally(rays)
    cage, pairs = skeleton.cage, range(1, skeleton.detail.rib_count + 1)
    ribs = [cage.rib(number, side) for number in pairs for side in (-1, 1)]
    tally.tubes("ribs", ribs + [cage.groove(number, side) for number in pairs if number < 12 for side in (-1, 1)])
    tally.tubes("cartilage", cage.cartilages())
    for ring, depth in cage.sternum():
        tally.plate("sternum", _hull(ring), middle=depth, half_depth=5.5, compact=0.13 * skeleton.bones.cortex)
    tally.spine(skeleton.spine)
    for name, side in (("right_clavicle", -1), ("left_clavicle", 1)):
        shoulder = skeleton.shoulder(side)
        tally.tubes(name, [shoulder.clavicle()])
        outline, rims = shoulder.scapula()
        tally.plate("scapulae", outline, middle=0.0, half_depth=1.3, compact=0.45)
        tally.tubes("scapulae", rims)
        tally.humerus(shoulder, 0.6 * skeleton.bones.cortex)
    field = 0.13 * skeleton.detail.texture * np.clip(resize(grain, rays.shape).astype(float), -3, 3)
    cortical = tally.cortical * skeleton.bones.mineral * (1 + 0.5 * field)
    return BoneLengths(cortical, tally.spongiosa * (1 + field), tally.masks)


class _Tally:
    """Adds bones up, group by group."""

    def __init__(self, rays: Rays) -> None:
        self.rays = rays
        self.cortical, self.spongiosa = np.zeros(rays.shape), np.zeros(rays.shape)
        self.masks: dict[str, NDArray[np.bool_]] = {}

    def _mark(self, name: str, hit: NDArray[np.bool_]) -> None:
        self.masks[name] = self.masks[name] | hit if name in self.masks else hit

    def tubes(self, name: str, bones: Iterable[Bone]) -> None:
        """Bones that are tubes."""
        total = BoneSum(self.cortical, self.spongiosa, np.zeros(self.rays.shape))
        for bone in bones:
            total.add(self.rays, bone)
        self._mark(name, total.alone > 0)

    def plate(self, name: str, outline: Outline, *, middle: float, half_depth: float, compact: float) -> None:
        """A flat bone, of which the share ``compact`` is cortex."""
        across = outline.across(self.rays.x, self.rays.y)
        plate = pillow(across, middle=middle, half_depth=half_depth, power=6.0)
        self.cortical += compact * plate.length
        self.spongiosa += (1 - compact) * plate.length
        self._mark(name, plate.hit)

    def spine(self, spine: Spine) -> None:
        """Vertebral bodies and processes."""
        body, marrow = spine.bodies(self.rays.x, self.rays.y)
        self.cortical += 0.75 * np.maximum(body.length - marrow.length, 0)
        self.spongiosa += 0.75 * marrow.length
        self.tubes("spine", spine.processes())
        self._mark("spine", body.hit)

    def humerus(self, shoulder: Shoulder, wall: float) -> None:
        """An upper arm bone: its head is a ball, its shaft a tube."""
        centre, shaft = shoulder.humerus()
        radius = shoulder.head_radius
        ball = ellipsoid(self.rays.x, self.rays.y, centre=centre, radii=(radius,) * 3)
        hollow = ellipsoid(self.rays.x, self.rays.y, centre=centre, radii=(radius - wall,) * 3)
        self.cortical += ball.length - hollow.length
        self.spongiosa += 0.85 * hollow.length
        arm = BoneSum.empty(self.rays.shape)
        arm.add(self.rays, shaft)
        covered = tubes_length(self.rays, [shaft.tube], within=ball)
        outside = np.where(arm.alone > 0, 1 - covered / np.maximum(arm.alone, 1e-9), 0)
        self.cortical += outside * arm.cortical
        self.spongiosa += outside * arm.spongiosa
        self._mark("humeri", ball.hit | (arm.alone > 0))


def _hull(ring: Floats) -> Outline:
    """The outline through a ring of points [N, 2] about its middle."""
    centre = (ring.max(0) + ring.min(0)) / 2
    return Outline.through(ring - centre, centre=(float(centre[0]), float(centre[1])))
