"""Class weights and balances against the papers' formulas, written plainly."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar

from xprism.objectives.supervised import SupervisedLoss
from xprism.objectives.weighting import UncertaintyBalance, class_weights
from xprism.targets import Classes, Lesions, Masks, TargetSet

NODULES = TargetSet(targets=(Lesions(name="nodules", label="nodule"), Masks(name="lungs", labels=("lungs",))))
SIDES = TargetSet(targets=(Masks(name="m", labels=("r", "l"), unions={"lungs": ("r", "l")}),))
TISSUE = TargetSet(targets=(Classes(name="tissue", labels=("a", "b", "c")),))
ENTROPY_ALONE = {"cross_entropy": 1.0, "dice": 0.0}


def _draw(channels: int, planes: int, *, films: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = (rng.random((films, planes, 6, 5)) > np.linspace(0.6, 0.9, films)[:, None, None, None]).astype(np.float64)
    return rng.normal(size=(films, channels, 6, 5)), truth


def _loss(targets: TargetSet, raw: np.ndarray, planes: np.ndarray, known: np.ndarray, **settings: object) -> float:
    loss = SupervisedLoss(targets, **(ENTROPY_ALONE | settings))  # type: ignore[arg-type]
    return float(loss(torch.tensor(raw), torch.tensor(planes).float(), torch.tensor(known)))


def _park(p: np.ndarray, t: np.ndarray, largest: float = np.inf) -> float:
    """-(1/N) times the sum of w_c log p_c over all pixels of a batch, w_c = (N - r_c) / r_c, a softmax of two."""
    total, n = 0.0, t.size
    for on in (0, 1):
        r = np.count_nonzero(t == on)
        if r:
            log_p = np.log(p if on else 1 - p)
            total -= min((n - r) / r, largest) * log_p[t == on].sum()
    return total / n


def test_pixels_of_a_mask_weigh_what_the_paper_says_over_the_whole_batch() -> None:
    raw, planes = _draw(2, 2)
    p = 1 / (1 + np.exp(-raw))
    costs = [_park(p[:, k], planes[:, k]) for k in (0, 1)]
    by_film = np.mean([_park(p[b, 0], planes[b, 0]) for b in range(3)])
    assert abs(costs[0] - by_film) > 0.01
    known = np.ones((3, 2), bool)
    tasks = {"nodules": 0.99, "lungs": 0.01}
    assert _loss(NODULES, raw, planes, known, class_weights="paper") == pytest.approx(sum(costs), rel=1e-5)
    assert _loss(NODULES, raw, planes, known, class_weights="paper", tasks=tasks) == pytest.approx(
        0.99 * costs[0] + 0.01 * costs[1], rel=1e-5
    )


def test_films_that_do_not_know_a_mask_do_not_weigh_its_classes() -> None:
    raw, planes = _draw(2, 2)
    known = np.array([[True, True], [False, True], [True, True]])
    p = 1 / (1 + np.exp(-raw))
    expected = _park(p[[0, 2], 0], planes[[0, 2], 0]) + _park(p[:, 1], planes[:, 1])
    assert _loss(NODULES, raw, planes, known, class_weights="paper") == pytest.approx(expected, rel=1e-5)


def test_guard_a_batch_without_a_nodule_costs_nothing_and_stays_finite() -> None:
    raw, planes = _draw(2, 2)
    planes[:, 0] = 0
    leaf = torch.tensor(raw, requires_grad=True)
    loss = SupervisedLoss(NODULES, **ENTROPY_ALONE, class_weights="paper")
    parts = loss.parts(leaf, torch.tensor(planes).float(), torch.ones(3, 2, dtype=torch.bool))
    sum(parts.values()).backward()
    assert parts["nodules"] == 0
    assert torch.isfinite(leaf.grad).all()
    assert not leaf.grad[:, 0].any()


def test_guard_no_pixel_weighs_more_than_the_largest_weight() -> None:
    raw, planes = _draw(2, 2)
    planes[:, 0] = 0
    planes[0, 0, 2, 3] = 1
    p, known = 1 / (1 + np.exp(-raw)), np.array([[True, False]] * 3)
    free, capped = (_loss(NODULES, raw, planes, known, class_weights="paper", largest_class_weight=w) for w in (1e4, 7))
    assert free == pytest.approx(_park(p[:, 0], planes[:, 0]), rel=1e-5)
    assert capped == pytest.approx(_park(p[:, 0], planes[:, 0], 7), rel=1e-5)
    assert capped < free


def test_equal_weights_give_both_classes_the_same_say() -> None:
    raw, planes = _draw(2, 2)
    p, t = 1 / (1 + np.exp(-raw[:, 0])), planes[:, 0] > 0
    expected = -0.5 * np.log(p[t]).mean() - 0.5 * np.log(1 - p[~t]).mean()
    known = np.array([[True, False]] * 3)
    assert _loss(NODULES, raw, planes, known, class_weights="equal") == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("kind", "best"), [("none", 0.01), ("equal", 0.5), ("paper", 0.99)])
def test_a_network_that_sees_nothing_answers_by_the_weights_alone(kind: str, best: float) -> None:
    # One pixel in a hundred belongs to the mask. Under the paper's weights the rare class has the whole say.
    truth = torch.zeros(1, 2, 10, 10)
    truth[0, 0, 4, 4] = 1
    loss = SupervisedLoss(NODULES, **ENTROPY_ALONE, class_weights=kind)  # type: ignore[arg-type]

    def cost(raw: float) -> float:
        return float(loss(torch.full((1, 2, 10, 10), raw), truth, torch.tensor([[True, False]])))

    found = minimize_scalar(cost, bounds=(-8, 8), method="bounded")
    assert 1 / (1 + np.exp(-found.x)) == pytest.approx(best, rel=1e-2)


def test_a_union_and_classes_are_weighed_like_masks() -> None:
    raw, planes = _draw(2, 3)
    either = 1 - np.prod(1 - 1 / (1 + np.exp(-raw)), axis=1)
    known = np.array([[False, False, True]] * 3)
    assert _loss(SIDES, raw, planes, known, class_weights="paper") == pytest.approx(
        _park(either, planes[:, 2]), rel=1e-4
    )
    raw, _ = _draw(3, 3)
    index = np.random.default_rng(1).integers(0, 3, (3, 6, 5))
    truth = np.stack([index == k for k in range(3)], axis=1)
    log_p = raw - np.log(np.exp(raw).sum(1, keepdims=True))
    shares = truth.mean((0, 2, 3))
    for kind, weights in (("paper", (1 - shares) / shares), ("equal", 1 / (3 * shares))):
        expected = -(weights[:, None, None] * truth * log_p).sum(1).mean()
        got = _loss(TISSUE, raw, truth.astype(float), np.ones((3, 3), bool), class_weights=kind)
        assert got == pytest.approx(expected, rel=1e-5)


def test_no_class_weights_are_ones() -> None:
    assert class_weights(torch.tensor([0.0, 0.3, 1.0]), "none", largest=1e4).tolist() == [1, 1, 1]


def test_uncertainties_weigh_losses_as_in_kendalls_paper() -> None:
    balance = UncertaintyBalance(["a", "b"])
    sigmas, losses = np.array([0.5, 3.0]), np.array([0.2, 7.0])
    with torch.no_grad():
        balance.log_variances.copy_(torch.tensor(np.log(sigmas**2)))
    expected = (losses / sigmas**2 + np.log(sigmas)).sum()
    assert balance(torch.tensor(losses).float()).item() == pytest.approx(expected, rel=1e-5)
    assert balance.weights() == pytest.approx({"a": 4.0, "b": 1 / 9}, rel=1e-5)


def test_learnt_weights_come_to_half_the_inverse_of_each_loss() -> None:
    balance, losses = UncertaintyBalance(["a", "b"]), torch.tensor([0.02, 5.0])
    moved_by = torch.optim.Adam(balance.parameters(), 0.05)
    for _ in range(800):
        moved_by.zero_grad()
        balance(losses).backward()
        moved_by.step()
    assert balance.weights() == pytest.approx({"a": 1 / 0.04, "b": 0.1}, rel=1e-2)


def test_a_task_of_which_nothing_is_known_does_not_move_its_weight() -> None:
    balance = UncertaintyBalance(["a", "b"])
    balance(torch.tensor([0.3, 0.0])).backward()
    assert balance.log_variances.grad is not None
    assert balance.log_variances.grad.tolist() == pytest.approx([0.5 - 0.3, 0])
