"""A model ready for use: give it a radiograph, get everything it can say about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xprism.card import Card
from xprism.errors import ModelError
from xprism.grid import Placement, prepare, windows
from xprism.inference.decode import Decoded, decode
from xprism.inference.gate import check_header, check_masks, missing_lungs
from xprism.inference.measure import measure, structure_of
from xprism.inference.quality import judge
from xprism.inference.runtimes import Runtime, RuntimeId, open_runtime
from xprism.radiograph import Radiograph
from xprism.result import ModelId, Quality, Refusal, Result, Structure
from xprism.targets import Classes
from xprism.zoo import find


@dataclass(frozen=True)
class Options:
    """What the user may choose: ``clean`` masks (one piece, no holes) and ``force`` past the gate."""

    clean: bool = True
    force: bool = False


@dataclass(frozen=True)
class Prepared:
    """A film on its way: network input float32 [1, 1, h, w], or the refusal of its header."""

    film: Radiograph
    grid: NDArray[np.float32]
    place: Placement
    header: Refusal | None


class Predictor:
    """A loaded model; calling it with a ``Radiograph`` returns a ``Result``. Threads may share it.

    The three steps of a call are there one by one, so that a pipeline may overlap them: ``prepare``
    (any thread), ``infer`` (the network) and ``finish`` (any thread).
    """

    def __init__(self, card: Card, runtime: Runtime, *, runtime_id: RuntimeId | None = None) -> None:
        self.card, self._runtime = card, runtime
        self.runtimes: tuple[RuntimeId, ...] = (runtime_id or RuntimeId(),)
        self.model = ModelId(card.name, card.version, card.sha256, card.licence)
        self.chest = card.gate == "frontal_chest"

    @classmethod
    def load(cls, model: str | Path, *, runtime: str = "onnx", threads: int | None = None) -> Predictor:
        """Load a shipped model by name, or any model by its folder; ``runtime`` is one of ``runtimes.NAMES``.

        Raises ``ModelError`` where the model is missing, incomplete or does not match its card, and
        ``MissingExtra`` where the runtime is not installed.
        """
        folder = find(model)
        card = Card.load(folder)
        opened, chosen = open_runtime(runtime, folder, card, threads=threads)
        return cls(card, opened, runtime_id=chosen)

    def options(self, *, clean: bool | None = None, force: bool = False) -> Options:
        """The options of a call; by default masks are cleaned where the model is one for chests."""
        return Options(self.chest if clean is None else clean, force)

    def __call__(self, film: Radiograph, *, clean: bool | None = None, force: bool = False) -> Result:
        """Masks, pictures, measurements and quality of one film; ``result.refused`` where it is no film for the model.

        ``force`` predicts and measures in spite of a refusal and marks the result.
        """
        options = self.options(clean=clean, force=force)
        prepared = self.prepare(film)
        raw = self.infer(prepared) if self.needs_network(prepared, options) else None
        return self.finish(prepared, raw, options)

    def prepare(self, film: Radiograph) -> Prepared:
        """Ask the gate about the header and bring the film onto the network's grid."""
        pixel = 1.0 if film.spacing is None else film.spacing.row_mm / film.spacing.column_mm
        grid, place = prepare(film.display, self.card.input, row_to_column=pixel)
        return Prepared(film, grid, place, check_header(film) if self.chest else None)

    @staticmethod
    def needs_network(prepared: Prepared, options: Options) -> bool:
        """Whether the network must run; not so for a film that its header refuses."""
        return prepared.header is None or options.force

    def infer(self, prepared: Prepared) -> NDArray[Any]:
        """Raw outputs [K, h, w] of the network, means of its windows where it has some.

        Raises ``ModelError`` where they do not fit the card.
        """
        spec = self.card.input
        places = windows(spec)
        if len(places) == 1:
            return self._seen(prepared.grid)
        total = np.zeros((self.card.targets.channels, *spec.size), np.float32)
        times = np.zeros(spec.size, np.float32)
        for rows, columns in places:
            total[:, rows, columns] += self._seen(np.ascontiguousarray(prepared.grid[..., rows, columns]))
            times[rows, columns] += 1
        return total / times

    def _seen(self, grid: NDArray[np.float32]) -> NDArray[Any]:
        raw = self._runtime(grid)
        wanted = (1, self.card.targets.channels, *self.card.input.seen)
        if raw.shape != wanted:
            raise ModelError(
                f"the network returned {list(raw.shape)}, its card says {list(wanted)}", remedy="export the model again"
            )
        found: NDArray[Any] = raw[0]
        return found

    def finish(self, prepared: Prepared, raw: NDArray[Any] | None, options: Options) -> Result:
        """Read out, measure and judge raw outputs [K, h, w]; None stands for a film that its header refuses."""
        result = Result(
            prepared.film, self.model, log=_grid_log(prepared), options=self.recorded(options), card=self.card
        )
        if raw is None:
            return replace(result, refused=prepared.header, quality=Quality(0.0))
        film, spacing = prepared.film.display, prepared.film.spacing
        decoded = decode(
            raw,
            self.card.targets,
            prepared.place,
            clean=options.clean,
            film=film,
            spacing=spacing,
            part=prepared.film.body_part,
        )
        structures = structures_of(decoded, self.card, prepared.film)
        refusal = prepared.header
        if self.chest and refusal is None:
            refusal = check_masks(structures, decoded.certainty, prepared.film.shape)
        quality = judge(structures, decoded.certainty, prepared.film.shape, chest=self.chest)
        if refusal is not None and not options.force:
            return replace(result, refused=refusal, quality=replace(quality, score=0.0))
        # A speck where a lung should be must not set the width of the thorax.
        present = {label: mask for label, mask in decoded.masks.items() if label not in missing_lungs(structures)}
        return replace(
            result,
            masks=decoded.masks,
            probabilities=decoded.probabilities,
            pictures=decoded.pictures,
            classes=decoded.classes,
            lesions=tuple(decoded.lesions),
            structures=structures,
            measurements=measure(present, prepared.film),
            quality=quality if refusal is None else _forced(quality, refusal),
            overridden=refusal,
            log=result.log + _clean_log(decoded),
            window=prepared.place.window,
        )

    def recorded(self, options: Options) -> dict[str, Any]:
        """The options as a result records them, with the runtime that worked, or one for each of several models."""
        ran = {"runtime": _joined(one.name for one in self.runtimes)}
        ran["precision"] = _joined(one.precision for one in self.runtimes)
        if any(one.sha256 for one in self.runtimes):
            ran["network_sha256"] = "+".join(one.sha256 or "" for one in self.runtimes)
        return {"clean": options.clean, "force": options.force, **ran}


def _joined(words: Iterable[str]) -> str:
    """The words joined by +, or one of them where all are equal."""
    every = list(words)
    return every[0] if len(set(every)) == 1 else "+".join(every)


def structures_of(decoded: Decoded, card: Card, film: Radiograph) -> dict[str, Structure]:
    """Area, centroid and box of every mask and of every class present in a class map."""
    found = {label: structure_of(label, mask, film.spacing) for label, mask in decoded.masks.items()}
    for target in card.targets:
        if isinstance(target, Classes):
            index = decoded.classes[target.name]
            found.update({name: structure_of(name, index == k, film.spacing) for k, name in enumerate(target.labels)})
    return found


def _forced(quality: Quality, refusal: Refusal) -> Quality:
    remark = f"forced: the film would have been refused ({refusal.code}: {refusal.reason})"
    return Quality(min(quality.score, 0.3), (remark, *quality.remarks))


def _grid_log(prepared: Prepared) -> tuple[str, ...]:
    place, spacing = prepared.place, prepared.film.spacing
    log = [f"The network saw the film at {place.height} x {place.width} pixels."]
    if place.window_shape != place.film:
        top, left, height, width = place.window
        log.append(f"Wide blank borders were left out: rows {top} to {top + height}, columns {left} to {left + width}.")
    if spacing is not None and abs(spacing.row_mm / spacing.column_mm - 1) > 0.01:
        log.append(
            f"Pixels are not square ({spacing.row_mm:g} x {spacing.column_mm:g} mm); they were made so for the network."
        )
    return tuple(log)


def _clean_log(decoded: Decoded) -> tuple[str, ...]:
    return tuple(
        f"{label}: {one.cleaning.removed} loose pieces removed, {one.cleaning.filled_fraction:.1%} of holes filled."
        for label, one in decoded.certainty.items()
        if one.cleaning.removed or one.cleaning.filled_fraction >= 0.0005
    )
