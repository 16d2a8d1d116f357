"""What makes one skeleton differ from another beyond its measures: arches, cortex, cartilage, texture of bone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

Floats = NDArray[np.float64]

KNOTS = 7
"""Places along a rib where its wobble is drawn; between them it is smooth."""
_GRAIN = 512
# Widths in pixels of the grain (0.7 mm) of the structure within bone, and their shares.
_TRABECULAE = ((0.7, 1.0), (1.4, 1.0), (3.0, 0.7), (8.0, 0.5))

_STILL = (0.0,) * (3 * KNOTS)


@dataclass(frozen=True)
class BoneDetail:
    """The finer traits of a skeleton; the defaults are a plain adult.

    ``rib_count`` is 11 to 13 pairs; ``cortex`` multiplies the thickness of the cortex of ribs and clavicles.
    ``arch`` says how far ribs rise beside the spine before they fall (1 is strong, as in a stooped back).
    ``front`` is the share of a rib's cortex and spongiosa that is left at its front end, ``filling`` the share
    of the marrow space that is spongiosa, ``groove`` the radius in mm of the sharp lower edge of the hind ribs.
    ``wobble`` holds, for ribs 1 to 13 on the right and then on the left, the drawn unevenness of course, height
    and cortex at KNOTS places each. ``cartilage`` is how far the rib cartilages have calcified,
    ``first_cartilage`` that of the first rib, which leads; both 0 to 1. Shoulders stand ``shoulder_lift`` mm
    higher than they would. ``clavicle_canal`` is how empty of spongiosa the clavicles' shafts are, ``sternum``
    the breastbone's relative size, ``texture`` the strength of the structure within bone.
    """

    rib_count: int = 12
    cortex: float = 1.35
    arch: float = 0.55
    front: float = 0.3
    filling: float = 0.8
    groove: float = 0.55
    wobble: tuple[tuple[float, ...], ...] = (_STILL,) * 26
    cartilage: float = 0.0
    first_cartilage: float = 0.5
    shoulder_lift: float = 6.0
    clavicle_canal: float = 0.5
    sternum: float = 1.0
    texture: float = 1.0


def draw_detail(rng: np.random.Generator, stiff: float) -> BoneDetail:
    """Draw a skeleton's finer traits; stiff (old, near 1) cages have calcified cartilage and thinner spongiosa."""
    count = int(rng.choice([11, 12, 13], p=[0.03, 0.95, 0.02]))
    wobble = rng.standard_normal((26, 3 * KNOTS))
    return BoneDetail(
        rib_count=count,
        cortex=float(np.exp(np.clip(rng.normal(0.36, 0.18), 0.02, 0.72))),
        arch=float(rng.uniform(0.25, 1.0)),
        front=float(rng.uniform(0.12, 0.5)),
        filling=float(np.clip(rng.normal(0.85 - 0.2 * stiff, 0.1), 0.4, 1.0)),
        groove=float(rng.uniform(0.25, 0.85)),
        wobble=tuple(tuple(float(v) for v in row) for row in wobble),
        cartilage=float(np.clip(rng.uniform(-1.2, 0.4) + 0.8 * stiff, 0, 1)),
        first_cartilage=float(np.clip(rng.uniform(0.0, 0.7) + 0.4 * stiff, 0, 1)),
        shoulder_lift=float(rng.uniform(0, 12)),
        clavicle_canal=float(rng.uniform(0.3, 0.8)),
        sternum=float(rng.uniform(0.9, 1.1)),
        texture=float(rng.uniform(0.6, 1.4)),
    )


def bone_grain(rng: np.random.Generator) -> Floats:
    """Unit-variance random structure [512, 512] of the film's field, for trabeculae and uneven cortex."""
    grain = rng.standard_normal((_GRAIN, _GRAIN))
    field = np.zeros_like(grain)
    for width, share in _TRABECULAE:
        field += share * width * gaussian_filter(grain, width, mode="wrap")
    return np.asarray(field / field.std())


def along(knots: tuple[float, ...], way: Floats) -> Floats:
    """A smooth curve through drawn knots at equal distances, read at ``way`` (0 to 1)."""
    place = np.clip(way, 0, 1) * (len(knots) - 1)
    low = np.minimum(place.astype(int), len(knots) - 2)
    # A raised cosine between knots: smooth, and never beyond what was drawn.
    share = (1 - np.cos(np.pi * (place - low))) / 2
    values = np.asarray(knots)
    return np.asarray(values[low] * (1 - share) + values[low + 1] * share)
