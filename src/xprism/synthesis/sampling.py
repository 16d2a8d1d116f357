"""Labelled films drawn by a trained pipeline, or made of dots: each a function of the model and its number alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from xprism.errors import DataError
from xprism.networks.pggan import ProgressiveGenerator
from xprism.synthesis.codes import nearest_number
from xprism.synthesis.decoding import Drawing, decoded
from xprism.synthesis.dots import Dots
from xprism.synthesis.draws import latents_for, rng_for
from xprism.synthesis.runs import SynthRun, Trained, device
from xprism.synthesis.sources import condition_of, labels_in, numbers_in, sources_of
from xprism.synthesis.translate import one_hot

TOGETHER = 8
"""Draws that pass the first stage at once: always as many, since rounding may differ with the number."""
PATIENCE = 500
"""Draws in a row that may be turned down before it is given up."""


@dataclass(frozen=True)
class Sample:
    """What one draw came to: dots, numbers of the label map [H, H] and film [H, H] from 0 to 255, as far as it went."""

    name: str
    dots: Dots | None = None
    labels: NDArray[np.uint8] | None = None
    film: NDArray[np.uint8] | None = None


@dataclass
class Tally:
    """How many drawings were looked at, how many turned down, and what was wrong with those: structure and reason."""

    drawn: int = 0
    rejected: int = 0
    problems: Counter[str] = field(default_factory=Counter)


class Sampler:
    """Draws from the stages of a run: from all of them, or from those whose ``numbers`` are given.

    ``tally`` counts dot maps that were turned down. Raises ``DataError`` where a stage has not learnt to draw.
    """

    def __init__(self, run: SynthRun, numbers: Sequence[int] = ()) -> None:
        self.run, self._labels, self._device = run, labels_in(run.pipeline.data), device()
        wanted = numbers or range(1, len(run.pipeline.chain) + 1)
        self.trained = tuple(self._placed(run.trained(number)) for number in wanted)
        self.tally = Tally()

    def samples(self, count: int, *, seed: int = 0) -> Iterator[Sample]:
        """``count`` samples: the first ones of the endless row that a seed stands for.

        Where the first stage is left out, the others work on the real dots or label maps of the films that the run
        learnt from, each once, in an order that the seed gives.
        """
        if count < 1:
            raise DataError(f"there can be 1 or more samples, not {count}")
        begun = self._drawn(count, seed) if self.trained[0].stage.number == 1 else self._real(count, seed)
        for sample in begun:
            yield self._through(sample)

    def of_dots(self, dots: Dots, *, name: str) -> Sample:
        """The label map and film of given dots, as far as the stages go."""
        return self._through(Sample(name, dots))

    def _placed(self, trained: Trained) -> Trained:
        trained.network.to(self._device)
        return trained

    def _drawn(self, count: int, seed: int) -> Iterator[Sample]:
        """What the first stage draws, without what is turned down; dots are as large as the next stage knows them."""
        trained, data = self.trained[0], self.run.pipeline.data
        given, in_a_row = 0, 0
        for number, signal in self._signals(trained.network, seed):
            self.tally.drawn += 1
            name = f"synthetic-{seed}-{number:06d}"
            if trained.stage.makes != "dots":
                yield Sample(name, None, *self._decoded(signal))
            else:
                drawing = decoded(signal[0], smallest=data.smallest_dot)
                if self._is_turned_down(drawing):
                    in_a_row += 1
                    if in_a_row == PATIENCE:
                        raise self._given_up()
                    continue
                yield Sample(name, drawing.dots.drawn_with(data.dot_radius))
            given, in_a_row = given + 1, 0
            if given == count:
                return

    @torch.no_grad()
    def _signals(self, network: nn.Module, seed: int) -> Iterator[tuple[int, NDArray[Any]]]:
        """Draws [C, h, h] by number, without end."""
        assert isinstance(network, ProgressiveGenerator)
        number = 0
        while True:
            rngs = (rng_for(seed, "sample", number + place) for place in range(TOGETHER))
            latents = torch.cat([latents_for(rng, 1, network.latent) for rng in rngs])
            for signal in network(latents.to(self._device)).cpu().numpy():
                yield number, signal
                number += 1

    def _decoded(self, signal: NDArray[Any]) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
        """The label map [h, h] of a draw, and the film where it has a second channel."""
        return nearest_number(signal[0], self._labels), _grey(signal[1]) if len(signal) > 1 else None

    def _is_turned_down(self, drawing: Drawing) -> bool:
        rejects = self.run.pipeline.data.rejects
        wrong = [one for one in drawing.problems if one.reason in rejects]
        self.tally.problems.update(f"{one.structure} {one.reason}" for one in drawing.problems)
        self.tally.rejected += bool(wrong)
        return bool(wrong)

    def _given_up(self) -> DataError:
        often = ", ".join(f"{what} {count}" for what, count in self.tally.problems.most_common(3))
        return DataError(
            f"the last {PATIENCE} dot maps were all turned down ({often} of {self.tally.drawn})",
            where=str(self.run.folder),
            remedy="train the stage for longer, take another of its snapshots, or take all: data.rejects: []",
        )

    def _real(self, count: int, seed: int) -> Iterator[Sample]:
        """What the stage before the first one would have made, of real films."""
        cases, makes = self.run.films(), self.trained[0].stage.makes
        if count > len(cases):
            raise DataError(f"this stage alone can work on {len(cases)} films, not {count}")
        for place in rng_for(seed, "sample").permutation(len(cases))[:count]:
            (source,) = sources_of([cases[place]], self.run.pipeline, variants=False)
            name = f"made-of-{cases[place].case}"
            yield Sample(name, source.dots, None if makes == "labels" else source.labels)

    def _through(self, sample: Sample) -> Sample:
        """A sample after the stages that work on another one."""
        dots, labels, film = sample.dots, sample.labels, sample.film
        for trained in self.trained:
            makes, size = trained.stage.makes, trained.stage.part.size
            if makes == "labels" and dots is not None:
                signal = self._made(trained, condition_of(dots, size))
                labels = signal.argmax(0).astype(np.uint8)
            elif makes == "film" and labels is not None:
                film = _grey(self._made(trained, labels)[0])
        return Sample(sample.name, dots, labels, film)

    @torch.no_grad()
    def _made(self, trained: Trained, numbers: NDArray[np.uint8]) -> NDArray[Any]:
        """What a Pix2PixHD makes of one map of numbers [h, h]: signals [C, h, h]."""
        count = numbers_in(trained.stage.makes, labels=self._labels)
        made: NDArray[Any] = trained.network(one_hot(numbers[None], count).to(self._device))[0].cpu().numpy()
        if not np.isfinite(made).all():
            raise DataError("the network made values that are no numbers", remedy="take weights of an earlier step")
        return made


def _grey(signal: NDArray[Any]) -> NDArray[np.uint8]:
    if not np.isfinite(signal).all():
        raise DataError("the network made values that are no numbers", remedy="take weights of an earlier step")
    return np.rint(np.clip((signal.astype(np.float64) + 1) * 127.5, 0, 255)).astype(np.uint8)
