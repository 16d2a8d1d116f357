"""What a multi-stage protocol may say: the films that teach and test, the pipelines, the segmentation, and how many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import yaml
from pydantic import Field

from xprism.data.manifest import Case, read_manifest
from xprism.data.split import by_lists
from xprism.errors import DataError, RecipeError
from xprism.protocols.experiments import multistage_protocols
from xprism.simulate.dataset import DatasetRequest, simulate_dataset
from xprism.synthesis.pipeline import Pipeline, load_pipeline
from xprism.training.recipe import Recipe, SimulatePart
from xprism.training.recipe_file import load_recipe, load_settings
from xprism.training.recipe_networks import Count, Part

PAGE = "docs/how-to/reproduce-a-paper.md"
Stages = Literal["one", "two", "three"]
STAGES: tuple[Stages, ...] = ("one", "two", "three")
"""The pipelines by how many stages they have."""


class PipelinePaths(Part):
    """The pipeline files of one, two and three stages."""

    one: Path
    two: Path
    three: Path


class Plan(Part):
    """One protocol of Ciano et al. 2021: FULL, TINY, or either reduced."""

    name: str
    films: Path | None = Field(None, description="text file of the films that teach; null: the first `take` of all")
    take: Count = Field(3, description="how many films teach where no file names them")
    test: Path | None = Field(
        None, description="text file of the films to test on, of which those that teach are left out; null: all others"
    )
    simulate: SimulatePart | None = Field(None, description="films to simulate where none are given")
    pipelines: PipelinePaths
    segmentation: Path = Field(description="recipe of the network that learns from what the pipelines draw")
    samples: Count = Field(7500, description="films drawn by each pipeline to train on")
    validation: Count = Field(2500, description="films drawn besides, to choose the weights by")
    moved: Count = Field(200, description="drawn dot maps of which the heart's dot is moved")
    published: Literal["tiny", "full"] = Field("tiny", description="the paper's table that stands beside the results")
    seed: int = Field(0, ge=0, description="of the films drawn")
    snapshots: dict[Stages, dict[int, int]] = Field(
        default_factory=dict, description="by pipeline and stage the step whose weights draw; the last ones elsewhere"
    )


@dataclass(frozen=True)
class Protocol:
    """A plan with the settings that its files hold, for one profile."""

    plan: Plan
    profile: str
    pipelines: dict[Stages, Pipeline]
    segmentation: Recipe


def load_protocol(name: str, *, profile: str, changes: Sequence[str] = ()) -> Protocol:
    """A protocol by name (``multistage``, ``multistage/full``) with ``changes`` (``key=value``) on its plan.

    Raises ``RecipeError`` for unknown names, profiles and settings.
    """
    path = multistage_protocols()[name]
    plan, settings = load_settings(Plan, path, profile=profile, changes=tuple(changes), page=PAGE)

    def absolute(*key: str, path_: Path | None) -> Path | None:
        return None if path_ is None else settings.absolute(key, path_, home=path.parent)

    paths = {stages: absolute("pipelines", stages, path_=getattr(plan.pipelines, stages)) for stages in STAGES}
    pipelines = {
        stages: load_pipeline(file, profile="paper" if profile == "full" else profile)
        for stages, file in paths.items()
        if file is not None
    }
    recipe = absolute("segmentation", path_=plan.segmentation)
    assert recipe is not None
    lists = {key: absolute(key, path_=getattr(plan, key)) for key in ("films", "test")}
    return Protocol(
        plan.model_copy(update=lists),
        profile,
        {stages: _learning_all(one) for stages, one in pipelines.items()},
        load_recipe(recipe, profile=profile),
    )


def _learning_all(pipeline: Pipeline) -> Pipeline:
    """The pipeline without a list of films: a protocol names them."""
    return pipeline.model_copy(update={"data": pipeline.data.model_copy(update={"films": None})})


def cases_of(protocol: Protocol, folder: Path, manifests: Sequence[Path]) -> tuple[Case, ...]:
    """The cases of the manifests given, or of films that are simulated in ``folder``/films where there are none."""
    if manifests:
        return tuple(case for manifest in manifests for case in read_manifest(manifest))
    if protocol.plan.simulate is None:
        raise DataError(
            f"{protocol.plan.name} needs films with masks of lungs, heart and clavicles",
            remedy="give a manifest, --data jsrt.csv, or try --profile smoke",
        )
    manifest = folder / "films" / "manifest.csv"
    if not manifest.is_file():
        simulate_dataset(manifest.parent, DatasetRequest(**protocol.plan.simulate.model_dump()), jobs=1)
    return read_manifest(manifest)


def split_films(plan: Plan, cases: Sequence[Case]) -> tuple[tuple[Case, ...], tuple[Case, ...]]:
    """The cases that teach, and those that are tested; subjects that teach are never tested.

    Raises ``DataError`` where either are none, and where a listed name is unknown.
    """
    if plan.films is None:
        teaching = set(list(dict.fromkeys(case.subject for case in cases))[: plan.take])
    else:
        teaching = set(by_lists(cases, [plan.films]))
    asked = {case.subject for case in cases} if plan.test is None else set(_listed(cases, plan.test))
    taught = tuple(case for case in cases if case.subject in teaching)
    tested = tuple(case for case in cases if case.subject in asked - teaching)
    if not tested:
        raise DataError("no film is left to test on", remedy="give a manifest with more films")
    return taught, tested


def _listed(cases: Sequence[Case], path: Path) -> dict[str, int]:
    try:
        return by_lists(cases, [path])
    except DataError as error:
        remedy = "give all films of JSRT, or test on all others: --set test=null"
        raise DataError(error.what, where=error.where, remedy=remedy) from error


def note_plan(protocol: Protocol, folder: Path) -> None:
    """Write ``plan.yaml``; raises ``RecipeError`` where the folder holds the results of another plan.

    Snapshots may still be chosen anew as long as nothing is drawn.
    """
    path = folder / "plan.yaml"
    said = protocol.plan.model_dump(mode="json", exclude={"films", "test", "pipelines", "segmentation"})
    said |= {"profile": protocol.profile}
    before = yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else said
    if not any(folder.glob("*-stage/samples/part-*")):
        before |= {"snapshots": said["snapshots"]}
    if before != said:
        raise RecipeError(
            "this folder holds the results of another plan", where=str(path), remedy="choose another folder"
        )
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(said, sort_keys=False), encoding="utf-8")
