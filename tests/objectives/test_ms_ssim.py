"""MS-SSIM against a plain rewrite on SciPy's correlation, against scikit-image, and at its edges."""

import numpy as np
import pytest
import torch
from scipy.signal import correlate2d
from skimage.metrics import structural_similarity

from xprism.errors import DataError
from xprism.objectives.ms_ssim import ms_ssim

WANG = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


def _by_hand(first: np.ndarray, second: np.ndarray, scales: int) -> float:
    """Wang, Simoncelli and Bovik 2003, eq. 7, with the weights of so many scales brought to a sum of one."""
    bell = np.exp(-((np.arange(11) - 5) ** 2) / (2 * 1.5**2))
    window = np.outer(bell, bell) / bell.sum() ** 2
    index = 1.0
    for scale in range(scales):

        def mean(values: np.ndarray) -> np.ndarray:
            return correlate2d(values, window, mode="valid")

        m1, m2 = mean(first), mean(second)
        v1, v2 = mean(first * first) - m1 * m1, mean(second * second) - m2 * m2
        structure = (2 * (mean(first * second) - m1 * m2) + 0.03**2) / (v1 + v2 + 0.03**2)
        if scale == scales - 1:
            structure = structure * (2 * m1 * m2 + 0.01**2) / (m1 * m1 + m2 * m2 + 0.01**2)
        index *= structure.mean() ** (WANG[scale] / sum(WANG[:scales]))
        first, second = _halved(first), _halved(second)
    return index


def _halved(values: np.ndarray) -> np.ndarray:
    rows, columns = values.shape[0] // 2, values.shape[1] // 2
    return values[: 2 * rows, : 2 * columns].reshape(rows, 2, columns, 2).mean((1, 3))


def _pair(shape: tuple[int, int], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A smooth picture in [0, 1], and the same with noise and another contrast."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    real = 0.5 + 0.3 * np.sin(rows / 7 + seed) * np.cos(columns / 11)
    return np.clip(0.1 + 0.8 * real + rng.normal(0, 0.05, shape), 0, 1), real


@pytest.mark.parametrize(("shape", "scales"), [((176, 201), 5), ((175, 180), 4), ((64, 50), 3), ((43, 90), 2)])
def test_it_follows_the_definition_on_as_many_scales_as_fit(shape: tuple[int, int], scales: int) -> None:
    pairs = [_pair(shape, seed) for seed in range(2)]
    made, real = (torch.tensor(np.stack(some)[:, None]) for some in zip(*pairs, strict=True))
    found = ms_ssim(made, real)
    assert found.shape == (2, 1)
    np.testing.assert_allclose(found[:, 0], [_by_hand(*pair, scales) for pair in pairs], rtol=1e-9)


def test_on_one_scale_it_is_scikit_images_ssim() -> None:
    made, real = _pair((20, 21))
    expected = structural_similarity(
        made, real, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1.0
    )
    found = ms_ssim(torch.tensor(made)[None, None], torch.tensor(real)[None, None])
    assert float(found) == pytest.approx(expected, rel=1e-9)


def test_every_channel_of_every_film_is_judged_by_itself() -> None:
    made, real = (torch.tensor(some) for some in _pair((64, 64)))
    both = ms_ssim(torch.stack([made, real])[None], torch.stack([real, real])[None])
    assert float(both[0, 0]) == pytest.approx(float(ms_ssim(made[None, None], real[None, None])))
    assert float(both[0, 1]) == pytest.approx(1)


def test_the_gradient_is_that_of_the_value() -> None:
    made, real = (torch.tensor(some)[None, None] for some in _pair((24, 23)))
    assert torch.autograd.gradcheck(lambda some: ms_ssim(some, real), made.requires_grad_(), atol=1e-7)


@pytest.mark.parametrize("case", ["equal", "flat", "black", "inverted", "beyond the range"])
def test_gradients_are_finite_where_roots_are_not(case: str) -> None:
    _, real = (torch.tensor(some, dtype=torch.float32)[None, None] for some in _pair((64, 64)))
    made = {
        "equal": real,
        "flat": torch.full_like(real, 0.5),
        "black": torch.zeros_like(real),
        "inverted": 1 - real,
        "beyond the range": 5 * real,
    }[case]
    leaf = made.clone().requires_grad_()
    index = ms_ssim(leaf, real).sum()
    index.backward()
    assert 0 <= float(index.detach()) <= 1 + 1e-6
    assert torch.isfinite(leaf.grad).all()


def test_flat_pictures_may_be_compared_with_each_other() -> None:
    flat = torch.zeros(1, 1, 64, 64, requires_grad=True)
    ms_ssim(flat, torch.zeros(1, 1, 64, 64)).sum().backward()
    assert torch.isfinite(flat.grad).all()


def test_a_picture_smaller_than_a_window_is_refused() -> None:
    with pytest.raises(DataError, match="11 pixels a side or more, not 10"):
        ms_ssim(torch.zeros(1, 1, 10, 40), torch.zeros(1, 1, 10, 40))
