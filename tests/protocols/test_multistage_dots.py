"""Whether hearts follow their dot is measured against networks that are known to follow, half follow, or not to."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from xprism.networks.pggan import ProgressiveGenerator
from xprism.protocols.multistage_dots import Move, moved_hearts, share_followed
from xprism.synthesis.codes import as_signal
from xprism.synthesis.dots import STRUCTURES, Dot, Dots
from xprism.synthesis.pipeline import Pipeline
from xprism.synthesis.runs import SynthRun, Trained

PLACES = ((3, 4), (3, 12), (9, 8), (1, 4), (1, 12))
GIVEN = Dots(
    size=16,
    dots={name: Dot(row=row, column=column, radius=0) for name, (row, column) in zip(STRUCTURES, PLACES, strict=True)},
)
STAGES: dict[str, Any] = {
    "dots": {"kind": "pggan", "size": 16, "maps": 4},
    "labels": {"kind": "pix2pixhd", "size": 64, "width": 4, "downs": 2, "blocks": 1},
    "film": {"kind": "pix2pixhd", "size": 64, "width": 4, "downs": 2, "blocks": 1},
}


class DrawsDots(ProgressiveGenerator):
    """The same dots for every latent, but no heart where a latent begins below -1."""

    def __init__(self) -> None:
        super().__init__(16, 1, maps=4)

    def forward(self, latents: Tensor, **_: Any) -> Tensor:
        drawn = [GIVEN if float(one[0]) >= -1 else GIVEN.removed("heart") for one in latents]
        return torch.from_numpy(np.stack([as_signal(dots.picture())[None] for dots in drawn]))


class Hearts(nn.Module):
    """A square heart whose middle is ``share`` of the way from where the dot was at first to where it is."""

    def __init__(self, share: float, *, lost: bool = False) -> None:
        super().__init__()
        self.share, self.lost = share, lost

    def forward(self, given: Tensor) -> Tensor:
        scores = torch.zeros(1, 7, 64, 64)
        scores[:, 0] = 0.5
        rows, columns = torch.nonzero(given[0, 3], as_tuple=True)
        middle = [float(one.float().mean()) for one in (rows, columns)]
        start = [4 * 9 + 1.5, 4 * 8 + 1.5]
        if self.lost and middle != start:
            return scores
        top, left = (round(first + self.share * (now - first) - 3.5) for first, now in zip(start, middle, strict=True))
        scores[:, 3, top : top + 8, left : left + 8] = 1
        return scores


def _moves(folder: Path, monkeypatch: pytest.MonkeyPatch, hearts: nn.Module, count: int = 30) -> list[Move]:
    networks = {1: DrawsDots(), 2: hearts}
    monkeypatch.setattr(SynthRun, "trained", lambda run, number: Trained(run.stage(number), networks[number], 1))
    parts = {"name": "three", "stages": STAGES, "data": {"rejects": []}}
    return moved_hearts(SynthRun(folder, Pipeline.model_validate(parts)), count, seed=5)


def test_hearts_that_follow_their_dot_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    moves = _moves(tmp_path, monkeypatch, Hearts(1.0))
    assert all(move.followed and move.error == pytest.approx(0, abs=1e-9) for move in moves)
    # Latents below -1, about a sixth, draw no heart: there is nothing to move.
    assert 18 <= len(moves) < 30
    asked = {(move.asked_down, move.asked_right) for move in moves}
    # A pixel of a dot map of 16 is 32 of 512, and a dot is moved by up to three.
    steps = {32.0 * step for step in range(-3, 4)}
    assert all(down in steps and right in steps and (down or right) for down, right in asked)
    assert len(asked) > 10
    assert moves == _moves(tmp_path, monkeypatch, Hearts(1.0))


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_hearts_that_stay_behind_are_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share: float) -> None:
    for move in _moves(tmp_path, monkeypatch, Hearts(share)):
        assert (move.went_down, move.went_right) == pytest.approx((share * move.asked_down, share * move.asked_right))
        assert move.error == pytest.approx((1 - share) * np.hypot(move.asked_down, move.asked_right))
        assert not move.followed


def test_a_heart_that_is_lost_has_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    moves = _moves(tmp_path, monkeypatch, Hearts(1.0, lost=True))
    assert moves
    assert all(move.error is None and not move.followed for move in moves)
    assert share_followed(moves)[0] == 0


@pytest.mark.parametrize(("followed", "count"), [(0, 7), (90, 100), (200, 200), (1, 1)])
def test_the_interval_of_the_share_is_wilsons(followed: int, count: int) -> None:
    proportion = pytest.importorskip("statsmodels.stats.proportion")
    moves = [Move("x", 1.0, 0.0, 1.0, 0.0, 5.0 if k < followed else 5.1) for k in range(count)]
    share, interval = share_followed(moves)
    assert share == followed / count
    wanted = proportion.proportion_confint(followed, count, method="wilson")
    assert (interval.low, interval.high) == pytest.approx(wanted, abs=1e-6)
    assert np.isnan(share_followed([])[0])
