"""Scores are pooled over pixels, intervals are over subjects, and differences are of the same subjects."""

import numpy as np
import pytest

from xprism.evaluation.interval import RESAMPLES
from xprism.protocols.multistage_scores import (
    AVERAGE,
    COLUMNS,
    STRUCTURES,
    CaseCounts,
    pooled_tables,
    published,
)


def _counts(columns: tuple[str, ...], subjects: int, *, films: int = 1) -> list[CaseCounts]:
    rng = np.random.default_rng(7)
    return [
        CaseCounts(column, f"c{subject}-{film}", f"s{subject}", structure, *map(int, rng.integers(1, 500, 3)))
        for column in columns
        for subject in range(subjects)
        for film in range(films)
        for structure in STRUCTURES
    ]


def _pooled(counts: list[CaseCounts], column: str, structure: str, subjects: list[str]) -> tuple[float, float]:
    """Jaccard and Dice by hand, each subject as often as it is named."""
    tp = fp = fn = 0
    for subject in subjects:
        for one in counts:
            if (one.column, one.structure, one.subject) == (column, structure, subject):
                tp, fp, fn = tp + one.tp, fp + one.fp, fn + one.fn
    return tp / (tp + fp + fn), 2 * tp / (2 * tp + fp + fn)


def test_scores_and_intervals_are_those_of_a_plain_rewrite() -> None:
    counts = _counts(("real", "synth-3"), 5, films=2)
    rows, differences = pooled_tables(counts, protocol="tiny", generator=np.random.default_rng(3))
    names = [f"s{number}" for number in range(5)]
    draws = np.random.default_rng(3).multinomial(5, [0.2] * 5, size=RESAMPLES)[:, :]
    found = {(row.column, row.structure): row for row in rows}
    drawn: dict[str, list[float]] = {"real": [], "synth-3": []}
    for column in drawn:
        whole = [_pooled(counts, column, structure, names) for structure in STRUCTURES]
        for structure, (jaccard, dice) in zip(STRUCTURES, whole, strict=True):
            row = found[column, structure]
            assert (row.jaccard, row.dice) == pytest.approx((jaccard, dice))
        assert found[column, AVERAGE].jaccard == pytest.approx(np.mean([jaccard for jaccard, _ in whole]))
        sums = {
            structure: np.array(
                [
                    [
                        sum(
                            getattr(one, key)
                            for one in counts
                            if (one.column, one.structure, one.subject) == (column, structure, name)
                        )
                        for key in ("tp", "fp", "fn")
                    ]
                    for name in names
                ]
            )
            for structure in STRUCTURES
        }
        for draw in draws:
            each = []
            for structure in STRUCTURES:
                tp, fp, fn = (sums[structure] * draw[:, None]).sum(0)
                each.append(tp / (tp + fp + fn))
            drawn[column].append(float(np.mean(each)))
        low, high = np.percentile(drawn[column], (2.5, 97.5))
        row = found[column, AVERAGE]
        assert (row.jaccard_low, row.jaccard_high) == pytest.approx((low, high))
        assert (row.subjects, row.jaccard_low <= row.jaccard <= row.jaccard_high) == (5, True)
    (one,) = (difference for difference in differences if difference.structure == AVERAGE)
    assert (one.first, one.second) == ("synth-3", "real")
    assert one.difference == pytest.approx(found["synth-3", AVERAGE].jaccard - found["real", AVERAGE].jaccard)
    low, high = np.percentile(np.subtract(drawn["synth-3"], drawn["real"]), (2.5, 97.5))
    assert (one.low, one.high) == pytest.approx((low, high))
    assert one.published == pytest.approx(0.9271 - 0.9097)


def test_a_column_that_is_better_by_as_much_on_every_film_differs_surely() -> None:
    counts = [
        CaseCounts(column, f"c{k}", f"s{k}", structure, 10 * (k + 1), wrong * (k + 1), 0)
        for column, wrong in (("real", 10), ("finetune-3", 0))
        for k in range(8)
        for structure in STRUCTURES
    ]
    _, differences = pooled_tables(counts, protocol="tiny", generator=np.random.default_rng(0))
    for one in differences:
        assert (one.difference, one.low, one.high) == pytest.approx((0.5, 0.5, 0.5))


def test_only_subjects_that_every_column_has_are_counted() -> None:
    counts = [one for one in _counts(("real", "synth-1"), 4) if (one.column, one.subject) != ("synth-1", "s2")]
    rows, _ = pooled_tables(counts, protocol="full", generator=np.random.default_rng(0))
    assert {row.subjects for row in rows} == {3}
    heart = next(row for row in rows if (row.column, row.structure) == ("real", "heart"))
    assert heart.jaccard == pytest.approx(_pooled(counts, "real", "heart", ["s0", "s1", "s3"])[0])


def test_a_structure_that_is_nowhere_is_right_and_one_that_is_always_missed_wrong() -> None:
    counts = [
        CaseCounts("real", f"c{k}", f"s{k}", structure, 0, 0, 9 * (structure == "heart"))
        for k in range(3)
        for structure in STRUCTURES
    ]
    rows, _ = pooled_tables(counts, protocol="tiny", generator=np.random.default_rng(0))
    assert {row.structure: row.jaccard for row in rows} == pytest.approx(
        {"left_lung": 1, "heart": 0, "right_lung": 1, AVERAGE: 2 / 3}
    )


@pytest.mark.parametrize("protocol", ["tiny", "full"])
def test_published_numbers_go_together(protocol: str) -> None:
    rows = published(protocol)
    assert rows.keys() == {(column, structure) for column in COLUMNS for structure in (*STRUCTURES, AVERAGE)}
    for (column, structure), row in rows.items():
        if structure == AVERAGE:
            for measure in ("jaccard", "dice"):
                mean = np.mean([getattr(rows[column, one], measure) for one in STRUCTURES])
                assert getattr(row, measure) == pytest.approx(mean, abs=0.011)
        else:
            # Pooled: every Dice follows from its Jaccard.
            assert row.dice == pytest.approx(200 * row.jaccard / (100 + row.jaccard), abs=0.02)
