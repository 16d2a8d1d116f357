"""When a progressively growing network works at which size: the schedule of Karras et al. 2018, by the step."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate

from xprism.errors import RecipeError
from xprism.synthesis.pipeline import PGGANPart
from xprism.synthesis.pyramid import SMALLEST

BATCH = {4: 128, 8: 128, 16: 128, 32: 64, 64: 32, 128: 16, 256: 8, 512: 4, 1024: 4}
"""Pictures a step at each size, as the authors' code has it for one GPU."""
STEP_COST = 2000
"""What a step costs beside its pixels, in pixels, as measured on one core with 32 maps."""


@dataclass(frozen=True)
class Phase:
    """So many steps at one size: while its layers fade in, or after."""

    size: int
    fades: bool
    steps: int
    batch: int


@dataclass(frozen=True)
class Moment:
    """What a step works on: the size, the share from 0 to 1 of its layers, pictures a step and shown before."""

    size: int
    fade: float
    batch: int
    shown: int


class Growth:
    """The phases of a growing network: 4x4 stays; then every size fades in and stays, the last one to the end.

    Raises ``RecipeError`` where all pictures are shown before the full size has faded in.
    """

    def __init__(self, settings: PGGANPart) -> None:
        self.phases = tuple(_phases(settings))
        self.full = settings.size
        self._starts = [0, *accumulate(phase.steps for phase in self.phases)]
        self._shown = [0, *accumulate(phase.steps * phase.batch for phase in self.phases)]

    @property
    def steps(self) -> int:
        """Steps in all."""
        return self._starts[-1]

    def at(self, step: int) -> Moment:
        """What step ``step``, counted from 0, works on."""
        place = self._place(step)
        phase, into = self.phases[place], step - self._starts[place]
        fade = into / phase.steps if phase.fades else 1.0
        return Moment(phase.size, fade, phase.batch, self._shown[place] + into * phase.batch)

    def is_grown(self, steps: int) -> bool:
        """Whether the layers of the full size have faded in after so many steps."""
        phase = self.phases[self._place(max(0, steps - 1))]
        return steps > 0 and phase.size == self.full and not phase.fades

    def work(self, steps: int) -> float:
        """How much of the computing is done after ``steps``, in pixels; every step costs as much as some of them."""
        done = 0.0
        for phase, start in zip(self.phases, self._starts, strict=False):
            done += max(0, min(steps - start, phase.steps)) * (phase.batch * phase.size**2 + STEP_COST)
        return done

    def _place(self, step: int) -> int:
        return min(bisect_right(self._starts, step), len(self.phases)) - 1


def _phases(settings: PGGANPart) -> list[Phase]:
    each = 1000 * settings.kimg_per_phase
    sizes = [size for size in BATCH if SMALLEST <= size <= settings.size]
    plan = [(SMALLEST, False), *((size, fades) for size in sizes[1:] for fades in (True, False))]
    phases = []
    for size, fades in plan:
        batch = settings.batch.get(size, BATCH[size])
        phases.append(Phase(size, fades, math.ceil(each / batch), batch))
    if settings.kimg is None:
        return phases
    last = phases.pop()
    shown = sum(phase.steps * phase.batch for phase in phases)
    left = 1000 * settings.kimg - shown
    if left <= 0:
        raise RecipeError(
            f"{settings.kimg:g} thousand pictures end before {settings.size} pixels have faded in, "
            f"which takes {shown / 1000:g} thousand",
            remedy="raise kimg, lower kimg_per_phase, or set kimg to null",
        )
    return [*phases, Phase(last.size, last.fades, math.ceil(left / last.batch), last.batch)]
