"""Several models that see each film together and give one result."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from xprism.card import Card
from xprism.errors import ModelError
from xprism.inference.decode import decode
from xprism.inference.predictor import Options, Predictor, Prepared, structures_of
from xprism.radiograph import Radiograph
from xprism.result import ModelId, Result
from xprism.targets import Target, TargetSet


def load_predictor(
    model: str | Path | Sequence[str | Path], *, runtime: str = "auto", threads: int | None = None
) -> Predictor:
    """Load one model, or several that see each film together: a list, or names joined by commas.

    The networks run on all usable cores, or on as many ``threads`` as are named.
    Raises ``ModelError`` as ``Predictor.load`` does, and where a model is named twice or adds nothing to the others.
    """
    names = [name.strip() for name in model.split(",")] if isinstance(model, str) else model
    if isinstance(names, Path) or len(names) == 1:
        return Predictor.load(names if isinstance(names, Path) else names[0], runtime=runtime, threads=threads)
    return Together([Predictor.load(name, runtime=runtime, threads=threads) for name in names])


@dataclass(frozen=True)
class PreparedTogether(Prepared):
    """A film as the first model sees it, and as each of the others does."""

    others: tuple[Prepared, ...] = ()


class Together(Predictor):
    """The first model decides which films are read and measures them; the others add what only they know.

    Of the others, a target counts whose masks none before has, whole or in parts.
    """

    def __init__(self, models: Sequence[Predictor]) -> None:
        self.models = tuple(models)
        self.runtimes = tuple(one for model in models for one in model.runtimes)
        self._added = _added([model.card for model in models])
        self.card = _card([model.card for model in models], self._added)
        self.model = ModelId(self.card.name, self.card.version, self.card.sha256, self.card.licence)
        self.chest = models[0].chest

    def prepare(self, film: Radiograph) -> PreparedTogether:
        """As for one model; models of equal input share one grid."""
        first, *others = self.models
        seen = first.prepare(film)
        also = (seen if other.card.input == first.card.input else other.prepare(film) for other in others)
        return PreparedTogether(seen.film, seen.grid, seen.place, seen.header, tuple(also))

    def infer(self, prepared: Prepared) -> Any:
        """Raw outputs [K, h, w] of every network, in the models' order."""
        return [model.infer(one) for model, one in zip(self.models, (prepared, *_others(prepared)), strict=True)]

    def finish(self, prepared: Prepared, raw: Any, options: Options) -> Result:
        """The first model's result, with what the others add where it did not refuse the film."""
        first, *others = self.models
        result = first.finish(prepared, None if raw is None else raw[0], options)
        result = replace(result, model=self.model, card=self.card)
        if raw is None or result.refused is not None:
            return result
        for other, seen, values, added in zip(others, _others(prepared), raw[1:], self._added, strict=True):
            result = _with(result, other, seen, values, added, clean=options.clean)
        return result


def _others(prepared: Prepared) -> tuple[Prepared, ...]:
    assert isinstance(prepared, PreparedTogether)
    return prepared.others


def _with(
    result: Result, model: Predictor, seen: Prepared, raw: Any, added: tuple[Target, ...], *, clean: bool
) -> Result:
    """A result with the ``added`` targets of one more model."""
    channels = np.concatenate([raw[model.card.targets.slices[target.name]] for target in added])
    targets, film = TargetSet(targets=added), seen.film
    decoded = decode(
        channels,
        targets,
        seen.place,
        clean=clean,
        film=film.display,
        spacing=film.spacing,
        part=film.body_part,
    )
    card = model.card.model_copy(update={"targets": targets})
    return replace(
        result,
        masks=result.masks | decoded.masks,
        probabilities=result.probabilities | decoded.probabilities,
        pictures=result.pictures | decoded.pictures,
        classes=result.classes | decoded.classes,
        lesions=(*result.lesions, *decoded.lesions),
        structures=result.structures | structures_of(decoded, card, film),
    )


def _added(cards: Sequence[Card]) -> tuple[tuple[Target, ...], ...]:
    """The targets that each model after the first adds to those before it."""
    first, *others = cards
    known, added = _names(first.targets), []
    for card in others:
        new = tuple(target for target in card.targets if not _names(TargetSet(targets=(target,))) & known)
        if not new:
            raise ModelError(
                f"{card.name} adds nothing to {first.name}",
                remedy="name each model once, and only those that add to it",
            )
        known |= _names(TargetSet(targets=new))
        added.append(new)
    return tuple(added)


def _names(targets: TargetSet) -> set[str]:
    return {*(target.name for target in targets), *targets.channel_labels, *targets.unions}


def _card(cards: Sequence[Card], added: Sequence[tuple[Target, ...]]) -> Card:
    """What all of them say of themselves; its hash changes where one of theirs does."""
    first = cards[0]
    every = hashlib.sha256("".join(card.sha256 for card in cards).encode()).hexdigest()
    return first.model_copy(
        update={
            "name": "+".join(card.name for card in cards),
            "version": "+".join(card.version for card in cards),
            "summary": " ".join(card.summary for card in cards),
            "intended_use": " ".join(dict.fromkeys(card.intended_use for card in cards)),
            "targets": TargetSet(targets=(*first.targets, *(target for some in added for target in some))),
            "parameters": sum(card.parameters for card in cards),
            "licence": " and ".join(dict.fromkeys(card.licence for card in cards)),
            "scores": tuple(score for card in cards for score in card.scores),
            "known_failures": tuple(dict.fromkeys(failure for card in cards for failure in card.known_failures)),
            "files": {"model.onnx": every},
        }
    )
