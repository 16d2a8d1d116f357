"""Measures of class maps against cases worked by hand, plain rewrites, SciPy and torchmetrics."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.special import softmax

from xprism.evaluation.class_measures import (
    accuracy,
    auc,
    calibration_error,
    confidence,
    counts_of,
    measures_of,
    ratios_of,
    roc,
    weighted_mean,
)
from xprism.evaluation.class_tally import EDGES, RANGES, THRESHOLDS, place_of, range_of, summed, tally


def drawn(
    seed: int, *, spread: float = 3.0, shape: tuple[int, int] = (60, 50), classes: int = 3
) -> tuple[np.ndarray, np.ndarray]:
    """A true map [H, W], and probabilities [K, H, W] that know something of it."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(classes, shape, p=np.array([0.5, 0.2, 0.3])[:classes]).astype(np.uint8)
    raw = spread * (rng.normal(size=(classes, *shape)) + 1.2 * (truth == np.arange(classes)[:, None, None]))
    return truth, softmax(raw, axis=0).astype(np.float32)


def test_counts_by_hand() -> None:
    truth = np.array([[0, 0, 0, 1], [1, 1, 2, 2]], np.uint8)
    found = np.array([[0, 0, 1, 1], [1, 2, 2, 0]], np.uint8)
    one = tally(truth, found, None, classes=3)
    np.testing.assert_array_equal(one.confusion, [[2, 1, 0], [0, 2, 1], [1, 0, 1]])
    assert one.ranks is None
    counts = counts_of(one.confusion)
    assert [counts[name][1] for name in ("tp", "fp", "fn", "tn")] == [2, 1, 1, 4]
    ratios = ratios_of(one.confusion)
    np.testing.assert_allclose(ratios["precision"], [2 / 3, 2 / 3, 1 / 2])
    np.testing.assert_allclose(ratios["recall"], [2 / 3, 2 / 3, 1 / 2])
    np.testing.assert_allclose(ratios["fdr"], [1 / 3, 1 / 3, 1 / 2])
    np.testing.assert_allclose(ratios["fpr"], [1 / 5, 1 / 5, 1 / 6])
    assert accuracy(one.confusion) == pytest.approx(5 / 8)


def test_the_papers_f1_is_that_of_its_precision_and_recall() -> None:
    # What the paper calls the accuracy of a class, 96, 94 and 88 %, is precision: with the recall of its matrix, 0.99,
    # 0.82 and 0.93, it gives the F1 that is printed. Counts are made up to have both.
    tp, precision, recall = 1e6, np.array([0.96, 0.94, 0.88]), np.array([0.99, 0.82, 0.93])
    for p, r, f1 in zip(precision, recall, [0.97, 0.87, 0.90], strict=True):
        ratios = ratios_of(np.array([[tp, tp / r - tp], [tp / p - tp, tp]]))
        assert [ratios[name][0] for name in ("precision", "recall", "fdr")] == pytest.approx([p, r, 1 - p])
        assert round(float(ratios["f1"][0]), 2) == pytest.approx(f1, abs=0.011)


def test_ratios_follow_a_plain_rewrite() -> None:
    truth, probabilities = drawn(1)
    found = probabilities.argmax(0).astype(np.uint8)
    values = measures_of(tally(truth, found, probabilities, classes=3))
    for k in range(3):
        is_it, called = truth == k, found == k
        assert values[k, "precision"] == pytest.approx(is_it[called].mean())
        assert values[k, "recall"] == pytest.approx(called[is_it].mean())
        assert values[k, "f1"] == pytest.approx(2 * (is_it & called).sum() / (is_it.sum() + called.sum()))
        assert values[k, "fdr"] == pytest.approx(1 - is_it[called].mean())
        assert values[k, "fpr"] == pytest.approx(called[~is_it].mean())
        assert values[k, "confidence"] == pytest.approx(probabilities.max(0)[called].mean(), rel=1e-6)
        gap = abs(probabilities.max(0)[called].mean() - is_it[called].mean())
        assert values[k, "calibration_gap"] == pytest.approx(gap, abs=1e-6)
    shares = [(truth == k).mean() for k in range(3)]
    for name in ("precision", "recall", "f1", "auc"):
        by_hand = sum(share * values[k, name] for k, share in enumerate(shares))
        assert values["weighted", name] == pytest.approx(by_hand)
    assert values["weighted", "recall"] == pytest.approx((truth == found).mean())
    assert values["all", "accuracy"] == pytest.approx((truth == found).mean())


def test_a_class_that_is_nowhere_does_not_spoil_the_weighted_mean() -> None:
    confusion = np.array([[8, 2, 0], [1, 9, 0], [0, 0, 0]])
    assert np.isnan(ratios_of(confusion)["precision"][2])
    weighted = weighted_mean(ratios_of(confusion)["precision"], confusion)
    assert weighted == pytest.approx(0.5 * 8 / 9 + 0.5 * 9 / 11)
    missed = np.array([[8, 2, 0], [1, 9, 0], [3, 0, 0]])  # this one is somewhere, but never found
    assert np.isnan(weighted_mean(ratios_of(missed)["precision"], missed))
    assert ratios_of(missed)["f1"][2] == 0


@pytest.mark.parametrize("spread", [0.3, 3.0, 12.0])
def test_auc_is_the_rank_statistic(spread: float) -> None:
    truth, probabilities = drawn(2, spread=spread, shape=(200, 200))
    areas = auc(tally(truth, probabilities.argmax(0).astype(np.uint8), probabilities, classes=3).ranks)
    for k in range(3):
        own, others = probabilities[k][truth == k], probabilities[k][truth != k]
        u = stats.mannwhitneyu(own, others).statistic
        assert areas[k] == pytest.approx(u / (own.size * others.size), abs=1e-4)


def test_auc_and_roc_by_hand_with_ties() -> None:
    truth = np.array([[1, 1, 0, 0, 1]], np.uint8)
    p = np.array([[0.9, 0.6, 0.6, 0.2, 0.1]], np.float32)
    ranks = tally(truth, (p > 0.5).astype(np.uint8), np.stack([1 - p, p]), classes=2).ranks
    # Of six pairs three are in order, one is tied, and two are not in order.
    assert auc(ranks)[1] == pytest.approx(3.5 / 6)
    thresholds, fpr, tpr = roc(ranks[1])
    at = {t: (f, r) for t, f, r in zip(thresholds.round(6), fpr, tpr, strict=True)}
    assert at[0.5] == (pytest.approx(1 / 2), pytest.approx(2 / 3))
    assert at[0.7] == (0, pytest.approx(1 / 3))
    assert at[0.0] == (1, 1)
    assert (fpr[-1], tpr[-1]) == (0, 0)
    np.testing.assert_allclose(auc(ranks)[1], np.trapezoid(tpr[::-1], fpr[::-1]))


def test_ranges_are_above_their_threshold_as_a_readout_is() -> None:
    for threshold in THRESHOLDS:
        near = np.array([np.nextafter(np.float32(threshold), np.float32(side)) for side in (0, 1)])
        probabilities = np.array([near[0], np.float32(threshold), near[1]], np.float32)
        np.testing.assert_array_equal(range_of(probabilities) >= place_of(threshold), probabilities > threshold)
    assert range_of(np.array([0.0, 1.0, 1.0001], np.float32)).tolist() == [0, RANGES - 1, RANGES - 1]
    assert (np.diff(EDGES) > 0).all()


def plain_ece(sure: np.ndarray, right: np.ndarray) -> float:
    """Expected calibration error with 15 ranges (low, high], one range after another."""
    total = 0.0
    for k in range(15):
        inside = (sure > k / 15) & (sure <= (k + 1) / 15)
        if inside.any():
            total += inside.mean() * abs(right[inside].mean() - sure[inside].mean())
    return total


def test_calibration_error_follows_a_plain_rewrite() -> None:
    truth, probabilities = drawn(3)
    found = probabilities.argmax(0).astype(np.uint8)
    values = measures_of(tally(truth, found, probabilities, classes=3))
    sure, right = probabilities.max(0).astype(float), truth == found
    assert values["all", "ece"] == pytest.approx(plain_ece(sure.ravel(), right.ravel()), abs=1e-6)
    for k in range(3):
        assert values[k, "ece"] == pytest.approx(plain_ece(sure[found == k], right[found == k]), abs=1e-6)
    assert values["all", "calibration_gap"] == pytest.approx(abs(sure.mean() - right.mean()), abs=1e-6)


def test_torchmetrics_finds_the_same_calibration_error() -> None:
    torch = pytest.importorskip("torch")
    theirs = pytest.importorskip("torchmetrics.functional.classification")
    truth, probabilities = drawn(4)
    values = measures_of(tally(truth, probabilities.argmax(0).astype(np.uint8), probabilities, classes=3))
    planes, true = torch.tensor(probabilities[None]), torch.tensor(truth[None].astype(int))
    found = theirs.multiclass_calibration_error(planes, true, num_classes=3, n_bins=15)
    assert values["all", "ece"] == pytest.approx(float(found), abs=1e-4)


def test_confidence_that_is_as_good_as_it_says_has_no_error() -> None:
    truth = np.zeros((4, 25), np.uint8)
    truth[:, :5] = 1  # one in five
    probabilities = np.stack([np.full(truth.shape, 0.8), np.full(truth.shape, 0.2)]).astype(np.float32)
    one = tally(truth, np.zeros_like(truth), probabilities, classes=2)
    assert calibration_error(one.trust.sum(1)) == pytest.approx(0, abs=1e-7)
    assert confidence(one.trust)[0] == pytest.approx(0.8)
    assert np.isnan(confidence(one.trust)[1])


def test_films_add_up_to_one_film_of_all_their_pixels() -> None:
    films = [drawn(seed, shape=(30, 20 + seed)) for seed in range(3)]
    tallies = [tally(t, p.argmax(0).astype(np.uint8), p, classes=3, doubted=1) for t, p in films]
    truth = np.concatenate([t for t, _ in films], axis=1)
    probabilities = np.concatenate([p for _, p in films], axis=2)
    whole = tally(truth, probabilities.argmax(0).astype(np.uint8), probabilities, classes=3, doubted=1)
    together = summed(tallies, np.array([[1, 1, 1], [0, 2, 0]]))
    for name in ("confusion", "ranks", "trust", "doubt"):
        np.testing.assert_allclose(getattr(together, name)[0], getattr(whole, name), rtol=1e-6)
        np.testing.assert_allclose(getattr(together, name)[1], 2.0 * getattr(tallies[1], name), rtol=1e-6)
    values = measures_of(together)
    assert values[1, "auc"][0] == pytest.approx(measures_of(whole)[1, "auc"])
    assert measures_of(summed([tallies[0], tally(*films[1][:1] * 2, None, classes=3)], np.ones((1, 2)))).keys() == {
        *((k, name) for k in range(3) for name in ("precision", "recall", "f1", "fdr", "fpr")),
        *(("weighted", name) for name in ("precision", "recall", "f1")),
        ("all", "accuracy"),
    }
