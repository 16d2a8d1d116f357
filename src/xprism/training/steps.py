"""One training step of each objective: what moves which weights, in what order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from xprism.networks.pix2pix import PatchDiscriminator
from xprism.networks.scan import ScanCritic
from xprism.objectives.adversarial import AdversarialLoss
from xprism.objectives.supervised import SupervisedLoss, kernels_of, sum_of_squares
from xprism.objectives.weighting import UncertaintyBalance
from xprism.training.monitor import Monitor, Noted
from xprism.training.muon import Muon
from xprism.training.recipe import AdversarialPart, CriticPart, Recipe, Schedule, SupervisedPart
from xprism.training.stopping import SmoothedStop

BALANCE_RATE = 10.0
"""Times the learning rate of the network, at which a learnt balance moves. Adam takes a number about as far as the rate
in a step, and the logarithm of a task's weight may have 5 to go within a few thousand steps."""


class Step(Protocol):
    """A training step with all state that it needs to be resumed.

    ``noted`` is what the last step has to say beside its losses.
    """

    noted: Noted

    def __call__(self, films: Tensor, planes: Tensor, known: Tensor, *, rate: float) -> dict[str, float]:
        """Move the weights once at learning rate ``rate``; the losses by name, ``loss`` among them."""

    def reason_to_stop(self, losses: dict[str, float]) -> str | None:
        """Why training should end after these losses, or None."""

    def state_dict(self) -> dict[str, Any]:
        """Optimisers and whatever else must survive an interruption, but for the network itself."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved state."""


class SupervisedStep:
    """One optimiser follows one loss, the sum of the targets' losses as the recipe balances them.

    Where several are learnt, each one's loss is logged; a balance that is learnt moves with the network, and
    ``noted`` has what every target weighs. A penalty on kernels is part of the loss, and logged as ``kernel_l2``.
    """

    def __init__(self, recipe: Recipe, network: nn.Module, fabric: Fabric) -> None:
        settings = recipe.objective.supervised
        self._fabric, self._clip, self.noted = fabric, recipe.schedule.clip, Noted()
        self._loss, self._several = SupervisedLoss(recipe.targets, **settings.loss), len(recipe.targets.targets) > 1
        self._l2, self._kernels = settings.kernel_l2, kernels_of(network)
        optimizer = _optimizer(network, recipe.schedule)
        self._balance = None
        if settings.balance.kind == "learned":
            self._balance = UncertaintyBalance([target.name for target in recipe.targets])
            self._learned_total = fabric.setup_module(self._balance)
            moved = {"params": [*self._balance.parameters()], "weight_decay": 0.0, "times": BALANCE_RATE}
            optimizer.add_param_group(moved)
        self._network, self._optimizer = fabric.setup(network, optimizer)

    def __call__(self, films: Tensor, planes: Tensor, known: Tensor, *, rate: float) -> dict[str, float]:
        _set_rate(self._optimizer, rate)
        parts = self._loss.parts(self._network(films), planes, known, films=films)
        loss = self._total(parts)
        penalty = self._l2 * sum_of_squares(self._kernels) if self._l2 else None
        if penalty is not None:
            loss = loss + penalty
        self._optimizer.zero_grad()
        self._fabric.backward(loss)
        self._fabric.clip_gradients(self._network, self._optimizer, max_norm=self._clip)
        self._optimizer.step()
        if self._balance is not None:
            self.noted = Noted({"balance": self._balance.weights()})
        each = {f"loss_{name}": float(part.detach()) for name, part in parts.items()} if self._several else {}
        if penalty is not None:
            each["kernel_l2"] = float(penalty.detach())
        return {"loss": float(loss.detach()), **each}

    def _total(self, parts: dict[str, Tensor]) -> Tensor:
        if self._balance is None:
            return self._loss.total(parts)
        total: Tensor = self._learned_total(torch.stack([*parts.values()]))
        return total

    def reason_to_stop(self, losses: dict[str, float]) -> str | None:
        return None

    def state_dict(self) -> dict[str, Any]:
        balance = {} if self._balance is None else {"balance": self._balance.state_dict()}
        return {"optimizer": self._optimizer.state_dict(), **balance}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._optimizer.load_state_dict(state["optimizer"])
        if self._balance is not None:
            self._balance.load_state_dict(state["balance"])


class _Duel:
    """A network and a judge of what it makes: both with their optimisers, the stop and the monitor."""

    def __init__(
        self, recipe: Recipe, network: nn.Module, fabric: Fabric, *, judge: nn.Module, loss: AdversarialLoss
    ) -> None:
        self._fabric, self._loss = fabric, loss
        self._stop = SmoothedStop(l1=None, guard=None)
        self._monitor, self.noted = Monitor(loss.targets.channel_labels), Noted()
        judge = judge.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._network, self._optimizer = fabric.setup(network, _optimizer(network, recipe.schedule))
        self._judge, self._judge_optimizer = fabric.setup(judge, _optimizer(judge, recipe.schedule))

    def _move_judge(self, real: Tensor, made: Tensor, *, rate: float) -> Tensor:
        """Teach the judge to tell real from made, one after the other; its loss."""
        _set_rate(self._judge_optimizer, rate)
        loss = self._loss.discriminator(self._judge(real), self._judge(made.detach()))
        self._judge_optimizer.zero_grad()
        self._fabric.backward(loss)
        self._judge_optimizer.step()
        return loss

    def _judgement(self, made: Tensor) -> Tensor:
        """Judgements through which the network alone learns."""
        # The bare module: only the network is to learn from this pass, on every device.
        self._judge.requires_grad_(False)
        with self._fabric.autocast():
            judged: Tensor = self._judge.module(made)
        self._judge.requires_grad_(True)
        return judged

    def _move_network(self, loss: Tensor, *, rate: float) -> None:
        _set_rate(self._optimizer, rate)
        self._optimizer.zero_grad()
        self._fabric.backward(loss)
        self._optimizer.step()

    def reason_to_stop(self, losses: dict[str, float]) -> str | None:
        return self._stop({name: losses[name] for name in ("l1", "adversarial", "discriminator")})

    def state_dict(self) -> dict[str, Any]:
        return {
            "optimizer": self._optimizer.state_dict(),
            "judge": self._judge.state_dict(),
            "judge_optimizer": self._judge_optimizer.state_dict(),
            "stop": self._stop.state_dict(),
            "monitor": self._monitor.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._optimizer.load_state_dict(state["optimizer"])
        self._judge.load_state_dict(state["judge"])
        self._judge_optimizer.load_state_dict(state["judge_optimizer"])
        self._stop.load_state_dict(state["stop"])
        self._monitor.load_state_dict(state["monitor"])


class AdversarialStep(_Duel):
    """Make pictures once; move the discriminator, then the generator (Eslami et al. 2020).

    Real and made pictures pass the discriminator one after the other, each with its own batch statistics.
    Targets that the recipe leaves to supervision add their loss to the generator's.
    """

    def __init__(self, recipe: Recipe, network: nn.Module, fabric: Fabric) -> None:
        settings = recipe.objective
        assert isinstance(settings, AdversarialPart)
        names = {target.name for target in recipe.targets}
        judged = set(settings.targets) or names
        targets, self._judged, self._planes = recipe.targets.part(judged)
        self._channels = recipe.network.in_channels
        self._rest = _Rest(recipe, names - judged, settings.rest) if names - judged else None
        judge = PatchDiscriminator(self._channels + targets.channels, width=settings.discriminator_width)
        loss = AdversarialLoss(targets, l1_weight=settings.l1_weight, eps=settings.eps)
        super().__init__(recipe, network, fabric, judge=judge, loss=loss)
        self._stop = SmoothedStop(l1=settings.stop_l1, guard=settings.guard)

    def __call__(self, films: Tensor, planes: Tensor, known: Tensor, *, rate: float) -> dict[str, float]:
        shown, have = films.expand(-1, self._channels, -1, -1), known[:, self._planes]
        raw = self._network(films)
        made, real = self._loss.made(raw[:, self._judged], have), self._loss.real(planes[:, self._planes], have)
        pair = torch.cat([shown, made], 1)
        discriminator = self._move_judge(torch.cat([shown, real], 1), pair, rate=rate)
        judged = self._judgement(pair)
        parts = {"l1": self._loss.l1(made, real, have), "adversarial": self._loss.generator(judged)}
        total = parts["adversarial"] + self._loss.l1_weight * parts["l1"]
        if self._rest is not None:
            parts["supervised"] = self._rest(raw, planes, known, films)
            total = total + parts["supervised"]
        self._move_network(total, rate=rate)
        parts = {"loss": total, **parts, "discriminator": discriminator}
        losses = {name: float(value.detach()) for name, value in parts.items()}
        self.noted = self._monitor(losses, made, real, have)
        return losses


class CriticStep(_Duel):
    """Supervision of every target, and a critic that tells whole made cases from true ones (Dai et al. 2018).

    The critic moves first, then the network by its supervised loss plus a small part of the critic's judgement.
    ``l1`` is logged for the monitor and the curves; nothing learns from it.
    """

    def __init__(self, recipe: Recipe, network: nn.Module, fabric: Fabric) -> None:
        settings = recipe.objective
        assert isinstance(settings, CriticPart)
        self._weight, self._film = settings.weight, settings.film
        self._supervised = SupervisedLoss(recipe.targets, **settings.pixels.loss)
        critic = ScanCritic(recipe.targets.channels + settings.film, width=settings.width)
        super().__init__(recipe, network, fabric, judge=critic, loss=AdversarialLoss(recipe.targets))

    def __call__(self, films: Tensor, planes: Tensor, known: Tensor, *, rate: float) -> dict[str, float]:
        raw = self._network(films)
        made, real = self._loss.made(raw, known), self._loss.real(planes, known)
        shown_made, shown_real = (torch.cat([films, some], 1) if self._film else some for some in (made, real))
        discriminator = self._move_judge(shown_real, shown_made, rate=rate)
        parts = {
            "supervised": self._supervised(raw, planes, known, films=films),
            "adversarial": self._loss.generator(self._judgement(shown_made)),
            "l1": self._loss.l1(made.detach(), real, known),
        }
        total = parts["supervised"] + self._weight * parts["adversarial"]
        self._move_network(total, rate=rate)
        parts = {"loss": total, **parts, "discriminator": discriminator}
        losses = {name: float(value.detach()) for name, value in parts.items()}
        self.noted = self._monitor(losses, made, real, known)
        return losses


class _Rest:
    """The supervised loss of the targets that no discriminator judges."""

    def __init__(self, recipe: Recipe, names: set[str], settings: SupervisedPart) -> None:
        targets, self._channels, self._planes = recipe.targets.part(names)
        self._loss = SupervisedLoss(targets, **settings.loss)

    def __call__(self, raw: Tensor, planes: Tensor, known: Tensor, films: Tensor) -> Tensor:
        return self._loss(raw[:, self._channels], planes[:, self._planes], known[:, self._planes], films=films)


STEPS: dict[str, Callable[[Recipe, nn.Module, Fabric], Step]] = {
    "supervised": SupervisedStep,
    "adversarial": AdversarialStep,
    "critic": CriticStep,
}
"""The step of each objective by the name that recipes give it."""


def _optimizer(network: nn.Module, schedule: Schedule) -> torch.optim.Optimizer:
    # With a decay of zero AdamW is Adam.
    kind = Muon if schedule.optimizer == "muon" else torch.optim.AdamW
    return kind(network.parameters(), schedule.learning_rate, betas=schedule.betas, weight_decay=schedule.weight_decay)


def _set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get("times", 1.0)
