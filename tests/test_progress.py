"""Progress speaks in plain lines where there is no terminal, and not too often."""

import pytest

from xprism import progress
from xprism.progress import Progress


def test_lines_say_how_far_and_how_long(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    clock = iter([0.0, 5.0, 20.0, 24.0, 60.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    with Progress("films", 10, done=2) as shown:
        for remark in ("a", "b", "c", "d"):
            shown.step(remark)
    assert capsys.readouterr().err.splitlines() == ["films 4/10, 1.0 min left, b", "films 6/10, 1.0 min left, d"]


def test_a_line_of_its_own_is_shown_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("films", 1) as shown:
        shown.say("failed x")
    assert capsys.readouterr().err == "failed x\n"


def test_time_left_counts_work_where_steps_take_unlike_times(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = iter([0.0, 5.0, 30.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    with Progress("steps", 10, done=1, work=lambda count: count**2) as shown:
        shown.step()
        shown.step()
    # From 1 to 9 of 100 in half a minute: 91 are left.
    assert capsys.readouterr().err == f"steps 3/10, {91 / 8 / 2:.1f} min left\n"
