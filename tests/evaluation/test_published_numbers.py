"""The published numbers: complete, on the right sides, and where they contradict themselves, said so."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import brentq

from xprism.evaluation.statistics import log10_p_of_t
from xprism.protocols.published import (
    ARXIV,
    ONLY,
    PAPERS,
    SPIE,
    TIIS,
    TMI,
    Published,
    dice_and_jaccard,
    published,
    warnings_of,
)

FILMS = 247
SIDES = {"left lung": "right_lung", "right lung": "left_lung"}  # the papers' names are the viewer's


def one(**facts: str) -> Published:
    (row,) = (row for row in published() if all(getattr(row, name) == value for name, value in facts.items()))
    return row


def warned(row: Published) -> tuple[str, ...]:
    return warnings_of(published()).get(row.id, ())


def test_rows_have_names_of_their_own_and_known_words() -> None:
    rows = published()
    assert len({row.id for row in rows}) == len(rows) > 160
    assert {name for row in rows for name in row.paper.split(" and ")} == PAPERS.keys()
    assert {row.measure for row in rows if row.paper in (ARXIV, TMI, f"{ARXIV} and {TMI}")} == {
        *("dice", "jaccard", "fnr", "fpr_gt", "mssim", "rmse", "parameters", "epochs", "minutes", "seconds")
    }
    assert all(row.structure == SIDES[row.printed] for row in rows if row.printed in SIDES)
    assert all(0 <= row.mean <= 1 for row in rows if row.measure in ("dice", "jaccard", "mssim") and not row.unit)


def test_every_number_of_the_two_papers_is_there(shared_data: Path) -> None:
    results = shared_data.parent / "spec" / "results.csv"
    if not results.is_file():
        pytest.skip("needs the collected results beside the private data sets")
    with results.open(newline="", encoding="utf-8") as stream:
        theirs = [row for row in csv.DictReader(stream) if row["source_seed"].startswith(("000", "001"))]
    expected = sorted(key for row in theirs for key in _keys_of(row))
    assert expected == sorted(_key(row) for row in published() if row.paper not in (TIIS, SPIE))


def _keys_of(row: dict[str, str]) -> list[tuple[object, ...]]:
    """What identifies a collected row, with its numbers; a row for two systems counts for each."""
    mean = row["mean"].split("=")[0]
    product = math.prod(float(part) for part in mean.split("x"))
    numbers = (product, float(row["std"] or "nan"), float(row["p_value"] or "nan"))
    papers = tuple(number in row["source_seed"] for number in ("000_", "001_"))
    table = row["table"].replace("Fig", "figure")
    structure = row["target"].replace("_", " ").removesuffix(" from T1").strip("-").replace("bone suppressed", "")
    names = {"T1 IR": "T1 inverse", "T2 FLAIR": "T2 flair"}
    structure = names.get(structure.replace("-", " "), structure.replace("-", " "))
    measure = row["metric"].removeprefix("average ").lower()
    measure = {"fpr_over_gt": "fpr", "trainable parameters": "parameters"}.get(measure, measure)
    measure = {"minimum epochs": "epochs", "training time": "minutes", "inference time": "seconds"}.get(
        measure, measure
    )
    size = row["resolution"].strip("-")
    # Of a system's name its first word is enough, together with all the rest.
    systems = row["system"].removesuffix(" (2 nets)").removeprefix("pix2pix ").removeprefix("MTdG / ").split("/")
    return [(papers, table, system.split()[0], size, structure, measure, *map(str, numbers)) for system in systems]


def _key(row: Published) -> tuple[object, ...]:
    papers = tuple(paper in row.paper for paper in (ARXIV, TMI))
    numbers = (row.mean, math.nan if row.std is None else row.std, math.nan if row.p is None else row.p)
    system = row.system.removeprefix("pix2pix ").split()[0]
    measure = "fpr" if row.measure == "fpr_gt" else row.measure
    return (papers, row.table, system, row.resolution, row.printed.replace("-", " "), measure, *map(str, numbers))


def test_every_number_of_xnet_is_there(shared_data: Path) -> None:
    results = shared_data.parent / "spec" / "results.csv"
    if not results.is_file():
        pytest.skip("needs the collected results beside the private data sets")
    with results.open(newline="", encoding="utf-8") as stream:
        theirs = [row for row in csv.DictReader(stream) if row["source_seed"].startswith("004")]
    ours = [row for row in published() if row.paper == SPIE]
    scale = {"hours": 60}
    again = {"accuracy gain over XNet": 88}  # what XNet has
    for row, wanted in zip(ours, theirs, strict=True):
        mean = float(wanted["mean"]) * scale.get(wanted["unit"], 1) + again.get(wanted["metric"], 0)
        assert row.mean == pytest.approx(mean)
        assert (row.unit == "percent") == wanted["unit"].startswith("percent")
        assert wanted["system"].split(",")[0] in row.system
        truth = wanted["target"].split(" -> ")[0].removeprefix("true ").strip("-")
        assert row.printed == truth
        assert row.structure.replace("_", " ") in ("weighted", truth)


def test_every_number_of_mosegnet_is_there(shared_data: Path) -> None:
    results = shared_data.parent / "spec" / "results.csv"
    if not results.is_file():
        pytest.skip("needs the collected results beside the private data sets")
    with results.open(newline="", encoding="utf-8") as stream:
        theirs = [row for row in csv.DictReader(stream) if row["source_seed"].startswith("003")]
    scale = {"days": 24 * 60, "milliseconds": 0.001, "percent": 1}
    for row, wanted in zip((row for row in published() if row.paper == TIIS), theirs, strict=True):
        assert (row.table, row.system.replace("lambda ", "lambda=")) == (wanted["table"], wanted["system"])
        assert row.mean == pytest.approx(float(wanted["mean"]) * scale[wanted["unit"]])
        assert str(row.std or "") == wanted["std"]
        assert row.structure != "nodule" or row.measure == wanted["metric"].lower()


def test_mosegnets_f1_follows_from_recall_and_precision_and_its_tables_disagree_twice() -> None:
    rows = [row for row in published() if row.paper == TIIS and row.structure == "nodule"]
    systems = {(row.table, row.system): {} for row in rows}  # type: dict[tuple[str, str], dict[str, float]]
    for row in rows:
        systems[row.table, row.system][row.measure] = row.value
    for found in systems.values():
        wanted = 2 * found["recall"] * found["precision"] / (found["recall"] + found["precision"])
        assert found["f1"] == pytest.approx(wanted, abs=0.0015)
    alone = one(paper=TIIS, system="MO-SegNet lambda 1.0", measure="f1")
    assert warned(alone) == ("table 2 prints 64.5",)  # one network with two results
    best = one(paper=TIIS, system="MO-SegNet lambda 0.99", measure="precision")
    assert set(warned(best)) == {f"table {number} prints 86.4" for number in "245"}
    assert not warned(one(paper=TIIS, system="U-Net + GN", measure="f1"))


def test_xnets_accuracy_of_a_class_is_its_precision() -> None:
    """Its F1 is the harmonic mean of the printed accuracy and the recall of the confusion matrix."""
    for name in ("open_beam", "soft_tissue", "bone"):
        printed = {row.measure: row for row in published() if row.system == "XNet" and row.structure == name}
        precision, recall = printed["precision"].value, printed[f"share_as_{name}"].value
        assert printed["f1"].value == pytest.approx(2 * precision * recall / (precision + recall), abs=0.01)
        gap = abs(printed["confidence"].value - precision)
        assert printed["calibration_gap"].value == pytest.approx(gap, abs=1e-9)
        shares = [row.value for key, row in printed.items() if key.startswith("share_as_")]
        assert len(shares) == 3
        assert sum(shares) == pytest.approx(1, abs=0.0151)


def test_means_of_one_set_of_films_are_found_to_go_together_and_others_not() -> None:
    rng = np.random.default_rng(0)
    for spread in (0.002, 0.02, 0.08):
        dice = np.clip(rng.normal(0.94, spread, 300), 0, 1)
        assert dice_and_jaccard(round(dice.mean(), 3), round((dice / (2 - dice)).mean(), 3)) is None
    missed = np.where(np.arange(300) < 18, 0, 0.9935)  # six in a hundred
    means = round(missed.mean(), 3), round((missed / (2 - missed)).mean(), 3)
    assert means == (0.934, 0.928)
    assert "as if 6%" in (dice_and_jaccard(*means) or "")
    assert "cannot both" in (dice_and_jaccard(0.95, 0.90) or "")  # 0.95 gives 0.9048 and no less


def test_contradictions_are_found_in_the_rows_that_have_them() -> None:
    small = [row for row in published() if row.system == "pix2pix MTdG" and row.resolution == "256x256"]
    assert len(small) == 8
    assert all("as if" in " ".join(warned(row)) for row in small)
    misprint = one(table="I", system="pix2pix ST", structure="average", measure="fpr_gt")
    assert misprint.mean == 0.071
    assert warned(misprint) == ("misprint: its structures average 0.029, not 0.071",)
    segnet = one(system="SegNet (Oliveira and dos Santos)", structure="lungs", measure="dice")
    assert "cannot both" in warned(segnet)[0]
    epochs = one(paper="TMI 2020", system="pix2pix MTdG", measure="epochs")
    assert warned(epochs) == ("arXiv 2019 prints 335",)
    table = [row for row in published() if row.table == "I" and row is not misprint]
    assert not [row for row in table if warned(row)]
    human = one(system="Human observer", structure="heart")
    assert (human.mean, "0.878" in human.note) == (0.887, True)


def test_the_lungs_of_the_second_table_are_the_mean_of_the_two_of_the_first() -> None:
    for system in ("U-Net (authors)", "pix2pix MTdG"):
        for measure in ("dice", "jaccard"):
            left, right = (one(table="I", system=system, printed=side, measure=measure).mean for side in SIDES)
            both = one(table="II", system=system, resolution="512x512", structure="lungs", measure=measure).mean
            assert both == pytest.approx((left + right) / 2, abs=0.00051)


def test_published_p_values_are_those_of_a_paired_test_over_the_films() -> None:
    """The spread of differences that p, means and number of films imply; two methods' correlation follows from it."""
    correlations = {}
    for row in published():
        if row.p is not None:
            rival = "U-Net (authors)" if row.table == "I" else "AutoEncoder"
            other = one(table=row.table, system=rival, structure=row.structure, measure=row.measure)
            wanted = math.log10(row.p)
            t = brentq(lambda t, wanted=wanted: log10_p_of_t(t, FILMS - 1) - wanted, 0.1, 1000)
            spread = abs(row.mean - other.mean) * math.sqrt(FILMS) / t
            assert row.std
            assert other.std
            both = (row.std**2 + other.std**2 - spread**2) / (2 * row.std * other.std)
            correlations[row.structure, row.measure] = both
    assert len(correlations) == 14
    assert sum(-1 <= one <= 1 for one in correlations.values()) == 13
    assert 1 < correlations.pop(("bone_suppressed", "rmse")) < 1.03
    assert all(0.6 < one < 0.98 for one in correlations.values())


def test_what_is_made_again_is_an_experiment() -> None:
    pytest.importorskip("torch")
    from xprism.protocols.experiments import experiments
    from xprism.protocols.published import full_name

    known = {full_name(name) for name in experiments()}
    assert {name for row in published() for name in row.experiments} <= known
    assert {row.ours for row in published() if row.system in ("ASM tuned", "Human observer")} == {ONLY}
