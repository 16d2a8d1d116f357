"""Pipelines are checked before anything runs, and errors name the line and what to write instead."""

from pathlib import Path

import pytest
import yaml

from xprism.errors import RecipeError
from xprism.synthesis.growth import Growth
from xprism.synthesis.pipeline import PGGANPart, Pix2PixHDPart, load_pipeline

HOME = Path(__file__).parents[2] / "recipes" / "synthesis"
FILES = sorted(HOME.rglob("*.yaml"))
THREE = """
name: three
stages:
  dots: {kind: pggan, size: 16}
  labels: {kind: pix2pixhd, size: 64, downs: 2}
  film: {kind: pix2pixhd, size: 64, downs: 2}
"""


def _loaded(tmp_path: Path, *changes: str) -> None:
    (tmp_path / "three.yaml").write_text(THREE)
    load_pipeline(tmp_path / "three.yaml", changes=changes)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(HOME)))
def test_the_pipelines_that_come_along_are_valid_in_every_profile(path: Path) -> None:
    for profile in (None, "paper", "cpu", "smoke"):
        for stage in load_pipeline(path, profile=profile).chain:
            assert not isinstance(stage.part, PGGANPart) or Growth(stage.part).is_grown(Growth(stage.part).steps)


def test_profiles_are_of_the_sizes_that_they_stand_for() -> None:
    sizes = {
        profile: [stage.part.size for stage in load_pipeline(HOME / "three-stage.yaml", profile=profile).chain]
        for profile in ("paper", "cpu", "smoke")
    }
    assert sizes == {"paper": [64, 1024, 1024], "cpu": [64, 128, 128], "smoke": [16, 32, 32]}


@pytest.mark.parametrize("name", ["one-stage", "two-stage", "three-stage"])
def test_the_experiments_of_the_paper_differ_by_the_films_alone(name: str) -> None:
    full, tiny, plain = (load_pipeline(HOME / folder / f"{name}.yaml") for folder in ("full", "tiny", "."))
    for other in (full, tiny):
        assert other.stages == plain.stages
        assert other.data.model_copy(update={"films": None}) == plain.data
    names = [path.read_text().split("\n")[1:-1] for path in (HOME / size / "films.txt" for size in ("full", "tiny"))]
    odd = [f"JPC{kind}{n:03d}" for kind, last in (("LN", 154), ("NN", 93)) for n in range(1, last + 1, 2)]
    assert [len(one) for one in names] == [124, 11]
    assert names[0] == odd
    assert set(names[1]) <= set(odd)
    assert (full.data.films, tiny.data.films) == tuple(HOME / size / "films.txt" for size in ("full", "tiny"))


def test_settings_of_the_paper_are_the_authors_defaults() -> None:
    chain = load_pipeline(HOME / "three-stage.yaml", profile="paper").chain
    dots, film = chain[0].part, chain[2].part
    assert isinstance(dots, PGGANPart)
    assert isinstance(film, Pix2PixHDPart)
    assert (dots.maps, dots.learning_rate, dots.betas, dots.ema, dots.penalty, dots.drift) == (
        (64, 1e-3, (0.0, 0.99), 0.999, 10, 0.001)
    )
    assert (dots.kimg_per_phase, dots.kimg, dots.pyramid) == (600, 12000, "brightest")
    assert (film.width, film.downs, film.blocks, film.discriminator_width, film.batch) == (64, 4, 9, 64, 1)
    assert (film.epochs, film.epochs_of_decline, film.learning_rate, film.betas) == (100, 100, 2e-4, (0.5, 0.999))
    assert (film.feature_weight, film.ema) == (10, 0)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("stages.dots.sise=8", r"stages\.dots\.sise.*did you mean 'size'"),
        ("stages.dots.size=48", r"stages\.dots\.size.*not 48"),
        ("stages.dots.batch={16: 6}", r"multiples of 4, not \{16: 6\}"),
        ("stages.labels.size=66", "multiples of 4 from 8"),
        ("stages.labels={kind: pggan, size: 64}", r"stages lead to no labelled film: dots \(pggan\), labels \(pggan\)"),
        ("stages.dots=null", "there may be labels_and_film"),
        ("stages.film.size=32", "labels of 64 pixels do not fit a film of 32"),
        ("stages={labels: {kind: gan}}", "stages.labels"),
        ("data.rejects=[odd]", r"data\.rejects\.0"),
        ("stages.film.epochs=0", "greater than 0, not 0"),
    ],
)
def test_what_a_pipeline_cannot_mean_is_explained(tmp_path: Path, change: str, said: str) -> None:
    with pytest.raises(RecipeError, match=said) as raised:
        _loaded(tmp_path, change)
    assert "docs/reference/synthesis.md" in raised.value.remedy
    assert "--set" in str(raised.value) or "three.yaml:" in str(raised.value)


def test_what_an_alias_repeats_may_be_changed_in_one_place(tmp_path: Path) -> None:
    said = THREE.replace("labels: {", "labels: &same {").replace(
        "film: {kind: pix2pixhd, size: 64, downs: 2}", "film: *same"
    )
    (tmp_path / "three.yaml").write_text(said)
    stages = load_pipeline(tmp_path / "three.yaml", changes=("stages.film.width=8",)).stages
    assert stages.labels is not None
    assert stages.film is not None
    assert stages.labels.model_copy(update={"width": 8}) == stages.film
    assert isinstance(stages.labels, Pix2PixHDPart)
    assert stages.labels.width == 64


def test_dots_must_divide_the_label_map(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="dots of 16 pixels cannot be enlarged to labels of 72"):
        _loaded(tmp_path, "stages.labels.size=72", "stages.film.size=72")


def test_a_list_of_films_lies_beside_the_file_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "three.yaml").write_text(THREE)
    (tmp_path / "few").mkdir()
    (tmp_path / "few" / "few.yaml").write_text("extends: ../three.yaml\ndata: {films: few.txt}\n")
    assert load_pipeline(tmp_path / "few" / "few.yaml").data.films == tmp_path / "few" / "few.txt"


def test_every_pipeline_of_a_folder_is_a_mapping_that_yaml_reads() -> None:
    assert len(FILES) == 9
    assert all(isinstance(yaml.safe_load(path.read_text()), dict) for path in FILES)
