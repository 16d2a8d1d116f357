"""Soft tissue drawn over films: within its sizes and heights, anywhere, and the same for the same generator."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from xprism.training import tissue
from xprism.training.tissue import draw_tissue


def test_the_same_generator_draws_the_same_and_others_draw_elsewhere() -> None:
    first, again, other = (draw_tissue(np.random.default_rng(seed), (96, 128)) for seed in (1, 1, 2))
    assert first.shape == (96, 128)
    assert first.dtype == torch.float32
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_pieces_reach_every_part_of_the_film_and_leave_most_of_it_as_it_is() -> None:
    drawn = torch.stack([draw_tissue(np.random.default_rng(seed), (64, 64)) for seed in range(60)])
    assert (drawn != 0).any(0).float().mean() > 0.98
    assert (drawn.abs() > 0.01).float().mean() < 0.5


def test_a_nodule_is_as_thick_as_a_sphere_where_its_edge_is_sharp(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tissue, "MOST", {"nodule": 1, "vessel": 0, "grating": 0})
    seen = 0
    for seed in range(200):
        drawn = draw_tissue(np.random.default_rng(seed), (400, 400)).numpy()
        peak = np.abs(drawn).max()
        if not peak or not (drawn[0] == 0).all() or not (drawn[:, 0] == 0).all():
            continue
        if (drawn[-1] != 0).any() or (drawn[:, -1] != 0).any():
            continue
        assert 0.009 < peak <= 0.15
        area = (drawn != 0).sum()
        if area > 200:
            # Mean over the ellipse of (1 - r^2)^p is 1 / (p + 1): 2/3 of a sphere's diameter, less where it thins out.
            share = np.abs(drawn).sum() / area / peak
            assert np.abs(share - np.array([1 / 1.5, 1 / 2, 1 / 2.5])).min() < 0.02
            seen += 1
    assert seen > 20


def test_vessels_are_narrow_and_gratings_add_as_much_as_they_take(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tissue, "MOST", {"nodule": 0, "vessel": 1, "grating": 0})
    for seed in range(30):
        vessel = draw_tissue(np.random.default_rng(seed), (256, 256)).numpy() != 0
        assert ndimage.distance_transform_edt(np.pad(vessel, 1)).max() <= 0.01 * 256 + 2
    monkeypatch.setattr(tissue, "MOST", {"nodule": 0, "vessel": 0, "grating": 1})
    for seed in range(30):
        grating = draw_tissue(np.random.default_rng(seed), (512, 512)).numpy()
        if grating.any() and not grating[[0, -1]].any() and not grating[:, [0, -1]].any():
            assert abs(grating.sum()) < 0.1 * np.abs(grating).sum()
