"""The reconstructed SCAN: its stated size, how it enlarges, and what its critic sees."""

import pytest
import torch

from xprism.networks import Scan
from xprism.networks.scan import ScanCritic


def _residual(before: int, after: int) -> int:
    """Weights of a block: two 3x3 convolutions and their norms, and a 1x1 shortcut with one where channels change."""
    shortcut = before * after + 2 * after if before != after else 0
    return 9 * before * after + 9 * after * after + 4 * after + shortcut


@pytest.mark.parametrize("masks", [1, 3, 4])
def test_it_has_the_stated_number_of_weights(masks: int) -> None:
    body = 49 * 8 + 2 * 8 + _residual(8, 8) + _residual(8, 16) + _residual(16, 32) + 2 * _residual(32, 32)
    body += _residual(32, 64) + 2 * _residual(64, 64)
    head = (64 * masks + masks) + (32 * 32 * masks * masks + masks)
    with torch.device("meta"):
        assert sum(p.numel() for p in Scan(1, masks).parameters()) == body + head
    assert body + head == 262_616 + 66 * masks + 1_024 * masks**2
    assert abs(body + head - 271_000) / 271_000 < 0.04


def test_fresh_weights_enlarge_linearly_and_keep_channels_apart() -> None:
    rise = Scan(1, 2).rise
    torch.nn.init.zeros_(rise.bias)
    ramp = torch.arange(6.0).expand(6, 6)
    with torch.no_grad():
        found = rise(torch.stack([ramp, torch.zeros(6, 6)])[None])[0]
    inside = found[0, 16:-16, 16:-16]
    torch.testing.assert_close(inside.diff(dim=1), torch.full((64, 63), 1 / 16))
    torch.testing.assert_close(inside.diff(dim=0), torch.zeros(63, 64))
    assert not found[1].any()


def test_the_critic_gives_one_judgement_a_case() -> None:
    critic = ScanCritic(3, width=4).eval()
    cases = torch.randn(2, 3, 32, 48)
    with torch.no_grad():
        assert critic(cases).shape == (2, 1)
        assert not torch.equal(critic(cases)[0], critic(cases)[1])
