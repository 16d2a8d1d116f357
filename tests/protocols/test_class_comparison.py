"""Runs whose class maps are compared: figures beside published ones, and differences on shared films."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from xprism.data.manifest import Case, write_manifest
from xprism.evaluation.class_rows import ClassRow, ClassSummaryRow
from xprism.evaluation.scores import Score
from xprism.evaluation.summary import SummaryRow
from xprism.evaluation.tables import read_csv, write_csv
from xprism.protocols.compare import compare
from xprism.protocols.comparison.classes import ClassDifference, class_differences, class_table
from xprism.protocols.comparison.runs import open_runs
from xprism.protocols.comparison.tables import Beside

LABELS = ("open_beam", "soft_tissue", "bone")
FILMS = 8


def truth(film: int) -> np.ndarray:
    return np.random.default_rng(film).integers(0, 3, 400)


def found(film: int, wrong: int) -> np.ndarray:
    """The true map with ``wrong`` pixels of 400 one class too far."""
    classes = truth(film).copy()
    classes[:wrong] = (classes[:wrong] + 1) % 3
    return classes


def experiment(folder: Path, *, name: str, films: range, wrong: int) -> Path:
    (folder / "evaluation").mkdir(parents=True)
    cases, rows = [], []
    for film in films:
        path = folder.parent / f"film{film}.png"
        Image.fromarray(np.full((4, 4), film, np.uint8)).save(path)
        cases.append(Case(f"film{film}", f"patient{film}", path))
        for group in ("test", "validation"):
            made, true = found(film, wrong if group == "test" else 400), truth(film)
            for number, label in enumerate(LABELS):
                counts = {
                    "tp": int(((made == number) & (true == number)).sum()),
                    "fp": int(((made == number) & (true != number)).sum()),
                    "fn": int(((made != number) & (true == number)).sum()),
                }
                rows.append(ClassRow(f"film{film}", f"patient{film}", group, "tissue", "knee", label, **counts))
            rows.append(ClassRow(f"film{film}", f"patient{film}", group, "tissue", "knee", "all", accuracy=0.5))
    write_manifest(folder / "held-out.csv", cases)
    write_csv(folder / "evaluation" / "cases.csv", Score, [])
    write_csv(folder / "evaluation" / "summary.csv", SummaryRow, [])
    write_csv(folder / "evaluation" / "classes.csv", ClassRow, rows)
    shared = {"interval_low": 0.8, "interval_high": 0.9, "mean_over_films": 0.85, "n": len(films)}
    figures = [("test", "bone", "f1", 1.0, 0.85), ("test", "all", "accuracy", 1.0, 0.9)]
    figures += [("test", "bone", "auc", 1.4, 0.1), ("validation", "bone", "f1", 1.0, 0.2)]
    summary = [
        ClassSummaryRow(group, "tissue", label, measure, temperature, value, **shared)
        for group, label, measure, temperature, value in figures
    ]
    write_csv(folder / "evaluation" / "class_summary.csv", ClassSummaryRow, summary)
    facts = {"schema": "xprism.experiment", "schema_version": 1, "experiment": name, "profile": "cpu", "system": None}
    facts |= {"parameters": {"network": 10}, "epochs": 1, "minutes": 1, "folds": [0], "of_folds": 1, "hardware": "one"}
    facts |= {"input": [4, 4], "films": {"training": 3, "held_out": len(films)}, "data": "simulated"}
    (folder / "experiment.json").write_text(json.dumps(facts))
    return folder


def f1(wrong: int, films: range, number: int) -> float:
    made, true = (np.concatenate(maps) for maps in ([found(k, wrong) for k in films], [truth(k) for k in films]))
    hit = int(((made == number) & (true == number)).sum())
    return 2 * hit / ((made == number).sum() + (true == number).sum())


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, Path]:
    first = experiment(tmp_path / "first", name="xnet", films=range(FILMS), wrong=20)
    return first, experiment(tmp_path / "second", name="xnet/unet", films=range(2, FILMS + 2), wrong=60)


def test_differences_are_of_the_pixels_of_films_that_both_tested(two: tuple[Path, Path]) -> None:
    found_of = {one.label: one for one in class_differences(open_runs(two))}
    shared = range(2, FILMS)
    true = np.concatenate([truth(film) for film in shared])
    for number, label in enumerate(LABELS):
        one = found_of[label]
        assert one.subjects == len(shared)
        assert one.f1_first == pytest.approx(f1(20, shared, number))
        assert one.f1_second == pytest.approx(f1(60, shared, number))
        assert one.interval_low < one.difference < one.interval_high
    weights = [np.mean(true == number) for number in range(3)]
    assert found_of["weighted"].f1_first == pytest.approx(np.dot(weights, [f1(20, shared, k) for k in range(3)]))
    assert found_of["weighted"].interval_low > 0  # a third of the mistakes on every film


def test_a_class_stands_beside_what_is_published_of_it_and_other_temperatures_stay_away(two: tuple[Path, Path]) -> None:
    rows = {(one.run, one.structure, one.measure): one for one in class_table(open_runs(two))}
    assert rows.keys() == {
        (run, *what) for run in ("xnet", "unet") for what in (("bone", "f1"), ("weighted", "accuracy"))
    }
    bone = rows[("xnet", "bone", "f1")]
    assert (bone.ours, bone.published, bone.paper) == (0.85, 0.9, "SPIE 2019")
    assert rows[("xnet", "weighted", "accuracy")].published == 0.92
    assert rows[("unet", "bone", "f1")].published is None


def test_a_comparison_writes_them_and_shows_them_on_its_page(two: tuple[Path, Path], tmp_path: Path) -> None:
    page = compare(two, tmp_path / "out").read_text()
    assert "Class maps" in page
    assert "F1 on the films that both tested" in page
    assert len(read_csv(tmp_path / "out" / "class-differences.csv", ClassDifference)) == 4
    assert len(read_csv(tmp_path / "out" / "classes.csv", Beside)) == 4
