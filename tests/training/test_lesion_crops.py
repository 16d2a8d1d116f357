"""Training with lesions known by places: truth follows the film, and crops show lesions as often as asked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from xprism.card import InputSpec
from xprism.data.lesions import LesionPlace, write_places
from xprism.data.manifest import Case, write_manifest
from xprism.targets import Lesions, TargetSet
from xprism.training.augment import NO_PLACES, AugmentSettings, draw_geometry, resample, sampling_grid
from xprism.training.recipe import Recipe
from xprism.training.samples import Samples, hold

TARGETS = TargetSet(targets=(Lesions(name="nodules", label="nodule"),))
SIDE = 96
STILL = dict.fromkeys(AugmentSettings.model_fields.keys() - {"kind", "crop_scale"}, 0)


@pytest.fixture
def cases(tmp_path: Path) -> tuple[Case, ...]:
    """A film with a bright square, its nodule, and one that is known to have none."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    film = (rows + columns) // 4
    film[60:72, 12:24] += 150
    Image.fromarray(film.astype(np.uint8)).save(tmp_path / "film.png")
    # Rows 60 to 71 reach from 59.5 to 71.5.
    write_places(tmp_path / "t.csv", [("with", LesionPlace(65.5, 17.5, 24.0))])
    facts = {"polarity": "display", "spacing_mm": "2"}
    found = tuple(
        Case(name, name, tmp_path / "film.png", attributes=facts, lesions={"nodule": tmp_path / "t.csv"})
        for name in ("with", "without")
    )
    write_manifest(tmp_path / "m.csv", found)
    return found


def recipe(tmp_path: Path, **augment: float) -> Recipe:
    return Recipe.model_validate(
        {
            "name": "crops",
            "data": {"manifests": [tmp_path / "m.csv"]},
            "targets": [{"kind": "lesions", "name": "nodules", "label": "nodule"}],
            "input": {"size": [48, 48]},
            "network": {"kind": "compact_unet", "widths": [8, 8, 8], "blocks": [0, 0, 0]},
            "augment": STILL | augment,
            "schedule": {"steps": 200, "batch": 1},
        }
    )


def test_truth_lies_where_the_lesion_is_seen(cases: tuple[Case, ...], tmp_path: Path) -> None:
    samples = Samples(cases, recipe(tmp_path, rotate_degrees=20, scale=0.3, shift=0.1, flip_probability=0.5))
    checked = 0
    for number in range(40):
        film, planes, known = samples[number]
        assert bool(known.all())
        inside = planes[0] > 0.95
        if inside.sum() > 20:
            assert film[0][inside].min() > film[0][planes[0] < 0.05].quantile(0.97)
            checked += 1
    assert checked >= 8


def test_a_film_without_lesions_is_known_to_have_none(cases: tuple[Case, ...]) -> None:
    with_nodule, without = (hold(case, TARGETS, (48, 48), InputSpec(size=(48, 48))) for case in cases)
    assert float(with_nodule.truth.sum() / 255) == pytest.approx(36, abs=0.1)  # 24 mm at 2 mm, at half the size
    assert bool(without.known.all())
    assert not without.truth.any()
    assert without.lesions.shape == (0, 2)
    # The centre of rows 60 to 71 and columns 12 to 23 is at 66 and 18 of 96.
    np.testing.assert_allclose(with_nodule.lesions, [[2 * 18 / 96 - 1, 2 * 66 / 96 - 1]], atol=1e-6)


def test_a_film_beside_a_border_has_its_lesion_at_its_own_place(cases: tuple[Case, ...]) -> None:
    held = hold(cases[0], TARGETS, (48, 96), InputSpec(size=(48, 96)))
    (x, y) = held.lesions[0]
    shown = held.truth[0].numpy() > 0
    rows, columns = np.nonzero(shown)
    assert (y + 1) / 2 * 48 - 0.5 == pytest.approx(rows.mean(), abs=1e-6)
    assert (x + 1) / 2 * 96 - 0.5 == pytest.approx(columns.mean(), abs=1e-6)


def _shares(samples: Samples, numbers: range) -> tuple[float, float]:
    """Share of samples with a lesion film that are enlarged, and of those, the share that shows the nodule."""
    areas = [float(planes[0].sum()) for _, planes, _ in (samples[n] for n in numbers)]
    seen = [area for area in areas if area > 0]
    return sum(area > 36 * 1.3 for area in seen) / len(numbers), len(seen) / len(numbers)


def test_crops_are_made_about_lesions_as_often_as_asked(cases: tuple[Case, ...], tmp_path: Path) -> None:
    only = cases[:1]
    never = Samples(only, recipe(tmp_path))
    half = Samples(only, recipe(tmp_path, lesion_probability=0.5))
    always = Samples(only, recipe(tmp_path, lesion_probability=1.0))
    assert _shares(never, range(20)) == (0.0, 1.0)
    assert _shares(always, range(100))[0] > 0.95
    enlarged, seen = _shares(half, range(200))
    assert seen == 1.0
    assert 0.4 < enlarged < 0.6, "0.5 within 3 standard deviations"


def test_a_close_crop_shows_the_lesion_and_stays_on_the_film() -> None:
    settings = AugmentSettings(**STILL | {"lesion_probability": 1.0, "crop_scale": 4.0})
    for seed in range(60):
        rng = np.random.default_rng(seed)
        about = rng.uniform(-0.97, 0.97, (3, 2))
        geometry = draw_geometry(rng, settings, about)
        corners = geometry.affine[:, :2] @ np.array([[-1, 1, -1, 1], [-1, -1, 1, 1]]) + geometry.affine[:, 2:]
        assert np.abs(corners).max() <= 1 + 1e-6
        low, high = corners.min(1), corners.max(1)
        assert ((about >= low - 1e-6) & (about <= high + 1e-6)).all(1).any()


def test_films_without_lesions_are_augmented_as_ever() -> None:
    plain = AugmentSettings()
    with_crops = AugmentSettings(lesion_probability=1.0)
    for seed in range(5):
        first = draw_geometry(np.random.default_rng(seed), plain)
        for other, places in ((with_crops, NO_PLACES), (plain, np.zeros((1, 2)))):
            again = draw_geometry(np.random.default_rng(seed), other, places)
            np.testing.assert_array_equal(first.affine, again.affine)
            np.testing.assert_array_equal(first.shifts, again.shifts)


def test_a_flipped_crop_still_shows_the_lesion() -> None:
    settings = AugmentSettings(**STILL | {"lesion_probability": 1.0, "flip_probability": 1.0})
    spot = torch.zeros(1, 64, 64)
    spot[0, 40:44, 8:12] = 1
    place = np.array([[2 * 10 / 64 - 1, 2 * 42 / 64 - 1]])
    for seed in range(20):
        geometry = draw_geometry(np.random.default_rng(seed), settings, place)
        shown = resample(spot, sampling_grid(geometry, (64, 64)))
        assert float(shown.sum()) > 16 * 1.2
