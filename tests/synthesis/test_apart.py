"""Structures that are moved each on its own, with their dots."""

from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import ndimage

from xprism.data.manifest import read_manifest
from xprism.synthesis.apart import moved_apart
from xprism.synthesis.dots import STRUCTURES
from xprism.synthesis.label_map import masks_of
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


def test_each_dot_lies_where_its_structure_went(sources: list[Source]) -> None:
    all_moved = [moved_apart(sources[0], np.random.default_rng(seed), furthest=2) for seed in range(10)]
    changed = [moved for moved in all_moved if moved is not sources[0]]
    assert len(changed) >= 5  # a drawn clavicle is thin, and lost now and then
    for moved in changed:
        assert moved.dots is not None
        masks, before = masks_of(moved.labels), masks_of(sources[0].labels)
        for name in (name for name in STRUCTURES if before[name].any()):
            centre = ndimage.center_of_mass(masks[name])
            dot = moved.dots.dots[name]
            assert dot.radius == 2
            assert np.abs(np.array(centre) * DOTS / SIZE - (dot.row + 0.5, dot.column + 0.5)).max() <= 0.51


def test_structures_move_apart_and_keep_their_size(sources: list[Source]) -> None:
    before, ways = masks_of(sources[0].labels), list[np.ndarray]()
    for seed in range(40):
        after = masks_of(moved_apart(sources[0], np.random.default_rng(seed), furthest=2).labels)
        assert 0.7 < after["heart"].sum() / before["heart"].sum() < 1.4
        went = [
            np.subtract(*map(ndimage.center_of_mass, (after[name], before[name]))) for name in ("heart", "left_lung")
        ]
        ways.append(np.concatenate(went))
    between = np.corrcoef(np.array(ways).T)
    assert np.abs(np.array(ways)).max(0).min() > 2  # px of the label map: about half of what was drawn at most
    assert abs(between[0, 2]) < 0.7
    assert abs(between[1, 3]) < 0.7


def test_dots_of_what_label_maps_do_not_show_stay(chests: Path) -> None:
    pipeline = Pipeline.model_validate({**_pipeline().model_dump(), "data": {"clavicles": False}})
    (source,) = sources_of(read_manifest(chests)[:1], pipeline, variants=False)
    moved = moved_apart(source, np.random.default_rng(0), furthest=2)
    assert source.dots is not None
    assert moved.dots is not None
    stayed = [name for name in STRUCTURES if moved.dots.dots[name] == source.dots.dots[name]]
    assert stayed == ["right_clavicle", "left_clavicle"]


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
