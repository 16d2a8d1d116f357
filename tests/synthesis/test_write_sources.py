"""What a pipeline learns from can be written as a manifest: each film and its variants, with the film's own subject."""

from pathlib import Path

import numpy as np
import pytest

from xprism.data.manifest import read_manifest
from xprism.errors import OutputError
from xprism.synthesis.label_map import masks_of
from xprism.synthesis.output import write_sources
from xprism.synthesis.pipeline import load_pipeline
from xprism.synthesis.sources import sources_of

PIPELINE = Path(__file__).parents[2] / "recipes" / "synthesis" / "three-stage.yaml"
KINDS = ("", "-rotation", "-horizontal", "-vertical", "-combined", "-noise")


@pytest.mark.parametrize("variants", [True, False])
def test_pairs_are_films_and_masks_as_the_pipeline_sees_them(chests: Path, tmp_path: Path, variants: bool) -> None:
    change = f"data.variants={str(variants).lower()}"
    pipeline, cases = load_pipeline(PIPELINE, profile="smoke", changes=(change,)), read_manifest(chests)
    heard: list[int] = []
    write_sources(tmp_path / "pairs", cases, pipeline, on_film=lambda: heard.append(1))
    pairs = read_manifest(tmp_path / "pairs" / "manifest.csv")
    kinds = KINDS if variants else KINDS[:1]
    assert [case.case for case in pairs] == [f"c{k}{kind}" for k in range(5) for kind in kinds]
    assert [case.subject for case in pairs] == [f"s{k}" for k in range(5) for _ in kinds]
    assert len(heard) == 5
    for case, source in zip(pairs, sources_of(cases, pipeline, variants=True), strict=True):
        np.testing.assert_allclose(case.load_film(), source.film / 255, atol=1e-6)
        truth, masks = case.load_truth(), masks_of(source.labels)
        assert all(np.array_equal(truth[label], mask) for label, mask in masks.items())
    with pytest.raises(OutputError, match="there already"):
        write_sources(tmp_path / "pairs", cases, pipeline)
