"""What an audit measures, on drawn pictures whose answers are known."""

from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage, stats

from xprism.data.manifest import Case
from xprism.errors import DataError
from xprism.synthesis.audit.belonging import belonging
from xprism.synthesis.audit.checks import closeness, labels_like_real
from xprism.synthesis.audit.findings import Finding, judged
from xprism.synthesis.audit.labels import measured
from xprism.synthesis.audit.nearest import coarse, distances, nearest
from xprism.synthesis.audit.sets import FilmSet, check_apart


def clouds(count: int, side: int = 96, seed: int = 0) -> np.ndarray:
    """Smooth pictures that have nothing in common."""
    noise = np.random.default_rng(seed).standard_normal((count, side, side))
    smooth = ndimage.gaussian_filter(noise, (0, side / 16, side / 16))
    return smooth / smooth.std()


def test_the_nearest_case_is_found_though_it_was_turned_moved_and_brightened() -> None:
    cases = clouds(6)
    turned = ndimage.rotate(cases[4], 1.5, reshape=False, order=3, mode="nearest")
    query = 3 * ndimage.shift(turned, (2.5, -2.2), order=3, mode="nearest") + 5
    found = nearest(coarse(np.stack([query, cases[1]])), coarse(cases))
    assert found.case.tolist() == [4, 1]
    assert found.distance[0] < 0.1
    assert found.distance[1] == pytest.approx(0, abs=1e-3)
    assert nearest(coarse(query[None]), coarse(cases[[0, 2, 3]])).distance[0] > 0.8


def test_a_case_is_not_its_own_nearest_one() -> None:
    cases = clouds(4)
    found = nearest(coarse(cases), coarse(cases), leave_out=True)
    assert (found.case != np.arange(4)).all()
    assert found.distance.min() > 0.5


def test_distances_are_those_of_correlation() -> None:
    pictures = coarse(clouds(4))
    r = np.corrcoef(pictures.reshape(4, -1))
    assert distances(pictures) == pytest.approx(np.sqrt(np.maximum(2 - 2 * r, 0)), abs=2e-3)


def test_the_limit_of_copies_is_the_prediction_limit_of_student() -> None:
    real, synth, held_out = (coarse(clouds(count, seed=seed)) for count, seed in ((6, 0), (5, 1), (9, 2)))
    found = closeness(synth, real, held_out, level=0.01)
    logs = np.log(nearest(held_out, real).distance)
    of_honest = logs.mean() + stats.t.ppf(0.001, 8) * logs.std(ddof=1) * np.sqrt(1 + 1 / 9)
    seen = np.sort(np.log(found.distance))
    spread = np.sqrt(np.mean((seen[2:] - seen[2]) ** 2) * (1 + np.pi / 10))
    of_samples = min(seen[2] + stats.t.ppf(0.001, 2) * spread, logs.min())
    assert np.log(found.limit) == pytest.approx(max(of_honest, of_samples))
    assert (found.p > 0.01 / 5).all()


def test_copies_are_found_among_many_samples_where_few_real_cases_are_known() -> None:
    real, synth = coarse(clouds(4, seed=0)), coarse(clouds(60, seed=1))
    copied = coarse(clouds(4, seed=0) + 0.1 * clouds(4, side=96, seed=9))
    found = closeness(np.concatenate([synth, copied]), real, None, level=0.01)
    assert (found.distance < found.limit).tolist() == [False] * 60 + [True] * 4
    assert ((found.p <= 0.01 / 64) == (found.distance < found.limit)).all()
    assert found.case[60:].tolist() == [0, 1, 2, 3]


def test_measures_of_label_maps_are_those_one_counts() -> None:
    lung = np.zeros((2, 10, 10), bool)
    lung[0, 2:6, 1:5] = True
    lung[0, 3, 2] = False  # a hole
    lung[0, 8:, 8:] = True  # a second piece, at the edge
    heart = np.zeros_like(lung)
    heart[0, 5:7, 4:6] = True
    masks = {"right_lung": lung, "left_lung": np.zeros_like(lung), "heart": heart}
    found = measured(masks, tuple(masks))
    assert found["right_lung area"].tolist() == [0.19, 0]
    assert found["right_lung pieces"].tolist() == [2, 0]
    assert found["right_lung holes"].tolist() == [1, 0]
    rows, columns = np.nonzero(lung[0])
    assert found["right_lung row"][0] == pytest.approx((rows.mean() + 0.5) / 10)
    assert found["right_lung column"][0] == pytest.approx((columns.mean() + 0.5) / 10)
    assert np.isnan(found["right_lung row"][1])
    assert found["heart in lungs"].tolist() == [0.25, 0]
    assert "right_clavicle in lungs" not in found


@pytest.mark.filterwarnings("error")
def test_a_structure_that_no_sample_has_is_flagged_and_has_no_place() -> None:
    rows, columns = np.mgrid[:32, :32]
    rng = np.random.default_rng(0)
    discs = np.stack(
        [np.hypot(rows - 16 - down, columns - 16 - right) < 6 for down, right in rng.normal(0, 2, (24, 2))]
    )
    names, films = tuple(map(str, range(12))), np.zeros((12, 32, 32), np.float32)
    real = FilmSet(names, films, {"heart": discs[:12]})
    without = FilmSet(names, films, {"heart": np.zeros_like(discs[:12])})
    finding, found = labels_like_real(without, real, ("heart",), rng)
    assert finding.p < 0.01
    place = next(row for row in found if row.measure == "heart row")
    assert np.isnan([place.mean_synth, place.std_synth]).all()
    assert place.mean_real == pytest.approx(0.5, abs=0.1)
    assert place.outside == 1
    honest, _ = labels_like_real(FilmSet(names, films, {"heart": discs[12:]}), real, ("heart",), rng)
    assert honest.p > 0.01


def test_labels_belong_where_lungs_are_dark_and_hearts_are_bright() -> None:
    rng = np.random.default_rng(0)
    down, right = np.mgrid[:64, :64]

    def disc(row: float, column: float) -> np.ndarray:
        return np.hypot(down - row, right - column) < 10

    places = rng.uniform(20, 44, (8, 2))
    discs = np.stack([disc(*place) for place in places])
    films = np.stack([0.5 - 0.3 * one + 0.02 * rng.standard_normal((64, 64)) for one in discs]).astype(np.float32)
    names = tuple(map(str, range(8)))
    true = FilmSet(names, films, {"right_lung": discs})
    foreign = FilmSet(names, films, {"right_lung": np.roll(discs, 1, axis=0)})
    inverted = FilmSet(names, 1 - films, {"right_lung": discs})
    fits = [belonging(one, true, ("right_lung",), same=one is true)[:, 0] for one in (true, foreign, inverted)]
    assert fits[0].min() > 1
    assert abs(fits[1].mean()) < 0.3 * fits[0].mean()
    assert fits[2].max() < -1
    as_heart = FilmSet(names, 1 - films, {"heart": discs})
    assert belonging(as_heart, as_heart, ("heart",), same=True).min() > 1


def test_verdicts_are_corrected_for_the_number_of_checks() -> None:
    ps = (0.004, 0.006, 0.5)
    names = ("copied films", "few films", "films apart")
    found = judged([Finding(name, 1.0, "", 1.0, "", p) for name, p in zip(names, ps, strict=True)], level=0.015)
    assert [one.flagged for one in found] == [True, False, False]
    assert [one.p_corrected for one in found] == pytest.approx([0.012, 0.018, 1.0])
    assert found[0].line.startswith("FLAGGED copied films")


def test_held_out_films_of_learnt_subjects_are_refused(tmp_path: Path) -> None:
    cases = [Case(f"c{n}", f"s{n}", tmp_path / f"{n}.png") for n in range(4)]
    check_apart(cases[:2], cases[2:])
    with pytest.raises(DataError, match="1 held-out subjects are among the real ones: s1"):
        check_apart(cases[:2], cases[1:])
