"""Samples as files: a manifest with films and masks that every command takes, dots, and a picture to look at."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xprism.data.importers.files import new_folder, save_mask
from xprism.data.manifest import Case, write_manifest
from xprism.errors import DataError
from xprism.png import save_png
from xprism.readers.masks import FLAGS
from xprism.synthesis.augment import draw_variants
from xprism.synthesis.codes import as_grey
from xprism.synthesis.dots import Dots
from xprism.synthesis.label_map import LABELS, masks_of
from xprism.synthesis.looks import save_grid
from xprism.synthesis.pipeline import Pipeline
from xprism.synthesis.runs import SynthRun
from xprism.synthesis.sampling import Sample, Sampler
from xprism.synthesis.sources import condition_of, labels_in, sources_of

SHOWN = 16
"""Samples in the picture to look at."""


def write_samples(
    out: Path | str,
    samples: Iterable[Sample],
    *,
    sampler: Sampler,
    seed: int | None = None,
    on_sample: Callable[[], object] = lambda: None,
) -> None:
    """Write samples of a ``sampler`` into the new folder ``out`` as they come; ``seed`` is noted with them.

    ``dots/NAME.json`` where there are dots, ``labels/NAME.png`` (numbers), ``masks/`` and ``films/`` as far as they go;
    ``manifest.csv`` lists the cases that have a film; ``samples.json`` says from what they were drawn, and how many dot
    maps were turned down; ``samples.png`` shows the first ones. The folder appears whole or not at all.
    Raises ``OutputError`` where ``out`` is there already.
    """
    out = Path(out)
    cases: list[Case] = []
    shown: list[NDArray[np.uint8]] = []
    count = 0
    clavicles = sampler.run.pipeline.data.clavicles
    with new_folder(out) as folder:
        for sample in samples:
            case = _written(sample, folder, clavicles=clavicles, seed=seed)
            count += 1
            on_sample()
            if case is not None:
                cases.append(case)
            if len(shown) < SHOWN:
                shown.append(_panel(sample, sampler.run))
        if cases:
            write_manifest(folder / "manifest.csv", cases)
        save_grid(np.stack(shown), folder / "samples.png")
        facts = _facts(sampler, seed=seed, count=count)
        (folder / "samples.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


def write_sources(
    out: Path | str, cases: Sequence[Case], pipeline: Pipeline, *, on_film: Callable[[], object] = lambda: None
) -> None:
    """Write what a pipeline learns from into the new folder ``out``: films of ``cases`` and their variants.

    They have the pipeline's size; ``manifest.csv`` has them as cases of their subjects, called ``CASE`` or
    ``CASE-VARIANT``. The folder appears whole or not at all. Raises ``OutputError`` where ``out`` is there already.
    """
    sources = sources_of(cases, pipeline, variants=True, on_film=on_film)
    each, made = len(sources) // len(cases), []
    kinds = [variant.kind for variant in draw_variants(np.random.default_rng())]
    with new_folder(Path(out)) as folder:
        for number, source in enumerate(sources):
            case, kind = cases[number // each], kinds[number % each]
            name = case.case if kind == "original" else f"{case.case}-{kind}"
            sample = Sample(name, source.dots, source.labels, source.film)
            written = _written(sample, folder, clavicles=pipeline.data.clavicles, seed=None)
            assert written is not None
            made.append(replace(written, subject=case.subject, attributes={"source": "real", "polarity": "display"}))
        write_manifest(folder / "manifest.csv", made)


def _written(sample: Sample, folder: Path, *, clavicles: bool, seed: int | None) -> Case | None:
    """The files of one sample; its case where it has a film."""
    attributes = {"source": "synthetic", "polarity": "display"}
    if seed is not None:
        attributes["seed"] = str(seed)
    if sample.dots is not None:
        path = folder / "dots" / f"{sample.name}.json"
        path.parent.mkdir(exist_ok=True)
        sample.dots.save(path)
    if sample.labels is None:
        return None
    labels = folder / "labels" / f"{sample.name}.png"
    save_png(sample.labels, labels)
    flags, masks = _masks(sample.labels, folder / "masks", sample.name, clavicles=clavicles)
    if sample.film is None:
        return None
    film = folder / "films" / f"{sample.name}.png"
    save_png(sample.film, film)
    return Case(sample.name, sample.name, film, flags, masks, attributes=attributes, classes={"label_map": labels})


def _masks(
    numbers: NDArray[np.uint8], folder: Path, name: str, *, clavicles: bool
) -> tuple[Path | None, dict[str, Path]]:
    """Masks as one file of bit flags; a file a structure where clavicles are not drawn, so that they stay unknown."""
    masks = masks_of(numbers)
    if clavicles:
        flags = np.zeros(numbers.shape, np.uint8)
        for label, bit in FLAGS.items():
            flags |= masks[label].astype(np.uint8) * np.uint8(bit)
        save_png(flags, folder / f"{name}.png")
        return folder / f"{name}.png", {}
    known = {label: folder / label / f"{name}.png" for label in masks if "clavicle" not in label}
    for label, path in known.items():
        save_mask(masks[label], path)
    return None, known


def _panel(sample: Sample, run: SynthRun) -> NDArray[np.uint8]:
    """Dots, label map and film side by side [h, w], as far as the sample has them."""
    parts = []
    if sample.dots is not None:
        size = run.pipeline.size if sample.labels is not None else sample.dots.size
        parts.append(as_grey(condition_of(sample.dots, size), len(FLAGS) + 1))
    if sample.labels is not None:
        parts.append(as_grey(sample.labels, labels_in(run.pipeline.data)))
    if sample.film is not None:
        parts.append(sample.film)
    return np.concatenate(parts, axis=1)


def _facts(sampler: Sampler, *, seed: int | None, count: int) -> dict[str, Any]:
    stages = [{"stage": one.stage.name, "step": one.step, "sha256": one.sha256} for one in sampler.trained]
    tally, run = sampler.tally, sampler.run
    return {
        "schema_version": 1,
        "pipeline": run.pipeline.name,
        "run": str(run.folder.resolve()),
        "stages": stages,
        "seed": seed,
        "samples": count,
        "drawn": tally.drawn,
        "rejected": tally.rejected,
        "problems": dict(sorted(tally.problems.items())),
        "labels": list(LABELS[: labels_in(run.pipeline.data)]),
    }


def load_dots(path: Path, run: SynthRun) -> Dots:
    """Dots from a file that fit a run; raises ``DataError`` where they do not."""
    part = run.pipeline.stages.dots
    if part is None:
        made = " and ".join(stage.makes for stage in run.pipeline.chain)
        raise DataError(
            f"this run knows no dots, it makes {made}", where=str(run.folder), remedy="dots come with three stages"
        )
    dots = Dots.load(path, radius=run.pipeline.data.dot_radius)
    if dots.size != part.size:
        raise DataError(
            f"dots on a map of {dots.size} pixels, this run's have {part.size}",
            where=str(path),
            remedy="give dots that this run drew",
        )
    return dots
