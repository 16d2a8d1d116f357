"""The kernel distance, against double loops and what theory says of it."""

import numpy as np
import pytest

from xprism.errors import DataError
from xprism.evaluation.kernel_distance import distances_of_halves, kernel_distance, polynomial_kernel, squared_mmd


def by_loops(first: np.ndarray, second: np.ndarray) -> float:
    def kernel(one: np.ndarray, other: np.ndarray) -> float:
        return float((one @ other + 1) ** 3)

    def within(rows: np.ndarray) -> float:
        pairs = [kernel(a, b) for i, a in enumerate(rows) for j, b in enumerate(rows) if i != j]
        return float(np.mean(pairs))

    return within(first) + within(second) - 2 * float(np.mean([kernel(a, b) for a in first for b in second]))


def test_it_is_the_unbiased_estimate_of_its_definition() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(7, 4)), rng.normal(0.5, 1, (9, 4))
    found = kernel_distance(first, second, generator=rng)
    assert found.value == pytest.approx(by_loops(first, second))
    kernel = polynomial_kernel(np.concatenate([first, second]))
    some, others = np.zeros((1, 16)), np.zeros((1, 16))
    some[:, [0, 2, 3]], others[:, [8, 10, 15]] = 1, 1
    assert squared_mmd(kernel, some, others) == pytest.approx([by_loops(first[[0, 2, 3]], second[[1, 3, 8]])])


def test_it_lies_around_0_for_sets_of_one_kind_and_grows_with_a_shift() -> None:
    rng = np.random.default_rng(1)
    values = [kernel_distance(*rng.normal(0, 0.5, (2, 30, 3)), generator=rng, draws=2).value for _ in range(300)]
    assert abs(np.mean(values)) < 4 * np.std(values) / np.sqrt(len(values))
    fixed, other = rng.normal(0, 0.5, (2, 60, 3))
    shifted = [kernel_distance(fixed, other + by, generator=rng).value for by in (0.3, 0.6, 1.2)]
    assert 0 < shifted[0] < shifted[1] < shifted[2]


def test_the_interval_holds_the_true_distance_in_most_draws() -> None:
    rng = np.random.default_rng(2)
    truth = by_loops(rng.normal(0, 0.5, (700, 2)), rng.normal(0.5, 0.5, (700, 2)))
    found = [
        kernel_distance(rng.normal(0, 0.5, (40, 2)), rng.normal(0.5, 0.5, (40, 2)), generator=rng) for _ in range(100)
    ]
    assert sum(one.low <= truth <= one.high for one in found) >= 85


def test_halves_of_one_set_scatter_around_0() -> None:
    rng = np.random.default_rng(3)
    halves = distances_of_halves(rng.normal(0, 0.5, (41, 3)), generator=rng)
    assert len(halves) == 200
    assert halves.min() < 0 < halves.max()


def test_sets_that_are_too_small_are_explained() -> None:
    rng = np.random.default_rng(4)
    with pytest.raises(DataError, match="two cases"):
        kernel_distance(np.zeros((1, 2)), np.zeros((5, 2)), generator=rng)
    assert np.isnan(kernel_distance(rng.normal(size=(3, 2)), rng.normal(size=(9, 2)), generator=rng).low)
