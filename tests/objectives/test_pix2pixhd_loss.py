"""The objective of Pix2PixHD against closed forms and a plain rewrite."""

import numpy as np
import pytest
import torch

from xprism.objectives.pix2pixhd import Pix2PixHDLoss

Judgement = list[list[torch.Tensor]]
PICTURES = {"real": torch.zeros(1, 1, 4, 4), "made": torch.zeros(1, 1, 4, 4)}


def _judgement(seed: int) -> Judgement:
    """Four maps and a judgement at each of two scales."""
    source = torch.Generator().manual_seed(seed)
    return [[torch.randn(2, channels, side, side, generator=source) for channels in (3, 4, 5, 6, 1)] for side in (6, 3)]


def _judged(value: float) -> Judgement:
    return [[torch.full((2, 1, side, side), value) for _ in range(5)] for side in (6, 3)]


@pytest.mark.parametrize(("real", "made", "loss"), [(1, 0, 0), (0.5, 0.5, 0.5), (0, 1, 2), (1, 1, 1)])
def test_a_discriminator_is_scored_by_its_distance_from_one_and_zero(real: float, made: float, loss: float) -> None:
    assert float(Pix2PixHDLoss().discriminator(_judged(real), _judged(made))) == pytest.approx(loss)


@pytest.mark.parametrize(("made", "loss"), [(1, 0), (0, 2), (0.5, 0.5)])
def test_a_generator_is_scored_by_its_distance_from_one_at_both_scales(made: float, loss: float) -> None:
    parts = Pix2PixHDLoss().generator(_judged(1), _judged(made), **PICTURES)
    assert float(parts["adversarial"]) == pytest.approx(loss)
    # Four maps of weight 1 at two scales of weight 1/2 differ by 1 - made; judgements are no features.
    assert float(parts["features"]) == pytest.approx(10 * 4 * (1 - made))
    assert parts.keys() == {"adversarial", "features"}


def test_losses_equal_a_plain_rewrite() -> None:
    real, made = _judgement(0), _judgement(1)
    discriminator = adversarial = features = 0.0
    for r, m in zip(real, made, strict=True):
        rs, ms = ([one.numpy().astype(float) for one in maps] for maps in (r, m))
        discriminator += 0.5 * (((rs[-1] - 1) ** 2).mean() + (ms[-1] ** 2).mean())
        adversarial += ((ms[-1] - 1) ** 2).mean()
        features += 10 * 0.5 * sum(4 / (3 + 1) * np.abs(a - b).mean() for a, b in zip(rs[:4], ms[:4], strict=True))
    parts = Pix2PixHDLoss().generator(real, made, **PICTURES)
    assert float(Pix2PixHDLoss().discriminator(real, made)) == pytest.approx(discriminator, rel=1e-5)
    assert float(parts["adversarial"]) == pytest.approx(adversarial, rel=1e-5)
    assert float(parts["features"]) == pytest.approx(features, rel=1e-5)


def test_features_of_real_pictures_are_not_pulled_towards_made_ones() -> None:
    real, made = _judgement(0), _judgement(1)
    for maps in (*real, *made):
        for one in maps:
            one.requires_grad_()
    sum(Pix2PixHDLoss().generator(real, made, **PICTURES).values()).backward()
    assert all(one.grad is None for maps in real for one in maps)
    assert all(one.grad is not None and one.grad.abs().sum() > 0 for maps in made for one in maps)


def test_a_perceptual_network_weighs_its_five_layers() -> None:
    def layers(picture: torch.Tensor) -> list[torch.Tensor]:
        return [(k + 1) * picture for k in range(5)]

    real, made = torch.zeros(1, 1, 4, 4, requires_grad=True), torch.full((1, 1, 4, 4), 0.5, requires_grad=True)
    judged = _judged(1)
    parts = Pix2PixHDLoss(perceptual=layers).generator(judged, judged, real=real, made=made)
    expected = 10 * 0.5 * (1 / 32 + 2 / 16 + 3 / 8 + 4 / 4 + 5)
    assert parts["perceptual"].item() == pytest.approx(expected)
    parts["perceptual"].backward()
    assert real.grad is None
    assert made.grad is not None
