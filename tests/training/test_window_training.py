"""A recipe with a window trains on parts of films, looks at whole ones, and exports what predicts by windows."""

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from xprism.card import InputSpec
from xprism.data.manifest import read_manifest, write_manifest
from xprism.errors import RecipeError
from xprism.grid import prepare
from xprism.inference.predictor import Predictor
from xprism.protocols.crossval import check_films, draft_card
from xprism.readers import read
from xprism.targets import Classes, TargetSet
from xprism.training.cases import training_cases, validation_cases
from xprism.training.export import export_model
from xprism.training.loop import train
from xprism.training.recipe import Recipe
from xprism.training.recipe_file import load_recipe
from xprism.training.samples import Samples
from xprism.training.validation import over_windows

WINDOW = InputSpec(size=(32, 32), window=(24, 16), stride=10)


@pytest.fixture
def recipe(tiny_recipe: Recipe) -> Recipe:
    return tiny_recipe.model_copy(update={"input": WINDOW, "augment": None})


def test_a_sample_is_a_part_of_film_and_truth_at_the_same_place(recipe: Recipe) -> None:
    whole = Samples(
        training_cases(recipe), recipe.model_copy(update={"input": WINDOW.model_copy(update={"window": None})})
    )
    cut, places = Samples(training_cases(recipe), recipe), set()
    for number in range(24):
        (film, planes, known), (wanted, truth, also) = cut[number], whole[number]
        assert film.shape == (1, 24, 16)
        assert torch.equal(known, also)
        at = [
            (top, left)
            for top in range(9)
            for left in range(17)
            if torch.equal(film, wanted[:, top : top + 24, left : left + 16])
        ]
        assert len(at) == 1
        top, left = at[0]
        assert torch.equal(planes, truth[:, top : top + 24, left : left + 16])
        places.add(at[0])
    assert len(places) > 15
    assert torch.equal(cut[5][0], Samples(training_cases(recipe), recipe)[5][0])


class Steep(nn.Module):
    def forward(self, films: Tensor) -> Tensor:
        rows = torch.arange(films.shape[-2], dtype=torch.float32)[:, None]
        return torch.cat([films * rows, films.mean((-1, -2), keepdim=True) + films], dim=1)


def test_a_look_at_whole_films_averages_windows_as_prediction_does() -> None:
    film = np.random.default_rng(0).normal(size=(3, 1, 32, 32)).astype(np.float32)
    found = over_windows(Steep(), torch.from_numpy(film), WINDOW).numpy()
    total, times = np.zeros((3, 2, 32, 32)), np.zeros((32, 32))
    for top in (0, 8):
        for left in (0, 8, 16):
            part = film[..., top : top + 24, left : left + 16]
            raw = [part[:, 0] * np.arange(24)[:, None], part.mean((-1, -2))[..., None] + part[:, 0]]
            total[..., top : top + 24, left : left + 16] += np.stack(raw, axis=1)
            times[top : top + 24, left : left + 16] += 1
    np.testing.assert_allclose(found, total / times, atol=1e-5)


def test_the_exported_model_sees_windows_and_predicts_whole_films(recipe: Recipe, tmp_path: Path) -> None:
    warnings.filterwarnings("ignore", module="torch.*")
    run = train(recipe, tmp_path / "run")
    export_model(run, tmp_path / "model", licence=None, card=draft_card(run), check=check_films(recipe))
    model, case = Predictor.load(tmp_path / "model"), training_cases(recipe)[0]
    assert model.card.input == WINDOW
    prepared = model.prepare(read(case.film, polarity="display"))
    raw = model.infer(prepared)
    network = run.network.eval()
    grid = torch.from_numpy(prepare(case.load_film(), recipe.input)[0])
    with torch.no_grad():
        np.testing.assert_allclose(raw, over_windows(network, grid, WINDOW)[0].numpy(), atol=2e-2)
    result = model(read(case.film, polarity="display"))
    assert {mask.shape for mask in result.masks.values()} == {(40, 48)}


def test_sides_of_the_window_must_suit_the_network_not_those_of_the_film(tiny_data: Path) -> None:
    path = tiny_data / "tiny.yaml"
    load_recipe(path, changes=("input={size: [33, 35], window: [16, 24]}",))
    with pytest.raises(RecipeError, match=r"input\.window must be multiples of 8 for this network, not \(16, 17\)"):
        load_recipe(path, changes=("input={size: [33, 35], window: [16, 17]}",))


def test_films_named_for_the_validation_choose_the_weights_and_never_train(tiny_data: Path, tmp_path: Path) -> None:
    cases = read_manifest(tiny_data / "tiny.csv")
    for name, some in (("few", cases[:6]), ("others", cases[6:])):
        write_manifest(tmp_path / f"{name}.csv", some)
    text = (tiny_data / "tiny.yaml").read_text().replace("[tiny.csv]", "[few.csv]").replace("hold_out: 0", "folds: 2")
    (tmp_path / "r.yaml").write_text(text + "validation: {manifests: [others.csv], every: 3, measure: loss}\n")
    recipe = load_recipe(tmp_path / "r.yaml")
    assert [case.case for case in training_cases(recipe)] == [case.case for case in cases[:6]]
    assert [case.case for case in validation_cases(recipe)] == [case.case for case in cases[6:]]
    train(recipe, tmp_path / "run")
    assert '"validation_loss"' in (tmp_path / "run" / "metrics.jsonl").read_text()
    listed = read_manifest(tmp_path / "run" / "validation.csv")
    assert [case.case for case in listed] == [case.case for case in cases[6:]]
    both = recipe.model_copy(
        update={"validation": recipe.validation.model_copy(update={"manifests": (tiny_data / "tiny.csv",)})}
    )
    with pytest.raises(RecipeError, match=r"subjects of the validation are among .*: s0, s1"):
        validation_cases(both)


def test_a_map_of_classes_is_painted_of_masks_later_labels_over_earlier_ones() -> None:
    target = Classes(name="chest", labels=("background", "lung", "heart"), from_masks=True)
    lung, heart = np.zeros((4, 4), np.float32), np.zeros((4, 4), np.float32)
    lung[:, :3], heart[1:3, 2:], lung[3, 0] = 1, 1, 0.4  # a soft edge below one half is outside
    truth = TargetSet(targets=(target,)).encode({"lung": lung, "heart": heart}, (4, 4))
    drawn = ["LLL.", "LLHH", "LLHH", ".LL."]
    for label, plane in zip(".LH", truth.planes, strict=True):
        np.testing.assert_array_equal(plane, [[letter == label for letter in row] for row in drawn])
    assert truth.known.all()
    assert not TargetSet(targets=(target,)).encode({"lung": lung}, (4, 4)).known.any()
    stated = np.full((4, 4), 2, np.uint8)
    told = TargetSet(targets=(target,)).encode({"lung": lung, "heart": heart, "chest": stated}, (4, 4))
    np.testing.assert_array_equal(told.planes.argmax(0), stated)
    plain = TargetSet(targets=(target.model_copy(update={"from_masks": False}),))
    assert not plain.encode({"lung": lung, "heart": heart}, (4, 4)).known.any()
