"""Supervised loss against hand-written formulas; the unknown costs nothing."""

import numpy as np
import pytest
import torch

from xprism.objectives.ms_ssim import ms_ssim
from xprism.objectives.supervised import SupervisedLoss, kernels_of, sum_of_squares
from xprism.targets import Classes, Masks, Picture, TargetSet

LUNGS = TargetSet(targets=(Masks(name="organs", labels=("r", "l", "heart"), unions={"lungs": ("r", "l")}),))


def _logistic(raw: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-raw))


def _mask_cost(p: np.ndarray, t: np.ndarray) -> float:
    entropy = -(t * np.log(p) + (1 - t) * np.log(1 - p)).mean()
    return 2 * entropy + 1 - (2 * (p * t).sum() + 1) / (p.sum() + t.sum() + 1)


def _draw(channels: int, planes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(1, channels, 6, 5)), (rng.random((1, planes, 6, 5)) > 0.6).astype(np.float64)


def _loss(targets: TargetSet, raw: np.ndarray, planes: np.ndarray, known: list[bool]) -> float:
    return float(SupervisedLoss(targets)(torch.tensor(raw), torch.tensor(planes).float(), torch.tensor([known])))


def test_known_masks_cost_what_the_formula_says() -> None:
    raw, planes = _draw(3, 4)
    expected = np.mean([_mask_cost(_logistic(raw[0, k]), planes[0, k]) for k in range(3)])
    assert _loss(LUNGS, raw, planes, [True, True, True, False]) == pytest.approx(expected, rel=1e-5)


def test_a_missing_mask_costs_nothing_and_moves_nothing() -> None:
    raw, planes = _draw(3, 4)
    leaf = torch.tensor(raw, requires_grad=True)
    known = torch.tensor([[True, True, False, False]])
    SupervisedLoss(LUNGS)(leaf, torch.tensor(planes).float(), known).backward()
    assert torch.all(leaf.grad[:, 2] == 0)
    assert torch.all(leaf.grad[:, :2] != 0)


def test_a_case_that_knows_nothing_costs_nothing() -> None:
    raw, planes = _draw(3, 4)
    assert _loss(LUNGS, raw, planes, [False] * 4) == 0


def test_the_union_supervises_the_probability_of_either_lung() -> None:
    raw, planes = _draw(3, 4)
    either = 1 - (1 - _logistic(raw[0, 0])) * (1 - _logistic(raw[0, 1]))
    assert _loss(LUNGS, raw, planes, [False, False, False, True]) == pytest.approx(
        _mask_cost(either, planes[0, 3]), rel=1e-4
    )


def test_the_union_adds_nothing_where_both_lungs_are_known() -> None:
    raw, planes = _draw(3, 4)
    with_union = _loss(LUNGS, raw, planes, [True, True, True, True])
    assert with_union == _loss(LUNGS, raw, planes, [True, True, True, False])


def test_the_union_stays_finite_for_very_sure_networks() -> None:
    _, planes = _draw(3, 4)
    for value in (-80.0, 80.0):
        leaf = torch.full((1, 3, 6, 5), value, requires_grad=True)
        loss = SupervisedLoss(LUNGS)(leaf, torch.tensor(planes).float(), torch.tensor([[False, False, False, True]]))
        loss.backward()
        assert torch.isfinite(loss)
        assert torch.isfinite(leaf.grad).all()


def test_classes_cost_cross_entropy_and_dice_over_softmax() -> None:
    targets = TargetSet(targets=(Classes(name="tissue", labels=("a", "b", "c")),))
    raw, _ = _draw(3, 3)
    index = np.random.default_rng(1).integers(0, 3, (6, 5))
    planes = np.stack([index == k for k in range(3)])[None].astype(float)
    p = np.exp(raw[0]) / np.exp(raw[0]).sum(0)
    entropy = -np.log((p * planes[0]).sum(0)).mean()
    dice = np.mean(
        [1 - (2 * (p[k] * planes[0, k]).sum() + 1) / (p[k].sum() + planes[0, k].sum() + 1) for k in range(3)]
    )
    assert _loss(targets, raw, planes, [True] * 3) == pytest.approx(2 * entropy + dice, rel=1e-5)


def test_pictures_cost_mean_absolute_error_in_parts_of_their_range() -> None:
    targets = TargetSet(targets=(Picture(name="soft", range=(-1, 1)),))
    raw, planes = _draw(1, 1)
    assert _loss(targets, raw, planes, [True]) == pytest.approx(np.abs(np.tanh(raw) - planes).mean() / 2, rel=1e-5)


def test_pictures_made_by_the_network_cost_squares_and_ms_ssim_of_what_it_made_beyond_the_range_too() -> None:
    targets = TargetSet(targets=(Picture(name="soft", range=(-1, 1), activation="none"),))
    rng = np.random.default_rng(3)
    real = rng.uniform(-1, 1, (2, 1, 24, 25))
    made = real + rng.normal(0, 0.3, real.shape)
    assert (np.abs(made) > 1).any()
    loss = SupervisedLoss(targets, l1=0.3, mse=0.16, ms_ssim=0.84)
    films, truth = torch.tensor(made).float(), torch.tensor(real).float()
    costs = []
    for one, other in zip((made[:, 0] + 1) / 2, (real[:, 0] + 1) / 2, strict=True):
        likeness = float(ms_ssim(torch.tensor(one)[None, None], torch.tensor(other)[None, None]))
        costs.append(0.3 * np.abs(one - other).mean() + 0.16 * ((one - other) ** 2).mean() + 0.84 * (1 - likeness))
    assert float(loss(films, truth, torch.tensor([[True], [True]]))) == pytest.approx(np.mean(costs), rel=1e-5)
    assert float(loss(films, truth, torch.tensor([[False], [True]]))) == pytest.approx(costs[1], rel=1e-5)


def test_an_unknown_picture_moves_nothing_by_ms_ssim() -> None:
    targets = TargetSet(targets=(Picture(name="soft", activation="none"),))
    leaf = torch.rand(2, 1, 24, 24, requires_grad=True)
    known = torch.tensor([[True], [False]])
    SupervisedLoss(targets, ms_ssim=1)(leaf, torch.zeros(2, 1, 24, 24), known).backward()
    assert leaf.grad[0].any()
    assert not leaf.grad[1].any()


def test_tanh_masks_cost_the_same_as_logistic_masks_of_doubled_outputs() -> None:
    raw, planes = _draw(2, 2)
    tanh = TargetSet(targets=(Masks(name="m", labels=("a", "b"), activation="tanh"),))
    plain = TargetSet(targets=(Masks(name="m", labels=("a", "b")),))
    assert _loss(tanh, raw, planes, [True] * 2) == pytest.approx(_loss(plain, 2 * raw, planes, [True] * 2), rel=1e-6)


def test_a_label_counts_as_often_as_its_weight_says() -> None:
    raw, planes = _draw(3, 4)
    costs = [_mask_cost(_logistic(raw[0, k]), planes[0, k]) for k in range(3)]
    loss = SupervisedLoss(LUNGS, weights={"heart": 3.0, "r": 0.5})
    got = float(loss(torch.tensor(raw), torch.tensor(planes).float(), torch.tensor([[True, True, True, False]])))
    assert got == pytest.approx((0.5 * costs[0] + costs[1] + 3 * costs[2]) / 4.5, rel=1e-5)


def test_the_penalty_is_the_sum_of_squared_kernels_of_convolutions_alone() -> None:
    torch.manual_seed(0)
    network = torch.nn.Sequential(
        *(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2), torch.nn.ReLU()),
        *(torch.nn.ConvTranspose2d(2, 2, 2), torch.nn.Conv2d(2, 3, 1)),
    )
    by_hand = sum(float(w) ** 2 for k in (0, 3, 4) for w in network[k].weight.detach().numpy().ravel())
    penalty = sum_of_squares(kernels_of(network))
    assert penalty.item() == pytest.approx(by_hand, rel=1e-5)
    penalty.backward()
    for name, value in network.named_parameters():
        moved = value.grad is not None
        assert moved == (name in ("0.weight", "3.weight", "4.weight"))
        if moved:
            torch.testing.assert_close(value.grad, 2 * value.detach())
