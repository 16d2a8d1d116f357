"""Augmentation moves film and masks together, and every sample is a function of seed and number."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from scipy import ndimage

from xprism.card import InputSpec
from xprism.data.manifest import Case
from xprism.grid import prepare
from xprism.targets import Picture, TargetSet
from xprism.training.augment import (
    AugmentSettings,
    Geometry,
    PaperAugment,
    apply_look,
    draw_geometry,
    draw_look,
    resample,
    sampling_grid,
)
from xprism.training.cases import held_out_cases, training_cases
from xprism.training.recipe import Recipe
from xprism.training.samples import Samples, hold

STILL = AugmentSettings(**dict.fromkeys(AugmentSettings.model_fields.keys() - {"kind", "crop_scale"}, 0))


def test_a_sample_is_the_same_whenever_it_is_asked_for(tiny_recipe: Recipe) -> None:
    samples = Samples(training_cases(tiny_recipe), tiny_recipe)
    first = [samples[n] for n in (5, 0, 11)]
    again = [samples[n] for n in (5, 0, 11)]
    for a, b in zip(first, again, strict=True):
        assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True))
    assert not torch.equal(first[0][0], first[1][0])


def test_every_case_comes_once_an_epoch(tiny_recipe: Recipe) -> None:
    cases = training_cases(tiny_recipe)
    still = tiny_recipe.model_copy(update={"augment": STILL})
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


def _with(recipe: Recipe, augment: object, **data: object) -> Recipe:
    changed = recipe.data.model_copy(update=data)
    return recipe.model_copy(update={"augment": augment, "data": changed})


def test_a_flipped_film_has_its_sides_exchanged(tiny_recipe: Recipe) -> None:
    cases = training_cases(tiny_recipe)
    plain = Samples(cases, _with(tiny_recipe, STILL))
    flipped = Samples(cases, _with(tiny_recipe, STILL.model_copy(update={"flip_probability": 1.0})))
    kept = STILL.model_copy(update={"flip_probability": 1.0, "flip_keeps_labels": True})
    with_organ = Samples(cases, _with(tiny_recipe, kept))
    right, left, union = 0, 1, 2
    for n in range(6):
        (film, planes, known), (there, swapped, also), (_, stayed, _) = plain[n], flipped[n], with_organ[n]
        assert np.corrcoef(there.flatten(), film.flip(-1).flatten())[0, 1] > 0.999
        torch.testing.assert_close(swapped, planes[[left, right, union]].flip(-1), atol=1e-4, rtol=0)
        torch.testing.assert_close(stayed, planes.flip(-1), atol=1e-4, rtol=0)
        assert torch.equal(known, also)


def test_a_repeated_source_comes_so_many_times_an_epoch(tiny_recipe: Recipe) -> None:
    cases = training_cases(tiny_recipe)
    samples = Samples(cases, _with(tiny_recipe, None, repeat={"discs": 3}))
    films = [samples[n][0] for n in range(3 * len(cases))]
    alike = [sum(torch.equal(one, other) for other in films) for one in films]
    assert alike == [3] * len(films)


def test_the_papers_copies_are_what_scipy_makes_of_the_film(tiny_recipe: Recipe) -> None:
    case = next(case for case in training_cases(tiny_recipe) if case.flags)
    as_paper = tiny_recipe.model_copy(
        update={
            "augment": PaperAugment(kind="paper"),
            "input": InputSpec(size=(64, 64), low_percent=0, high_percent=100),
        }
    )
    samples = Samples([case], as_paper)
    still = Samples([case], as_paper.model_copy(update={"augment": None}))
    film, planes, _ = (part.numpy() for part in still[0])
    grey = (film[0] + 1) / 2

    def turned(plane: np.ndarray, degrees: float) -> np.ndarray:
        return ndimage.rotate(plane, degrees, reshape=False, order=1)

    def shifted(plane: np.ndarray, right: int, down: int) -> np.ndarray:
        return ndimage.shift(plane, (down, right), order=0)

    makers = (
        lambda plane: plane,
        lambda plane: turned(plane, -10),
        lambda plane: turned(plane, 5),
        lambda plane: shifted(plane, round(30 / 8), round(10 / 8)),
        lambda plane: shifted(plane, round(-20 / 8), round(-10 / 8)),
    )
    made = [(samples[n][0][0].numpy() / 2 + 0.5, samples[n][1][0].numpy()) for n in range(5)]
    for maker in makers:
        wanted = maker(grey), maker(planes[0])
        errors = [max(np.abs(a - b)[4:-4, 4:-4].mean() for a, b in zip(one, wanted, strict=True)) for one in made]
        best = int(np.argmin(errors))
        assert errors[best] < 2e-3
        made.pop(best)
    assert not made


def test_the_authors_code_crops_and_flips_and_channels_stay(tiny_recipe: Recipe) -> None:
    case = next(case for case in training_cases(tiny_recipe) if case.flags)
    size = InputSpec(size=(512, 512), low_percent=0, high_percent=100)
    recipe = tiny_recipe.model_copy(update={"augment": None, "input": size})
    _, whole, _ = Samples([case], recipe)[0]
    code = PaperAugment(kind="paper", copies=False, flip_probability=0.5, crop_from=540)
    samples = Samples([case], recipe.model_copy(update={"augment": code}))
    columns = torch.arange(512.0)
    flips = set()
    for n in range(12):
        _, planes, _ = samples[n]
        share = float(planes[0].sum() / whole[0].sum())
        assert abs(share - (540 / 512) ** 2) < 0.02
        centre = float((planes[0].sum(0) * columns).sum() / planes[0].sum())
        flips.add(centre > 256)
    assert flips == {True, False}


def test_an_inverted_network_sees_the_negative_of_the_film(tiny_recipe: Recipe) -> None:
    cases = training_cases(tiny_recipe)
    usual = tiny_recipe.model_copy(update={"augment": None})
    inverted = usual.model_copy(update={"input": usual.input.model_copy(update={"inverted": True})})
    film, negative = Samples(cases, usual)[0][0], Samples(cases, inverted)[0][0]
    inside = film[0, 4:-4].flatten()
    np.testing.assert_allclose(negative[0, 4:-4].flatten(), -inside, atol=0.05)
    case = cases[np.random.default_rng([usual.schedule.seed, 0, 0]).permutation(len(cases))[0]]
    seen, place = prepare(case.load_film(), inverted.input)
    assert np.abs(place.crop(negative.numpy()) - place.crop(seen[0])).max() < 0.05
    assert (negative[0, 0] <= -1).all()
    assert (seen[0, 0, 0] == -1).all()


def test_pictures_are_stretched_inverted_and_cut_at_the_networks_size(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    film, picture = (rng.integers(30, 200, (128, 128)).astype(np.uint8) for _ in range(2))
    mask = np.zeros((128, 128), np.uint8)
    mask[32:96, 20:60] = 255
    for name, plane in {"film": film, "bone_suppressed": picture, "lungs": mask}.items():
        Image.fromarray(plane).save(tmp_path / f"{name}.png")
    files = {name: {name: tmp_path / f"{name}.png"} for name in ("lungs", "bone_suppressed")}
    case = Case("a", "a", tmp_path / "film.png", masks=files["lungs"], pictures=files["bone_suppressed"])
    target = Picture(name="bone_suppressed", full_range=True, inverted=True, within=("lungs",))
    spec = InputSpec(size=(64, 64), low_percent=0, high_percent=100)
    held = hold(case, TargetSet(targets=(target,)), (64, 64), spec)
    inside = mask.reshape(64, 2, 64, 2).mean((1, 3)) >= 127.5
    resized = np.asarray(Image.fromarray(picture.astype(np.float32)).resize((64, 64), Image.Resampling.BILINEAR))
    stretched = (resized - resized.min()) / (resized.max() - resized.min())
    np.testing.assert_allclose(held.truth[0] / 255, np.where(inside, 1 - stretched, 0), atol=0.003)


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
    film = torch.rand(1, 48, 40)
    settings = AugmentSettings(marks_probability=1, border_probability=1)
    for seed in range(30):
        look = draw_look(np.random.default_rng(seed), settings)
        out = apply_look(film, look)
        assert out.shape == film.shape
        assert 0 <= float(out.min()) <= float(out.max()) <= 1
        assert torch.equal(out, apply_look(film, draw_look(np.random.default_rng(seed), settings)))


def test_zero_settings_draw_the_identity() -> None:
    geometry = draw_geometry(
        np.random.default_rng(0),
        STILL,
    )
    np.testing.assert_allclose(geometry.affine, [[1, 0, 0], [0, 1, 0]], atol=1e-7)
    assert not geometry.shifts.any()
