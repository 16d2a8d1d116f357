"""Samples are a function of model and seed; bad dots are turned down and counted; moved dots move what is made."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage
from torch import Tensor, nn

from xprism.data.manifest import read_manifest
from xprism.errors import DataError, OutputError
from xprism.networks.pggan import ProgressiveGenerator
from xprism.synthesis.codes import as_signal
from xprism.synthesis.decoding import Reason
from xprism.synthesis.dots import STRUCTURES, Dot, Dots
from xprism.synthesis.output import load_dots, write_samples
from xprism.synthesis.pipeline import Pipeline
from xprism.synthesis.runs import SynthRun, Trained, generator_of
from xprism.synthesis.sampling import PATIENCE, Sampler

COLUMNS = (2, 6, 12, 4, 9)
GIVEN = Dots(size=16, dots={name: Dot(row=2 + 3 * k, column=COLUMNS[k], radius=1) for k, name in enumerate(STRUCTURES)})
STAGES: dict[str, Any] = {
    "dots": {"kind": "pggan", "size": 16, "maps": 4},
    "labels": {"kind": "pix2pixhd", "size": 64, "width": 4, "downs": 2, "blocks": 1},
    "film": {"kind": "pix2pixhd", "size": 64, "width": 4, "downs": 2, "blocks": 1},
}


class DrawsDots(ProgressiveGenerator):
    """Stands for a trained first stage: the given dots, but no heart where a latent begins below zero."""

    def __init__(self) -> None:
        super().__init__(16, 1, maps=4)

    def forward(self, latents: Tensor, **_: Any) -> Tensor:
        drawn = [GIVEN if float(one[0]) >= 0 else GIVEN.removed("heart") for one in latents]
        return torch.from_numpy(np.stack([as_signal(dots.picture())[None] for dots in drawn]))


class DrawsStructures(nn.Module):
    """Stands for a trained second stage: a lung, or half of a heart, wherever a dot is."""

    def forward(self, given: Tensor) -> Tensor:
        assert given.shape[1:] == (6, 64, 64)
        return torch.cat([given, torch.zeros(len(given), 1, 64, 64)], dim=1)


class DrawsFilms(nn.Module):
    """Stands for a trained third stage: grey as the label."""

    def forward(self, given: Tensor) -> Tensor:
        return given.argmax(1, keepdim=True) / 3 - 1


def _run(folder: Path, *, rejects: tuple[Reason, ...] = ("missing", "several"), **stages: Any) -> SynthRun:
    parts = {"data": {"rejects": rejects}, "stages": stages or STAGES, "name": "three"}
    return SynthRun(folder, Pipeline.model_validate(parts))


@pytest.fixture
def stand_ins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks whose work is known in place of trained ones."""
    networks = (DrawsDots(), DrawsStructures(), DrawsFilms())
    monkeypatch.setattr(SynthRun, "trained", lambda run, number: Trained(run.stage(number), networks[number - 1], 1))


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks with fresh weights in place of trained ones."""

    def trained(run: SynthRun, number: int) -> Trained:
        torch.manual_seed(number)
        return Trained(run.stage(number), generator_of(run.stage(number), run.pipeline).eval(), 1)

    monkeypatch.setattr(SynthRun, "trained", trained)


def _latents(seed: int) -> Iterator[float]:
    """The first number of each draw's latent."""
    number = 0
    while True:
        yield float(np.random.default_rng([seed, 3, number]).standard_normal((1, 4), np.float32)[0, 0])
        number += 1


@pytest.mark.usefixtures("stand_ins")
@pytest.mark.parametrize("seed", [0, 5])
def test_bad_dot_maps_are_turned_down_and_counted(tmp_path: Path, seed: int) -> None:
    sampler = Sampler(_run(tmp_path))
    samples = list(sampler.samples(20, seed=seed))
    good: list[int] = []
    for number, first in enumerate(_latents(seed)):
        good += [number] if first >= 0 else []
        if len(good) == 20:
            break
    assert [sample.name for sample in samples] == [f"synthetic-{seed}-{number:06d}" for number in good]
    assert (sampler.tally.drawn, sampler.tally.rejected) == (good[-1] + 1, good[-1] + 1 - 20)
    assert sampler.tally.problems == {"heart missing": sampler.tally.rejected}
    assert all(sample.dots == GIVEN for sample in samples)


@pytest.mark.usefixtures("stand_ins")
def test_all_are_taken_where_nothing_is_to_be_turned_down(tmp_path: Path) -> None:
    sampler = Sampler(_run(tmp_path, rejects=("several",)))
    samples = list(sampler.samples(9))
    wanted = [GIVEN if first >= 0 else GIVEN.removed("heart") for first, _ in zip(_latents(0), range(9), strict=False)]
    assert [sample.dots for sample in samples] == wanted
    assert (sampler.tally.drawn, sampler.tally.rejected) == (9, 0)
    assert sampler.tally.problems["heart missing"] == sum(dots != GIVEN for dots in wanted)


@pytest.mark.usefixtures("stand_ins")
def test_a_stage_that_draws_no_good_dots_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DrawsDots, "forward", lambda self, latents: torch.full((len(latents), 1, 16, 16), -1.0))
    with pytest.raises(
        DataError, match=rf"last {PATIENCE} dot maps were all turned down \(right_lung missing {PATIENCE}"
    ):
        next(Sampler(_run(tmp_path)).samples(1))


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize(
    "stages",
    [
        STAGES,
        {"labels": {"kind": "pggan", "size": 64, "maps": 4}, "film": STAGES["film"]},
        {"labels_and_film": {"kind": "pggan", "size": 64, "maps": 4}},
    ],
    ids=["three", "two", "one"],
)
def test_a_sample_is_a_function_of_model_and_seed_alone(tmp_path: Path, stages: dict[str, Any]) -> None:
    run = _run(tmp_path, rejects=(), **stages)
    few, many, other = (list(Sampler(run).samples(count, seed=seed)) for count, seed in ((3, 1), (11, 1), (3, 2)))
    for short, long in zip(few, many, strict=False):
        assert (short.name, short.dots) == (long.name, long.dots)
        assert short.labels is not None
        assert short.film is not None
        assert short.labels.shape == short.film.shape == (64, 64)
        np.testing.assert_array_equal(short.labels, long.labels)
        np.testing.assert_array_equal(short.film, long.film)
    for first, second in zip(few, other, strict=True):
        assert first.name != second.name
        assert not np.array_equal(first.film, second.film)


@pytest.mark.usefixtures("stand_ins")
@pytest.mark.parametrize(("down", "right"), [(3, 0), (-1, 2)])
def test_a_moved_dot_moves_what_is_made_of_it_and_nothing_else(tmp_path: Path, down: int, right: int) -> None:
    sampler = Sampler(_run(tmp_path), (2, 3))
    before, after = (
        sampler.of_dots(dots, name="x").labels for dots in (GIVEN, GIVEN.moved("heart", down=down, right=right))
    )
    assert before is not None
    assert after is not None
    moved = np.subtract(ndimage.center_of_mass(after == 3), ndimage.center_of_mass(before == 3))
    # A pixel of the dot map is four of the label map.
    np.testing.assert_allclose(moved, (4 * down, 4 * right))
    np.testing.assert_array_equal(after == 5, before == 5)
    assert not (sampler.of_dots(GIVEN.removed("heart"), name="x").labels == 3).any()
    grown = sampler.of_dots(GIVEN.scaled("left_clavicle", 2), name="x").labels
    assert grown is not None
    # Of its five rows the last lies beyond the map.
    assert ((grown == 5).sum(), (before == 5).sum()) == (16 * 20, 16 * 9)


@pytest.mark.usefixtures("stand_ins")
def test_samples_are_a_manifest_with_films_masks_and_label_maps(tmp_path: Path) -> None:
    sampler = Sampler(_run(tmp_path))
    write_samples(tmp_path / "out", sampler.samples(3, seed=4), sampler=sampler, seed=4)
    cases = read_manifest(tmp_path / "out" / "manifest.csv")
    made = list(Sampler(_run(tmp_path)).samples(3, seed=4))
    assert [case.case for case in cases] == [sample.name for sample in made]
    for case, sample in zip(cases, made, strict=True):
        truth = case.load_truth()
        assert sample.labels is not None
        np.testing.assert_array_equal(truth["label_map"], sample.labels)
        np.testing.assert_array_equal(truth["heart"], sample.labels == 3)
        np.testing.assert_array_equal(truth["left_lung"], (sample.labels == 2) | (sample.labels == 5))
        np.testing.assert_array_equal(truth["left_clavicle"], sample.labels == 5)
        np.testing.assert_allclose(case.load_film(), np.asarray(Image.open(case.film)) / 255, atol=1e-6)
        assert Dots.load(tmp_path / "out" / "dots" / f"{case.case}.json") == sample.dots
        assert case.attributes == {"source": "synthetic", "polarity": "display", "seed": "4"}
    facts = json.loads((tmp_path / "out" / "samples.json").read_text())
    assert (facts["drawn"], facts["rejected"]) == (sampler.tally.drawn, sampler.tally.rejected)
    assert (facts["seed"], facts["samples"], facts["problems"]) == (4, 3, dict(sampler.tally.problems))
    assert Image.open(tmp_path / "out" / "samples.png").size == (2 * (3 * 64 + 1) - 1, 2 * 65 - 1)
    with pytest.raises(OutputError, match="there already"):
        write_samples(tmp_path / "out", [], sampler=sampler)


@pytest.mark.usefixtures("stand_ins")
def test_clavicles_that_are_not_drawn_stay_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = _run(tmp_path)
    monkeypatch.setattr(DrawsStructures, "forward", lambda self, given: given[:, :4])
    without = run.pipeline.data.model_copy(update={"clavicles": False})
    sampler = Sampler(SynthRun(tmp_path, run.pipeline.model_copy(update={"data": without})), (2, 3))
    write_samples(tmp_path / "out", [sampler.of_dots(GIVEN, name="x")], sampler=sampler)
    (case,) = read_manifest(tmp_path / "out" / "manifest.csv")
    assert case.load_truth().keys() == {"right_lung", "left_lung", "heart", "label_map"}


@pytest.mark.usefixtures("stand_ins")
def test_a_stage_alone_works_on_real_films(chests: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cases = read_manifest(chests)
    monkeypatch.setattr(SynthRun, "films", lambda run: cases)
    dots = list(Sampler(_run(tmp_path), (1,)).samples(2))
    assert [(sample.dots, sample.labels, sample.film) for sample in dots] == [(GIVEN, None, None)] * 2
    films = list(Sampler(_run(tmp_path), (3,)).samples(5, seed=1))
    assert sorted(sample.name for sample in films) == [f"made-of-c{k}" for k in range(5)]
    for sample in films:
        # The stand-in shows a film's label map in grey: the number 0 to 6 as -1 to 1.
        assert sample.film is not None
        np.testing.assert_allclose(sample.film, sample.labels * 42.5, atol=0.51)
    maps = list(Sampler(_run(tmp_path), (2,)).samples(1))
    assert maps[0].film is None
    write_samples(tmp_path / "maps", maps, sampler=Sampler(_run(tmp_path), (2,)))
    assert {path.name for path in (tmp_path / "maps").iterdir()} == {
        *("dots", "labels", "masks", "samples.json", "samples.png")
    }
    with pytest.raises(DataError, match="alone can work on 5 films, not 6"):
        next(Sampler(_run(tmp_path), (3,)).samples(6))


@pytest.mark.usefixtures("stand_ins")
def test_values_that_are_no_numbers_are_no_film(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DrawsFilms, "forward", lambda self, given: given[:, :1] * float("nan"))
    with pytest.raises(DataError, match="no numbers"):
        next(Sampler(_run(tmp_path)).samples(1))


def test_dots_must_fit_the_run(tmp_path: Path) -> None:
    GIVEN.save(tmp_path / "dots.json")
    assert load_dots(tmp_path / "dots.json", _run(tmp_path)) == GIVEN
    GIVEN.model_copy(update={"size": 32}).save(tmp_path / "large.json")
    with pytest.raises(DataError, match="dots on a map of 32 pixels, this run's have 16"):
        load_dots(tmp_path / "large.json", _run(tmp_path))
    with pytest.raises(DataError, match="knows no dots, it makes labels_and_film"):
        load_dots(tmp_path / "dots.json", _run(tmp_path, labels_and_film={"kind": "pggan", "size": 16}))


def test_there_is_at_least_one_sample(tmp_path: Path, stand_ins: None) -> None:
    with pytest.raises(DataError, match="1 or more samples, not 0"):
        next(Sampler(_run(tmp_path)).samples(0))
