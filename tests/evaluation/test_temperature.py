"""The fitted temperature against closed forms, a search over many, and torch's cross-entropy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize, special

from xprism.errors import DataError
from xprism.evaluation.temperature import LIMIT, fit_temperature


def drawn(seed: int, *, hot: float = 1.0, pixels: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    """Raw outputs [3, n], and classes [n] drawn from their softmax after division by ``hot``."""
    rng = np.random.default_rng(seed)
    raw = 4 * rng.normal(size=(3, pixels))
    shares = special.softmax(raw / hot, axis=0).cumsum(0)
    return raw.astype(np.float32), (rng.random(pixels) > shares).sum(0).astype(np.uint8)


def nll(films: list[tuple[np.ndarray, np.ndarray]], temperature: float) -> float:
    """Mean negative log-likelihood of a pixel by SciPy."""
    raw = np.concatenate([one for one, _ in films], axis=1).astype(float)
    truth = np.concatenate([one for _, one in films]).astype(int)
    return float(-special.log_softmax(raw / temperature, axis=0)[truth, np.arange(truth.size)].mean())


def test_two_classes_in_closed_form() -> None:
    # With outputs 2 and 0, right in three of four: the odds exp(2 / T) must be 3.
    raw = np.tile([[2.0], [0.0]], 8)
    found = fit_temperature([raw], [np.array([0, 0, 0, 1] * 2)])
    assert found.value == pytest.approx(2 / np.log(3), rel=1e-8)
    assert found.nll_after == pytest.approx(-(0.75 * np.log(0.75) + 0.25 * np.log(0.25)))
    assert found.nll_before == pytest.approx(np.log(1 + np.exp(-2)) + 0.25 * 2)
    assert (found.films, found.pixels) == (1, 8)


def test_it_is_the_lowest_of_many() -> None:
    films = [drawn(seed, hot=2.5, pixels=500 + 100 * seed) for seed in range(4)]
    found = fit_temperature([raw for raw, _ in films], [truth for _, truth in films])
    brute = optimize.minimize_scalar(lambda log: nll(films, np.exp(log)), bracket=(-1, 2), tol=1e-12)
    assert found.value == pytest.approx(np.exp(brute.x), rel=1e-5)
    assert (found.nll_before, found.nll_after) == pytest.approx((nll(films, 1.0), brute.fun), rel=1e-9)
    assert all(nll(films, t) >= found.nll_after for t in np.geomspace(0.1, 20, 60))


def test_outputs_that_are_too_hot_are_cooled_to_what_drew_them() -> None:
    raw, truth = drawn(5, hot=3.0, pixels=40_000)
    assert fit_temperature([raw], [truth]).value == pytest.approx(3.0, rel=0.03)


def test_torch_agrees() -> None:
    torch = pytest.importorskip("torch")
    raw, truth = drawn(6, hot=1.7)
    found = fit_temperature([raw], [truth], now=2.0)
    outputs, classes = torch.tensor(raw.T), torch.tensor(truth.astype(int))
    losses = [float(torch.nn.functional.cross_entropy(outputs / t, classes)) for t in (2.0, found.value)]
    assert [found.nll_before, found.nll_after] == pytest.approx(losses, rel=1e-5)
    beta = torch.tensor(1 / found.value, dtype=torch.float64, requires_grad=True)
    torch.nn.functional.cross_entropy(outputs.double() * beta, classes).backward()
    assert abs(float(beta.grad)) < 1e-8


def test_ends_where_there_is_no_best() -> None:
    raw = np.array([[3.0, 0.0], [0.0, 3.0]])
    assert fit_temperature([raw], [np.array([0, 1])]).value == pytest.approx(1 / LIMIT)
    assert fit_temperature([raw], [np.array([1, 0])]).value == pytest.approx(LIMIT)
    with pytest.raises(DataError, match="no pixels"):
        fit_temperature([], [])
