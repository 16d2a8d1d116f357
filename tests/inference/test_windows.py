"""A network that sees windows is run over the whole grid, and its raw outputs are averaged where windows overlap."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import ValidationError

import tiny_models
from xprism.card import Card, InputSpec
from xprism.grid import prepare, windows
from xprism.inference.predictor import Predictor
from xprism.radiograph import DisplayMapping, Radiograph


@given(st.data())
def test_windows_cover_every_pixel_and_lie_no_further_apart_than_the_stride(data: st.DataObject) -> None:
    size = data.draw(st.tuples(st.integers(1, 90), st.integers(1, 90)))
    window = tuple(data.draw(st.integers(1, side)) for side in size)
    stride = data.draw(st.none() | st.integers(1, min(window)))
    spec = InputSpec(size=size, window=window, stride=stride)
    seen = np.zeros(size, int)
    places = windows(spec)
    for rows, columns in places:
        assert seen[rows, columns].shape == window
        seen[rows, columns] += 1
    assert seen.min() >= 1
    for axis, (side, part) in enumerate(zip(size, window, strict=True)):
        starts = sorted({place[axis].start for place in places})
        assert (starts[0], starts[-1] + part) == (0, side)
        most = stride or max(1, 2 * part // 3)
        assert all(later - earlier <= most for earlier, later in itertools.pairwise(starts))
        # One window fewer would have to lie further apart.
        assert len(starts) == 1 or (len(starts) - 2) * most < side - part


def test_the_papers_film_takes_four_windows() -> None:
    spec = InputSpec(size=(512, 512), window=(377, 377), stride=251)
    assert [(rows.start, columns.start) for rows, columns in windows(spec)] == [(0, 0), (0, 135), (135, 0), (135, 135)]


@pytest.mark.parametrize(
    ("settings", "cause"),
    [
        ({"window": (65, 10)}, "must lie within size"),
        ({"window": (0, 10)}, "must lie within size"),
        ({"window": (20, 10), "stride": 11}, "would leave gaps"),
        ({"stride": 5}, "goes with a window"),
    ],
)
def test_windows_that_cannot_be_are_errors(settings: dict[str, object], cause: str) -> None:
    with pytest.raises(ValidationError, match=cause):
        InputSpec(size=(64, 64), **settings)


class Bends:
    """Stands for a network whose output depends on place within what it sees, and on all that it sees."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, ...]] = []

    def __call__(self, film: NDArray[np.float32]) -> NDArray[np.float32]:
        self.seen.append(film.shape)
        rows, columns = np.mgrid[: film.shape[-2], : film.shape[-1]].astype(np.float32)
        plane = film[0, 0]
        return np.stack([plane * rows, plane.mean() + columns, *[plane] * 3])[None]


def _predictor(folder: Path, spec: InputSpec) -> tuple[Predictor, Bends]:
    model = tiny_models.write_model(folder, tiny_models.organ_planes(8), tiny_models.organ_targets())
    network = Bends()
    return Predictor(Card.load(model).model_copy(update={"input": spec}), network), network


def _film(shape: tuple[int, int]) -> Radiograph:
    return Radiograph(tiny_models.drawn_film(shape=shape), DisplayMapping(0, 255), source="f.png", sha256="0" * 64)


def test_raw_outputs_are_the_means_of_the_windows(tmp_path: Path) -> None:
    spec = InputSpec(size=(40, 52), window=(24, 20), stride=9)
    predictor, network = _predictor(tmp_path, spec)
    prepared = predictor.prepare(_film((80, 104)))
    raw = predictor.infer(prepared)
    assert set(network.seen) == {(1, 1, 24, 20)}
    # The same once more, pixel by pixel: starts of 40 - 24 in steps of 9 at most are 0, 8, 16.
    tops, lefts = (0, 8, 16), (0, 8, 16, 24, 32)
    plain = Bends()
    for row, column in ((0, 0), (7, 31), (15, 20), (23, 51), (39, 8)):
        found = [
            plain(prepared.grid[..., top : top + 24, left : left + 20])[0, :, row - top, column - left]
            for top in tops
            for left in lefts
            if 0 <= row - top < 24 and 0 <= column - left < 20
        ]
        np.testing.assert_allclose(raw[:, row, column], np.mean(found, axis=0), rtol=1e-5, atol=1e-6)
    assert len(network.seen) == 15


def test_one_window_of_the_whole_grid_changes_nothing(tmp_path: Path) -> None:
    film = _film((90, 70))
    whole, _ = _predictor(tmp_path / "whole", InputSpec(size=(32, 32)))
    window, network = _predictor(tmp_path / "window", InputSpec(size=(32, 32), window=(32, 32)))
    prepared = window.prepare(film)
    np.testing.assert_array_equal(window.infer(prepared), whole.infer(whole.prepare(film)))
    assert len(network.seen) == 1


def test_the_grid_that_windows_are_cut_from_is_that_of_the_whole_film() -> None:
    shown = _film((90, 70)).display
    grid, place = prepare(shown, InputSpec(size=(32, 32), window=(9, 9)))
    whole, also = prepare(shown, InputSpec(size=(32, 32)))
    np.testing.assert_array_equal(grid, whole)
    assert place == also
