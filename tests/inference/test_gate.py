"""What the chest models refuse, and what they only doubt."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from xprism.inference.decode import Certainty
from xprism.inference.gate import check_header, check_masks
from xprism.inference.measure import measure, structure_of
from xprism.inference.postprocess import Cleaning
from xprism.inference.quality import judge
from xprism.radiograph import DisplayMapping, Radiograph
from xprism.result import Quality, Structure

SHAPE = (400, 400)
SURE = Certainty(0.98, 0.97, Cleaning())
FILM = Radiograph(np.zeros(SHAPE, np.uint8), DisplayMapping(0, 255))

BOXES = {
    "right_lung": (60, 50, 300, 160),
    "left_lung": (60, 240, 300, 350),
    "heart": (180, 150, 290, 290),
    "right_clavicle": (40, 60, 55, 170),
    "left_clavicle": (40, 230, 55, 340),
}


def structures(**boxes: tuple[int, int, int, int] | None) -> dict[str, Structure]:
    found = {}
    for label, box in {**BOXES, **boxes}.items():
        mask = np.zeros(SHAPE, bool)
        if box is not None:
            mask[box[0] : box[2], box[1] : box[3]] = True
        found[label] = structure_of(label, mask, None)
    return found


def code(found: dict[str, Structure], certainty: Certainty = SURE) -> str | None:
    refusal = check_masks(found, dict.fromkeys(found, certainty), SHAPE)
    return None if refusal is None else refusal.code


def quality(found: dict[str, Structure], certainty: Certainty = SURE) -> Quality:
    return judge(found, dict.fromkeys(found, certainty), SHAPE, chest=True)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({}, None),
        ({"modality": "CR", "body_part": "CHEST", "view": "PA"}, None),
        ({"modality": "DX", "body_part": "CHESTABDOMEN", "view": "AP"}, None),
        ({"body_part": "THORAX"}, None),
        ({"body_part": "UNKNOWN"}, None),
        ({"modality": "CT"}, "modality"),
        ({"modality": "MG", "body_part": "BREAST"}, "modality"),
        ({"modality": "CR", "body_part": "HIP"}, "body_part"),
        ({"modality": "CR", "body_part": "CHEST", "view": "LATERAL"}, "view"),
    ],
)
def test_header_gate(facts: dict[str, str], expected: str | None) -> None:
    refusal = check_header(replace(FILM, **facts))
    assert (None if refusal is None else refusal.code) == expected


def test_a_plain_chest_passes_without_remarks() -> None:
    assert code(structures()) is None
    assert quality(structures()) == Quality(0.975)


@pytest.mark.parametrize(
    "changed",
    [
        {"right_lung": None, "left_lung": None},
        {"right_lung": (60, 50, 80, 70), "left_lung": (60, 240, 80, 260)},
        {"right_lung": (0, 0, 400, 200), "left_lung": (0, 200, 400, 400)},
        {"right_lung": BOXES["left_lung"], "left_lung": BOXES["right_lung"]},
        {"right_lung": (0, 50, 180, 160), "left_lung": (200, 240, 390, 350)},
        {"heart": (180, 360, 290, 400)},
        {"heart": None, "left_lung": None},
        {"heart": (200, 195, 206, 201), "left_lung": None},
        {"heart": (180, 20, 290, 390)},
    ],
    ids=[
        "no lungs",
        "specks",
        "all lung",
        "sides",
        "one above the other",
        "heart beside",
        "one lung only",
        "one lung and a speck",
        "heart too wide",
    ],
)
def test_masks_that_no_chest_shows_are_refused(changed: dict[str, tuple[int, int, int, int] | None]) -> None:
    assert code(structures(**changed)) == "not_a_chest"


def test_an_unsure_model_refuses() -> None:
    assert code(structures(), Certainty(0.3, 0.2, Cleaning())) == "low_confidence"


@pytest.mark.parametrize(
    ("changed", "remark"),
    [
        ({"left_lung": None}, "no left lung"),
        ({"left_lung": (60, 240, 120, 300)}, "much smaller"),
        ({"heart": None}, "no heart"),
        ({"right_clavicle": None}, "no right clavicle"),
        ({"right_lung": (60, 0, 300, 160)}, "left edge"),
    ],
)
def test_an_odd_chest_is_measured_but_doubted(
    changed: dict[str, tuple[int, int, int, int] | None], remark: str
) -> None:
    found = structures(**changed)
    assert code(found) is None
    judged = quality(found)
    assert judged.score < 0.9
    assert any(remark in sentence for sentence in judged.remarks)


def test_many_removed_pieces_are_remarked() -> None:
    judged = quality(structures(), Certainty(0.98, 0.97, Cleaning(3, 0.2, 0.0)))
    assert any("3 loose pieces" in sentence for sentence in judged.remarks)


def test_quality_stays_between_zero_and_one() -> None:
    nothing = structures(**dict.fromkeys(BOXES))
    assert quality(nothing).score == 0


def test_no_real_chest_is_refused_and_ratios_are_plausible(shared_data: Path) -> None:
    """Expert outlines of the JSRT films stand for a perfect model."""
    labels = {"right_lung": 1, "left_lung": 2, "heart": 4, "right_clavicle": 8, "left_clavicle": 16}
    ratios = []
    for path in sorted((shared_data / "jsrt" / "masks").glob("*.png"))[::8]:
        flags = np.asarray(Image.open(path))
        masks = {label: flags & flag > 0 for label, flag in labels.items()}
        found = {label: structure_of(label, mask, None) for label, mask in masks.items()}
        assert check_masks(found, dict.fromkeys(found, SURE), flags.shape) is None
        film = Radiograph(flags, DisplayMapping(0, 255), view="PA")
        ratios.append(measure(masks, film)["ctr"].value)
    assert 0.35 < min(ratios) < max(ratios) < 0.65
