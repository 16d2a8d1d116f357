"""Adversarial losses against hand-written formulas, and the stop against planted curves."""

import math

import numpy as np
import pytest
import torch

from xprism.objectives.adversarial import AdversarialLoss
from xprism.targets import Classes, Masks, Picture, TargetSet
from xprism.training.stopping import SmoothedStop

TARGETS = TargetSet(
    targets=(
        Masks(name="organs", labels=("heart", "lung"), activation="tanh"),
        Picture(name="soft", range=(0, 255)),
        Classes(name="tissue", labels=("a", "b")),
    )
)


def _draw(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    planes = (rng.random((2, 5, 4, 3)) > 0.5).astype(float)
    planes[:, 2] *= 200
    return rng.normal(size=(2, 5, 4, 3)), planes


def test_every_output_is_a_picture_between_minus_one_and_one() -> None:
    raw, planes = _draw()
    known = torch.ones(2, 5, dtype=torch.bool)
    loss = AdversarialLoss(TARGETS)
    made = loss.made(torch.tensor(raw), known).numpy()
    real = loss.real(torch.tensor(planes).float(), known).numpy()
    np.testing.assert_allclose(made[:, :3], np.tanh(raw[:, :3]), atol=1e-6)
    share = np.exp(raw[:, 3]) / (np.exp(raw[:, 3]) + np.exp(raw[:, 4]))
    np.testing.assert_allclose(made[:, 3], 2 * share - 1, atol=1e-6)
    np.testing.assert_allclose(real[:, :2], 2 * planes[:, :2] - 1, atol=1e-6)
    np.testing.assert_allclose(real[:, 2], 2 * planes[:, 2] / 255 - 1, atol=1e-6)


def test_values_that_a_network_makes_itself_are_shown_as_they_are() -> None:
    targets = TargetSet(targets=(Picture(name="soft", range=(0, 4), activation="none"),))
    loss, known = AdversarialLoss(targets), torch.ones(1, 1, dtype=torch.bool)
    values = torch.tensor([0.0, 1.0, 4.0, 5.0]).view(1, 1, 2, 2)
    assert loss.made(values, known).flatten().tolist() == [-1, -0.5, 1, 1.5]
    assert not loss.l1(loss.made(values, known), loss.real(values, known), known)


def test_losses_follow_the_papers_formulas() -> None:
    real, made = torch.tensor([[0.3, -1.0]]), torch.tensor([[2.0, 0.5]])
    sigmoid = [[1 / (1 + math.exp(-v)) for v in row] for row in ((0.3, -1.0), (2.0, 0.5))]
    expected = np.mean([-math.log(r + 1e-12) - math.log(1 - f + 1e-12) for r, f in zip(*sigmoid, strict=True)])
    loss = AdversarialLoss(TARGETS)
    assert float(loss.discriminator(real, made)) == pytest.approx(expected, rel=1e-6)
    assert float(loss.generator(made)) == pytest.approx(np.mean([-math.log(f + 1e-12) for f in sigmoid[1]]), rel=1e-6)


def test_eps_bounds_the_loss_of_a_hopeless_generator() -> None:
    assert float(AdversarialLoss(TARGETS).generator(torch.full((1, 1), -200.0))) == pytest.approx(-math.log(1e-12))


def test_unknown_channels_are_blank_on_both_sides_and_cost_nothing() -> None:
    raw, planes = _draw()
    known = torch.tensor([[True, False, True, True, True], [True, True, True, False, False]])
    loss = AdversarialLoss(TARGETS)
    made, real = loss.made(torch.tensor(raw), known), loss.real(torch.tensor(planes).float(), known)
    assert not made[0, 1].any()
    assert not real[1, 3:].any()
    shown = known.numpy()[:, :, None, None] * np.ones((1, 1, 4, 3))
    expected = (np.abs(made.numpy() - real.numpy()) * shown).sum() / shown.sum()
    assert float(loss.l1(made, real, known)) == pytest.approx(expected, rel=1e-5)


def _losses(l1: float, adversarial: float, discriminator: float) -> dict[str, float]:
    return {"l1": l1, "adversarial": adversarial, "discriminator": discriminator}


def test_training_stops_once_the_smoothed_l1_is_low_and_only_at_a_check() -> None:
    stop = SmoothedStop(l1=0.005, guard=None)
    reasons = [stop(_losses(0.004, 0.7, 1.4)) for _ in range(50)]
    assert reasons[:49] == [None] * 49
    assert "0.0040" in (reasons[49] or "")


def test_smoothing_starts_at_the_first_loss_not_at_zero() -> None:
    stop = SmoothedStop(l1=None, guard=None)
    stop(_losses(2.0, 1.0, 1.0))
    assert stop.smoothed["l1"] == pytest.approx(2.0)
    stop(_losses(4.0, 1.0, 1.0))
    assert stop.smoothed["l1"] == pytest.approx((0.99 * 2 + 4) / 1.99)


def test_the_guard_counts_checks_at_which_the_discriminator_runs_away() -> None:
    stop = SmoothedStop(l1=None, guard=3)
    reasons = [stop(_losses(1.0, 1 + k / 100, 1 - k / 1000)) for k in range(250)]
    assert [k for k, reason in enumerate(reasons, start=1) if reason] == [200, 250]


def test_a_balanced_training_goes_on() -> None:
    stop = SmoothedStop(l1=0.001, guard=1)
    assert not any(stop(_losses(0.1, 2 - k / 1000, 1 + k / 1000)) for k in range(400))
