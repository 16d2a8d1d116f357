"""Layers whose edges are the film's own: bands of the film, weighed pixel by pixel."""

import numpy as np
import torch
from scipy import ndimage
from torch.nn import functional as F

from xprism.networks.compact_unet import BANDS_PX, CompactUNet, bands_by_place


def film_bands(film: torch.Tensor) -> torch.Tensor:
    return F.pixel_shuffle(bands_by_place(film), 2)


def _film(seed: int = 0, side: int = 64) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).standard_normal((2, 1, side, side)).astype(np.float32))


def test_gates_that_are_zero_leave_the_outputs_as_they_are() -> None:
    torch.manual_seed(1)
    plain = CompactUNet(1, 3, widths=(8, 8, 16, 16), blocks=(0, 0, 0, 1)).eval()
    gated = CompactUNet(1, 3, widths=(8, 8, 16, 16), blocks=(0, 0, 0, 1), gated=1).eval()
    assert set(gated.load_state_dict(plain.state_dict(), strict=False).missing_keys) == {
        "gates.0.weight",
        "gates.0.bias",
    }
    with torch.no_grad():
        torch.testing.assert_close(gated(_film()), plain(_film()))


def test_bands_and_the_coarsest_blur_add_up_to_the_film() -> None:
    film = _film()
    blocks = film[:, 0].reshape(2, 4, 16, 4, 16).mean((2, 4))
    padded = np.pad(blocks.numpy(), ((0, 0), (1, 1), (1, 1)), mode="edge")
    coarse = sum(padded[:, i : i + 4, j : j + 4] for i in range(3) for j in range(3)) / 9
    # Linear between the centres of blocks, flat beyond the outermost.
    at = np.clip((np.arange(64) + 0.5) / 16 - 0.5, 0, 3)
    where = np.stack(np.meshgrid(at, at, indexing="ij"))
    for k in range(2):
        blurred = ndimage.map_coordinates(coarse[k], where, order=1, mode="nearest")
        np.testing.assert_allclose(film_bands(film).sum(1)[k].numpy() + blurred, film[k, 0].numpy(), atol=1e-5)


def test_finer_bands_hold_finer_detail() -> None:
    rows = torch.arange(128).float()
    for period, own in ((3, 0), (64, 4)):
        wave = torch.sin(2 * np.pi * rows / period).expand(1, 1, 128, 128)
        power = film_bands(wave)[0, :, 32:96, 32:96].square().mean((1, 2))
        assert int(power.argmax()) == own


def test_an_open_gate_passes_the_films_detail_into_the_last_output_alone() -> None:
    network = CompactUNet(1, 2, widths=(8, 8), blocks=(0, 0), gated=1).eval()
    film = _film()
    with torch.no_grad():
        before = network(film)
        network.gates[0].bias[:] = 1.0
        after = network(film)
    torch.testing.assert_close(after[:, 0], before[:, 0])
    torch.testing.assert_close(after[:, 1] - before[:, 1], film_bands(film).sum(1), atol=1e-5, rtol=1e-5)
    assert network.gates[0].out_channels == 4 * len(BANDS_PX)
