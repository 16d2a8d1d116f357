"""Thresholds of one class against the authors' rule written out pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax

from xprism.evaluation.class_curves import threshold_rows
from xprism.evaluation.class_rows import ClassFilm
from xprism.evaluation.class_search import search_rows
from xprism.evaluation.class_tally import tally
from xprism.evaluation.class_thresholds import FEWEST_FILMS, SEARCHED, confusion_at, lowest_threshold, search

LABELS = ("open_beam", "soft_tissue", "bone")
TISSUE = 1


def drawn(seed: int, *, skill: float = 1.5) -> tuple[np.ndarray, np.ndarray]:
    """A true map [H, W] and probabilities [3, H, W]."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(3, (40, 45), p=[0.4, 0.3, 0.3]).astype(np.uint8)
    raw = 2 * (rng.normal(size=(3, 40, 45)) + skill * (truth == np.arange(3)[:, None, None]))
    return truth, softmax(raw, axis=0).astype(np.float32)


def as_the_authors(probabilities: np.ndarray, threshold: float) -> np.ndarray:
    """Soft tissue wherever it is above the threshold, also below one half; elsewhere the larger of the others."""
    found = np.empty(probabilities.shape[1:], np.uint8)
    for row, column in np.ndindex(*found.shape):
        beam, tissue, bone = probabilities[:, row, column]
        found[row, column] = TISSUE if tissue > threshold else (0 if beam >= bone else 2)
    return found


def doubt_of(truth: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    one = tally(truth, probabilities.argmax(0).astype(np.uint8), probabilities, classes=3, doubted=TISSUE)
    assert one.doubt is not None
    return one.doubt


def rates(truth: np.ndarray, found: np.ndarray) -> tuple[float, float, float, float]:
    """TPR, FPR, FDR of soft tissue and accuracy, in plain words."""
    is_it, called = truth == TISSUE, found == TISSUE
    return called[is_it].mean(), called[~is_it].mean(), (~is_it)[called].mean(), (truth == found).mean()


@pytest.mark.parametrize("threshold", [0.1, 0.3, 0.5, 0.9, 0.99])
def test_the_matrix_at_a_threshold_is_that_of_the_authors_rule(threshold: float) -> None:
    truth, probabilities = drawn(1)
    found = as_the_authors(probabilities, threshold)
    expected = np.zeros((3, 3), int)
    np.add.at(expected, (truth, found), 1)
    np.testing.assert_array_equal(confusion_at(doubt_of(truth, probabilities), TISSUE, threshold), expected)


def film(seed: int, *, films: str = "validation", part: str = "knee", skill: float = 1.5) -> ClassFilm:
    truth, probabilities = drawn(seed, skill=skill)
    one = tally(truth, probabilities.argmax(0).astype(np.uint8), probabilities, classes=3, doubted=TISSUE)
    return ClassFilm(f"c{seed}", f"s{seed}", films, part, "model", {1.0: one})


def test_the_curve_holds_the_papers_point() -> None:
    films = [film(seed, films="test") for seed in (1, 2)]
    curve = {row.threshold: row for row in threshold_rows("tissue", LABELS, films, TISSUE)}
    truths, probabilities = zip(*(drawn(seed) for seed in (1, 2)), strict=True)
    truth, p = np.concatenate(truths), np.concatenate(probabilities, axis=1)
    for threshold in (0.25, 0.9):
        row = curve[threshold]
        expected = rates(truth, as_the_authors(p, threshold))
        assert (row.tpr, row.fpr, row.fdr, row.accuracy) == pytest.approx(expected)
    by_threshold = [curve[threshold].tpr for threshold in sorted(curve)]
    assert by_threshold == sorted(by_threshold, reverse=True)


def test_the_lowest_threshold_that_keeps_the_rate() -> None:
    truth, probabilities = drawn(3)
    choice = lowest_threshold(doubt_of(truth, probabilities), TISSUE, wanted=0.1, films=1)
    allowed = [t for t in SEARCHED if rates(truth, as_the_authors(probabilities, t))[2] <= 0.1]
    assert 0.5 < choice.threshold < 0.99
    assert (choice.threshold, choice.keeps) == (min(allowed), True)


def test_a_rate_that_none_keeps_gets_the_highest_threshold_and_says_so() -> None:
    truth = np.zeros((10, 10), np.uint8)  # no soft tissue at all, and a network that is sure of it
    probabilities = np.stack([np.full(truth.shape, p, np.float32) for p in (0.0, 0.9999, 0.0001)])
    choice = lowest_threshold(doubt_of(truth, probabilities), TISSUE, wanted=0.05, films=4)
    assert (choice.threshold, choice.films, choice.keeps) == (SEARCHED[-1], 4, False)
    assert lowest_threshold(doubt_of(truth, probabilities[[1, 0, 2]]), TISSUE, wanted=0.0, films=1).threshold == 0.5
    truth[0, 0] = TISSUE  # some there, but as sure of what is not it: only what finds nothing would keep the rate
    low = np.stack([np.full(truth.shape, p, np.float32) for p in (0.1, 0.7, 0.2)])
    assert not lowest_threshold(doubt_of(truth, low), TISSUE, wanted=0.05, films=1).keeps


def test_parts_with_few_films_get_the_threshold_of_all() -> None:
    hard, easy = ([drawn(seed, skill=skill) for seed in seeds] for seeds, skill in ((range(3), 0.8), (range(9, 14), 3)))
    few = [drawn(20, skill=0.5), drawn(21, skill=0.5)]
    doubts = [doubt_of(*one) for one in (*hard, *easy, *few)]
    parts = ["hand"] * FEWEST_FILMS + ["knee"] * 5 + ["hip", ""]
    choices = search(doubts, parts, TISSUE, wanted=0.1)
    assert set(choices.by_part) == {"hand", "knee"}
    assert choices.by_part["hand"].threshold > choices.pooled.threshold > choices.by_part["knee"].threshold
    assert choices.for_part("hip") is choices.for_part("") is choices.for_part("never seen") is choices.pooled
    assert choices.for_part("hand").films == FEWEST_FILMS
    alone = lowest_threshold(np.sum(doubts[:3], axis=0), TISSUE, wanted=0.1, films=3)
    assert choices.by_part["hand"] == alone


def test_thresholds_by_part_are_tested_on_films_of_each_part() -> None:
    chose = [film(seed, part="hand", skill=0.8) for seed in range(3)]
    chose += [film(seed, part="knee", skill=3) for seed in range(3, 7)]
    tested = [film(30, films="test", part="hand", skill=0.8), film(31, films="test", part="knee", skill=3)]
    tested.append(film(32, films="test", part="elbow"))
    rows = {row.body_part: row for row in search_rows("tissue", LABELS, [*chose, *tested], TISSUE, wanted=0.1)}
    assert list(rows) == ["all", "hand", "knee", "by_part"]
    assert [rows[part].chosen_on for part in rows] == [7, 3, 4, 7]
    assert [rows[part].test_films for part in rows] == [3, 1, 1, 3]
    one, truths, founds = rows["by_part"], [], []
    for seed, part, skill in ((30, "hand", 0.8), (31, "knee", 3), (32, "all", 1.5)):
        truth, probabilities = drawn(seed, skill=skill)
        threshold = rows[part].threshold
        assert threshold is not None
        truths.append(truth)
        founds.append(as_the_authors(probabilities, threshold))
    expected = rates(np.concatenate(truths), np.concatenate(founds))
    assert (one.tpr, one.fpr, one.fdr, one.accuracy) == pytest.approx(expected)
    assert one.fdr_low <= one.fdr <= one.fdr_high
    assert one.threshold is None
    assert np.isnan(rows["hand"].fdr_low)  # a single subject
    assert not list(search_rows("tissue", LABELS, tested, TISSUE, wanted=0.1))
