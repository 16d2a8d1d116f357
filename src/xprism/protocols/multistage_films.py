"""The films of a multi-stage protocol: real pairs, the pipelines that learn from them, and what these draw."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from xprism.data.manifest import Case, read_manifest, write_manifest
from xprism.progress import Progress
from xprism.protocols.multistage_plan import Plan, Protocol, Stages
from xprism.synthesis.output import write_samples, write_sources
from xprism.synthesis.pipeline import Pipeline
from xprism.synthesis.runs import SynthRun, checkpoint_of, open_run
from xprism.synthesis.sampling import Sampler
from xprism.synthesis.train import train_pipeline
from xprism.training.checkpoint import load_checkpoint

PART = 250
"""Films that are drawn at once; a draw that is interrupted begins again with the part it was at."""
_ORDER: tuple[Stages, ...] = ("three", "two", "one")
"""Three stages begin: theirs are the only drawings that may be turned down, which is better known early."""


_OF_DOTS = {"dot_radius", "smallest_dot", "rejects"}


def real_pairs(protocol: Protocol, taught: Sequence[Case], folder: Path) -> Path:
    """The manifest of the films that teach, each with its variants, as the pipelines see them."""
    out = folder / "pairs"
    if not out.is_dir():
        with Progress("real pairs", len(taught)) as shown:
            write_sources(out, taught, protocol.pipelines["three"], on_film=shown.step)
    return out / "manifest.csv"


def trained_pipelines(protocol: Protocol, taught: Sequence[Case], folder: Path) -> dict[str, SynthRun]:
    """The runs of the pipelines, trained to their end, with the weights that the plan chooses; three stages first."""
    runs: dict[str, SynthRun] = {}
    for stages in _ORDER:
        pipeline, where = protocol.pipelines[stages], folder / f"{stages}-stage"
        if not all(path.is_file() for path in _manifests(where)):
            if stages == "two":
                _share_film_stage(runs["three"], pipeline, where)
            train_pipeline(pipeline, taught, where, resume=True)
        runs[stages] = open_run(where, snapshots=protocol.plan.snapshots.get(stages))
    return runs


def _manifests(where: Path) -> tuple[Path, Path]:
    return where / "samples" / "train.csv", where / "samples" / "validation.csv"


def _share_film_stage(trained: SynthRun, pipeline: Pipeline, where: Path) -> None:
    """Take the film stage over from another pipeline, whose training is the same where settings and films are.

    How dots are drawn and read does not matter to it.
    """
    (theirs,), (ours,) = ([one for one in some.chain if one.makes == "film"] for some in (trained.pipeline, pipeline))
    place = where / ours.name
    of_films = [one.data.model_dump(exclude=_OF_DOTS) for one in (trained.pipeline, pipeline)]
    if theirs.part != ours.part or of_films[0] != of_films[1] or place.exists():
        return
    partial = place.with_name(place.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(trained.folder_of(theirs), partial)
    partial.rename(place)


def drawn_films(plan: Plan, run: SynthRun) -> tuple[Path, Path]:
    """Manifests of the films that a pipeline draws: those to train on, and those to choose weights by."""
    home, wanted, cases = run.folder / "samples", plan.samples + plan.validation, list[Case]()
    manifests = _manifests(run.folder)
    if all(path.is_file() for path in manifests):
        return manifests
    done = min(wanted, PART * len([*home.glob("part-*/manifest.csv")]))
    with Progress(f"films of {run.folder.name}", wanted, done=done) as shown:
        for part, first in enumerate(range(0, wanted, PART)):
            out, seed = home / f"part-{part:03d}", 1000 * plan.seed + part
            if not out.is_dir():
                sampler = Sampler(run)
                samples = sampler.samples(min(PART, wanted - first), seed=seed)
                write_samples(out, samples, sampler=sampler, seed=seed, on_sample=shown.step)
            cases += read_manifest(out / "manifest.csv")
    for path, some in zip(manifests, (cases[: plan.samples], cases[plan.samples :]), strict=True):
        write_manifest(path, some)
    return manifests


def facts_of(run: SynthRun) -> dict[str, Any]:
    """Minutes of every stage of a pipeline, and how many drawings were looked at and turned down, and why."""
    parts = [json.loads(path.read_text(encoding="utf-8")) for path in run.folder.glob("samples/part-*/samples.json")]
    problems: Counter[str] = sum((Counter(part["problems"]) for part in parts), Counter())
    seconds = {
        stage.name: load_checkpoint(checkpoint_of(run.folder_of(stage)))["seconds"] for stage in run.pipeline.chain
    }
    return {
        "pixels": run.pipeline.size,
        "minutes": {name: round(value / 60, 1) for name, value in seconds.items()},
        "samples": sum(part["samples"] for part in parts),
        "drawn": sum(part["drawn"] for part in parts),
        "rejected": sum(part["rejected"] for part in parts),
        "problems": dict(sorted(problems.items())),
    }
