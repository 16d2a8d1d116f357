"""Augmentation moves film and masks together, and every sample is a function of seed and number."""

import numpy as np
import torch
from scipy import ndimage

from xprism.grid import prepare
from xprism.training.augment import (
    AugmentSettings,
    Geometry,
    apply_look,
    draw_geometry,
    draw_look,
    resample,
    sampling_grid,
)
from xprism.training.loop import held_out_cases, training_cases
from xprism.training.recipe import Recipe
from xprism.training.samples import Samples


def test_a_sample_is_the_same_whenever_it_is_asked_for(tiny_recipe: Recipe) -> None:
    samples = Samples(training_cases(tiny_recipe), tiny_recipe)
    first = [samples[n] for n in (5, 0, 11)]
    again = [samples[n] for n in (5, 0, 11)]
    for a, b in zip(first, again, strict=True):
        assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True))
    assert not torch.equal(first[0][0], first[1][0])


def test_every_case_comes_once_an_epoch(tiny_recipe: Recipe) -> None:
    cases = training_cases(tiny_recipe)
    still = tiny_recipe.model_copy(
        update={"augment": AugmentSettings(**dict.fromkeys(AugmentSettings.model_fields, 0))}
    )
    samples = Samples(cases, still)
    known = sorted(tuple(samples[n][2].tolist()) for n in range(len(cases)))
    expected = sorted(tuple(held.known.tolist()) for held in samples.held)
    assert known == expected


def test_without_augmentation_films_come_as_prediction_sees_them(tiny_recipe: Recipe) -> None:
    cases = training_cases(tiny_recipe)
    samples = Samples(cases, tiny_recipe.model_copy(update={"augment": None}))
    film, planes, known = samples[0]
    order = np.random.default_rng([tiny_recipe.schedule.seed, 0, 0]).permutation(len(cases))
    case = cases[order[0]]
    seen, place = prepare(case.load_film(), tiny_recipe.input)
    assert np.abs(place.crop(film.numpy()) - place.crop(seen[0])).max() < 0.05
    truth = case.load_truth()
    for label, plane, have in zip(tiny_recipe.targets.plane_labels, planes, known, strict=True):
        if have:
            np.testing.assert_allclose(plane, place.onto_grid(truth[label], border=0), atol=0.003)


def test_held_out_subjects_never_train(tiny_recipe: Recipe) -> None:
    held, trained = held_out_cases(tiny_recipe), training_cases(tiny_recipe)
    assert len(held) == 3
    assert not {case.subject for case in held} & {case.subject for case in trained}


def test_masks_stay_on_the_dark_discs_whatever_the_geometry(tiny_recipe: Recipe) -> None:
    plain = dict.fromkeys(("gamma", "window", "local_contrast", "bias", "blur", "noise", "border_probability"), 0)
    quiet = AugmentSettings(**plain, marks_probability=0, invert_probability=0)
    samples = Samples(training_cases(tiny_recipe), tiny_recipe.model_copy(update={"augment": quiet}))
    for n in range(20):
        film, planes, _ = samples[n]
        lungs = planes.max(0).values > 0.9
        if lungs.sum() > 20:
            assert film[0][lungs].mean() < film[0][(planes.max(0).values < 0.01) & (film[0] > -0.99)].mean() - 0.4


def test_a_pure_turn_agrees_with_scipy() -> None:
    angle = 0.3
    linear = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    geometry = Geometry(
        np.concatenate([linear, np.zeros((2, 1))], 1).astype(np.float32), np.zeros((2, 5, 5), np.float32), False
    )
    plane = ndimage.gaussian_filter(np.random.default_rng(0).random((33, 33)), 2).astype(np.float32)
    ours = resample(torch.from_numpy(plane)[None], sampling_grid(geometry, (33, 33)))[0].numpy()
    theirs = ndimage.rotate(plane, -np.rad2deg(angle), reshape=False, order=1)
    inside = np.hypot(*(np.mgrid[:33, :33] - 16)) < 14
    turned_other_way = ndimage.rotate(plane, np.rad2deg(angle), reshape=False, order=1)
    errors = [np.abs(ours - other)[inside].max() for other in (theirs, turned_other_way)]
    assert min(errors) < 1e-4 < max(errors)


def test_looks_stay_in_range_and_depend_on_their_draw_alone() -> None:
    film = torch.rand(48, 40)
    settings = AugmentSettings(marks_probability=1, border_probability=1)
    for seed in range(30):
        look = draw_look(np.random.default_rng(seed), settings)
        out = apply_look(film, look)
        assert out.shape == film.shape
        assert 0 <= float(out.min()) <= float(out.max()) <= 1
        assert torch.equal(out, apply_look(film, draw_look(np.random.default_rng(seed), settings)))


def test_zero_settings_draw_the_identity() -> None:
    geometry = draw_geometry(
        np.random.default_rng(0), AugmentSettings(**dict.fromkeys(AugmentSettings.model_fields, 0))
    )
    np.testing.assert_allclose(geometry.affine, [[1, 0, 0], [0, 1, 0]], atol=1e-7)
    assert not geometry.shifts.any()
