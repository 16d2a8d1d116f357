"""The multi-stage protocol: who teaches and who is tested, what each column learns from, and a run that goes on."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import tiny_models
from xprism.cli.app import run as command
from xprism.data.manifest import Case, read_manifest, write_manifest
from xprism.errors import DataError, RecipeError
from xprism.evaluation.tables import read_csv
from xprism.protocols import multistage, multistage_films
from xprism.protocols.experiments import experiment, experiments, members_of, multistage_protocols
from xprism.protocols.multistage import counts_on, recipe_of, run_protocol
from xprism.protocols.multistage_plan import Protocol, load_protocol, note_plan, split_films
from xprism.protocols.multistage_scores import COLUMNS, CaseCounts, PooledRow
from xprism.synthesis.train import train_pipeline
from xprism.training.cases import training_cases, validation_cases
from xprism.training.checkpoint import load_checkpoint
from xprism.training.loop import train
from xprism.training.runs import Run

JSRT = [*(f"JPCLN{n:03d}" for n in range(1, 155)), *(f"JPCNN{n:03d}" for n in range(1, 94))]


def _named(names: list[str]) -> list[Case]:
    return [Case(name, name, Path(f"{name}.png")) for name in names]


def test_protocols_have_names_and_are_no_recipes() -> None:
    assert multistage_protocols().keys() == {"multistage", "multistage/tiny", "multistage/full"}
    assert "multistage/smanet" in experiments()
    assert not {name for name in experiments() if "protocol" in name}
    with pytest.raises(RecipeError, match=r"choose one of .*multistage/full"):
        members_of("multistagge")


@pytest.mark.parametrize(
    ("name", "profile", "teach", "tested", "drawn"),
    [
        ("multistage/tiny", "full", 11, 123, (7500, 2500)),
        ("multistage/full", "full", 124, 123, (7500, 2500)),
        ("multistage", "cpu", 11, 113, (1500, 250)),
        ("multistage/full", "cpu", 124, 123, (1500, 250)),
    ],
)
def test_films_are_counted_as_in_the_paper(
    name: str, profile: str, teach: int, tested: int, drawn: tuple[int, int]
) -> None:
    protocol = load_protocol(name, profile=profile)
    taught, others = split_films(protocol.plan, _named(JSRT))
    assert (len(taught), len(others)) == (teach, tested)
    assert {int(case.case[-3:]) % 2 for case in taught} == {1}
    assert not {case.subject for case in taught} & {case.subject for case in others}
    if tested == 123:
        assert {int(case.case[-3:]) % 2 for case in others} == {0}
    else:
        assert {int(case.case[-3:]) % 2 for case in others} == {1}
    assert (protocol.plan.samples, protocol.plan.validation) == drawn
    assert protocol.plan.published == ("full" if "full" in name else "tiny")
    # Films come from the plan, six of each, and all pipelines see the same ones.
    assert all(one.data.films is None and one.data.variants for one in protocol.pipelines.values())
    assert len({one.size for one in protocol.pipelines.values()}) == 1
    assert {len(one.chain): key for key, one in protocol.pipelines.items()} == {1: "one", 2: "two", 3: "three"}


def test_the_network_sees_the_papers_crops() -> None:
    recipe = load_protocol("multistage", profile="full").segmentation
    assert (recipe.input.size, recipe.input.window) == ((512, 512), (377, 377))
    assert (recipe.schedule.batch, recipe.schedule.learning_rate, recipe.schedule.decline) == (17, 1e-4, "constant")
    assert (recipe.network.kind, recipe.network.in_channels, recipe.targets.channels) == ("smanet", 3, 4)


def test_films_that_are_not_there_are_asked_for() -> None:
    plan = load_protocol("multistage", profile="full").plan
    with pytest.raises(DataError, match="names of no case") as caught:
        split_films(plan, _named([name for name in JSRT if int(name[-3:]) % 2]))
    assert "--set test=null" in caught.value.remedy
    with pytest.raises(DataError, match="no film is left to test on"):
        split_films(plan.model_copy(update={"films": None, "take": 4, "test": None}), _named(JSRT[:4]))


def test_columns_differ_in_what_they_learn_from_alone(tmp_path: Path) -> None:
    recipe = load_protocol("multistage", profile="smoke").segmentation
    drawn = {stages: (Path(f"{stages}-t.csv"), Path(f"{stages}-v.csv")) for stages in ("one", "two", "three")}
    found = {column: recipe_of(column, recipe, tmp_path, pairs=Path("pairs.csv"), drawn=drawn) for column in COLUMNS}
    runs = tmp_path / "segmentation"
    said = {
        column: (str(one.data.manifests[0]), str(one.validation.manifests[0]), one.start_from)
        for column, one in found.items()
        if one.validation
    }
    assert said == {
        "real": ("pairs.csv", "three-v.csv", None),
        "synth-1": ("one-t.csv", "one-v.csv", None),
        "finetune-1": ("pairs.csv", "one-v.csv", str(runs / "synth-1")),
        "synth-2": ("two-t.csv", "two-v.csv", None),
        "finetune-2": ("pairs.csv", "two-v.csv", str(runs / "synth-2")),
        "synth-3": ("three-t.csv", "three-v.csv", None),
        "finetune-3": ("pairs.csv", "three-v.csv", str(runs / "synth-3")),
    }
    alike = [
        one.model_copy(update={"name": "", "data": recipe.data, "validation": None, "start_from": None})
        for one in found.values()
    ]
    assert all(one == alike[0] for one in alike)


def test_snapshots_may_be_chosen_until_films_are_drawn(tmp_path: Path) -> None:
    plain, other = (
        load_protocol("multistage", profile="smoke", changes=changes) for changes in ([], ["snapshots.three={1: 40}"])
    )
    assert other.plan.snapshots == {"three": {1: 40}}
    for protocol in (plain, other, plain):
        note_plan(protocol, tmp_path)
    (tmp_path / "three-stage" / "samples" / "part-000").mkdir(parents=True)
    note_plan(plain, tmp_path)
    with pytest.raises(RecipeError, match="results of another plan"):
        note_plan(other, tmp_path)


class ByGrey(nn.Module):
    """Says a class by how bright a pixel is: four steps from -1 to 1."""

    def forward(self, films: Tensor) -> Tensor:
        return torch.cat([-10 * (films - level).abs() for level in (-1, -1 / 3, 1 / 3, 1)], dim=1)


def test_pixels_are_counted_on_the_films_own_grid(tmp_path: Path) -> None:
    # A film of the network's size: nothing is resized, so the classes can be read off the grey values.
    rng = np.random.default_rng(0)
    numbers = rng.integers(0, 4, (33, 33)).astype(np.uint8)
    truth = {name: rng.random((33, 33)) < 0.4 for name in ("right_lung", "left_lung", "heart")}
    Image.fromarray(85 * numbers).save(tmp_path / "film.png")
    masks = {name: tmp_path / f"{name}.png" for name in truth}
    for name, mask in truth.items():
        Image.fromarray(np.where(mask, 255, 0).astype(np.uint8)).save(masks[name])
    case = Case("c", "s", tmp_path / "film.png", masks=masks, attributes={"polarity": "display"})
    recipe = load_protocol("multistage", profile="smoke").segmentation
    for one in counts_on("real", Run(tmp_path, recipe, ByGrey(), 0.0), [case]):
        said = numbers == ("background", "right_lung", "left_lung", "heart").index(one.structure)
        real = truth[one.structure]
        assert (one.tp, one.fp, one.fn) == ((said & real).sum(), (said & ~real).sum(), (~said & real).sum())


class Killed(Exception):
    """Stands for a run that is broken off."""


def _killed_at(monkeypatch: pytest.MonkeyPatch, where: object, name: str, time: int) -> None:
    """Make the ``time``-th call of a function die."""
    old, calls = getattr(where, name), []

    def call(*given: object, **named: object) -> object:
        calls.append(name)
        if len(calls) == time:
            raise Killed
        return old(*given, **named)

    monkeypatch.setattr(where, name, call)


@pytest.fixture(scope="module")
def chests(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Manifest of six films 64 x 64 with ellipses for organs, which no physics had to be computed for."""
    folder, cases = tmp_path_factory.mktemp("chests"), []
    for number in range(6):
        flags = np.zeros((64, 64), np.uint8)
        for bit, label in enumerate(tiny_models.ORGANS):
            inside = tiny_models.ellipse(64, *tiny_models.ELLIPSES[label]) > 0
            flags |= np.roll(inside, number - 3, 1).astype(np.uint8) << np.uint8(bit)
        paths = [folder / f"{kind}{number}.png" for kind in ("film", "flags")]
        film = np.roll(tiny_models.drawn_film(64, seed=number), number - 3, 1)
        for path, picture in zip(paths, (film, flags), strict=True):
            Image.fromarray(picture).save(path)
        cases.append(Case(f"c{number}", f"s{number}", *paths, attributes={"polarity": "display"}))
    write_manifest(folder / "chests.csv", cases)
    return folder / "chests.csv"


@pytest.fixture(scope="module")
def smoke() -> Protocol:
    """The smoke profile, on films without variants."""
    protocol = load_protocol("multistage", profile="smoke")
    pipelines = {
        key: one.model_copy(update={"data": one.data.model_copy(update={"variants": False})})
        for key, one in protocol.pipelines.items()
    }
    schedule = protocol.segmentation.schedule.model_copy(update={"threads": 1})
    segmentation = protocol.segmentation.model_copy(update={"schedule": schedule})
    return Protocol(protocol.plan, protocol.profile, pipelines, segmentation)


def test_a_run_that_is_killed_goes_on_and_ends_with_every_table(smoke: Protocol, chests: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(multistage_films, "PART", 3)
        for where, name, time in (
            (multistage_films, "train_pipeline", 2),  # two stages have not begun
            (multistage_films, "write_samples", 2),  # a part of the films of three stages is drawn
            (multistage, "counts_on", 2),  # a column has trained, but is not scored
        ):
            with pytest.MonkeyPatch.context() as dying:
                _killed_at(dying, where, name, time)
                with pytest.raises(Killed):
                    run_protocol(smoke, out, [chests])
        begun = {path: path.stat().st_mtime_ns for path in out.glob("*-stage/samples/part-000/manifest.csv")}
        trained = {path: path.stat().st_mtime_ns for path in out.glob("segmentation/*/checkpoint.pt")}
        assert (len(begun), len(trained)) == (3, 2)
        found = run_protocol(smoke, out, [chests])
    assert all(path.stat().st_mtime_ns == then for path, then in {**begun, **trained}.items())
    _is_whole(out)
    assert [(row.column, row.structure) for row in found.table][:4] == [
        ("real", one) for one in ("left_lung", "heart", "right_lung", "average")
    ]
    assert found.facts["films"] == {"training": 3, "test": 3}
    weights = {path: path.stat().st_mtime_ns for path in out.rglob("*.pt")}
    again = run_protocol(smoke, out, [chests])
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.pt")} == weights
    assert (again.table, again.differences, again.moves) == (found.table, found.differences, found.moves)
    other = load_protocol("multistage", profile="smoke", changes=["samples=7"])
    with pytest.raises(RecipeError, match="results of another plan"):
        run_protocol(other, out, [chests])
    _shared_film_stage(smoke, out, tmp_path / "alone")


def _is_whole(out: Path) -> None:
    """Counts of films, columns and cases are those of the plan, and no subject is on both sides."""
    taught, tested = ({case.subject for case in read_manifest(out / f"{name}.csv")} for name in ("training", "test"))
    assert not taught & tested
    pairs = read_manifest(out / "pairs" / "manifest.csv")
    assert {case.subject for case in pairs} == taught
    names = set()
    for stages in ("one", "two", "three"):
        train, look = (read_manifest(out / f"{stages}-stage" / "samples" / f"{x}.csv") for x in ("train", "validation"))
        assert (len(train), len(look)) == (6, 2)
        assert len({case.case for case in (*train, *look)}) == 8
        assert all({"right_lung", "left_lung", "heart"} <= case.load_truth().keys() for case in train)
        names |= {case.case for case in (*train, *look)}
    counts = read_csv(out / "results" / "cases.csv", CaseCounts)
    assert {(one.column, one.subject) for one in counts} == {(column, one) for column in COLUMNS for one in tested}
    for column in COLUMNS:
        kept = json.loads((out / "segmentation" / column / "metrics.jsonl").read_text().splitlines()[-1])
        assert "validation_loss" in kept
    table = read_csv(out / "results" / "table.csv", PooledRow)
    assert len(table) == len(COLUMNS) * 4
    assert (out / "results" / "curves.png").stat().st_size > 5000
    assert {path.name for path in (out / "results").iterdir()} == {
        *("cases.csv", "table.csv", "differences.csv", "curves.csv", "curves.png", "moved-hearts.csv", "protocol.json")
    }


def _shared_film_stage(smoke: Protocol, out: Path, alone: Path) -> None:
    """Two stages take their film stage over from three: it equals the one that they would have trained."""
    run = train_pipeline(smoke.pipelines["two"], read_manifest(out / "training.csv"), alone)
    shared = load_checkpoint(out / "two-stage" / "2-film" / "checkpoint.pt")["training"]["kept"]
    trained = load_checkpoint(run.folder / "2-film" / "checkpoint.pt")["training"]["kept"]
    assert all(torch.equal(trained[name], weight) for name, weight in shared.items())


def test_the_command_asks_for_films(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["xprism", "reproduce", "multistage", "-o", str(tmp_path / "out")])
    with pytest.raises(SystemExit) as end:
        command()
    assert end.value.code == 2
    assert "give a manifest, --data jsrt.csv, or try --profile smoke" in " ".join(capsys.readouterr().err.split())


def test_the_recipe_alone_learns_from_films_with_masks(chests: Path, tmp_path: Path) -> None:
    recipe = experiment(
        "multistage/smanet", tmp_path, profile="smoke", manifests=[chests], changes=["schedule.threads=1"]
    )
    held = recipe.model_copy(update={"data": recipe.data.model_copy(update={"hold_out": 0})})
    assert (len(training_cases(held)), len(validation_cases(held))) == (2, 1)
    run = train(held, tmp_path / "run")
    looks = [json.loads(line) for line in (run.folder / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in looks if "validation_loss" in line] == [2, 4]
    assert looks[0]["loss"] == pytest.approx(np.log(4), abs=0.8)
