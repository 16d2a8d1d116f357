"""The recipes of XNet say what its paper says, split as stated, and differ in their networks alone."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric
from PIL import Image

from xprism.data.manifest import Case, read_manifest, write_manifest
from xprism.errors import RecipeError
from xprism.protocols.experiments import experiments, members_of
from xprism.protocols.record import settings_of
from xprism.targets import Classes
from xprism.training.cases import held_out_cases, training_cases, validation_cases
from xprism.training.loop import train
from xprism.training.recipe import Recipe
from xprism.training.recipe_file import load_recipe
from xprism.training.runs import build_network
from xprism.training.small_data import SmallDataAugment
from xprism.training.validation import Validation

HOME = Path(__file__).parents[2] / "recipes" / "reproduce" / "xnet"
PARTS = {"ankle": 10, "arm": 3, "cervical": 1, "chest": 1, "elbow": 1, "femur": 3, "foot": 29, "hand": 4, "head": 11}
PARTS |= {"knee": 36, "leg": 1, "lumbar": 6, "neck": 15, "pelvis": 2, "shoulder": 2, "thigh": 8, "thorax": 1}
PARTS |= {"tibia": 4, "wrist": 11}


def _recipe(name: str, *changes: str, profile: str | None = None) -> Recipe:
    return load_recipe(HOME / f"{name}.yaml", profile=profile, changes=changes)


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("xnet", 11_734_851),
        ("segnet-basic", 1_409_795),
        ("segnet-basic-authors", 5_462_403),
        # Four levels of two 3x3 convolutions with norms, a transposed convolution between each two, three classes.
        (
            "unet",
            sum(9 * (b * a + a * a) + 6 * a for b, a in ((1, 64), (64, 128), (128, 256), (256, 512)))
            + sum(9 * (2 * a * a + a * a) + 6 * a + 4 * 2 * a * a + a for a in (64, 128, 256))
            + 3 * 64
            + 3,
        ),
    ],
)
def test_a_network_has_its_stated_size(name: str, weights: int) -> None:
    with torch.device("meta"):
        network = build_network(_recipe(name))
        assert network(torch.empty(1, 1, 200, 200)).shape == (1, 3, 200, 200)
    assert sum(p.numel() for p in network.parameters()) == weights
    assert f"{weights:,}" in (HOME / f"{name}.yaml").read_text() or name == "xnet"


def test_xnet_is_trained_as_its_paper_says() -> None:
    recipe = _recipe("xnet")
    loss, schedule, validation = recipe.objective.supervised, recipe.schedule, recipe.validation
    assert (loss.cross_entropy, loss.dice, loss.kernel_l2, loss.class_weights) == (1, 0, 5e-4, "none")
    assert (schedule.learning_rate, schedule.batch, schedule.decline, schedule.warmup) == (1e-4, 5, "constant", 0)
    assert (schedule.optimizer, schedule.betas, schedule.weight_decay, schedule.ema) == ("adamw", (0.9, 0.999), 0, 0)
    assert validation is not None
    assert (validation.measure, validation.patience) == ("loss", 20)
    assert recipe.data.oversample == 500
    assert recipe.input.model_dump() == {
        **{"size": (200, 200), "low_percent": 0, "high_percent": 100, "clip": 1, "inverted": False, "whole": True},
        **{"window": None, "stride": None},
    }
    (target,) = recipe.targets
    assert isinstance(target, Classes)
    assert target.labels == ("open_beam", "soft_tissue", "bone")
    assert recipe.augment == SmallDataAugment(kind="small_data")


def test_rivals_differ_in_their_networks_only() -> None:
    xnet = _recipe("xnet")
    names = [name.removeprefix("xnet/") for name in members_of("xnet-rivals")]
    assert set(members_of("xnet-rivals")) <= experiments().keys()
    assert {name for name in names if name != "xnet"} == {"segnet-basic", "segnet-basic-authors", "unet"}
    for name in names:
        own = _recipe(name)
        assert own == xnet.model_copy(update={"name": own.name, "network": own.network})


def _manifest(folder: Path, counts: dict[str, int], *, side: int = 0) -> Path:
    """Films of every part; drawn only where a ``side`` is given: a bright limb with a brighter bone on a dark beam."""
    cases = []
    for number, part in enumerate(part for part, count in counts.items() for _ in range(count)):
        film, labels = folder / f"f{number}.png", folder / f"l{number}.png"
        if side:
            rng = np.random.default_rng(number)
            apart = np.abs(np.mgrid[:side, :side][1] - side * rng.uniform(0.4, 0.6))
            index = (apart < 0.3 * side).astype(np.uint8) + (apart < 0.1 * side)
            grey = 100 * index + rng.normal(20, 4, index.shape)
            Image.fromarray(grey.clip(0, 255).astype(np.uint8)).save(film)
            Image.fromarray(index).save(labels)
        about = {"polarity": "display", "body_part": part}
        cases.append(Case(f"c{number}", f"s{number}", film, classes={"tissue": labels}, attributes=about))
    write_manifest(folder / "films.csv", cases)
    return folder / "films.csv"


@pytest.mark.parametrize("seed", range(4))
def test_films_are_shared_out_70_to_15_to_15(tmp_path: Path, seed: int) -> None:
    recipe = _recipe("xnet", f"data.manifests=['{_manifest(tmp_path, PARTS)}']", f"data.seed={seed}")
    train, watched, tested = training_cases(recipe), validation_cases(recipe), held_out_cases(recipe)
    assert len(train) + len(watched) + len(tested) == sum(PARTS.values()) == 149
    single = sum(count == 1 for count in PARTS.values())
    assert len(tested) == 22 + single
    assert abs(len(watched) - 0.15 * (149 - single)) <= 2
    subjects = [{case.subject for case in some} for some in (train, watched, tested)]
    assert not subjects[0] & subjects[1] | subjects[0] & subjects[2] | subjects[1] & subjects[2]
    learnt = Counter(case.attributes["body_part"] for case in train)
    assert learnt.keys() == {part for part, count in PARTS.items() if count > 1}


def test_the_last_subject_of_a_part_trains_rather_than_chooses_weights(tmp_path: Path) -> None:
    few = _manifest(tmp_path, {f"part{k:02}": 2 for k in range(12)})
    recipe = _recipe("xnet", f"data.manifests=['{few}']", "data.test=0.5", "validation.share=0.4")
    with pytest.raises(RecipeError, match="of 0 subjects is none"):
        training_cases(recipe)
    recipe = _recipe("xnet", f"data.manifests=['{few}']", "data.test=0.25", "validation.share=0.4")
    learnt = {case.attributes["body_part"] for case in training_cases(recipe)}
    assert len(learnt) == 12


def test_a_run_learns_by_the_recipe_and_lists_who_was_kept_out(tmp_path: Path) -> None:
    films = _manifest(tmp_path, {"hand": 7, "foot": 6, "elbow": 1}, side=40)
    recipe = _recipe(
        "xnet",
        f"data.manifests=['{films}']",
        "schedule.threads=1",
        "input.size=[40, 40]",
        "network.width=4",
        "schedule.steps=4",
        "schedule.checkpoint_every=2",
        "validation.every=2",
        "data.oversample=20",
    )
    run = tmp_path / "run"
    train(recipe, run)
    tested, watched = (read_manifest(run / f"{name}.csv") for name in ("held-out", "validation"))
    assert [case.case for case in tested] == [case.case for case in held_out_cases(recipe)]
    assert [case.case for case in watched] == [case.case for case in validation_cases(recipe)]
    assert "elbow" in {case.attributes["body_part"] for case in tested}
    assert all("tissue" in case.classes for case in (*tested, *watched))
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "validation_loss" in line] == [2, 4]
    assert all(0 < line["kernel_l2"] < line["loss"] for line in lines)
    assert settings_of(recipe)["oversampled"].startswith("each body_part to 20 ")
    assert settings_of(recipe)["penalty"] == "0.0005 times the sum of squared kernels"


def test_validation_sees_each_film_once_as_it_is(tmp_path: Path) -> None:
    films = _manifest(tmp_path, {"hand": 12, "foot": 9}, side=40)
    recipe = _recipe("xnet", f"data.manifests=['{films}']", "input.size=[40, 40]")
    watch = Validation(recipe, Fabric(accelerator="cpu", devices=1))
    assert len(watch._samples.epoch) == len(validation_cases(recipe)) == 3
    assert watch._samples.settings is None
