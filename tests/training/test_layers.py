"""A layer is what is taken from a film: learnt in units of the network's input, taken off at the film's own depth."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage

from xprism.card import InputSpec
from xprism.data.manifest import Case
from xprism.grid import Placement, prepare, resize
from xprism.inference.decode import decode
from xprism.objectives.supervised import SupervisedLoss
from xprism.targets import Layer, Masks, TargetSet
from xprism.training.augment import AugmentSettings
from xprism.training.loop import train
from xprism.training.recipe import Recipe
from xprism.training.runs import build_network
from xprism.training.samples import Samples
from xprism.training.start import starting_network

TARGETS = TargetSet(
    targets=(
        Masks(name="organs", labels=("right_lung", "left_lung"), unions={"lungs": ("right_lung", "left_lung")}),
        Layer(name="bones", leaves="bone_suppressed"),
    )
)
STILL = AugmentSettings(**dict.fromkeys(AugmentSettings.model_fields.keys() - {"kind", "crop_scale"}, 0))


@pytest.fixture
def cases(tmp_path: Path) -> list[Case]:
    """Two films of 64 x 64 with bars of different heights on smooth tissue; the upper rows have no bars."""
    made = []
    for k, height in enumerate((30, 60)):
        rng = np.random.default_rng(k)
        tissue = 60 + 120 * ndimage.gaussian_filter(rng.random((64, 64)), 4) + np.linspace(0, 40, 64)
        film = tissue.copy()
        film[20 + 8 * k :: 16] += height
        paths = {name: tmp_path / f"{name}{k}.png" for name in ("film", "soft", "flags")}
        for name, values in (("film", film), ("soft", tissue), ("flags", np.full((64, 64), 3))):
            Image.fromarray(np.rint(values).clip(0, 255).astype(np.uint8)).save(paths[name])
        about = {"flags": paths["flags"], "pictures": {"bone_suppressed": paths["soft"]}}
        made.append(Case(f"c{k}", f"s{k}", paths["film"], **about, attributes={"polarity": "display"}))
    return made


def _samples(cases: list[Case], recipe: Recipe, settings: AugmentSettings | None) -> Samples:
    grid = recipe.input.model_copy(update={"size": (64, 64)})
    return Samples(cases, recipe.model_copy(update={"targets": TARGETS, "augment": settings, "input": grid}))


def test_without_augmentation_a_layer_is_the_film_less_the_picture(cases: list[Case], tiny_recipe: Recipe) -> None:
    for case in cases:
        film, planes, known = _samples([case], tiny_recipe, None)[0]
        seen, place = prepare(case.load_film(), tiny_recipe.input.model_copy(update={"size": (64, 64)}))
        apart = case.load_film() - case.load_truth()["bone_suppressed"]
        assert known.tolist() == [True, True, True, False]
        inside = (np.abs(seen[0, 0]) < 0.9) & (np.abs(seen[0, 0] - apart / place.grey) < 0.9)  # what is not cut off
        np.testing.assert_allclose(film[0].numpy()[inside], seen[0, 0][inside], atol=1e-4)
        np.testing.assert_allclose((planes[2].numpy() * place.grey)[inside], apart[inside], atol=0.004)


def test_soft_tissue_drawn_over_a_film_is_no_part_of_its_layer(cases: list[Case], tiny_recipe: Recipe) -> None:
    still, drawn = (
        _samples(cases[:1], tiny_recipe, STILL.model_copy(update={"tissue_probability": share})) for share in (0.0, 1.0)
    )
    for number in range(6):
        (film, planes, _), (other, other_planes, _) = still[number], drawn[number]
        # The film's own range is stretched over the network's, so that both may be drawn out by one factor.
        layer, same = planes[2].flatten().double(), other_planes[2].flatten().double()
        inside = (film.abs() < 0.9).flatten() & (other.abs() < 0.9).flatten()
        inside &= ((film - planes[2]).abs() < 0.9).flatten() & ((other - other_planes[2]).abs() < 0.9).flatten()
        assert torch.corrcoef(torch.stack([layer[inside], same[inside]]))[0, 1] > 0.999
        assert (film - other).abs().max() > 0.02


def test_a_source_may_teach_some_of_what_it_knows(cases: list[Case], tiny_recipe: Recipe) -> None:
    made = replace(cases[0], attributes={**cases[0].attributes, "source": "made"})
    data = tiny_recipe.data.model_copy(update={"teaches": {"made": ("bones",)}})
    samples = _samples([made, cases[1]], tiny_recipe.model_copy(update={"data": data}), None)
    known = {tuple(samples[number][2].tolist()) for number in range(4)}
    assert known == {(False, False, True, False), (True, True, True, False)}
    number = next(n for n in range(4) if not samples[n][2][0])
    assert not samples[number][1][[0, 1, 3]].any()
    assert samples[number][1][2].std() > 0
    whole = tiny_recipe.model_dump() | {"targets": TARGETS.model_dump()}
    with pytest.raises(ValueError, match=r"data.teaches names \['bnes'\]; there are \['organs', 'bones'\]"):
        Recipe.model_validate(whole | {"data": whole["data"] | {"teaches": {"made": ["bnes"]}}})


def test_every_look_shows_film_and_remains_alike(cases: list[Case], tiny_recipe: Recipe) -> None:
    settings = AugmentSettings(rotate_degrees=0, shear_degrees=0, scale=0, aspect=0, shift=0, elastic=0, blur=0)
    settings = settings.model_copy(update={"crop_probability": 0, "local_contrast": 0, "invert_probability": 0})
    samples = _samples(cases[:1], tiny_recipe, settings)
    bars = np.zeros(64, bool)
    bars[20::16] = True
    for number in range(12):
        _, planes, _ = samples[number]
        layer = planes[2].numpy()
        assert np.abs(layer[:18]).max() < 2e-3  # half precision
        assert layer[bars].mean() > 5 * np.abs(layer[~bars]).mean()


def test_an_exchanged_layer_lies_over_the_case_and_teaches_alone(cases: list[Case], tiny_recipe: Recipe) -> None:
    samples = _samples(cases, tiny_recipe, STILL.model_copy(update={"exchange_layers": 1.0}))
    own = [case.load_truth()["bone_suppressed"] for case in cases]
    heights = set()
    for number in range(16):
        film, planes, known = samples[number]
        assert known.tolist() == [False, False, True, False]
        remains = (film[0] - planes[2]).numpy()
        fits = [np.corrcoef(remains[:18].ravel(), one[:18].ravel())[0, 1] for one in own]
        assert max(fits) > 0.99 > min(fits)
        heights.add(round(float(planes[2].max()), 3))
    assert len(heights) > 8


def _known_in_upper_half(case: Case, folder: Path) -> Case:
    region = np.zeros((64, 64), np.uint8)
    region[:32] = 255
    Image.fromarray(region).save(folder / "region.png")
    return replace(case, regions={"bone_suppressed": folder / "region.png"})


def test_a_layer_known_in_a_region_teaches_there_alone(cases: list[Case], tiny_recipe: Recipe, tmp_path: Path) -> None:
    settings = STILL.model_copy(update={"local_contrast": 1.0, "blur": 0.01, "gamma": 0.5})
    samples = _samples([_known_in_upper_half(cases[0], tmp_path)], tiny_recipe, settings)
    for number in range(6):
        film, planes, known = samples[number]
        assert known.tolist() == [True, True, True, False]
        assert film.isfinite().all()
        assert planes[2, :29].isfinite().all()
        assert planes[2, 33:].isnan().all()
    raw = torch.zeros(1, 3, 64, 64, requires_grad=True)
    layer = SupervisedLoss(TARGETS)._layer(raw[:, 2:], planes[None, 2:3], known[None, 2:3])
    layer.backward()
    assert layer.isfinite()
    assert raw.grad is not None
    assert raw.grad[0, 2, :28].abs().min() > 0
    assert not raw.grad[0, 2, 33:].any()


def test_where_a_layer_is_not_known_the_film_stays_below_another_layer(
    cases: list[Case], tiny_recipe: Recipe, tmp_path: Path
) -> None:
    part = _known_in_upper_half(cases[0], tmp_path)
    samples = _samples([part], tiny_recipe, STILL.model_copy(update={"exchange_layers": 1.0}))
    film, planes, _ = samples[0]
    assert film.isfinite().all()
    assert planes[2, 33:].isnan().all()
    still = _samples([part], tiny_recipe, STILL)[0][0]
    assert np.corrcoef(film[0, 33:].flatten(), still[0, 33:].flatten())[0, 1] > 0.999


def test_a_layer_is_taken_off_at_the_films_own_size_and_depth() -> None:
    film = np.random.default_rng(0).random((200, 160)).astype(np.float32)
    spec_size = (64, 64)
    grid, place = prepare(film, InputSpec(size=spec_size))
    raw = np.zeros((3, *spec_size), np.float32)
    raw[2, 40:] = 0.5
    found = decode(raw, TARGETS, place, clean=False, film=film)
    remains = found.pictures["bone_suppressed"]
    np.testing.assert_array_equal(remains[:110], film[:110])
    np.testing.assert_allclose(film[140:] - remains[140:], 0.5 * place.grey, rtol=1e-4)
    seen = place.crop(grid[0, 0])
    middle = np.abs(seen) < 1.4
    np.testing.assert_allclose(
        (seen[middle][1:] - seen[middle][0]) * place.grey, _shrunk(film, place, middle), atol=1e-5
    )


def _shrunk(film: np.ndarray, place: Placement, middle: np.ndarray) -> np.ndarray:
    small = resize(film, (place.height, place.width))[middle]
    return small[1:] - small[0]


def test_layers_cost_their_difference_and_that_of_neighbours_at_four_scales() -> None:
    rng = np.random.default_rng(3)
    raw, planes = rng.normal(size=(1, 3, 24, 16)), rng.normal(size=(1, 4, 24, 16))
    apart, expected = raw[0, 2] - planes[0, 2], 0.0
    for scale in (1, 2, 4, 8):
        coarse = apart.reshape(24 // scale, scale, 16 // scale, scale).mean((1, 3))
        edges = sum(np.abs(np.diff(coarse, axis=axis)).mean() for axis in (0, 1))
        expected += (2 * np.abs(coarse).mean() + 3 * edges) / 4
    expected *= 0.06 / (np.abs(planes[0, 2]).mean() + 0.01)
    loss = SupervisedLoss(TARGETS, layer=2.0, layer_edges=3.0)
    tensors = (torch.tensor(raw).float(), torch.tensor(planes).float())
    found = float(loss(*tensors, torch.tensor([[False, False, True, False]])))
    assert found == pytest.approx(expected, rel=1e-5)
    assert float(loss(*tensors, torch.zeros(1, 4, dtype=torch.bool))) == 0


def test_a_faint_layer_is_learnt_as_well_as_a_strong_one() -> None:
    rng = np.random.default_rng(5)
    planes, off = torch.tensor(rng.normal(size=(1, 4, 24, 16))).float(), torch.tensor(rng.normal(size=(1, 3, 24, 16)))
    known, loss = torch.tensor([[False, False, True, False]]), SupervisedLoss(TARGETS)
    costs = [float(loss(scale * (planes[:, :3] + 0.3 * off.float()), scale * planes, known)) for scale in (0.05, 1, 20)]
    assert costs[1] == pytest.approx(costs[2], rel=0.02)
    assert 0.7 * costs[1] < costs[0] < costs[1]


def _tissue_cost(error: np.ndarray, tissue: np.ndarray) -> float:
    """Of the third output's error, where all of the film is tissue and the layer is as strong as is typical."""
    layer = np.full_like(tissue, 0.05)
    raw, planes = np.zeros((2, 3, *tissue.shape)), np.zeros((2, 4, *tissue.shape))
    raw[:, 2], planes[:, 2] = layer + error, layer
    loss = SupervisedLoss(TARGETS, layer=0, layer_edges=0, layer_tissue=2.0)
    known, films = torch.tensor(2 * [[False, False, True, False]]), torch.tensor(tissue + layer).float()
    shown = films.expand(2, 1, *tissue.shape)
    return float(loss(torch.tensor(raw).float(), torch.tensor(planes).float(), known, films=shown))


def test_what_a_layer_takes_of_the_tissue_costs_its_share_of_the_tissues_edges() -> None:
    tissue, expected = np.random.default_rng(7).normal(size=(64, 64)), 0.0
    for scale in (1, 2, 4, 8):
        coarse = tissue.reshape(64 // scale, scale, 64 // scale, scale).mean((1, 3))
        power = np.zeros_like(coarse)
        power[:-1] += np.diff(coarse, axis=0) ** 2
        power[:, :-1] += np.diff(coarse, axis=1) ** 2
        windows = power.reshape(len(coarse) // 8, 8, len(coarse) // 8, 8).mean((1, 3))
        expected += 2 * np.sqrt(windows).mean() / 4
    assert _tissue_cost(0.3 * tissue, tissue) == pytest.approx(0.3 * expected, rel=1e-3)
    assert _tissue_cost(-0.3 * tissue, tissue) == pytest.approx(0.3 * expected, rel=1e-3)


def test_an_error_across_the_tissue_costs_nothing_of_it() -> None:
    across, along = np.meshgrid(np.sin(np.arange(64)), np.cos(np.arange(64)))
    assert _tissue_cost(across, along) == pytest.approx(0, abs=1e-6)
    assert _tissue_cost(along, along) > 0.1


def test_outputs_that_were_there_before_go_on_when_a_layer_is_added(tiny_recipe: Recipe, tmp_path: Path) -> None:
    run = train(
        tiny_recipe.model_copy(update={"schedule": tiny_recipe.schedule.model_copy(update={"steps": 2})}), tmp_path
    )
    wider = tiny_recipe.model_copy(update={"targets": TARGETS, "start_from": str(tmp_path)})
    network, fresh = starting_network(wider)
    assert fresh == ()
    film = torch.randn(1, 1, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(network.eval()(film)[:, :2], run.network(film))
        assert network(film).shape[1] == 3
    turned = TargetSet(targets=(Layer(name="bones", leaves="soft"), TARGETS.targets[0]))
    _, fresh = starting_network(wider.model_copy(update={"targets": turned}))
    assert fresh == ("head.0.weight", "head.0.bias")
    assert build_network(wider).head[0].bias.shape == (12,)


def test_kept_norms_stay_as_they_were_while_weights_learn(tiny_recipe: Recipe, tmp_path: Path) -> None:
    for keep in (True, False):
        schedule = tiny_recipe.schedule.model_copy(update={"steps": 3, "keep_norms": keep, "ema": 0.0})
        run = train(tiny_recipe.model_copy(update={"schedule": schedule}), tmp_path / str(keep))
        norms = [m for m in run.network.modules() if isinstance(m, torch.nn.BatchNorm2d)]
        assert all(bool((norm.running_mean == 0).all()) == keep for norm in norms)
        assert all((norm.weight != 1).any() for norm in norms)


def test_a_layer_is_not_left_to_a_discriminator(tiny_recipe: Recipe) -> None:
    whole = tiny_recipe.model_dump() | {"targets": TARGETS.model_dump()}
    for objective in ({"kind": "adversarial"}, {"kind": "adversarial", "targets": ["bones"]}, {"kind": "critic"}):
        with pytest.raises(ValueError, match=r"layers cannot be judged: leave \['bones'\] out"):
            Recipe.model_validate(whole | {"objective": objective})
    Recipe.model_validate(whole | {"objective": {"kind": "adversarial", "targets": ["organs"]}})
