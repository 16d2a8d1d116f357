"""The Wasserstein objective against critics whose gradients are known by hand."""

import numpy as np
import pytest
import torch

from xprism.objectives.wgan_gp import WassersteinLoss, gradient_norms


def _pictures(seed: int, count: int = 3) -> torch.Tensor:
    return torch.randn(count, 2, 4, 5, generator=torch.Generator().manual_seed(seed))


def test_a_linear_critic_is_as_steep_as_its_weights_are_long() -> None:
    weights = _pictures(0, 1)[0]
    norms = gradient_norms(lambda x: (x * weights).sum((1, 2, 3)), _pictures(1), _pictures(2), torch.rand(3))
    np.testing.assert_allclose(norms, [float(np.linalg.norm(weights.numpy()))] * 3, rtol=1e-6)


def test_the_critic_is_measured_between_real_and_made() -> None:
    # Half the squared length has the picture itself as its gradient.
    real, made, shares = _pictures(1), _pictures(2), torch.tensor([0.0, 0.25, 1.0])
    norms = gradient_norms(lambda x: x.square().sum((1, 2, 3)) / 2, real, made, shares)
    between = [(1 - s) * r + s * m for s, r, m in zip(shares.numpy(), real.numpy(), made.numpy(), strict=True)]
    np.testing.assert_allclose(norms.detach(), [np.linalg.norm(one) for one in between], rtol=1e-6)


def test_the_penalty_teaches_the_critic_and_not_the_pictures() -> None:
    weights = (2 * _pictures(0, 1)[0]).requires_grad_()
    made = _pictures(2).requires_grad_()
    norms = gradient_norms(lambda x: (x * weights).sum((1, 2, 3)), _pictures(1), made, torch.rand(3))
    zeros = torch.zeros(3)
    WassersteinLoss().critic(zeros, zeros, norms).backward()
    length = weights.detach().norm()
    assert made.grad is None
    torch.testing.assert_close(weights.grad, 20 * (length - 1) * weights.detach() / length)


def test_losses_follow_the_formulas() -> None:
    real, made, norms = (np.array(v) for v in ([1.0, 3.0], [-2.0, 0.5], [0.0, 1.5]))
    judged = [torch.tensor(v) for v in (real, made, norms)]
    expected = made.mean() - real.mean() + 10 * ((norms - 1) ** 2).mean() + 0.001 * (real**2).mean()
    assert float(WassersteinLoss().critic(*judged)) == pytest.approx(expected, rel=1e-6)
    assert float(WassersteinLoss(penalty=0, drift=0).critic(*judged)) == pytest.approx(made.mean() - real.mean())
    assert float(WassersteinLoss().generator(judged[1])) == pytest.approx(0.75)
