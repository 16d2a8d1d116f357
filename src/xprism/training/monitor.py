"""Watches an adversarial training and says when it goes wrong; it never stops one."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor

CHECK_EVERY = 25
"""Steps between checks: half an epoch of the papers' 988 films in batches of 20."""
PATIENCE = 8
"""Checks in a row before a warning of the pictures is raised or cleared. The poor first pictures of a sound training,
and a structure that is given up for a while, are over in fewer than 200 steps."""
BALANCE_PATIENCE = 20
"""The same for a lost balance: D wins the first 100 to 300 steps of every sound training, so 500 are waited for."""
GRID = 64
"""Pixels looked at a side: the pictures are thinned to this, which costs about a millisecond a check."""
PICTURES = 8
"""Pictures that a check looks at: the first of a batch, or those of several steps where batches are smaller."""

WON_DISCRIMINATOR = 0.1
"""D's loss where it is right with a certainty of 95 %: -2 ln 0.95."""
WON_ADVERSARIAL = 3.0
"""D takes made pictures for real at 5 % or less: -ln 0.05. The gradient that G gets of it tells little more."""
BLIND_MARGIN = 0.03
"""D's loss at or above 2 ln 2 less this is no better than a coin's."""
BLIND_L1 = 0.1
"""Pictures that are off by 5 % of their range can be told from real ones, so only a blind D is undecided. Pictures
nearer to the truth than that are the papers' own end of training: D undecided, L1 falling to 0.005."""
COLLAPSED_SHARE = 0.1
"""Made pictures that change from film to film by less than this share of the real ones' change ignore the film."""
DEAD_SHARE = 0.02
"""An output whose pixels differ by less than this share of the real ones' is constant: a mask of all off."""
TRUTH_VARIES = 0.02
"""Real pictures must vary by 1 % of their range [-1, 1] to say anything about made ones."""


class Kind(NamedTuple):
    """What a kind of warning means, and how many checks in a row raise or clear it."""

    meaning: str
    patience: int


KINDS = {
    "discriminator won": Kind("it tells made from real pictures without fail", BALANCE_PATIENCE),
    "discriminator blind": Kind("it cannot tell made from real pictures, which still differ", BALANCE_PATIENCE),
    "collapse": Kind("nearly the same picture whatever the film", PATIENCE),
    "dead output": Kind("nearly the same value at every pixel", PATIENCE),
}
"""The warnings by name."""


@dataclass(frozen=True)
class Noted:
    """What a step has to say beside its losses: ``fields`` for its line in the log, and ``messages`` for the user."""

    fields: dict[str, Any] = field(default_factory=dict)
    messages: tuple[str, ...] = ()


@dataclass
class Alarm:
    """A warning that changes only after the same finding at several checks in a row."""

    on: bool = False
    against: int = 0

    def change(self, found: bool, *, patience: int) -> bool:
        """Take in a check's finding; whether the warning was raised or cleared by it."""
        self.against = self.against + 1 if found != self.on else 0
        if self.against < patience:
            return False
        self.on, self.against = found, 0
        return True


class Look(NamedTuple):
    """Thinned made and real pictures [N, K, pixels] in [-1, 1], and which are known [N, K]."""

    made: Tensor
    real: Tensor
    known: Tensor


class Finding(NamedTuple):
    """Whether a check found ``kind`` of fault in an output (or in the whole, where it is empty), and its numbers."""

    kind: str
    output: str
    found: bool
    numbers: str


class Monitor:
    """Watches balance, collapse and dead outputs of an adversarial training.

    Called once a step with the step's losses, its made and real pictures [B, K, H, W] in [-1, 1] and
    known flags [B, >= K]. Looks at them every ``CHECK_EVERY`` steps; what it keeps between steps is
    part of its state, and it draws nothing at random.
    """

    def __init__(self, labels: Sequence[str]) -> None:
        self._labels = tuple(labels)
        self._steps = 0
        self._sums: dict[str, float] = {}
        self._looks: list[Look] = []
        self._alarms: dict[str, Alarm] = {}

    def __call__(self, losses: Mapping[str, float], made: Tensor, real: Tensor, known: Tensor) -> Noted:
        """Take in a step; its statistics and what has changed, where a check was due."""
        self._steps += 1
        for name, value in losses.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
        left = -self._steps % CHECK_EVERY
        if left * len(made) < PICTURES:
            self._looks.append(_look(made, real, known))
        if left:
            return Noted()
        mean = {name: total / CHECK_EVERY for name, total in self._sums.items()}
        outputs = _statistics(Look(*map(torch.cat, zip(*self._looks, strict=True))), self._labels)
        self._sums, self._looks = {}, []
        return self._noted(outputs, [*_balance(mean), *_outputs(outputs)])

    def _noted(self, outputs: dict[str, dict[str, float]], findings: list[Finding]) -> Noted:
        raised: dict[str, list[str]] = {}
        cleared: dict[str, list[str]] = {}
        for kind, output, found, numbers in findings:
            alarm = self._alarms.setdefault(f"{kind} {output}", Alarm())
            if alarm.change(found, patience=KINDS[kind].patience):
                text = f"{output} {numbers}" if found else output
                (raised if found else cleared).setdefault(kind, []).append(text.strip())
        warnings = [f"{kind} ({KINDS[kind].meaning}): {'; '.join(texts)}" for kind, texts in raised.items()]
        over = [f"{kind} {', '.join(texts)}".strip() for kind, texts in cleared.items()]
        changes = {name: texts for name, texts in (("warnings", warnings), ("cleared", over)) if texts}
        messages = (*(f"warning: {text}" for text in warnings), *(f"no longer: {text}" for text in over))
        return Noted({"outputs": outputs, **changes}, messages)

    def state_dict(self) -> dict[str, Any]:
        """Everything that a resumed training needs."""
        return {
            "steps": self._steps,
            "sums": dict(self._sums),
            "looks": [list(look) for look in self._looks],
            "alarms": {name: [alarm.on, alarm.against] for name, alarm in self._alarms.items()},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved state."""
        self._steps, self._sums = int(state["steps"]), dict(state["sums"])
        self._looks = [Look(*look) for look in state["looks"]]
        self._alarms = {name: Alarm(*alarm) for name, alarm in state["alarms"].items()}


def _look(made: Tensor, real: Tensor, known: Tensor) -> Look:
    # On the CPU, where a resumed training has its earlier looks as well.
    rows, columns = (max(1, math.ceil(side / GRID)) for side in made.shape[-2:])
    thin = [some.detach()[:PICTURES, :, ::rows, ::columns].flatten(2).float().cpu() for some in (made, real)]
    return Look(thin[0], thin[1], known[:PICTURES, : made.shape[1]].cpu())


def _statistics(look: Look, labels: Sequence[str]) -> dict[str, dict[str, float]]:
    """Contrast and spread of made and real pictures for every output that two films or more know.

    Contrast is the standard deviation over the pixels of a picture, averaged over films. Spread is that
    over the films at a pixel, its root mean square over pixels.
    """
    weight = look.known.float()
    films = weight.sum(0)
    columns = []
    for pictures in (look.made, look.real):
        # Torch's own std takes ten times as long.
        within = (pictures - pictures.mean(2, keepdim=True)).square().mean(2).sqrt()
        contrast = (within * weight).sum(0) / films
        mean = (pictures * weight[..., None]).sum(0) / films[:, None]
        spread = ((pictures - mean).square().mean(2) * weight).sum(0).div(films).sqrt()
        columns += [contrast.tolist(), spread.tolist()]
    names = ("contrast", "spread", "true_contrast", "true_spread")
    return {
        label: {name: float(f"{value:.3g}") for name, value in zip(names, values, strict=True)}
        for label, known, values in zip(labels, films.tolist(), zip(*columns, strict=True), strict=True)
        if known > 1
    }


def _balance(mean: Mapping[str, float]) -> Iterator[Finding]:
    judge, fooled, l1 = mean["discriminator"], mean["adversarial"], mean["l1"]
    won = judge < WON_DISCRIMINATOR and fooled > WON_ADVERSARIAL
    yield Finding("discriminator won", "", won, f"its loss {judge:.3g}, the generator's {fooled:.3g}")
    blind = judge > 2 * math.log(2) - BLIND_MARGIN and l1 > BLIND_L1
    yield Finding("discriminator blind", "", blind, f"its loss {judge:.3g}, a coin's 1.39, L1 still {l1:.3g}")


def _outputs(outputs: Mapping[str, Mapping[str, float]]) -> Iterator[Finding]:
    for kind, name, share in (("collapse", "spread", COLLAPSED_SHARE), ("dead output", "contrast", DEAD_SHARE)):
        for label, found in outputs.items():
            made, real = found[name], found[f"true_{name}"]
            if real > TRUTH_VARIES:
                yield Finding(kind, label, made < share * real, f"{name} {made:.3g}, in truth {real:.3g}")
