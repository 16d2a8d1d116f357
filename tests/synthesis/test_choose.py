"""Snapshots chosen by their distance to validation films."""

import sys
from pathlib import Path

import numpy as np
import pytest

from xprism.cli.app import run
from xprism.data.manifest import read_manifest
from xprism.errors import DataError
from xprism.evaluation.kernel_distance import KernelDistance
from xprism.synthesis import choose
from xprism.synthesis.choose import SnapshotDistance, best_snapshot, snapshot_distances
from xprism.synthesis.pipeline import load_pipeline
from xprism.synthesis.runs import SynthRun
from xprism.synthesis.sampling import Sample
from xprism.synthesis.sources import sources_of
from xprism.synthesis.train import train_pipeline

HOME = Path(__file__).parents[2] / "recipes" / "synthesis"
FASTER = ("data.variants=false", "threads=1")


@pytest.fixture
def trained(chests: Path, tmp_path: Path) -> SynthRun:
    pipeline = load_pipeline(HOME / "three-stage.yaml", profile="smoke", changes=FASTER)
    return train_pipeline(pipeline, read_manifest(chests), tmp_path / "run")


def test_the_nearest_usable_snapshot_is_chosen() -> None:
    far, near = (KernelDistance(value, value - 1, value + 1) for value in (2.0, 0.5))
    found = [SnapshotDistance(1, step, at) for step, at in ((1, None), (2, far), (3, near), (4, near), (5, far))]
    assert best_snapshot(found).step == 4
    with pytest.raises(DataError, match="can draw"):
        best_snapshot(found[:1])


def test_a_snapshot_that_draws_real_films_beats_one_that_draws_noise(
    trained: SynthRun, chests: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cases = read_manifest(chests)
    real = sources_of(cases, trained.pipeline, variants=False)
    rng = np.random.default_rng(0)

    class Drawing:
        def __init__(self, run: SynthRun, numbers: tuple[int, ...]) -> None:
            self.good = run.snapshots[numbers[0]] == trained.snapshots_of(trained.stage(3))[0]

        def samples(self, count: int, *, seed: int) -> list[Sample]:
            noise = rng.integers(0, 256, (count, 32, 32)).astype(np.uint8)
            return [Sample("s", film=real[place % 5].film if self.good else noise[place]) for place in range(count)]

    monkeypatch.setattr(choose, "Sampler", Drawing)
    found = snapshot_distances(trained, 3, cases)
    assert len(found) == len(trained.snapshots_of(trained.stage(3))) > 1
    assert best_snapshot(found) == found[0]
    assert found[0].distance is not None
    assert found[0].distance.value < 0.1 * min(one.distance.value for one in found[1:] if one.distance)


def test_the_command_looks_at_every_stage_and_says_how_to_sample(
    trained: SynthRun, chests: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        sys, "argv", ["xprism", "synth", "choose", str(trained.folder), "--real", str(chests), "-n", "6"]
    )
    with pytest.raises(SystemExit) as end:
        run()
    assert not end.value.code
    *lines, last = capsys.readouterr().out.splitlines()
    kept = [step for stage in trained.pipeline.chain for step in trained.snapshots_of(stage)]
    assert [int(line.split()[3]) for line in lines] == kept
    assert sum(line.endswith("*") for line in lines) == 3
    assert last.startswith(f"xprism synth sample {trained.folder} --snapshot 1=")
