"""The monitor flags what was planted, says it once, and is silent over a sound training."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from xprism.training.checkpoint import load_checkpoint, save_checkpoint
from xprism.training.monitor import CHECK_EVERY, KINDS, PATIENCE, Monitor, Noted

LABELS = ("heart", "lungs")
SOUND = {"l1": 0.3, "adversarial": 1.0, "discriminator": 1.0}
KNOWN = torch.ones(4, 2, dtype=torch.bool)
Pictures = Callable[[Tensor], Tensor]


@cache
def _discs(seed: int, films: int) -> Tensor:
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:80, :80]
    at = rng.uniform(25, 55, (films, 2, 2, 1, 1))
    return torch.from_numpy(np.where(np.hypot(rows - at[:, :, 0], columns - at[:, :, 1]) < 20, 1.0, -1.0)).float()


def _real(step: int, *, films: int = 4) -> Tensor:
    """Pictures in [-1, 1] that differ from film to film: a disc each, somewhere else at each of 50 steps."""
    return _discs(step % 50, films)


def _watch(
    watched: Monitor, make: Pictures, *, checks: int, losses: dict[str, float] | None = None, films: int = 4
) -> list[Noted]:
    """What the monitor notes at each of so many checks of a generator that makes ``make`` of the real pictures."""
    noted = []
    for step in range(checks * CHECK_EVERY):
        real = _real(step, films=films)
        noted.append(watched(losses or SOUND, make(real), real, torch.ones(films, 2, dtype=torch.bool)))
    assert all(not said.fields for step, said in enumerate(noted, start=1) if step % CHECK_EVERY)
    return [said for step, said in enumerate(noted, start=1) if step % CHECK_EVERY == 0]


def _warnings(noted: list[Noted]) -> list[str]:
    return [text for said in noted for text in said.fields.get("warnings", [])]


def _faithful(real: Tensor) -> Tensor:
    return 0.7 * real


def _one_picture(real: Tensor) -> Tensor:
    return _discs(1000, 1).expand_as(real)


def _without_heart(real: Tensor) -> Tensor:
    return torch.cat([torch.full_like(real[:, :1], -0.99), real[:, 1:]], 1)


def test_faithful_pictures_raise_no_warning() -> None:
    noted = _watch(Monitor(LABELS), _faithful, checks=2 * PATIENCE)
    assert not _warnings(noted)
    heart = noted[-1].fields["outputs"]["heart"]
    assert heart["contrast"] == pytest.approx(0.7 * heart["true_contrast"], rel=0.01)
    assert heart["spread"] == pytest.approx(0.7 * heart["true_spread"], rel=0.01)


def test_statistics_equal_plain_ones() -> None:
    real = _real(0)
    known = torch.tensor([[True, True], [True, False], [True, True], [False, False]])
    watched = Monitor(LABELS)
    for _ in range(CHECK_EVERY):
        noted = watched(SOUND, 0.5 * real, real, known)
    seen = real[:, :, ::2, ::2].numpy()
    heart, lungs = seen[:3, 0], seen[[0, 2], 1]
    for label, pictures in (("heart", heart), ("lungs", lungs)):
        found = noted.fields["outputs"][label]
        assert found["true_contrast"] == pytest.approx(np.mean([p.std() for p in pictures]), rel=0.01)
        assert found["true_spread"] == pytest.approx(np.sqrt(pictures.var(0).mean()), rel=0.01)
        assert found["contrast"] == pytest.approx(found["true_contrast"] / 2, rel=0.01)


@pytest.mark.parametrize("films", [1, 2, 4])
def test_one_picture_for_every_film_is_a_collapse_at_any_batch(films: int) -> None:
    noted = _watch(Monitor(LABELS), _one_picture, checks=2 * PATIENCE, films=films)
    assert [bool(said.messages) for said in noted].index(True) == PATIENCE - 1
    (warning,) = _warnings(noted)
    assert warning.startswith("collapse (")
    assert "heart spread 0, in truth" in warning
    assert "lungs" in warning


def test_a_dead_output_is_named() -> None:
    noted = _watch(Monitor(LABELS), _without_heart, checks=PATIENCE)
    dead = [text for text in _warnings(noted) if text.startswith("dead output (")]
    assert len(dead) == 1
    assert "heart" in dead[0]
    assert "lungs" not in dead[0]


def test_an_output_whose_truth_is_empty_is_not_called_dead() -> None:
    watched = Monitor(LABELS)
    for step in range(2 * PATIENCE * CHECK_EVERY):
        real = _without_heart(_real(step))
        assert not watched(SOUND, 0.9 * real, real, KNOWN).messages


def test_what_no_film_knows_has_no_statistics() -> None:
    watched = Monitor(LABELS)
    for step in range(CHECK_EVERY):
        real = _real(step)
        noted = watched(SOUND, real, real, torch.tensor([[True, False]] * 4))
    assert list(noted.fields["outputs"]) == ["heart"]


@pytest.mark.parametrize(
    ("kind", "losses"),
    [
        ("discriminator won", {"l1": 0.2, "adversarial": 7.0, "discriminator": 0.01}),
        ("discriminator blind", {"l1": 0.3, "adversarial": 0.69, "discriminator": 1.386}),
    ],
)
def test_a_lost_balance_is_said_once_until_it_clears(kind: str, losses: dict[str, float]) -> None:
    watched = Monitor(LABELS)
    patience = KINDS[kind].patience
    noted = _watch(watched, _faithful, checks=2 * patience, losses=losses)
    (warning,) = _warnings(noted)
    assert warning.startswith(f"{kind} (")
    assert noted[patience - 1].messages == (f"warning: {warning}",)
    noted = _watch(watched, _faithful, checks=2 * patience)
    assert [said.messages for said in noted if said.messages] == [(f"no longer: {kind}",)]
    assert noted[patience - 1].fields["cleared"] == [kind]
    assert _warnings(_watch(watched, _faithful, checks=patience, losses=losses)) == [warning]


def test_an_undecided_discriminator_at_the_end_of_a_sound_training_is_not_called_blind() -> None:
    converged = {"l1": 0.006, "adversarial": 0.693, "discriminator": 1.386}
    assert not _warnings(_watch(Monitor(LABELS), _faithful, checks=2 * PATIENCE, losses=converged))


def test_a_swing_shorter_than_the_patience_is_not_said() -> None:
    watched = Monitor(LABELS)
    for _ in range(3):
        assert not _warnings(_watch(watched, _one_picture, checks=PATIENCE - 1))
        assert not _warnings(_watch(watched, _faithful, checks=1))


def test_a_monitor_goes_on_from_its_saved_state(tmp_path: Path) -> None:
    whole, first = Monitor(LABELS), Monitor(LABELS)
    steps = range(PATIENCE * CHECK_EVERY)
    expected = [whole(SOUND, _one_picture(_real(k, films=1)), _real(k, films=1), KNOWN[:1]) for k in steps]
    for end in (CHECK_EVERY - 3, PATIENCE * CHECK_EVERY):  # broken off while it gathers pictures
        for step in range(0 if end < CHECK_EVERY else CHECK_EVERY - 3, end):
            real = _real(step, films=1)
            assert first(SOUND, _one_picture(real), real, KNOWN[:1]) == expected[step]
        save_checkpoint(tmp_path / "state.pt", first.state_dict())
        first = Monitor(LABELS)
        first.load_state_dict(load_checkpoint(tmp_path / "state.pt"))
    assert _warnings(expected)
