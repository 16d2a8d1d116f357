"""Rows of class maps: bootstrap intervals against draws made one by one, views, and curves."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax

from xprism.evaluation.class_curves import calibration_rows, confusion_rows, roc_rows
from xprism.evaluation.class_measures import measures_of
from xprism.evaluation.class_rows import ClassFilm, film_rows, summarise_classes, views_of
from xprism.evaluation.class_tally import tally

LABELS = ("air", "bone")


def film(seed: int, subject: str, *, films: str = "test", hot: float | None = None) -> ClassFilm:
    """A film of 400 pixels, of which more are right the higher the seed."""
    truth, raw = pixels_of(seed)
    degrees = [1.0] if hot is None else [1.0, hot]
    tallies = {
        t: tally(truth, raw.argmax(0).astype(np.uint8), softmax(raw / t, axis=0).astype(np.float32), classes=2)
        for t in degrees
    }
    return ClassFilm(f"c{seed}", subject, films, "knee", "model", tallies)


def pixels_of(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = (rng.random((20, 20)) < 0.3).astype(np.uint8)
    return truth, 2 * rng.normal(size=(2, 20, 20)) + (0.5 + 0.2 * seed) * (truth == np.arange(2)[:, None, None])


FILMS = [film(0, "a"), film(1, "a"), film(2, "b"), film(3, "c"), film(4, "d")]


def test_intervals_are_those_of_subjects_drawn_one_by_one() -> None:
    rows = {(row.label, row.measure): row for row in summarise_classes("tissue", LABELS, FILMS, seed=3)}
    generator = np.random.default_rng(3)
    often = generator.multinomial(4, np.full(4, 1 / 4), 2000)  # of subjects a, b, c, d
    found: dict[tuple[str, str], list[float]] = {key: [] for key in rows}
    assert len(found) == 28
    for draw in often:
        drawn = [
            seed for subject, seeds in enumerate(((0, 1), (2,), (3,), (4,))) for seed in seeds * int(draw[subject])
        ]
        truth = np.concatenate([pixels_of(seed)[0] for seed in drawn])
        raw = np.concatenate([pixels_of(seed)[1] for seed in drawn], axis=1)
        called, p = raw.argmax(0), softmax(raw, axis=0)
        bone = truth == 1
        found["bone", "precision"].append(bone[called == 1].mean())
        found["bone", "fpr"].append(called[~bone].mean())
        found["all", "accuracy"].append((called == truth).mean())
        found["air", "calibration_gap"].append(abs(p[0][called == 0].mean() - (~bone)[called == 0].mean()))
        f1 = [2 * ((truth == k) & (called == k)).sum() / ((truth == k).sum() + (called == k).sum()) for k in (0, 1)]
        found["weighted", "f1"].append(f1[0] * (~bone).mean() + f1[1] * bone.mean())
    for key in (key for key, values in found.items() if values):
        low, high = np.quantile(found[key], [0.025, 0.975])
        assert (rows[key].interval_low, rows[key].interval_high) == pytest.approx((low, high), abs=1e-6), key
        assert rows[key].interval_low < rows[key].pooled < rows[key].interval_high


def test_pooled_and_mean_over_films() -> None:
    rows = {(row.label, row.measure): row for row in summarise_classes("tissue", LABELS, FILMS)}
    each = [(pixels_of(seed)[0] == pixels_of(seed)[1].argmax(0)).mean() for seed in range(5)]
    accuracy = rows["all", "accuracy"]
    assert accuracy.pooled == pytest.approx(np.mean(each))  # films of one size
    assert (accuracy.mean_over_films, accuracy.n) == (pytest.approx(np.mean(each)), 5)
    by_film = [row for row in film_rows("tissue", LABELS, FILMS) if row.label == "bone"]
    assert rows["bone", "precision"].mean_over_films == pytest.approx(np.mean([row.precision for row in by_film]))
    assert rows["bone", "precision"].pooled == pytest.approx(
        sum(row.tp for row in by_film if row.tp is not None) / sum((row.tp or 0) + (row.fp or 0) for row in by_film)
    )


def test_a_single_subject_has_no_interval() -> None:
    rows = list(summarise_classes("tissue", LABELS, FILMS[:2]))
    assert all(np.isnan(row.interval_low) for row in rows)
    assert not any(np.isnan(row.pooled) for row in rows)


def test_the_authors_pool_is_both_together() -> None:
    watched = [film(7, "x", films="validation"), film(8, "y", films="validation")]
    assert list(views_of(FILMS)) == ["test"]
    assert {view: len(own) for view, own in views_of([*watched, *FILMS]).items()} == {
        "test": 5,
        "validation": 2,
        "authors_pool": 7,
    }
    rows = confusion_rows("tissue", LABELS, [*watched, *FILMS])
    counts = {row.films: row.pixels for row in rows if (row.true, row.found) == ("bone", "bone")}
    assert counts["authors_pool"] == counts["test"] + counts["validation"]
    assert counts["test"] == sum(((t == 1) & (raw.argmax(0) == 1)).sum() for t, raw in map(pixels_of, range(5)))


def test_another_temperature_has_rows_of_what_it_changes() -> None:
    films = [film(seed, f"s{seed}", hot=2.0) for seed in range(3)]
    rows = list(summarise_classes("tissue", LABELS, films))
    assert {row.measure for row in rows if row.temperature == 2.0} == {"auc", "confidence", "calibration_gap", "ece"}
    sure = {row.temperature: row.pooled for row in rows if (row.label, row.measure) == ("all", "confidence")}
    raw = np.concatenate([pixels_of(seed)[1] for seed in range(3)], axis=1)
    for temperature in (1.0, 2.0):
        assert sure[temperature] == pytest.approx(softmax(raw / temperature, axis=0).max(0).mean(), abs=1e-6)


def test_curves_end_where_they_should() -> None:
    rows = list(confusion_rows("tissue", LABELS, FILMS))
    for true in LABELS:
        assert sum(row.share for row in rows if row.true == true) == pytest.approx(1)
    curve = [row for row in roc_rows("tissue", LABELS, FILMS) if row.label == "bone"]
    assert (curve[0].fpr, curve[0].tpr) == (1, 1)
    assert (curve[-1].fpr, curve[-1].tpr) == pytest.approx((0, 0), abs=0.003)
    truth, raw = (np.concatenate([pixels_of(s)[k] for s in range(5)], axis=k) for k in (0, 1))
    p = softmax(raw, axis=0).astype(np.float32)[1]
    for row in curve[:: len(curve) // 7]:
        assert row.tpr == pytest.approx((p[truth == 1] > np.float32(row.threshold)).mean())
        assert row.fpr == pytest.approx((p[truth == 0] > np.float32(row.threshold)).mean())
    calibration = [row for row in calibration_rows("tissue", LABELS, FILMS) if row.label == "all"]
    assert sum(row.pixels for row in calibration) == 2000
    known = [row for row in calibration if row.pixels]
    ece = sum(row.pixels * abs(row.confidence - row.accuracy) for row in known) / 2000
    whole = measures_of(tally(truth, p > 0.5, np.stack([1 - p, p]), classes=2))
    assert ece == pytest.approx(whole["all", "ece"], abs=1e-6)
