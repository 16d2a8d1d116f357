"""Simulated abdomens and heads: anatomy in its place, exact masks, noise of known size, data sets of both."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from xprism.data.manifest import read_manifest
from xprism.data.split import leave_one_out
from xprism.errors import DataError
from xprism.simulate import abdomen, brain
from xprism.simulate.brain_tissue import NUMBER, paint_head
from xprism.simulate.canvas import Canvas, Waves, coarser, ellipse, heights
from xprism.simulate.contrast import SEQUENCES, TISSUES, signal
from xprism.simulate.dataset import DatasetRequest, simulate_dataset


def _rng(*seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def _abdomen(seed: int, slices: int, size: int = 64) -> tuple[abdomen.Abdomen, list[abdomen.AbdomenSlice]]:
    patient = abdomen.draw_abdomen(_rng(seed))
    where = heights(abdomen.LOWEST, abdomen.HIGHEST, slices)
    return patient, [abdomen.abdomen_slice(patient, float(z), size=size, rng=_rng(seed, 1)) for z in where]


def test_the_right_kidney_lies_on_the_left_of_the_picture_and_neither_in_all_slices() -> None:
    for seed in range(2):
        _, slices = _abdomen(seed, 9)
        right, left = (np.array([one.masks[f"{side}_kidney"] for one in slices]) for side in ("right", "left"))
        assert not (right & left).any()
        assert np.nonzero(right)[2].max() < 32 <= np.nonzero(left)[2].min()
        for kidney in (right, left):
            shown = kidney.any(axis=(1, 2))
            assert shown[4]
            assert not shown[0]
            assert not shown[-1]


def test_kidneys_have_the_volume_of_kidneys() -> None:
    step = (abdomen.HIGHEST - abdomen.LOWEST) / 14
    for seed in range(2):
        _, slices = _abdomen(seed, 14)
        for side in ("right", "left"):
            volume = sum(float(one.masks[f"{side}_kidney"].sum()) * one.spacing_mm**2 * step for one in slices)
            assert 80 < volume / 1000 < 260  # ml


def test_tissues_have_their_hounsfield_units() -> None:
    with_agent = next(seed for seed in range(20) if abdomen.draw_abdomen(_rng(seed)).contrast > 0.5)
    without = next(seed for seed in range(20) if abdomen.draw_abdomen(_rng(seed)).contrast < 0.1)
    levels = {}
    for name, seed in (("with", with_agent), ("without", without)):
        patient, (middle,) = _abdomen(seed, 1, size=128)
        kidney = middle.masks["right_kidney"] | middle.masks["left_kidney"]
        levels[name] = np.median(middle.hounsfield[kidney])
        x = (np.arange(128) - 63.5) * middle.spacing_mm
        front = middle.hounsfield[np.argmax(middle.hounsfield > -500, axis=0)[64] + 3, 64]
        assert -130 < front < -40  # fat under the skin
        assert middle.hounsfield[0].max() < -900  # air round the body
        spine = np.hypot(x[None], x[:, None] - patient.spine) < 12
        assert middle.hounsfield[spine].mean() > 70
    assert 20 < levels["without"] < 70
    assert levels["with"] > levels["without"] + 50


def test_the_patient_does_not_depend_on_the_pixels() -> None:
    patient = abdomen.draw_abdomen(_rng(3))
    areas = []
    for size in (64, 128, 256):
        made = abdomen.abdomen_slice(patient, -5.0, size=size, rng=_rng(9))
        assert made.hounsfield.shape == (size, size)
        areas.append(made.masks["left_kidney"].sum() * made.spacing_mm**2)
    np.testing.assert_allclose(areas, areas[-1], rtol=0.06)


def test_patients_differ_and_equal_seeds_make_the_same_slice() -> None:
    first, again, other = (_abdomen(seed, 1)[1][0].hounsfield for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert np.abs(first - other).mean() > 20
    heads = [brain.brain_slice(brain.draw_brain(_rng(s)), 8.0, size=64, rng=_rng(0)).pictures["t1"] for s in (1, 1, 2)]
    assert np.array_equal(heads[0], heads[1])
    assert np.abs(heads[0] - heads[2]).mean() > 0.02


def test_every_contrast_shows_each_tissue_at_its_own_signal() -> None:
    patient = brain.draw_brain(_rng(5))
    made = brain.brain_slice(patient, 6.0, size=128, rng=_rng(1))
    tissue = paint_head(patient, Canvas(512, made.spacing_mm / 4), 6.0)
    for contrast, picture in made.pictures.items():
        levels = {name: signal(patient.tissues[name], SEQUENCES[contrast]) for name in TISSUES}
        for name in ("white", "grey", "csf"):
            pure = coarser(tissue == NUMBER[name], 4) == 1
            pure = pure & np.roll(pure, 1, 0) & np.roll(pure, -1, 0) & np.roll(pure, 1, 1) & np.roll(pure, -1, 1)
            assert pure.sum() > 20
            expected = levels[name] / (1.15 * max(levels.values()))
            assert picture[pure].mean() == pytest.approx(expected, rel=0.2, abs=0.02)  # shading is 8 %


def test_noise_in_air_has_the_mean_of_rayleigh() -> None:
    patient = brain.draw_brain(_rng(2))
    made = brain.brain_slice(patient, 10.0, size=128, rng=_rng(7))
    for contrast, picture in made.pictures.items():
        levels = {name: signal(patient.tissues[name], SEQUENCES[contrast]) for name in TISSUES}
        sigma = levels["white"] / patient.snr[contrast] / (1.15 * max(levels.values()))
        corners = np.concatenate([picture[:16, :16], picture[:16, -16:], picture[-16:, :16], picture[-16:, -16:]])
        assert corners.mean() == pytest.approx(sigma * np.sqrt(np.pi / 2), rel=0.06)


def test_lesions_lie_in_white_matter_and_shine_on_flair() -> None:
    patient = next(p for p in map(brain.draw_brain, map(_rng, range(9))) if len(p.lesions) > 12)
    for lesion in patient.lesions:
        made = brain.brain_slice(patient, lesion.centre[2], size=128, rng=_rng(0))
        tissue = paint_head(patient, Canvas(512, made.spacing_mm / 4), lesion.centre[2])
        inside = coarser(tissue == NUMBER["lesion"], 4) == 1
        if inside.sum() > 8:
            white = coarser(tissue == NUMBER["white"], 4) == 1
            assert made.pictures["flair"][inside].mean() > 1.5 * made.pictures["flair"][white].mean()
            return
    pytest.fail("no lesion is large enough to be seen")


def test_ellipses_turn_and_waves_are_level() -> None:
    x, y = np.array([[3.0, 0.0, 0.0]]), np.array([[0.0, 3.0, 1.0]])
    np.testing.assert_allclose(ellipse(x, y, centre=(0, 0), radii=(3, 1)), [[1, 3, 1]])
    np.testing.assert_allclose(ellipse(x, y, centre=(0, 0), radii=(3, 1), turn=np.pi / 2), [[3, 1, 1 / 3]])
    fields = [Waves.draw(_rng(s), shortest_mm=20, longest_mm=40).on(Canvas(128, 2.0), 3.0) for s in range(30)]
    assert np.mean(fields) == pytest.approx(0, abs=0.1)
    assert np.std(fields) == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize(
    ("kind", "masks", "pictures"),
    [("ct", {"right_kidney", "left_kidney"}, {"full_dose"}), ("mri", set(), {"t1_ir", "flair", "pd"})],
)
def test_a_data_set_has_every_slice_of_every_subject_with_its_truth(
    tmp_path: Path, kind: str, masks: set[str], pictures: set[str]
) -> None:
    request = DatasetRequest(2, 32, 3, kind=kind, slices=3)
    cases = read_manifest(simulate_dataset(tmp_path / "one", request))
    assert [case.subject for case in cases] == [f"{kind}-3-0000"] * 3 + [f"{kind}-3-0001"] * 3
    assert len(leave_one_out(cases)) == 2
    for case in cases:
        truth = case.load_truth()
        assert truth.keys() == masks | pictures
        assert {plane.shape for plane in truth.values()} == {(32, 32)} == {case.load_film().shape}
        assert np.asarray(Image.open(case.film)).dtype == np.uint16
    simulate_dataset(tmp_path / "two", request, jobs=2)
    files = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*.*"))
    assert all((tmp_path / "one" / f).read_bytes() == (tmp_path / "two" / f).read_bytes() for f in files)


def test_a_lower_dose_is_further_from_the_full_one(tmp_path: Path) -> None:
    errors = []
    for photons in (1e4, 1e5, 1e7):
        request = DatasetRequest(1, 48, 0, kind="ct", slices=2, photons=photons)
        cases = read_manifest(simulate_dataset(tmp_path / f"{photons:g}", request))
        errors.append(np.mean([np.std(case.load_film() - case.load_truth()["full_dose"]) for case in cases]))
        assert cases[0].attributes["photons"] == f"{photons:g}"
    assert errors == sorted(errors, reverse=True)


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ({"kind": "xray"}, "chest, ct, mri or limbs"),
        ({"slices": 3}, "a chest has one film"),
        ({"kind": "ct", "nodules": 1}, "no nodules"),
        ({"kind": "mri", "file_format": "dicom"}, "written as png"),
        ({"kind": "mri", "slices": 0}, "1 to 1000000"),
        ({"kind": "ct", "photons": 0.0}, "photons"),
    ],
)
def test_requests_that_cannot_be_met_say_why(request_: dict[str, object], said: str) -> None:
    with pytest.raises(DataError, match=said):
        DatasetRequest(2, 64, **request_)


def test_the_command_makes_slices(tmp_path: Path) -> None:
    words = ["data", "simulate", "--kind", "mri", "--count", "1", "--slices", "2", "--size", "32"]
    code = "from xprism.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, *words, "-o", tmp_path / "mri"], capture_output=True, text=True, check=True
    )
    assert "2 simulated films" in done.stdout
    assert len(read_manifest(tmp_path / "mri" / "manifest.csv")) == 2
