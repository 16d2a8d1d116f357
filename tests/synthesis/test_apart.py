"""Structures that are moved each on its own, with their dots."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import ndimage

from xprism.data.manifest import read_manifest
from xprism.synthesis.apart import moved_apart
from xprism.synthesis.dots import STRUCTURES
from xprism.synthesis.label_map import LABELS, masks_of
from xprism.synthesis.pipeline import Pipeline
from xprism.synthesis.sources import Source, sources_of
from xprism.synthesis.train import training_of

SIZE, DOTS = 64, 32


def _pipeline(**labels: object) -> Pipeline:
    small = {"kind": "pix2pixhd", "size": SIZE, "downs": 2, "width": 2, "blocks": 1, "discriminator_width": 2}
    stages = {"dots": {"kind": "pggan", "size": DOTS}, "labels": {**small, "epochs": 1, **labels}, "film": small}
    return Pipeline.model_validate({"name": "three", "data": {"dot_radius": 2}, "stages": stages})


@pytest.fixture(scope="module")
def sources(chests: Path) -> list[Source]:
    return sources_of(read_manifest(chests)[:2], _pipeline(), variants=False)


def _moved(source: Source, count: int = 60) -> list[Source]:
    """The source moved by many chances, where no dot would leave the map."""
    many = [moved_apart(source, np.random.default_rng(seed), furthest=2) for seed in range(count)]
    found = [moved for moved in many if moved is not source]
    assert len(found) >= count // 4
    return found


def _step(source: Source, moved: Source, name: str) -> np.ndarray:
    """How far a dot went, in pixels of the label map."""
    assert source.dots is not None
    assert moved.dots is not None
    old, new = source.dots.dots[name], moved.dots.dots[name]
    return np.array([new.row - old.row, new.column - old.column]) * SIZE // DOTS


def _moves(source: Source, name: str) -> tuple[np.ndarray, np.ndarray]:
    """How far a dot and the centroid of its structure went, both in pixels of the label map."""
    found, start = _moved(source), ndimage.center_of_mass(masks_of(source.labels)[name])
    went = [np.subtract(ndimage.center_of_mass(masks_of(moved.labels)[name]), start) for moved in found]
    return np.array([_step(source, moved, name) for moved in found]), np.array(went)


def test_hearts_go_where_their_dots_go(sources: list[Source]) -> None:
    dots, hearts = _moves(sources[0], "heart")
    assert np.abs(dots).max() == 4
    np.testing.assert_allclose(hearts, dots, atol=1e-9)


def test_clavicles_go_where_their_dots_go_and_lie_behind_the_heart(sources: list[Source]) -> None:
    names = ("right_clavicle", "left_clavicle")
    before = masks_of(sources[0].labels)
    for moved in _moved(sources[0]):
        expected = np.zeros((SIZE, SIZE), bool)
        for name in names:
            places = np.argwhere(before[name]) + _step(sources[0], moved, name)
            places = places[((places >= 0) & (places < SIZE)).all(1)]
            expected[tuple(places.T)] = True
        is_clavicle = moved.labels > LABELS.index("heart")
        np.testing.assert_array_equal(is_clavicle, expected & (moved.labels != LABELS.index("heart")))


@pytest.mark.parametrize("name", ["right_lung", "left_lung"])
def test_lungs_follow_their_own_dots_and_give_way_to_the_heart(sources: list[Source], name: str) -> None:
    dots, lungs = _moves(sources[0], name)
    of_heart, _ = _moves(sources[0], "heart")
    for axis in (0, 1):
        both = np.stack([dots[:, axis], of_heart[:, axis]], axis=1)
        own, hearts = np.linalg.lstsq(both, lungs[:, axis], rcond=None)[0]
        assert 0.4 < own < 1.1
        assert hearts < own


def test_structures_are_moved_independently(sources: list[Source]) -> None:
    moves = np.array(
        [np.ravel([_step(sources[0], moved, name) for name in STRUCTURES]) for moved in _moved(sources[0])]
    )
    between = np.corrcoef(moves.T) - np.eye(2 * len(STRUCTURES))
    assert np.abs(between).max() < 0.55


def test_dots_of_what_label_maps_do_not_show_stay(chests: Path) -> None:
    pipeline = Pipeline.model_validate({**_pipeline().model_dump(), "data": {"clavicles": False}})
    (source,) = sources_of(read_manifest(chests)[:1], pipeline, variants=False)
    moved = moved_apart(source, np.random.default_rng(0), furthest=2)
    assert source.dots is not None
    assert moved.dots is not None
    stayed = [name for name in STRUCTURES if moved.dots.dots[name] == source.dots.dots[name]]
    assert stayed == ["right_clavicle", "left_clavicle"]


@pytest.mark.parametrize("side", ["right", "left"])
def test_a_clavicle_that_a_label_map_does_not_tell_from_the_other_keeps_its_dot(
    sources: list[Source], side: str
) -> None:
    labels = sources[0].labels.copy()
    labels[labels == LABELS.index(f"{side}_clavicle_in_lung")] = LABELS.index(f"{side}_lung")
    source = replace(sources[0], labels=labels)
    assert not masks_of(labels)[f"{side}_clavicle"].any()
    for moved in _moved(source):
        assert not _step(source, moved, f"{side}_clavicle").any()
        assert (moved.labels > LABELS.index("heart")).any()


def test_the_same_chance_moves_the_same_way_and_the_film_stays(sources: list[Source]) -> None:
    first, again = (moved_apart(sources[1], np.random.default_rng(3), furthest=2) for _ in range(2))
    np.testing.assert_array_equal(first.labels, again.labels)
    assert first.dots == again.dots
    np.testing.assert_array_equal(first.film, sources[1].film)


def test_a_label_stage_learns_from_so_many_more(sources: list[Source]) -> None:
    for apart in (0, 3):
        pipeline = _pipeline(apart=apart, epochs_of_decline=0)
        training = training_of(pipeline.chain[1], pipeline, sources)
        assert training.steps == len(sources) * (1 + apart)


def test_every_epoch_moves_the_structures_anew_and_leaves_the_films_own_maps(sources: list[Source]) -> None:
    pipeline = _pipeline(apart=2, apart_by=2)
    pairs = training_of(pipeline.chain[1], pipeline, sources)._pairs  # type: ignore[attr-defined]
    numbers = np.arange(len(pairs))
    first, again, later = (pairs.at(numbers, np.full_like(numbers, epoch)) for epoch in (0, 0, 1))
    own = numbers % 3 == 0
    for seen, same, other in zip(first, again, later, strict=True):
        assert seen.equal(same)
        assert seen[own].equal(other[own])
        assert not any(one.equal(another) for one, another in zip(seen[~own], other[~own], strict=True))
    for place, number in enumerate(numbers[own]):
        np.testing.assert_array_equal(first[1][number].argmax(0), sources[place].labels)


def test_films_are_not_moved_apart() -> None:
    said = _pipeline().model_dump()
    said["stages"]["film"]["apart"] = 1
    with pytest.raises(ValidationError, match="for label maps"):
        Pipeline.model_validate(said)
