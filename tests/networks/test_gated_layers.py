"""Layers whose edges are the film's own: bands of the film, weighed pixel by pixel."""

import numpy as np
import torch
from scipy import ndimage
from torch.nn import functional as F

from xprism.networks.compact_unet import MEANS_PX, CompactUNet, doubled, film_bands


def bands_of(film: torch.Tensor) -> torch.Tensor:
    """All bands at the film's resolution, finest first."""
    detail, lost = film_bands(film)
    coarser = F.interpolate(lost, scale_factor=2.0, mode="bilinear", align_corners=False)
    return torch.cat([F.pixel_shuffle(detail, 2), coarser], 1)


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
    for k in range(2):
        blurred = linear(linear(coarse[k], 8), 2)
        np.testing.assert_allclose(bands_of(film).sum(1)[k].numpy() + blurred, film[k, 0].numpy(), atol=1e-5)


def linear(coarse: np.ndarray, times: int) -> np.ndarray:
    """Linear between the centres of pixels, flat beyond the outermost."""
    at = np.clip((np.arange(times * len(coarse)) + 0.5) / times - 0.5, 0, len(coarse) - 1)
    return ndimage.map_coordinates(coarse, np.stack(np.meshgrid(at, at, indexing="ij")), order=1, mode="nearest")


def test_finer_bands_hold_finer_detail() -> None:
    rows = torch.arange(128).float()
    for period, own in ((3, 0), (64, len(MEANS_PX))):
        wave = torch.sin(2 * np.pi * rows / period).expand(1, 1, 128, 128)
        power = bands_of(wave)[0, :, 32:96, 32:96].square().mean((1, 2))
        assert int(power.argmax()) == own


def test_an_open_gate_passes_the_films_detail_into_the_last_output_alone() -> None:
    network = CompactUNet(1, 2, widths=(8, 8), blocks=(0, 0), gated=1).eval()
    film = _film()
    with torch.no_grad():
        before = network(film)
        network.gates[0].bias[:] = 1.0
        after = network(film)
    torch.testing.assert_close(after[:, 0], before[:, 0])
    torch.testing.assert_close(after[:, 1] - before[:, 1], bands_of(film).sum(1), atol=1e-5, rtol=1e-5)
    assert network.gates[0].out_channels == 4 + len(MEANS_PX)


def test_doubling_is_linear_between_pixels() -> None:
    planes = torch.from_numpy(np.random.default_rng(3).standard_normal((2, 3, 5, 7)).astype(np.float32))
    wanted = F.interpolate(planes, scale_factor=2.0, mode="bilinear", align_corners=False)
    torch.testing.assert_close(F.pixel_shuffle(doubled(planes), 2), wanted)
