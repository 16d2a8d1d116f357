"""The auto-encoder's size, and its layers against TensorFlow's definition of SAME written out in NumPy."""

import numpy as np
import pytest
import torch

from xprism.errors import DataError
from xprism.networks import AutoEncoder


def test_it_has_the_published_number_of_weights_and_no_bias() -> None:
    network = AutoEncoder(1, 1)
    assert sum(p.numel() for p in network.parameters()) == 25 * (1 * 16 + 16 * 32 + 32 * 64) == 64_400
    assert all(p.ndim == 4 for p in network.parameters())


def _convolved(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """A convolution at stride 1 with SAME padding: two pixels on every side."""
    around = np.pad(x, ((0, 0), (2, 2), (2, 2)))
    out = np.zeros((len(kernel), *x.shape[1:]))
    for row in range(x.shape[1]):
        for column in range(x.shape[2]):
            out[:, row, column] = (kernel * around[:, row : row + 5, column : column + 5]).sum((1, 2, 3))
    return out


def _pooled(x: np.ndarray) -> np.ndarray:
    return x.reshape(len(x), x.shape[1] // 2, 2, x.shape[2] // 2, 2).max((2, 4))


def _transposed(y: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """The transpose of a SAME convolution at stride 2, which pads an even side by one before and two after."""
    rows, columns = y.shape[1:]
    around = np.zeros((kernel.shape[1], 2 * rows + 3, 2 * columns + 3))
    for row in range(rows):
        for column in range(columns):
            spread = np.einsum("o,ocab->cab", y[:, row, column], kernel)
            around[:, 2 * row : 2 * row + 5, 2 * column : 2 * column + 5] += spread
    return around[:, 1:-2, 1:-2]


@pytest.mark.parametrize("channels", [1, 3])
def test_layers_follow_tensorflows_definition(channels: int) -> None:
    torch.manual_seed(0)
    network = AutoEncoder(channels, channels, widths=(4, 3)).double()
    for kernel in network.kernels:
        torch.nn.init.normal_(kernel, 0.02, 0.1)
    film = np.random.default_rng(0).uniform(-1, 1, (channels, 8, 12))
    x = (film + 1) / 2
    kernels = [kernel.detach().numpy() for kernel in network.kernels]
    for kernel in kernels:
        x = _pooled(np.maximum(_convolved(x, kernel), 0))
    for kernel in reversed(kernels):
        x = np.maximum(_transposed(x, kernel), 0)
    with torch.no_grad():
        found = network(torch.tensor(film)[None])[0].numpy()
    assert found.max() > 0.01
    np.testing.assert_allclose(found, x, atol=1e-12)


def test_tied_kernels_make_as_many_channels_as_they_take() -> None:
    with pytest.raises(DataError, match="not 3 of 1"):
        AutoEncoder(1, 3)
