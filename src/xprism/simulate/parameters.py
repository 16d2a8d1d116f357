"""The numbers that describe one patient, pose and exposure, and how they are drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from xprism.simulate.detail import BoneDetail, draw_detail

Sex = Literal["female", "male"]


@dataclass(frozen=True)
class Build:
    """Size and shape of a patient; lengths in mm in the body.

    ``lung_height`` runs from apex to costophrenic angle, ``half_width`` is half the thorax inside,
    ``half_depth`` half its inner depth. ``heart_width`` is the widest extent of the heart's
    silhouette, which sets the cardiothoracic ratio; ``heart_centre`` is how far its centre lies to the left
    of the midline, and how far its lower edge lies below the domes.
    """

    sex: Sex
    lung_height: float
    half_width: float
    half_depth: float
    apex_offset: float
    shoulder_power: float
    base_flare: float
    fat: float
    muscle: float
    shoulder_drop: float
    heart_width: float
    heart_height: float
    heart_centre: tuple[float, float]
    heart_lumps: tuple[float, ...]
    dome_right: float
    dome_left: float
    dome_rise: float
    dome_power: float
    mediastinum: float
    knob: float
    breast: float
    gas: float
    age_stiffness: float


@dataclass(frozen=True)
class Bones:
    """Size, slope and mineral of the skeleton; lengths in mm."""

    rib_height: float
    rib_depth: float
    cortex: float
    mineral: float
    rib_slope: float
    rib_jitter: tuple[float, ...]
    clavicle_medial: float
    clavicle_end: tuple[float, float]
    clavicle_bow: float
    clavicle_radius: float
    scapula_shift: tuple[float, float]
    scapula_turn: tuple[float, float]
    spine_curve: tuple[float, float]
    vertebra_scale: float


@dataclass(frozen=True)
class Pose:
    """How the patient stands: ``roll`` and ``yaw`` in radians, where the film's centre lies, magnification."""

    roll: float
    yaw: float
    centre: tuple[float, float]
    magnification: float


@dataclass(frozen=True)
class Exposure:
    """Beam, detector and display of one film.

    ``energies`` in keV with ``shares`` of the signal; ``scatter`` is the scatter-to-primary ratio behind
    the thickest parts; ``quanta`` detected per mm2 in open field; ``blur`` in mm at the detector. The
    display is a logistic curve of log exposure, as film has it: ``contrast`` and ``speed`` in log units.
    """

    energies: tuple[float, ...]
    shares: tuple[float, ...]
    scatter: float
    scatter_reach: float
    quanta: float
    blur: float
    contrast: float
    speed: float
    texture: float


@dataclass(frozen=True)
class ChestParameters:
    """Everything drawn for one phantom film, save its vessels, nodules and noise."""

    build: Build
    bones: Bones
    pose: Pose
    exposure: Exposure
    detail: BoneDetail


def draw_parameters(rng: np.random.Generator) -> ChestParameters:
    """Draw one patient, pose and exposure from the generator."""
    build = _draw_build(rng)
    bones, pose, exposure = _draw_bones(rng, build), _draw_pose(rng, build), _draw_exposure(rng)
    # Finer traits have a generator of their own: drawing more of them moves nothing else.
    return ChestParameters(build, bones, pose, exposure, draw_detail(rng.spawn(1)[0], build.age_stiffness))


def _near(rng: np.random.Generator, mean: float, spread: float) -> float:
    """A normal draw cut at two standard deviations."""
    return float(mean + spread * np.clip(rng.standard_normal(), -2, 2))


def _draw_build(rng: np.random.Generator) -> Build:
    female = bool(rng.random() < 0.5)
    size = 0.95 if female else 1.03
    half_width = _near(rng, 131 * size, 6)
    heart_width = 2 * half_width * float(rng.uniform(0.385, 0.55))
    lung_height = _near(rng, 252 * size, 18)
    return Build(
        sex="female" if female else "male",
        lung_height=lung_height,
        half_width=half_width,
        half_depth=_near(rng, 80 * size, 6),
        apex_offset=_near(rng, 47 * size, 4),
        shoulder_power=float(rng.uniform(1.9, 2.3)),
        base_flare=_near(rng, 0.01, 0.025),
        fat=float(np.clip(rng.gamma(3.0, 3.5), 4, 30)) + (2 if female else 0),
        muscle=_near(rng, 15 if female else 18, 2.5),
        shoulder_drop=_near(rng, 0, 9),
        heart_width=heart_width,
        heart_height=_near(rng, 104, 8) * (heart_width / 122) ** 0.5,
        heart_centre=(_near(rng, 20, 5) + 0.1 * (heart_width - 122), _near(rng, 21, 4)),
        heart_lumps=tuple(float(v) for v in rng.normal(0, 0.025, 14)),
        dome_right=_near(rng, 0.80, 0.025),
        dome_left=_near(rng, 0.045, 0.018),
        dome_rise=_near(rng, 0.19, 0.02),
        dome_power=float(rng.uniform(2.4, 3.6)),
        mediastinum=_near(rng, 0.9, 0.09),
        knob=_near(rng, 13.5, 2.0),
        breast=float(rng.uniform(0.55, 1.25)) if female else 0.0,
        gas=float(rng.uniform(0.5, 1.2)) if rng.random() < 0.6 else 0.0,
        age_stiffness=float(rng.uniform(0, 1)),
    )


def _draw_bones(rng: np.random.Generator, build: Build) -> Bones:
    scale = build.half_width / 131
    return Bones(
        rib_height=_near(rng, 6.6 * scale, 0.6),
        rib_depth=_near(rng, 3.5 * scale, 0.3),
        cortex=_near(rng, 0.9, 0.12),
        mineral=_near(rng, 1.0 - 0.15 * build.age_stiffness, 0.1),
        rib_slope=_near(rng, 1.0, 0.13),
        rib_jitter=tuple(float(v) for v in rng.normal(0, 1.2, 24)),
        clavicle_medial=_near(rng, 0.137, 0.025),
        clavicle_end=(_near(rng, 15, 4), _near(rng, 0, 3)),
        clavicle_bow=_near(rng, 5, 2),
        clavicle_radius=_near(rng, 5.6 * scale, 0.5),
        scapula_shift=(_near(rng, 6, 7), _near(rng, 0, 7)),
        scapula_turn=(_near(rng, 0, 0.1), _near(rng, 0, 0.1)),
        spine_curve=(_near(rng, 0, 3), float(rng.uniform(0, 2 * np.pi))),
        vertebra_scale=_near(rng, 1.0 * scale, 0.05),
    )


def _draw_pose(rng: np.random.Generator, build: Build) -> Pose:
    magnification = float(rng.uniform(1.04, 1.09))
    return Pose(
        roll=_near(rng, 0, 0.018),
        yaw=_near(rng, 0, 0.035),
        centre=(_near(rng, 0, 6), _near(rng, 0.555, 0.03) * build.lung_height),
        magnification=magnification,
    )


def _draw_exposure(rng: np.random.Generator) -> Exposure:
    hardness = float(rng.uniform(0, 1))
    shares = np.array([0.10, 0.32, 0.36, 0.22]) + hardness * np.array([-0.05, -0.12, 0.03, 0.14])
    return Exposure(
        energies=(40.0, 55.0, 70.0, 95.0),
        shares=tuple(float(v) for v in shares / shares.sum()),
        scatter=float(rng.uniform(0.5, 1.6)),
        scatter_reach=float(rng.uniform(18, 40)),
        quanta=float(np.exp(rng.uniform(np.log(0.8e5), np.log(4e5)))),
        blur=float(rng.uniform(0.10, 0.25)),
        contrast=_near(rng, 1.2, 0.14),
        speed=_near(rng, 1.68, 0.25),
        texture=float(rng.uniform(0.7, 1.3)),
    )
