"""Evaluating bone-suppressed pictures: three numbers a pair, filters of other patients, nodules, modulation, notes."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage
from typer.testing import CliRunner

import tiny_models
from xprism.cli.app import app
from xprism.data.manifest import Case, read_manifest, write_manifest
from xprism.errors import DataError
from xprism.evaluation.bone_measures import contrast_kept
from xprism.evaluation.bone_pairs import BonePair, PairErrors, measure_pairs
from xprism.evaluation.bone_rows import BoneRow, NoduleRegion
from xprism.evaluation.modulation import modulation_kept
from xprism.protocols import bone_filters, bone_suppression
from xprism.protocols.bone_filters import Filters, Laid
from xprism.protocols.bone_suppression import BoneSuppression, read_regions
from xprism.protocols.evaluate import Evaluation, evaluate
from xprism.protocols.predictions import Prediction, open_source
from xprism.targets import UNIONS, Layer, Picture, TargetSet

SIZE = 128
KERNEL = 7  # 31 at 512 pixels
SPACING = 1.2
MEASURES = ("rmse", "rib_gradient", "bone_left", "tissue_kept", "false_structure")


class Halfway:
    """A source that takes half of the bones away, of 255 grey levels that it calls -1 to 1."""

    def __init__(self, *, without: str = "") -> None:
        self.unions, self.facts, self._without = UNIONS, {"made": "up"}, without

    def __call__(self, case: Case) -> Prediction:
        if case.case == self._without:
            raise DataError("not this one")
        target = Picture(name="bone_suppressed", range=(-1, 1))
        return Prediction("model", {}, {"bone_suppressed": (target, 2 * _half(case) - 1)})


def _half(case: Case) -> np.ndarray:
    """On the 16-bit steps in which pictures are written."""
    soft = _planes(case)[1]
    return np.rint((case.load_film() + soft) / 2 * 65535) / 65535


def _planes(case: Case) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    flags = np.asarray(Image.open(str(case.flags)))
    film, soft = (np.asarray(Image.open(path)) / 65535 for path in (case.film, _soft_file(case)))
    return film, soft, (flags & 3) > 0


def _soft_file(case: Case) -> Path:
    return case.film.parent.parent / "bone_suppressed" / case.film.name


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four films of tissue with sloping bars over it and two nodules each."""
    out = tmp_path_factory.mktemp("films")
    for name in ("films", "bone_suppressed", "flags", "bones"):
        (out / name).mkdir()
    flags = np.zeros((SIZE, SIZE), np.uint8)
    flags[8:-8, 6:60], flags[8:-8, 68:-6] = 1, 2
    cases, spots = [], []
    for k in range(4):
        name, rng = f"case-{k}", np.random.default_rng(k)
        soft = 0.4 + 0.25 * ndimage.gaussian_filter(rng.normal(size=(SIZE, SIZE)), 1.2)
        soft += 1.5 * ndimage.gaussian_filter(rng.normal(size=(SIZE, SIZE)), 12)
        rows, columns = np.mgrid[:SIZE, :SIZE]
        for row, column, mm in ((40 + 5 * k, 30, 20.0), (80, 95 - 3 * k, 30.0)):
            soft += 0.08 * (np.hypot(rows - row, columns - column) * SPACING <= mm / 2)
            spots.append([name, row, column, mm, 0.9, "left"])
        phase = (rows + 0.3 * columns + 5 * k) % 17
        bones = phase < 10  # with the blurred edges of the bars, that lie in its middle
        film = soft + 0.07 * ndimage.gaussian_filter((np.abs(phase - 4.5) < 3).astype(float), 0.8)
        planes = {
            "films": _stored(film),
            "bone_suppressed": _stored(soft),
            "flags": flags,
            "bones": bones * np.uint8(255),
        }
        paths = {kind: out / kind / f"{name}.png" for kind in planes}
        for kind, plane in planes.items():
            Image.fromarray(plane).save(paths[kind])
        about = {"masks": {"bones": paths["bones"]}, "pictures": {"bone_suppressed": paths["bone_suppressed"]}}
        facts = {"polarity": "display", "spacing_mm": str(SPACING)}
        cases.append(Case(name, f"s{k}", paths["films"], paths["flags"], **about, attributes=facts))
    write_manifest(out / "manifest.csv", cases)
    with (out / "nodules.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([["case", "row", "column", "diameter_mm", "density", "side"], *spots])
    return out


def _stored(plane: np.ndarray) -> np.ndarray:
    return np.rint(plane.clip(0, 1) * 65535).astype(np.uint16)


@pytest.fixture
def cases(folder: Path) -> tuple[Case, ...]:
    return read_manifest(folder / "manifest.csv")


@pytest.fixture(scope="module")
def layer_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose layer is four tenths of what it sees, so that it leaves a film of less contrast."""
    targets = TargetSet(targets=(Layer(name="bones", leaves="bone_suppressed"),))
    planes = np.zeros((1, SIZE, SIZE), np.float32)
    return tiny_models.write_model(tmp_path_factory.mktemp("models") / "layer", planes, targets, gate="none")


def _measured(cases: tuple[Case, ...], source: Any = None, **options: Any) -> tuple[BoneSuppression, Evaluation]:
    source = source or Halfway()
    bones = BoneSuppression(cases, source, **options)
    return bones, evaluate(cases, source, bones=bones)


def _by_name(bones: BoneSuppression) -> dict[tuple[str, str], BoneRow]:
    return {(row.case, row.measure): row for row in bones.rows}


def _expected(cases: tuple[Case, ...]) -> dict[str, PairErrors]:
    pairs = []
    for case in cases:
        film, soft, lungs = _planes(case)
        pairs.append(BonePair(case.case, 255 * film, 255 * soft, lungs, 255 * _half(case)))
    return {found.case: found for found in measure_pairs(pairs, size=KERNEL)}


def test_every_pair_has_three_numbers_and_the_filter_is_of_the_others(cases: tuple[Case, ...]) -> None:
    bones, found = _measured(cases)
    rows, expected = _by_name(bones), _expected(cases)
    assert found.exit_code == 0
    assert rows.keys() == {(case.case, measure) for case in cases for measure in MEASURES}
    for (case, measure), row in rows.items():
        if measure != "false_structure":
            three = getattr(expected[case], measure)
            assert (row.nothing, row.linear_filter, row.picture) == pytest.approx(
                (three.nothing, three.linear_filter, three.picture), rel=1e-4
            )
        assert row.shift_rows_px == pytest.approx(expected[case].shift.rows, abs=1e-3)
    for case in cases:
        # Half of the bars are left, but for the slight shift that is found between film and target.
        assert rows[case.case, "bone_left"].picture == pytest.approx(0.5, abs=0.1)
        assert rows[case.case, "rmse"].picture_ratio == pytest.approx(0.5, abs=0.1)
        structure = rows[case.case, "false_structure"]
        assert structure.nothing == 0
        assert structure.picture is not None
        assert structure.linear_filter is not None
        assert structure.picture < 0.05 < structure.linear_filter


def test_filters_stay_within_a_group_and_one_pair_alone_has_none(cases: tuple[Case, ...]) -> None:
    groups = ("de", "de", "de", "bse")
    some = tuple(
        replace(case, attributes=case.attributes | {"group": group}) for case, group in zip(cases, groups, strict=True)
    )
    bones, _ = _measured(some)
    rows, expected = _by_name(bones), _expected(cases[:3])
    for case in cases[:3]:
        assert rows[case.case, "rmse"].linear_filter == pytest.approx(expected[case.case].rmse.linear_filter, rel=1e-4)
    alone = rows[cases[3].case, "rmse"]
    assert (alone.group, alone.linear_filter, alone.filter_ratio) == ("bse", None, None)
    (why,) = (why for why, of in bones.notes.items() if "filter" in why and of == [cases[3].case])
    assert "'bse'" in why
    assert {(mean.group, mean.n) for mean in bones.means if (mean.measure, mean.value) == ("rmse", "picture")} == {
        ("all", 4),
        ("de", 3),
        ("bse", 1),
    }


def test_a_patients_own_pairs_are_no_part_of_the_filter(cases: tuple[Case, ...]) -> None:
    some = (replace(cases[0], subject="p"), replace(cases[1], subject="p"), cases[2])
    bones, _ = _measured(some)
    rows = _by_name(bones)
    for k, others in ((0, (2,)), (1, (2,)), (2, (0, 1))):
        own = [cases[k], *(cases[other] for other in others)]
        assert rows[cases[k].case, "rmse"].linear_filter == pytest.approx(
            _expected(tuple(own))[cases[k].case].rmse.linear_filter, rel=1e-4
        )


def test_of_very_many_pairs_thirteen_make_the_filter(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen = []

    def pair(case: Case) -> Laid:
        seen.append(case.case)
        rng = np.random.default_rng(int(case.case))
        film = rng.normal(size=(24, 24))
        return Laid.of(film, film + 0.1 * rng.normal(size=film.shape), np.ones(film.shape, bool))

    monkeypatch.setattr(bone_filters, "known_pair", pair)
    many = [Case(str(k), f"s{k}", tmp_path / "film", pictures={"bone_suppressed": tmp_path}) for k in range(60)]
    filters = Filters(many)
    first, middle, last = (filters.of(many[k]) for k in (0, 29, 59))
    assert len(seen) == 13
    assert {int(case) // 20 for case in seen} == {0, 1, 2}
    assert {"0", "59"} <= set(seen)
    assert "29" not in seen
    assert first is not None
    assert last is not None
    assert not np.allclose(first.kernel, last.kernel)
    assert filters.of(many[31]) is middle


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda case: replace(case, flags=None), "both lungs"),
        (lambda case: replace(case, film=case.film.with_name("gone.png")), "no such file|does not exist|cannot"),
    ],
)
def test_what_cannot_be_measured_is_said(cases: tuple[Case, ...], change: Callable[[Case], Case], why: str) -> None:
    class Other(Halfway):
        def __call__(self, case: Case) -> Prediction:
            return super().__call__(next(one for one in cases if one.case == case.case))

    bones, _ = _measured((change(cases[0]), *cases[1:3]), Other())
    assert {row.case for row in bones.rows} == {case.case for case in cases[1:3]}
    (note,) = (note for note, of in bones.notes.items() if of == [cases[0].case])
    assert any(word in note for word in why.split("|")), note


def test_a_picture_known_in_a_region_is_measured_there(cases: tuple[Case, ...], tmp_path: Path) -> None:
    region = np.zeros((SIZE, SIZE), np.uint8)
    region[: SIZE // 2] = 255
    Image.fromarray(region).save(tmp_path / "region.png")
    masked = replace(cases[0], regions={"bone_suppressed": tmp_path / "region.png"})
    bones, found = _measured((masked, *cases[1:]))
    assert found.exit_code == 0
    assert not [score for score in found.scores if score.case == masked.case]
    film, soft, lungs = _planes(cases[0])
    pair = BonePair(
        "c", 255 * film, np.where(region, 255 * soft, 255 * film), lungs & (region > 0), 255 * _half(masked)
    )
    expected = measure_pairs([pair, replace(pair, case="d")], size=3)[0]
    row = _by_name(bones)[masked.case, "rmse"]
    assert (row.nothing, row.picture) == pytest.approx((expected.rmse.nothing, expected.rmse.picture), rel=1e-4)


def test_nodules_of_simulated_films_are_held_against_the_truth(folder: Path, cases: tuple[Case, ...]) -> None:
    bones, _ = _measured(cases, nodules=read_regions(folder / "nodules.csv"))
    assert len(bones.nodules) == 8
    for row in bones.nodules:
        case = next(case for case in cases if case.case == row.case)
        film, soft, lungs = _planes(case)
        radius = row.diameter_mm / 2 / SPACING
        assert (row.against, row.subject) == ("truth", case.subject)
        for value, plane in ((row.kept, _half(case)), (row.nothing, film)):
            expected = contrast_kept(255 * plane, 255 * soft, row.row, row.column, radius, lungs=lungs)
            assert value == pytest.approx(expected, abs=0.02, nan_ok=True)
    assert np.isfinite([row.kept for row in bones.nodules]).sum() >= 5
    assert {mean.measure for mean in bones.means if mean.measure.startswith("nodule")} == {
        "nodule_contrast",
        "nodule_contrast_about_20_mm",
        "nodule_contrast_about_30_mm",
    }


def test_without_the_truth_a_nodule_is_held_against_the_film(folder: Path, cases: tuple[Case, ...]) -> None:
    some = tuple(replace(case, pictures={}) for case in cases)
    bones, _ = _measured(some, nodules=read_regions(folder / "nodules.csv"))
    assert not bones.rows
    assert {row.against for row in bones.nodules} == {"film"}
    assert {row.nothing for row in bones.nodules if np.isfinite(row.nothing)} == {1.0}


def test_every_nodule_that_is_not_measured_is_named(cases: tuple[Case, ...]) -> None:
    blind = replace(cases[0], attributes={"polarity": "display"})
    some = (blind, cases[1], replace(cases[2], flags=None, masks={}, pictures={}))
    nodules = [NoduleRegion(name, 80, 50, 20) for name in (*(case.case for case in some), "nobody")]
    bones, _ = _measured(some, Halfway(without=cases[1].case), nodules=nodules)
    assert not bones.nodules
    said = {case: why for why, of in bones.notes.items() for case in of if "nodules" in why}
    assert said.keys() == {*(case.case for case in some), "nobody"}
    assert "spacing" in said[cases[0].case]
    assert "not scored" in said[cases[1].case]
    assert "not scored" in said[cases[2].case]
    assert "manifest" in said["nobody"]


def test_modulation_is_that_of_the_model_and_not_of_its_contrast(
    cases: tuple[Case, ...], layer_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bone_suppression, "MODULATION_FILMS", 2)
    source = open_source(str(layer_model), cases)
    bones, _ = _measured(cases, source)
    found = [row for row in bones.rows if row.measure.startswith("modulation")]
    assert [(row.case, row.measure[:12]) for row in found] == [
        (case.case, f"modulation_{per_cm}") for case in cases[:2] for per_cm in (1, 2)
    ]
    for row, case in zip(found[::2], cases, strict=False):
        # The film has six tenths of its contrast left, but for what the network cuts off; of detail as of the rest.
        assert row.picture == pytest.approx(1, abs=0.03)
        film, soft, lungs = _planes(case)
        clear = lungs & ~case.load_truth()["bones"]

        def method(levels: np.ndarray, case: Case = case) -> np.ndarray:
            Image.fromarray(np.rint(levels * 65535).astype(np.uint16)).save(case.film.with_name("again.png"))
            again = replace(case, film=case.film.with_name("again.png"))
            made: np.ndarray = source(again).pictures["bone_suppressed"][1].astype(float)
            return made

        plain = method(film)
        gain = np.cov(plain[clear], soft[clear])[0, 1] / plain[clear].var(ddof=1)
        expected = modulation_kept(
            method, film, inside=lungs, bones=~clear & lungs, spacing_mm=SPACING, line_pairs_per_cm=(1,)
        )
        assert row.picture == pytest.approx(gain * expected[0].kept, abs=2e-3)


def test_the_command_writes_tables_and_says_the_means(folder: Path, layer_model: Path, tmp_path: Path) -> None:
    out, nodules = tmp_path / "out", folder / "nodules.csv"
    words = ["evaluate", layer_model, folder / "manifest.csv", "-o", out, "--no-figures"]
    done = CliRunner().invoke(app, [str(word) for word in (*words, "--nodules", nodules)])
    assert done.exit_code == 0, done.output
    with (out / "bone_suppression.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    ratios = [float(row["picture_ratio"]) for row in rows if row["measure"] == "rmse"]
    assert len(ratios) == 4
    about = json.loads((out / "evaluation.json").read_text())["bone_suppression"]
    (mean,) = (
        one
        for one in about["means"]
        if (one["group"], one["measure"], one["value"]) == ("all", "rmse", "picture_ratio")
    )
    assert mean["mean"] == pytest.approx(np.mean(ratios), rel=1e-4)
    assert mean["interval_low"] < mean["mean"] < mean["interval_high"]
    assert about["not_measured"] == []
    (line,) = (line for line in done.output.splitlines() if line.startswith("rmse  "))
    assert f"{np.mean(ratios):.3f} ({mean['interval_low']:.3f} to {mean['interval_high']:.3f})" in line
    assert sum(line.startswith("case-") for line in done.output.splitlines()) == 4 * 2
    with (out / "nodule_contrast.csv").open(newline="") as stream:
        assert len(list(csv.DictReader(stream))) == 8
    again = CliRunner().invoke(app, [str(word) for word in (*words, "--overwrite")])
    assert again.exit_code == 0
    assert not (out / "nodule_contrast.csv").exists()


def test_pictures_in_a_folder_measure_like_the_model_that_made_them(
    folder: Path, cases: tuple[Case, ...], layer_model: Path, tmp_path: Path
) -> None:
    source = open_source(str(layer_model), cases)
    for case in cases:
        path = tmp_path / "bone_suppressed" / f"{case.case}.png"
        path.parent.mkdir(exist_ok=True)
        made = source(case).pictures["bone_suppressed"][1]
        Image.fromarray(np.rint(np.clip(made, 0, 1) * 65535).astype(np.uint16)).save(path)
    by_model, _ = _measured(cases, source)
    by_folder, _ = _measured(cases, open_source(str(tmp_path), cases))
    assert by_folder.rows == [row for row in by_model.rows if not row.measure.startswith("modulation")]
    assert [why for why in by_folder.notes if "the model itself" in why]


def test_organs_alone_leave_no_trace_of_bones(folder: Path, tiny_model: Path, tmp_path: Path) -> None:
    words = ["evaluate", tiny_model, folder / "manifest.csv", "-o", tmp_path / "out", "--no-figures", "--force"]
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert "bone suppression" not in done.output
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["cases.csv", "evaluation.json", "summary.csv"]
    assert "bone_suppression" not in json.loads((tmp_path / "out" / "evaluation.json").read_text())


def test_frequencies_of_too_few_pixels_are_left_out(cases: tuple[Case, ...], layer_model: Path) -> None:
    coarse = tuple(replace(case, attributes=case.attributes | {"spacing_mm": "1.4"}) for case in cases[:2])
    bones, _ = _measured(coarse, open_source(str(layer_model), coarse))
    assert {row.measure for row in bones.rows if row.measure not in MEASURES} == {"modulation_1_per_cm"}
    assert bones.notes.keys() == {"the modulation kept at frequencies of less than 4 pixels a period"}
