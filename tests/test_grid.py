"""Films of any shape reach the network's grid and come back to where they were."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from xprism.card import InputSpec
from xprism.grid import Placement, content_window, prepare, resize

SPEC = InputSpec(size=(64, 96))


@given(height=st.integers(1, 3000), width=st.integers(1, 3000))
def test_the_film_fills_the_grid_along_one_side_and_keeps_its_aspect(height: int, width: int) -> None:
    place = Placement.fit((height, width), SPEC.size)
    assert place.height == 64 or place.width == 96
    assert 0 <= place.top <= 64 - place.height
    assert 0 <= place.left <= 96 - place.width
    scale = min(64 / height, 96 / width)
    assert abs(place.height - height * scale) <= max(0.5, 1 - height * scale)
    assert abs(place.width - width * scale) <= max(0.5, 1 - width * scale)


@pytest.mark.parametrize("shape", [(200, 300), (300, 200), (40, 33), (512, 512)])
def test_a_disc_returns_to_where_it_was(shape: tuple[int, int]) -> None:
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    centre, radius = (0.4 * shape[0], 0.6 * shape[1]), 0.25 * min(shape)
    disc = ((rows - centre[0]) ** 2 + (columns - centre[1]) ** 2 < radius**2).astype(np.float32)
    place = Placement.fit(shape, (128, 128))
    back = place.onto_film(place.onto_grid(disc, border=0)) >= 0.5
    assert back.shape == shape
    np.testing.assert_allclose(ndimage.center_of_mass(back), ndimage.center_of_mass(disc), atol=0.5)
    assert back.sum() == pytest.approx(disc.sum(), rel=0.03)


def test_enlarging_agrees_with_scipys_linear_interpolation() -> None:
    plane = np.random.default_rng(0).random((10, 12)).astype(np.float32)
    rows, columns = np.mgrid[:40, :36]
    where = [(rows + 0.5) / 4 - 0.5, (columns + 0.5) / 3 - 0.5]
    expected = ndimage.map_coordinates(plane, where, order=1, mode="nearest")
    np.testing.assert_allclose(resize(plane, (40, 36)), expected, atol=1e-5)


def test_input_is_the_same_for_any_linear_grey_scale() -> None:
    film = np.random.default_rng(1).random((90, 90)).astype(np.float32)
    first, _ = prepare(film, SPEC)
    second, _ = prepare(7 * film - 3, SPEC)
    np.testing.assert_allclose(first, second, atol=1e-4)


def test_the_border_is_black_and_percentiles_come_from_the_film_alone() -> None:
    film = np.random.default_rng(2).random((64, 32)).astype(np.float32)
    grid, place = prepare(film, SPEC)
    assert grid.shape == (1, 1, 64, 96)
    assert place.left == 32
    assert np.all(grid[..., : place.left] == -1)
    low, high = np.percentile(place.crop(grid), (1, 99))
    assert (low, high) == (pytest.approx(-1, abs=0.02), pytest.approx(1, abs=0.02))


def test_wide_blank_borders_are_left_out_and_masks_return_to_their_place() -> None:
    rng = np.random.default_rng(3)
    film = np.zeros((300, 400), np.float32)
    film[40:240, 150:350] = 1 + ndimage.gaussian_filter(rng.random((200, 200)), 3)
    assert content_window(film) == (40, 150, 200, 200)
    grid, place = prepare(film, InputSpec(size=(64, 64)))
    alone, _ = prepare(film[40:240, 150:350], InputSpec(size=(64, 64)))
    np.testing.assert_array_equal(grid, alone)
    disc = np.hypot(*(np.mgrid[:300, :400] - np.array([140, 230])[:, None, None])) < 40
    back = place.onto_film(place.onto_grid(disc, border=0)) >= 0.5
    np.testing.assert_allclose(ndimage.center_of_mass(back), (140, 230), atol=1)


def test_a_model_may_ask_for_the_whole_film_with_its_borders() -> None:
    film = np.zeros((300, 400), np.float32)
    film[40:240, 150:350] = 1 + np.random.default_rng(3).random((200, 200))
    grid, place = prepare(film, InputSpec(size=(96, 128), whole=True))
    assert place.window == (0, 0, 300, 400)
    assert np.all(grid[0, 0, :, :40] == grid.min())


@pytest.mark.parametrize("border", [0, 10])
def test_films_without_wide_borders_are_shown_whole(border: int) -> None:
    film = np.pad(np.random.default_rng(4).random((300, 300)), border)
    assert content_window(film) is None


def test_a_blank_film_has_no_content() -> None:
    assert content_window(np.zeros((100, 100), np.float32)) is None


def test_pixels_that_are_not_square_are_made_so() -> None:
    place = Placement.fit((100, 200), (64, 64), row_to_column=2.0)
    assert (place.height, place.width) == (64, 64)
