"""What an audit finds on simulated chests: planted copies, foreign labels, collapse, and nothing on honest films.

``benchmarks/audit_flags.py`` repeats this with many draws.
"""

import numpy as np
import pytest
from scipy import ndimage

from xprism.errors import DataError
from xprism.simulate.phantom import simulate_chest
from xprism.synthesis.audit.audit import Audit, audit
from xprism.synthesis.audit.sets import FilmSet, load_set

pytestmark = pytest.mark.xdist_group("audit")  # one worker makes what these tests share

SIDE, REAL = 64, 11
LABELS = ("right_lung", "left_lung", "heart", "right_clavicle", "left_clavicle")


@pytest.fixture(scope="session")
def phantoms() -> FilmSet:
    """22 simulated chests: eleven that were learnt from, as in TINY of Ciano et al., and eleven honest ones."""
    chests = [simulate_chest(seed, SIDE) for seed in range(2 * REAL)]
    masks = {label: np.stack([chest.masks[label] for chest in chests]) for label in LABELS}
    films = np.stack([chest.film for chest in chests]).astype(np.float32)
    return FilmSet(tuple(f"chest-{number}" for number in range(len(chests))), films, masks)


@pytest.fixture(scope="session")
def real(phantoms: FilmSet) -> FilmSet:
    return phantoms.take(range(REAL))


@pytest.fixture(scope="session")
def honest(phantoms: FilmSet) -> FilmSet:
    return phantoms.take(range(REAL, 2 * REAL))


@pytest.fixture(scope="session")
def of_honest(honest: FilmSet, real: FilmSet) -> Audit:
    return audit(honest, real)


def test_honest_films_pass_every_check(of_honest: Audit) -> None:
    assert of_honest.flagged == ()
    assert len(of_honest.verdicts) == 7
    assert not any(row.film_copied or row.labels_copied for row in of_honest.samples)


def test_one_planted_copy_is_found_and_named(honest: FilmSet, real: FilmSet) -> None:
    noise = 0.01 * np.random.default_rng(0).standard_normal((SIDE, SIDE))
    films, masks = honest.films.copy(), {label: planes.copy() for label, planes in honest.masks.items()}
    films[4] = np.clip(ndimage.shift(real.films[7], (1, -1), order=1, mode="nearest") + noise, 0, 1)
    for label in LABELS:
        masks[label][4] = np.roll(real.masks[label][7], (1, -1), (0, 1))
    found = audit(FilmSet(honest.names, films, masks), real)
    assert {"copied films", "copied label maps"} <= set(found.flagged)
    copied = [row for row in found.samples if row.film_copied]
    assert [(row.sample, row.film_case, row.labels_case, row.labels_copied) for row in copied] == [
        (honest.names[4], real.names[7], real.names[7], True)
    ]


def test_a_real_label_map_under_another_film_is_found_in_label_space_alone(honest: FilmSet, real: FilmSet) -> None:
    masks = {label: planes.copy() for label, planes in honest.masks.items()}
    for label in LABELS:
        masks[label][2] = real.masks[label][5]
    found = audit(FilmSet(honest.names, honest.films, masks), real)
    assert found.flagged == ("copied label maps",)


def test_labels_of_other_films_are_found(honest: FilmSet, real: FilmSet) -> None:
    masks = {label: np.roll(planes, 1, axis=0) for label, planes in honest.masks.items()}
    found = audit(FilmSet(honest.names, honest.films, masks), real)
    assert found.flagged == ("foreign labels",)
    verdict = next(one for one in found.verdicts if one.check == "foreign labels")
    assert abs(verdict.number) < 0.5


def test_collapse_is_found(honest: FilmSet, real: FilmSet) -> None:
    same = honest.take([3] * REAL)
    noise = 0.02 * np.random.default_rng(1).standard_normal(same.films.shape)
    found = audit(FilmSet(honest.names, np.clip(same.films + noise, 0, 1).astype(np.float32), same.masks), real)
    assert {"few films", "few label maps"} <= set(found.flagged)
    assert not {"copied films", "copied label maps"} & set(found.flagged)


def test_hearts_that_are_missing_or_in_pieces_are_found(honest: FilmSet, real: FilmSet) -> None:
    masks = dict(honest.masks)
    masks["heart"] = masks["heart"].copy()
    masks["heart"][::2] = False
    masks["heart"][1::2, 30:34] = False
    found = audit(FilmSet(honest.names, honest.films, masks), real)
    assert "strange labels" in found.flagged
    assert max(found.measures, key=lambda row: row.apart).measure.startswith("heart")
    assert not {"copied films", "few films", "films apart"} & set(found.flagged)


def test_films_of_another_look_are_told_apart(honest: FilmSet, real: FilmSet) -> None:
    rng = np.random.default_rng(2)
    grainy = np.clip(honest.films + 0.1 * rng.standard_normal(honest.films.shape), 0, 1).astype(np.float32)
    found = audit(FilmSet(honest.names, grainy, honest.masks), real)
    assert "films apart" in found.flagged
    assert not {"copied label maps", "strange labels", "few label maps"} & set(found.flagged)


def test_equal_seeds_give_equal_audits(of_honest: Audit, honest: FilmSet, real: FilmSet) -> None:
    again = audit(honest, real)
    assert again.verdicts == of_honest.verdicts
    assert audit(honest, real, seed=1).verdicts != of_honest.verdicts


def test_films_without_known_labels_are_looked_at_alone(honest: FilmSet, real: FilmSet) -> None:
    found = audit(FilmSet(honest.names, honest.films, {}), real)
    assert [one.check for one in found.verdicts] == ["copied films", "few films", "films apart"]
    assert found.by_labels is None
    assert found.samples[0].labels_distance is None


def test_held_out_films_stand_for_honest_ones(honest: FilmSet, real: FilmSet) -> None:
    found = audit(honest.take(range(5)), real, honest.take(range(5, REAL)))
    assert len(found.by_films.honest) == REAL - 5
    assert found.flagged == ()


def test_too_few_films_are_refused() -> None:
    with pytest.raises(DataError, match="a set of 0 films"):
        load_set([])
