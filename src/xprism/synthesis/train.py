"""Training of a pipeline, stage by stage: each can be interrupted, resumed, and looked at while it learns."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
import yaml
from numpy.typing import NDArray
from torch import nn

from xprism.allocator import keep_freed_memory
from xprism.data.manifest import Case, write_manifest
from xprism.errors import RecipeError
from xprism.progress import Progress
from xprism.synthesis.apart import moved_apart
from xprism.synthesis.grow import GrowingTraining
from xprism.synthesis.looks import as_picture, looked_at, save_grid
from xprism.synthesis.pipeline import Makes, PGGANPart, Pipeline, Pix2PixHDPart, Stage
from xprism.synthesis.runs import SynthRun, checkpoint_of, device, open_run, snapshot_of
from xprism.synthesis.sources import Source, conditions_of, labels_in, numbers_in, pictures_of, sources_of
from xprism.synthesis.translate import Pair, Pairs, TranslationTraining
from xprism.training.checkpoint import load_checkpoint, save_checkpoint
from xprism.training.log import TrainingLog
from xprism.training.loop import note_environment


class StageTraining(Protocol):
    """The steps of one stage, with all state that it needs to be resumed."""

    steps: int
    kept: nn.Module
    work: Callable[[int], float]

    def __call__(self, step: int) -> dict[str, float]:
        """Take a step, counted from 0; the losses by name."""

    def facts(self, step: int) -> dict[str, Any]:
        """Where a step stands, for the log."""

    def is_ready(self, steps: int) -> bool:
        """Whether the weights kept after so many steps can serve the pipeline."""

    def look(self, steps: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """Fixed samples after so many steps, and as much of the real, [n, C, h, h]."""

    def state_dict(self) -> dict[str, Any]:
        """Networks, averaged weights (``kept``) and optimisers."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved state."""


def train_pipeline(
    pipeline: Pipeline, cases: Sequence[Case], folder: Path | str, *, stage: int | None = None, resume: bool = False
) -> SynthRun:
    """Train the stages of a pipeline on films into ``folder``, or one of them by number; with ``resume`` go on.

    Writes ``pipeline.yaml``, ``films.csv``, ``environment.json`` and a folder a stage: ``metrics.jsonl``,
    ``checkpoint.pt``, and for every look ``grids/STEP.png`` and ``snapshots/STEP.pt``. Every draw depends on seed and
    step, so a resumed training equals an unbroken one. Raises ``RecipeError`` where a stage has begun and is not to be
    resumed, or has begun by other settings or films, and where losses are no numbers any more.
    """
    run = SynthRun(Path(folder), pipeline)
    wanted = pipeline.chain if stage is None else (run.stage(stage),)
    _check_begun(run, cases)
    for one in wanted:
        if run.has_begun(one) and not resume:
            raise RecipeError(
                "this stage has begun already", where=str(run.folder_of(one)), remedy="--resume, or another folder"
            )
    _describe(run, cases)
    keep_freed_memory()
    if pipeline.threads:
        torch.set_num_threads(pipeline.threads)
    with Progress("films", len(cases)) as shown:
        sources = sources_of(cases, pipeline, variants=True, on_film=shown.step)
    for one in wanted:
        _train(run, one, sources)
    return run


def _check_begun(run: SynthRun, cases: Sequence[Case]) -> None:
    """Raise ``RecipeError`` where a stage in the run's folder has begun by other settings, or with other films."""
    if not (run.folder / "pipeline.yaml").is_file():
        return
    old = open_run(run.folder)
    begun = [stage for stage in old.pipeline.chain if old.has_begun(stage)]
    other = [stage.name for stage in begun if stage not in run.pipeline.chain]
    if begun and old.pipeline.data != run.pipeline.data:
        other.append("data")
    if begun and _named(old.films()) != _named(cases):
        other.append("films")
    if other:
        raise RecipeError(
            f"this run was begun with other settings: {', '.join(other)}",
            where=str(run.folder),
            remedy="go on with what pipeline.yaml and films.csv say there, or choose another folder",
        )


def _named(cases: Sequence[Case]) -> list[tuple[str, Path]]:
    return [(case.case, case.film.resolve()) for case in cases]


def _describe(run: SynthRun, cases: Sequence[Case]) -> None:
    run.folder.mkdir(parents=True, exist_ok=True)
    said = yaml.safe_dump(run.pipeline.model_dump(mode="json"), sort_keys=False)
    (run.folder / "pipeline.yaml").write_text(said, encoding="utf-8")
    write_manifest(run.folder / "films.csv", cases)
    note_environment(run.folder, threads=run.pipeline.threads)


def training_of(stage: Stage, pipeline: Pipeline, sources: Sequence[Source]) -> StageTraining:
    """A stage's training before its first step."""
    part, labels = stage.part, labels_in(pipeline.data)
    torch.manual_seed(part.seed)
    if isinstance(part, PGGANPart):
        return GrowingTraining(part, pictures_of(sources, stage.makes, labels=labels), device())
    return TranslationTraining(part, _pairs(stage.makes, part, sources, labels), device())


def _pairs(makes: Makes, part: Pix2PixHDPart, sources: Sequence[Source], labels: int) -> Pairs:
    """What a Pix2PixHD learns from: films of label maps, or label maps of dots, with more that are moved apart."""
    given, conditions = conditions_of(sources, makes, size=part.size), numbers_in(makes, labels=labels)
    if makes == "film":
        return Pairs(given, np.stack([source.film for source in sources]), conditions=conditions, labels=None)

    def moved(place: int, rng: np.random.Generator) -> Pair:
        source = moved_apart(sources[place], rng, furthest=part.apart_by)
        return conditions_of([source], makes, size=part.size)[0], source.labels

    maps = np.stack([source.labels for source in sources])
    return Pairs(given, maps, conditions=conditions, labels=labels, more=part.apart, varied=moved, seed=part.seed)


def _train(run: SynthRun, stage: Stage, sources: Sequence[Source]) -> None:
    folder, part = run.folder_of(stage), stage.part
    folder.mkdir(exist_ok=True)
    training = training_of(stage, run.pipeline, sources)
    state: dict[str, Any] = {"step": 0, "seconds": 0.0}
    if run.has_begun(stage):
        state = load_checkpoint(checkpoint_of(folder))
        training.load_state_dict(state["training"])
    looks = {max(1, round(training.steps * look / part.looks)) for look in range(1, part.looks + 1)}
    started = time.monotonic() - state["seconds"]
    with TrainingLog(folder, steps=training.steps, done=state["step"], work=training.work) as log:
        log.say(f"stage {stage.name}: {training.steps} steps")
        for step in range(state["step"], training.steps):
            losses, seen = training(step), {}
            if not all(map(math.isfinite, losses.values())):
                raise RecipeError(
                    f"losses are no numbers after {step + 1} steps",
                    where=str(folder),
                    remedy="lower the learning_rate of this stage, and train it anew",
                )
            if step + 1 in looks:
                seen = _look(training, step + 1, folder, below=part.collapse_below)
            seconds = time.monotonic() - started
            line = {"step": step + 1, **training.facts(step), **losses, "seconds": round(seconds, 1), **seen}
            log.add(line, losses, _remarks(seen))
            if (step + 1) % part.checkpoint_every == 0 or step + 1 == training.steps:
                log.flush()
                state = {"step": step + 1, "seconds": seconds, "training": training.state_dict()}
                save_checkpoint(checkpoint_of(folder), state)


def _look(training: StageTraining, steps: int, folder: Path, *, below: float) -> dict[str, Any]:
    """Draw the fixed samples, keep the weights, and say how much the samples differ."""
    made, real = training.look(steps)
    save_grid(as_picture(made), folder / "grids" / f"{steps:08d}.png")
    save_grid(as_picture(real), folder / "grids" / f"films-{real.shape[-1]}.png")
    if training.is_ready(steps):
        path = snapshot_of(folder, steps)
        path.parent.mkdir(exist_ok=True)
        save_checkpoint(path, {"step": steps, "kept": training.kept.state_dict()})
    return looked_at(made, real, below=below)


def _remarks(seen: dict[str, Any]) -> tuple[str, ...]:
    if not seen.get("collapsed"):
        return ()
    found, wanted = seen["diversity"], seen["diversity_of_films"]
    return (f"collapsed: fixed samples differ by {found:.3g}, films by {wanted:.3g}",)
