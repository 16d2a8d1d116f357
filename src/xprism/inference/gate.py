"""The gate of the chest models: films that are no frontal chest are refused with a reason code.

The header is asked first, where there is one; then the masks must look like a chest at all. The
limits are wide on purpose: an odd chest (one lung removed, a white lung, a child on a large plate)
is measured and marked as doubtful by its quality, and only what no frontal chest shows is refused.
"""

from __future__ import annotations

from collections.abc import Mapping

from xprism.inference.decode import Certainty
from xprism.radiograph import Radiograph
from xprism.result import Refusal, Structure

PROJECTION_MODALITIES = frozenset({"CR", "DX", "DR", "RG", "XR", "OT", "SC", "HC"})
"""Modalities that may hold a plain film; OT, SC and HC are used for scanned ones, and masks decide there."""

CHEST_WORDS = ("CHEST", "THORA", "TORAX", "TORAC", "TÓRAX", "LUNG", "PULM", "POUMON", "RIB", "HEART", "CARDIA")
"""A body part that contains one of these is a chest; so are combinations such as CHESTABDOMEN."""

UNSTATED_PARTS = frozenset({"", "UNKNOWN", "OTHER", "NONE", "UNSPECIFIED", "DEFAULT", "ANY", "TRUNK", "WHOLEBODY"})
"""Body parts that say nothing about the film."""

LIMITS = {
    # Both lungs together, share of the film: adults fill 0.15 to 0.40; a newborn on a large plate 0.04.
    "lungs_share_min": 0.02,
    "lungs_share_max": 0.75,
    # The smaller lung over the larger: 0.6 to 1 as a rule; below this it counts as missing.
    "lung_missing_ratio": 0.02,
    # Rows that both lungs share, over the height of the shorter one: 0.8 to 1 as a rule.
    "lungs_common_rows_min": 0.25,
    # The heart's area over that of the lungs: 0.15 to 0.9 as a rule; below the least it counts as missing.
    "heart_share_min": 0.02,
    "heart_share_max": 4.0,
    # Mean of confidence and stability of the lungs' masks: frontal chests had 0.93 to 0.96, upper or
    # right halves of one 0.85; hips, legs, heads and abdomens 0.2 to 0.65.
    "certainty_min": 0.7,
}


def check_header(film: Radiograph) -> Refusal | None:
    """Refuse a film whose header says that it is no frontal chest radiograph; what is unstated passes."""
    modality = (film.modality or "").strip().upper()
    if modality and modality not in PROJECTION_MODALITIES:
        return Refusal("modality", f"modality {modality} is no plain X-ray film")
    part = (film.body_part or "").strip().upper()
    if part.replace(" ", "") not in UNSTATED_PARTS and not any(word in part for word in CHEST_WORDS):
        return Refusal("body_part", f"the header names the body part {part}, not the chest")
    if film.view == "LATERAL":
        return Refusal("view", "a lateral film; this model reads frontal films")
    return None


def check_masks(
    structures: Mapping[str, Structure], certainty: Mapping[str, Certainty], shape: tuple[int, int]
) -> Refusal | None:
    """Refuse masks that no frontal chest shows: no lungs, lungs on the wrong sides, a heart beside the chest."""
    lungs = [structures[label] for label in ("right_lung", "left_lung") if label in structures]
    if len(lungs) < 2:
        return None
    return _size(lungs, shape) or _sides(lungs) or _heart(structures, lungs) or _certainty(lungs, certainty)


def _size(lungs: list[Structure], shape: tuple[int, int]) -> Refusal | None:
    share = sum(lung.area_px for lung in lungs) / (shape[0] * shape[1])
    if share < LIMITS["lungs_share_min"]:
        return Refusal("not_a_chest", f"no lungs found (they would fill {share:.1%} of the film)")
    if share > LIMITS["lungs_share_max"]:
        return Refusal("not_a_chest", f"what looks like lungs fills {share:.0%} of the film")
    return None


def missing_lungs(structures: Mapping[str, Structure]) -> tuple[str, ...]:
    """Labels of the lungs that are absent, or a speck beside the other."""
    areas = {label: structures[label].area_px for label in ("right_lung", "left_lung") if label in structures}
    larger = max(areas.values(), default=0)
    return tuple(label for label, area in areas.items() if area <= larger * LIMITS["lung_missing_ratio"])


def _sides(lungs: list[Structure]) -> Refusal | None:
    if missing_lungs({lung.label: lung for lung in lungs}):
        return None
    (right_centre, right_box), (left_centre, left_box) = ((lung.centroid_px, lung.box_px) for lung in lungs)
    if right_centre is None or left_centre is None or right_box is None or left_box is None:
        return None
    if right_centre[1] >= left_centre[1]:
        return Refusal("not_a_chest", "the right lung lies on the left lung's side")
    common = min(right_box[2], left_box[2]) - max(right_box[0], left_box[0])
    shorter = min(right_box[2] - right_box[0], left_box[2] - left_box[0])
    if common < LIMITS["lungs_common_rows_min"] * shorter:
        return Refusal("not_a_chest", "the lungs do not lie side by side")
    return None


def _heart(structures: Mapping[str, Structure], lungs: list[Structure]) -> Refusal | None:
    heart = structures.get("heart")
    if heart is None:
        return None
    one_missing = bool(missing_lungs({lung.label: lung for lung in lungs}))
    speck = heart.area_px < LIMITS["heart_share_min"] * sum(lung.area_px for lung in lungs)
    if heart.centroid_px is None or speck:
        return Refusal("not_a_chest", "no heart and only one lung found") if one_missing else None
    boxes = [lung.box_px for lung in lungs if lung.box_px is not None]
    between = min(box[1] for box in boxes) < heart.centroid_px[1] < max(box[3] for box in boxes)
    # Where one lung was removed, the heart does lie beside the other.
    if not between and not one_missing:
        return Refusal("not_a_chest", "what looks like a heart lies beside the chest")
    thorax = max(box[3] for box in boxes) - min(box[1] for box in boxes)
    if not one_missing and heart.box_px is not None and heart.box_px[3] - heart.box_px[1] > thorax:
        return Refusal("not_a_chest", "what looks like a heart is wider than the chest")
    if heart.area_px > LIMITS["heart_share_max"] * sum(lung.area_px for lung in lungs):
        return Refusal("not_a_chest", "what looks like a heart is many times larger than the lungs")
    return None


def _certainty(lungs: list[Structure], certainty: Mapping[str, Certainty]) -> Refusal | None:
    found = [(lung.area_px, certainty[lung.label]) for lung in lungs if lung.label in certainty]
    area = sum(size for size, _ in found)
    mean = sum(size * (one.confidence + one.stability) / 2 for size, one in found) / area if area else 0.0
    if found and mean < LIMITS["certainty_min"]:
        return Refusal(
            "low_confidence", f"the model is unsure of the lungs ({mean:.2f} where chests have 0.85 or more)"
        )
    return None
