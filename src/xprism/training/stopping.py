"""When an adversarial training ends by itself: by the smoothed L1, or by the guard."""

from __future__ import annotations

from typing import Any

CHECK_EVERY = 50
DECAY = 0.99


class SmoothedStop:
    """The stop of the pix2pix papers (Eslami et al. 2020), checked every 50 steps.

    Stops when the smoothed training L1 falls below ``l1``; or when at ``guard`` checks in all the
    smoothed discriminator loss did not rise while the generator's adversarial loss did not fall.
    Losses are smoothed by an exponential mean with decay 0.99, free of its start at zero.
    """

    def __init__(self, *, l1: float | None, guard: int | None) -> None:
        self._l1, self._guard = l1, guard
        self._sums: dict[str, float] = {}
        self._steps, self._strikes = 0, 0
        self._last: dict[str, float] = {}

    def __call__(self, losses: dict[str, float]) -> str | None:
        """Take in the losses ``l1``, ``adversarial`` and ``discriminator`` of a step; a reason to stop, or None."""
        self._steps += 1
        for name, value in losses.items():
            self._sums[name] = DECAY * self._sums.get(name, 0.0) + (1 - DECAY) * value
        if self._steps % CHECK_EVERY:
            return None
        smoothed = self.smoothed
        if self._l1 is not None and smoothed["l1"] < self._l1:
            return f"smoothed L1 {smoothed['l1']:.4f} fell below {self._l1}"
        if self._last and (
            smoothed["discriminator"] <= self._last["discriminator"]
            and smoothed["adversarial"] >= self._last["adversarial"]
        ):
            self._strikes += 1
        self._last = smoothed
        if self._guard is not None and self._strikes >= self._guard:
            return f"the discriminator was ahead at {self._strikes} checks"
        return None

    @property
    def smoothed(self) -> dict[str, float]:
        """The smoothed losses so far."""
        share = 1 - DECAY**self._steps
        return {name: value / share for name, value in self._sums.items()}

    def state_dict(self) -> dict[str, Any]:
        """Everything that a resumed training needs."""
        return {"sums": self._sums, "steps": self._steps, "strikes": self._strikes, "last": self._last}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved state."""
        self._sums, self._last = dict(state["sums"]), dict(state["last"])
        self._steps, self._strikes = int(state["steps"]), int(state["strikes"])
