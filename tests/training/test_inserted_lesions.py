"""Simulated nodules laid into the lungs of real films: where they lie, what they add, and that truth knows of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from xprism.data.lesions import write_places
from xprism.data.manifest import Case, write_manifest
from xprism.training.augment import AugmentSettings
from xprism.training.recipe import Recipe
from xprism.training.samples import Samples
from xprism.training.tissue import draw_nodules

SIDE = 128
STILL = dict.fromkeys(AugmentSettings.model_fields.keys() - {"kind", "crop_scale"}, 0)


def lungs() -> torch.Tensor:
    where = torch.zeros(SIDE, SIDE)
    where[20:110, 15:50] = where[20:110, 80:115] = 1
    return where


@pytest.mark.parametrize("square", [False, True])
def test_a_nodule_adds_to_the_film_where_its_mask_says_and_hardly_beyond(square: bool) -> None:
    centred = 0
    for seed in range(80):
        film = 0.5 + 0.1 * torch.randn(SIDE, SIDE, generator=torch.Generator().manual_seed(seed))
        drawn, mask = draw_nodules(np.random.default_rng(seed), film, lungs(), square=square)
        assert drawn.min() >= 0
        assert 0 < float(drawn.max()) <= 3 * 1.3 * 0.11
        assert float(drawn[mask > 0].sum()) > 0.8 * float(drawn.sum())
        assert set(mask.unique().tolist()) <= {0.0, 1.0}
        centred += float((mask * lungs()).sum()) > 0.5 * float(mask.sum())
    assert 0.6 * 80 < centred < 80, "most lie within the lungs, not all"


def test_without_lungs_nothing_is_drawn() -> None:
    drawn, mask = draw_nodules(np.random.default_rng(0), torch.rand(32, 32), torch.zeros(32, 32), square=False)
    assert not drawn.any()
    assert not mask.any()


def _samples(tmp_path: Path, *, with_lungs: bool, share: float) -> Samples:
    film = np.tile(np.linspace(20, 220, SIDE), (SIDE, 1))
    Image.fromarray(film.astype(np.uint8)).save(tmp_path / "film.png")
    Image.fromarray((lungs().numpy() * 255).astype(np.uint8)).save(tmp_path / "lungs.png")
    write_places(tmp_path / "t.csv", [])
    masks = {"lungs": tmp_path / "lungs.png"} if with_lungs else {}
    case = Case(
        "a",
        "a",
        tmp_path / "film.png",
        masks=masks,
        lesions={"nodule": tmp_path / "t.csv"},
        attributes={"spacing_mm": "1"},
    )
    write_manifest(tmp_path / "m.csv", [case])
    settings = {
        "name": "inserted",
        "data": {"manifests": [tmp_path / "m.csv"]},
        "targets": [
            {"kind": "lesions", "name": "nodules", "label": "nodule"},
            {"kind": "masks", "name": "lungs", "labels": ["lungs"]},
        ],
        "input": {"size": [SIDE, SIDE], "low_percent": 0, "high_percent": 100},
        "network": {"kind": "compact_unet", "widths": [8, 8, 8], "blocks": [0, 0, 0]},
        "augment": STILL | {"insert_lesions": share},
        "schedule": {"steps": 200, "batch": 1},
    }
    return Samples([case], Recipe.model_validate(settings))


def test_films_are_given_nodules_as_often_as_asked_and_truth_shows_them(tmp_path: Path) -> None:
    half, never = (_samples(tmp_path, with_lungs=True, share=share) for share in (0.5, 0.0))
    given = 0
    for number in range(60):
        film, planes, known = half[number]
        plain = never[number][0]
        assert bool(known.all())
        inside = planes[0] > 0
        given += bool(inside.any())
        added = film[0] - plain[0]
        if inside.any():
            assert float(added[inside].mean()) > float(added[~inside].mean())
        else:
            assert torch.equal(film, plain)
    assert 18 <= given <= 42, "0.5 of 60 within 3 standard deviations"


def test_films_whose_lungs_are_unknown_are_left_as_they_are(tmp_path: Path) -> None:
    always, never = (_samples(tmp_path, with_lungs=False, share=share) for share in (1.0, 0.0))
    for number in range(4):
        for one, other in zip(always[number], never[number], strict=True):
            assert torch.equal(one, other)
