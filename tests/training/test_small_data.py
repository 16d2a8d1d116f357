"""The small-data preset: film and labels go together, borders are reflected, and rare parts of the body come often."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage

from xprism.card import InputSpec
from xprism.data.manifest import Case
from xprism.errors import RecipeError
from xprism.targets import Classes, Masks, TargetSet
from xprism.training.cases import times_shown
from xprism.training.recipe import DataPart, Recipe
from xprism.training.recipe_file import load_recipe
from xprism.training.samples import Samples
from xprism.training.small_data import (
    SmallDataAugment,
    Warp,
    draw_elastic,
    draw_warp,
    one_class_a_pixel,
    positions,
    warp_film,
    warp_labels,
)

TISSUE = TargetSet(targets=(Classes(name="tissue", labels=("open_beam", "soft_tissue", "bone")),))
USUAL = SmallDataAugment(kind="small_data")
NOTHING = {
    **{"flip_probability": 0, "turn_over_probability": 0, "elastic_probability": 0},
    **{"shift": 0, "rotate_degrees": 0, "shear_degrees": 0, "crop": (0, 0), "blur": (0, 0)},
}
ALONE = {
    "flip": {"flip_probability": 1},
    "turn over": {"turn_over_probability": 1},
    "affine": {"shift": 0.01, "rotate_degrees": 15, "shear_degrees": 2},
    "elastic": {"elastic_probability": 1},
    "strong elastic": {"elastic_probability": 1, "elastic_alpha": (400, 600)},
    "crop": {"crop": (0.1, 0.4)},
    "blur": {"blur": (0.4, 0.4)},
}
STILL = Warp((False, False), np.eye(2), np.zeros(2), None, np.zeros(2), np.ones(2), 0.0)


def _settings(**changes: object) -> SmallDataAugment:
    return SmallDataAugment.model_validate({"kind": "small_data", **NOTHING, **changes})


def _limb(height: int = 100, width: int = 100, seed: int = 0) -> np.ndarray:
    """A class map: a bent limb with a bone in it, all off the middle, so that no turn or flip maps it onto itself."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width]
    axis = width * (0.35 + 0.2 * (rows / height) ** 2) + rng.uniform(-4, 4)
    apart = np.abs(columns - axis)
    return (apart < 0.2 * width).astype(np.uint8) + ((apart < 0.08 * width) & (rows > 0.3 * height))


def _planes(index: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.stack([index == k for k in range(3)]).astype(np.float32))


def _edges(index: np.ndarray, *, reach: int = 1) -> np.ndarray:
    """Pixels with a neighbour of another class, so many pixels away at most, also diagonally."""
    return ndimage.maximum_filter(index, 2 * reach + 1) != ndimage.minimum_filter(index, 2 * reach + 1)


def _classes_of(film: np.ndarray) -> np.ndarray:
    return np.digitize(film, (0.25, 0.75))


@pytest.mark.parametrize("name", [*ALONE, "everything"])
def test_a_film_that_is_its_own_label_stays_so_to_one_pixel(name: str) -> None:
    settings = USUAL if name == "everything" else _settings(**ALONE[name])
    index = _limb()
    film, planes = torch.from_numpy(index / 2).float()[None], _planes(index)
    moved = 0
    for seed in range(8):
        warp = draw_warp(np.random.default_rng(seed), settings, (100, 100))
        place = positions(warp, (100, 100))
        seen = _classes_of(warp_film(film, place, warp)[0].numpy())
        labels = one_class_a_pixel(warp_labels(planes, place), torch.ones(3, dtype=torch.bool), TISSUE)
        assert torch.equal(labels.sum(0), torch.ones(100, 100))
        said = labels.argmax(0).numpy()
        # Between 0 and 1 a blurred edge passes through a half: one pixel either way of an edge.
        assert not ((seen != said) & ~_edges(said)).any()
        moved += int((said != index).sum())
    assert (moved == 0) == (name == "blur")


def test_flips_are_flips() -> None:
    film = torch.rand(2, 30, 40)
    for flipped, axes in (((True, False), [2]), ((False, True), [1]), ((True, True), [1, 2])):
        warp = Warp(flipped, *(getattr(STILL, name) for name in list(Warp.__dataclass_fields__)[1:]))
        torch.testing.assert_close(warp_film(film, positions(warp, (30, 40)), warp), film.flip(axes), atol=1e-5, rtol=0)


def test_beyond_a_border_the_film_is_seen_in_a_mirror() -> None:
    film = np.random.default_rng(0).random((30, 40))
    warp = Warp((False, False), np.eye(2), np.array([-7.0, 12.0]), None, np.zeros(2), np.ones(2), 0.0)
    place = positions(warp, (30, 40))
    mirrored = np.pad(film, ((0, 12), (7, 0)), mode="symmetric")[12:, :40]
    tensor = torch.from_numpy(film).float()[None]
    for made in (warp_film(tensor, place, warp), warp_labels(tensor, place)):
        np.testing.assert_allclose(made[0].numpy(), mirrored, atol=1e-4)


def test_stages_come_in_the_stated_order() -> None:
    """The same four stages one after the other, by SciPy, each with mirrors at its borders."""
    size, sides = (60, 80), np.array([80, 60])
    film = ndimage.gaussian_filter(np.random.default_rng(1).random(size), 4, mode="reflect")
    film = (film - film.min()) / (film.max() - film.min())
    rng = np.random.default_rng(2)
    angle, shift, corner, part = 0.25, np.array([5.0, -4.0]), np.array([9.0, 14.0]), np.array([0.8, 0.7])
    linear = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) @ [[1, 0.1], [0, 1]]
    field = draw_elastic(rng, size, alpha=400, sigma=8)
    warp = Warp((True, False), linear, shift, field, corner, part, 0.0)

    def read(plane: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return ndimage.map_coordinates(plane, [y - 0.5, x - 0.5], order=3, mode="reflect")

    y, x = np.mgrid[: size[0], : size[1]] + 0.5
    steps = film[:, ::-1]
    moved = np.stack([x, y], -1) - sides / 2
    turned = moved @ linear.T + sides / 2 + shift
    steps = read(steps, turned[..., 0], turned[..., 1])
    steps = read(steps, x + field[0], y + field[1])
    steps = read(steps, corner[0] + part[0] * x, corner[1] + part[1] * y)
    ours = warp_film(torch.from_numpy(film).float()[None], positions(warp, size), warp)[0].numpy()
    assert np.abs(ours - steps).mean() < 0.002  # of the edges where mirrors meet SciPy blurs each a little
    assert np.abs(ours - steps).max() < 0.05
    assert np.abs(ours - film).mean() > 0.1


def test_an_elastic_field_is_smoothed_noise_times_alpha() -> None:
    size, alpha, sigma = (40, 36), 55.0, 3.0
    field = draw_elastic(np.random.default_rng(5), size, alpha=alpha, sigma=sigma)
    noise = np.random.default_rng(5).uniform(-1, 1, (2, *size))
    taps = np.exp(-0.5 * (np.arange(-12, 13) / sigma) ** 2)
    weights = np.outer(taps, taps) / taps.sum() ** 2
    for axis in (0, 1):
        for row, column in ((20, 18), (13, 22)):
            window = noise[axis, row - 12 : row + 13, column - 12 : column + 13]
            assert field[axis, row, column] == pytest.approx(alpha * (weights * window).sum(), abs=1e-9)
    # Of the preset: uniform noise has a deviation of 1 / sqrt(3), which smoothing divides by 2 sigma sqrt(pi).
    wide = draw_elastic(np.random.default_rng(0), (400, 400), alpha=55, sigma=16)
    assert wide.std() == pytest.approx(55 / np.sqrt(3) / (2 * 16 * np.sqrt(np.pi)), rel=0.15)


def test_draws_lie_where_the_paper_has_them() -> None:
    warps = [draw_warp(np.random.default_rng(seed), USUAL, (200, 200)) for seed in range(400)]
    part = np.array([warp.part for warp in warps])
    corner = np.array([warp.corner for warp in warps]) / (200 * (1 - part))
    assert 0.6 <= part.min() < 0.62 < 0.88 < part.max() <= 0.9
    assert abs(np.corrcoef(part.T)[0, 1]) < 0.15  # height and width independently
    # Anywhere inside the film, not in its first half alone.
    assert 0 <= corner.min() < 0.02
    assert 0.98 < corner.max() <= 1
    assert corner.mean() == pytest.approx(0.5, abs=0.05)
    shift = np.array([warp.shift for warp in warps])
    assert 1.9 < np.abs(shift).max() <= 2
    # A turn and a shear: the second axis leans from the first by the shear, the first one from x by the turn.
    turn = np.rad2deg([np.arctan2(warp.linear[1, 0], warp.linear[0, 0]) for warp in warps])
    along = [warp.linear[:, 0] @ warp.linear[:, 1] for warp in warps]
    assert 14.5 < np.abs(turn).max() <= 15
    assert 1.9 < np.rad2deg(np.arctan(np.abs(along))).max() <= 2
    assert all(np.linalg.det(warp.linear) == pytest.approx(1) for warp in warps)
    blur = [warp.blur for warp in warps]
    assert 0 <= min(blur) < 0.02 < 0.38 < max(blur) <= 0.4
    flips = np.mean([warp.flipped for warp in warps], axis=0)
    assert flips == pytest.approx([0.5, 0.5], abs=0.1)
    assert np.mean([warp.elastic is not None for warp in warps]) == pytest.approx(0.5, abs=0.1)


def test_one_seed_gives_one_field() -> None:
    settings = _settings(elastic_probability=1)
    one, same, other = (draw_warp(np.random.default_rng(seed), settings, (40, 40)).elastic for seed in (3, 3, 4))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_edges_of_classes_are_sharp_again_and_no_class_stays_none() -> None:
    mixed = torch.tensor([[0.6, 0.2, 0.0, 0.1], [0.4, 0.3, 0.0, 0.1], [0.0, 0.5, 0.0, 0.1]])[:, None]
    sharp = torch.tensor([[1.0, 0, 0, 0], [0, 0, 0, 0], [0, 1, 0, 0]])[:, None]
    known = torch.ones(3, dtype=torch.bool)
    assert torch.equal(one_class_a_pixel(mixed, known, TISSUE), sharp)
    assert torch.equal(one_class_a_pixel(mixed, ~known, TISSUE), mixed)
    masks = TargetSet(targets=(Masks(name="m", labels=("a", "b", "c")),))
    assert torch.equal(one_class_a_pixel(mixed, known, masks), mixed)


PARTS = {"foot": 5, "hand": 3, "knee": 1}
RECIPE = """
name: few
data: {manifests: [few.csv], stratify: body_part, oversample: 12}
targets: [{kind: classes, name: tissue, labels: [open_beam, soft_tissue, bone]}]
input: {size: [48, 48], low_percent: 0, high_percent: 100, clip: 1}
network: {kind: xnet, width: 4}
objective: {kind: supervised, cross_entropy: 1, dice: 0}
augment: {kind: small_data}
schedule: {steps: 4, batch: 2, warmup: 0, threads: 1, precision: 32-true}
"""


def _cases(folder: Path, *, shape: tuple[int, int] = (48, 48)) -> list[Case]:
    """Films that are their own labels: grey by class."""
    cases = []
    for number, part in enumerate(part for part, films in PARTS.items() for _ in range(films)):
        index = _limb(*shape, seed=number)
        film, labels = folder / f"f{number}.png", folder / f"l{number}.png"
        Image.fromarray((index * 127.5).astype(np.uint8)).save(film)
        Image.fromarray(index).save(labels)
        about = {"polarity": "display", "body_part": part}
        cases.append(Case(f"c{number}", f"s{number}", film, classes={"tissue": labels}, attributes=about))
    return cases


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    (tmp_path / "few.yaml").write_text(RECIPE)
    return load_recipe(tmp_path / "few.yaml")


def test_every_part_of_the_body_comes_about_equally_often(tmp_path: Path, recipe: Recipe) -> None:
    cases = _cases(tmp_path)
    assert times_shown(cases, recipe.data) == [1 + 12 // 5] * 5 + [1 + 12 // 3] * 3 + [1 + 12]
    samples = Samples(cases, recipe)
    shown = Counter(cases[place].attributes["body_part"] for place, _ in samples.epoch)
    assert shown == {"foot": 5 + 10, "hand": 3 + 12, "knee": 1 + 12}
    # The paper's 14 parts of the body and 500: 7,000 copies but for rounding.
    counts = {"ankle": 10, "arm": 3, "femur": 3, "foot": 29, "hand": 4, "head": 11, "knee": 36, "lumbar": 6}
    counts |= {"neck": 15, "pelvis": 2, "shoulder": 2, "thigh": 8, "tibia": 4, "wrist": 11}
    films = [Case(f"{part}{k}", "s", Path("x"), attributes={"b": part}) for part in counts for k in range(counts[part])]
    often = times_shown(films, DataPart(manifests=(Path("m"),), stratify="b", oversample=500))
    assert sum(often) - len(films) == sum(500 // n * n for n in counts.values()) == 6_936


def test_an_epoch_has_every_film_once_as_it_is_and_copies_that_differ(tmp_path: Path, recipe: Recipe) -> None:
    cases = _cases(tmp_path)
    samples = Samples(cases, recipe)
    plain = Samples(cases, recipe.model_copy(update={"augment": None, "data": DataPart(manifests=(Path("m"),))}))
    originals = [plain[number] for number in range(len(cases))]
    made = [samples[number] for number in range(len(samples.epoch))]
    same = [sum(torch.equal(film, other) for film, _, _ in made) for other, _, _ in originals]
    assert same == [1] * len(cases)
    for film, planes, known in originals:
        (its,) = (one for one in made if torch.equal(one[0], film))
        assert torch.equal(its[1], planes)
        assert known.all()
    every = {film.numpy().tobytes() for film, _, _ in made}
    assert len(every) == len(made)
    again = Samples(cases, recipe)
    assert all(torch.equal(a, b) for n in (0, 7, 20) for a, b in zip(samples[n], again[n], strict=True))
    later = [samples[number + len(samples.epoch)][0] for number in range(len(samples.epoch))]
    assert sum(film.numpy().tobytes() in every for film in later) == len(cases)  # copies are drawn anew


@pytest.mark.parametrize("shape", [(48, 48), (60, 90)])
def test_samples_are_their_own_labels_too(tmp_path: Path, recipe: Recipe, shape: tuple[int, int]) -> None:
    cases = _cases(tmp_path, shape=shape)
    samples = Samples(cases, recipe.model_copy(update={"data": DataPart(manifests=(Path("m"),))}))
    compared = 0
    for number in range(20):
        film, planes, _ = samples[number]
        assert set(np.unique(planes.numpy())) <= {0, 1}
        there = planes.sum(0).numpy() > 0  # beside a film that is not square there is no class
        assert there.all() == (shape[0] == shape[1])
        said, seen = planes.argmax(0).numpy(), _classes_of((film[0].numpy() + 1) / 2)
        if len(np.unique(said[there])) < 3:
            continue  # scaled from its darkest to its brightest, another grey stands for a class
        # A map that shrinks is off by up to a pixel before a crop enlarges it.
        reach = 1 if shape == (48, 48) else 2
        inner = ndimage.binary_erosion(there, np.ones((9, 9)), border_value=1)
        assert not ((seen != said) & ~_edges(said, reach=reach) & inner).any()
        compared += 1
    assert compared >= 10


def test_without_oversampling_every_film_is_augmented(tmp_path: Path, recipe: Recipe) -> None:
    cases = _cases(tmp_path)
    once = recipe.model_copy(update={"data": DataPart(manifests=(Path("m"),))})
    augmented, plain = Samples(cases, once), Samples(cases, once.model_copy(update={"augment": None}))
    assert len(augmented.epoch) == len(cases)
    assert not any(torch.equal(augmented[number][0], plain[number][0]) for number in range(len(cases)))


def test_films_are_scaled_after_they_were_augmented(tmp_path: Path, recipe: Recipe) -> None:
    samples = Samples(_cases(tmp_path), recipe)
    for number in range(len(samples.epoch)):
        film = samples[number][0]
        assert (float(film.min()), float(film.max())) == (-1, 1)
    assert recipe.input == InputSpec(size=(48, 48), low_percent=0, high_percent=100, clip=1)


def test_settings_that_cannot_be_are_refused(tmp_path: Path, recipe: Recipe) -> None:
    path = tmp_path / "few.yaml"
    with pytest.raises(RecipeError, match="crop goes from the smaller to the larger"):
        load_recipe(path, changes=("augment.crop=[0.4, 0.1]",))
    with pytest.raises(RecipeError, match="`repeat` and `oversample` do not go together"):
        load_recipe(path, changes=("data.repeat={a: 2}",))
    with pytest.raises(RecipeError, match="kernel_l2 must be 0 beside a discriminator"):
        load_recipe(path, changes=("objective={kind: critic, pixels: {kernel_l2: 0.1}}",))
