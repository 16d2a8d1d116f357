"""Training of a stage that draws from noise: a progressively growing GAN by the Wasserstein objective."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from xprism.networks.pggan import ProgressiveCritic, ProgressiveGenerator
from xprism.objectives.wgan_gp import WassersteinLoss, gradient_norms
from xprism.synthesis.codes import as_signal
from xprism.synthesis.draws import averaged, in_epochs, latents_for, rng_for
from xprism.synthesis.growth import Growth
from xprism.synthesis.pipeline import PGGANPart
from xprism.synthesis.pyramid import Way, pyramid


class Levels:
    """Grey pictures [n, C, H, H] as signals at the sizes that growing asks for; the last two sizes are kept."""

    def __init__(self, pictures: NDArray[np.uint8], how: Way) -> None:
        self._pictures, self._how = pictures, how
        self._kept: dict[int, NDArray[Any]] = {pictures.shape[-1]: pictures}

    def __len__(self) -> int:
        return len(self._pictures)

    def take(self, numbers: NDArray[np.int64], size: int) -> Tensor:
        """Pictures by number at ``size``, from -1 to 1."""
        if size not in self._kept:
            smaller = np.stack([self._shrunk(picture, size) for picture in self._pictures])
            largest = self._pictures.shape[-1]
            near = {side: kept for side, kept in self._kept.items() if side in (largest, size // 2, 2 * size)}
            self._kept = {**near, size: smaller}
        return torch.from_numpy(as_signal(self._kept[size][numbers]))

    def _shrunk(self, picture: NDArray[np.uint8], size: int) -> NDArray[np.float32]:
        levels = pyramid(picture, self._how)
        return next(level for level in levels if level.shape[-1] == size)


class GrowingTraining:
    """Steps of a PGGAN: the critic moves once, then the generator once, each on latents of its own.

    ``real`` are grey pictures [n, C, H, H]. Real pictures fade in as made ones do. ``kept`` is the generator whose
    weights are averages.
    """

    def __init__(self, settings: PGGANPart, real: NDArray[np.uint8], device: torch.device) -> None:
        self._settings, self._device, channels = settings, device, real.shape[1]
        self._growth, self._real = Growth(settings), Levels(real, settings.pyramid)
        self._loss = WassersteinLoss(penalty=settings.penalty, drift=settings.drift)
        self._generator = ProgressiveGenerator(settings.size, channels, maps=settings.maps).to(device)
        self._critic = ProgressiveCritic(settings.size, channels, maps=settings.maps).to(device)
        self.kept: nn.Module = deepcopy(self._generator)
        self._optimizers = self._fresh_optimizers()
        self.steps = self._growth.steps
        self.work: Callable[[int], float] = self._growth.work

    def __call__(self, step: int) -> dict[str, float]:
        """Take a step; what it depends on is the seed, the step and the weights alone."""
        now, settings = self._growth.at(step), self._settings
        if step and now.size != self._growth.at(step - 1).size:
            self._optimizers = self._fresh_optimizers()
        for optimizer in self._optimizers:
            optimizer.param_groups[0]["lr"] = self._rate(now.size)
        rng = rng_for(settings.seed, "step", step)
        real = self._shown(in_epochs(settings.seed, len(self._real), now.shown, now.batch), now.size, now.fade)
        latents, others = (latents_for(rng, now.batch, settings.maps).to(self._device) for _ in range(2))
        shares = torch.from_numpy(rng.random(now.batch, np.float32)).to(self._device)
        critic, distance = self._move_critic(real, latents, shares, size=now.size, fade=now.fade)
        generator = self._move_generator(others, size=now.size, fade=now.fade)
        averaged(self.kept, self._generator, settings.ema, step)
        return {"generator": generator, "critic": critic, "distance": distance}

    def facts(self, step: int) -> dict[str, Any]:
        """Where a step stands, for the log: thousand pictures shown, size, how far its layers have faded in, rate."""
        now = self._growth.at(step)
        shown = (now.shown + now.batch) / 1000
        return {"kimg": shown, "size": now.size, "fade": round(now.fade, 4), "rate": self._rate(now.size)}

    def is_ready(self, steps: int) -> bool:
        """Whether after so many steps the whole network draws."""
        return self._growth.is_grown(steps)

    @torch.no_grad()
    def look(self, steps: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """Fixed samples after so many steps and as many films, [n, C, h, h] at the size of the moment."""
        now, count = self._growth.at(steps - 1), self._settings.watched
        latents = latents_for(rng_for(self._settings.seed, "look"), count, self._settings.maps).to(self._device)
        made = [self.kept(one[None], size=now.size, fade=now.fade).cpu() for one in latents]
        numbers = np.linspace(0, len(self._real) - 1, min(count, len(self._real))).astype(np.int64)
        return torch.cat(made).numpy(), self._shown(numbers, now.size, now.fade).cpu().numpy()

    def state_dict(self) -> dict[str, Any]:
        parts = {"generator": self._generator, "critic": self._critic, "kept": self.kept}
        state: dict[str, Any] = {name: part.state_dict() for name, part in parts.items()}
        return state | {"optimizers": [optimizer.state_dict() for optimizer in self._optimizers]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name, part in {"generator": self._generator, "critic": self._critic, "kept": self.kept}.items():
            part.load_state_dict(state[name])
        for optimizer, one in zip(self._optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(one)

    def _shown(self, numbers: NDArray[np.int64], size: int, fade: float) -> Tensor:
        """Real pictures by number, mixed with the enlarged pictures of the size before while layers fade in."""
        pictures = self._real.take(numbers, size)
        if fade < 1:
            before = F.interpolate(self._real.take(numbers, size // 2), scale_factor=2.0, mode="nearest")
            pictures = torch.lerp(before, pictures, fade)
        return pictures.to(self._device)

    def _move_critic(
        self, real: Tensor, latents: Tensor, shares: Tensor, *, size: int, fade: float
    ) -> tuple[float, float]:
        """The critic's loss, and how far apart it judges real and made pictures to be."""
        with torch.no_grad():
            made = self._generator(latents, size=size, fade=fade)
        norms = gradient_norms(lambda pictures: self._critic(pictures, fade=fade), real, made, shares)
        judged_real, judged_made = self._critic(real, fade=fade), self._critic(made, fade=fade)
        loss = self._loss.critic(judged_real, judged_made, norms)
        self._move(self._optimizers[1], loss)
        return float(loss.detach()), float((judged_real.mean() - judged_made.mean()).detach())

    def _move_generator(self, latents: Tensor, *, size: int, fade: float) -> float:
        self._critic.requires_grad_(False)
        loss = self._loss.generator(self._critic(self._generator(latents, size=size, fade=fade), fade=fade))
        self._move(self._optimizers[0], loss)
        self._critic.requires_grad_(True)
        return float(loss.detach())

    def _move(self, optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    def _rate(self, size: int) -> float:
        return self._settings.learning_rate_at_1024 if size == 1024 else self._settings.learning_rate

    def _fresh_optimizers(self) -> list[torch.optim.Optimizer]:
        networks: list[nn.Module] = [self._generator, self._critic]
        betas = self._settings.betas
        return [torch.optim.Adam(network.parameters(), 1e-3, betas=betas, eps=1e-8) for network in networks]
