"""Tests by relabelling, against SciPy's and plain loops."""

import numpy as np
import pytest
from scipy import stats

from xprism.evaluation.permutation import differences, p_of, paired_means, relabelled


def test_labels_keep_the_sizes_and_begin_with_the_truth() -> None:
    labels = relabelled(3, 5, draws=50, generator=np.random.default_rng(0))
    assert labels[0].tolist() == [1, 1, 1, 0, 0, 0, 0, 0]
    assert set(labels.sum(axis=1)) == {3}
    assert len({tuple(row) for row in labels}) > 25


def test_p_counts_the_truth_and_what_equals_it() -> None:
    assert p_of(np.array([2.0, 1.0, 2.0, 3.0, 0.0])) == 3 / 5
    assert p_of(np.array([9.0, 1.0, 2.0, 3.0, 0.0])) == 1 / 5
    assert p_of(np.array([0.3, 0.1 + 0.2])) == 1.0


def test_p_of_a_difference_is_scipys() -> None:
    rng = np.random.default_rng(1)
    first, second = rng.normal(0.9, 1, 12), rng.normal(0, 1, 17)
    labels = relabelled(12, 17, draws=20_000, generator=rng)
    ours = p_of(differences(np.concatenate([first, second])[:, None], labels)[:, 0])
    theirs = stats.permutation_test(
        (first, second), lambda a, b: a.mean() - b.mean(), alternative="greater", n_resamples=20_000, rng=2
    ).pvalue
    assert ours == pytest.approx(theirs, abs=0.006)


def test_differences_are_in_standard_errors_and_0_for_constants() -> None:
    values = np.array([[1.0, 5], [2, 5], [6, 5], [7, 5]])
    found = differences(values, np.array([[1.0, 1, 0, 0]]))
    spread = np.std([1, 2, 6, 7], ddof=1)
    assert found[0] == pytest.approx([-5 / spread, 0])


def test_paired_means_leave_out_cases_with_themselves() -> None:
    pairs = np.arange(25.0).reshape(5, 5)
    pairs += pairs.T
    members = np.array([[1.0, 0, 1, 1, 0]])
    by_hand = np.mean([pairs[i, j] for i in (0, 2, 3) for j in (0, 2, 3) if i != j])
    assert paired_means(pairs, members) == pytest.approx([by_hand])


def test_honest_sets_are_found_different_as_often_as_p_says() -> None:
    rng = np.random.default_rng(3)
    ps = [
        p_of(differences(rng.exponential(size=(20, 1)), relabelled(6, 14, draws=199, generator=rng))[:, 0])
        for _ in range(400)
    ]
    # 20 of 400 expected at 0.05; 35 or more would come up once in a thousand times.
    assert np.sum(np.array(ps) <= 0.05) < 35
