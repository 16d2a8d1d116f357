"""A run of a pipeline: the folder that its trainings write, and the networks in it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import nn

from xprism.data.manifest import Case, read_manifest
from xprism.errors import DataError, RecipeError
from xprism.networks.pggan import ProgressiveGenerator
from xprism.networks.pix2pixhd import Pix2PixHDGenerator
from xprism.synthesis.growth import Growth
from xprism.synthesis.pipeline import PGGANPart, Pipeline, Stage
from xprism.synthesis.sources import labels_in, numbers_in
from xprism.training.checkpoint import load_checkpoint


@dataclass(frozen=True)
class Trained:
    """A stage's network with averaged weights, ready to draw, and the step that they are of."""

    stage: Stage
    network: nn.Module
    step: int

    @property
    def sha256(self) -> str:
        """Of the weights, one after the other as they stand in the network."""
        digest = hashlib.sha256()
        for weights in self.network.state_dict().values():
            digest.update(weights.cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()


@dataclass(frozen=True)
class SynthRun:
    """The folder of a pipeline's trainings, and what it says: ``pipeline.yaml`` and ``films.csv``.

    ``snapshots`` are the steps whose weights are to be taken, by the number of the stage; the last ones elsewhere.
    """

    folder: Path
    pipeline: Pipeline
    snapshots: Mapping[int, int] = field(default_factory=dict)

    def stage(self, number: int) -> Stage:
        """A stage by number, from 1; raises ``RecipeError`` where there is none."""
        chain = self.pipeline.chain
        if not 1 <= number <= len(chain):
            names = ", ".join(f"{stage.number} ({stage.makes})" for stage in chain)
            raise RecipeError(f"there is no stage {number}", where=str(self.folder), remedy=f"there are {names}")
        return chain[number - 1]

    def films(self) -> tuple[Case, ...]:
        """The films that it learns from."""
        return read_manifest(self.folder / "films.csv")

    def folder_of(self, stage: Stage) -> Path:
        """Where a stage's training lies."""
        return self.folder / stage.name

    def has_begun(self, stage: Stage) -> bool:
        """Whether a stage's training has come to its first checkpoint."""
        return checkpoint_of(self.folder_of(stage)).is_file()

    def snapshots_of(self, stage: Stage) -> tuple[int, ...]:
        """The steps at which a stage's weights were kept."""
        return tuple(sorted(int(path.stem) for path in (self.folder_of(stage) / "snapshots").glob("*.pt")))

    def trained(self, number: int) -> Trained:
        """The network of a stage; raises ``DataError`` where it cannot draw yet, or lacks the snapshot."""
        stage = self.stage(number)
        folder, remedy = self.folder_of(stage), f"xprism synth train ... --stage {number}"
        if not self.has_begun(stage):
            raise DataError("this stage has not begun to learn", where=str(folder), remedy=remedy)
        state = self._weights(stage)
        step, network = state["step"], generator_of(stage, self.pipeline)
        if isinstance(stage.part, PGGANPart) and not Growth(stage.part).is_grown(step):
            what = f"after {step} steps this stage does not draw {stage.part.size} pixels yet"
            raise DataError(what, where=str(folder), remedy=f"{remedy} --resume")
        network.load_state_dict(state["kept"])
        return Trained(stage, network.eval(), step)

    def _weights(self, stage: Stage) -> dict[str, Any]:
        folder, step = self.folder_of(stage), self.snapshots.get(stage.number)
        if step is None:
            state = load_checkpoint(checkpoint_of(folder))
            return {"step": state["step"], "kept": state["training"]["kept"]}
        if step not in (kept := self.snapshots_of(stage)):
            remedy = f"weights were kept at {', '.join(map(str, kept)) or 'none'}"
            raise DataError(f"no weights were kept at step {step}", where=str(folder), remedy=remedy)
        return load_checkpoint(snapshot_of(folder, step))


def open_run(folder: Path | str, *, snapshots: Mapping[int, int] | None = None) -> SynthRun:
    """A run as its folder holds it; raises ``DataError`` where it is none."""
    folder = Path(folder)
    path = folder / "pipeline.yaml"
    if not path.is_file():
        raise DataError("no pipeline.yaml", where=str(folder), remedy="give the folder that 'xprism synth train' wrote")
    pipeline = Pipeline.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    run = SynthRun(folder, pipeline, dict(snapshots or {}))
    for number in run.snapshots:
        run.stage(number)
    return run


def checkpoint_of(folder: Path) -> Path:
    """Everything that a stage needs to go on."""
    return folder / "checkpoint.pt"


def snapshot_of(folder: Path, step: int) -> Path:
    """The averaged weights of one look."""
    return folder / "snapshots" / f"{step:08d}.pt"


def generator_of(stage: Stage, pipeline: Pipeline) -> nn.Module:
    """A stage's generator with fresh weights."""
    part, labels = stage.part, labels_in(pipeline.data)
    if isinstance(part, PGGANPart):
        return ProgressiveGenerator(part.size, 2 if stage.makes == "labels_and_film" else 1, maps=part.maps)
    made = labels if stage.makes == "labels" else 1
    given = numbers_in(stage.makes, labels=labels)
    return Pix2PixHDGenerator(given, made, width=part.width, downs=part.downs, blocks=part.blocks)


def device() -> torch.device:
    """The GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
