"""Fixtures that several rooms share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

import tiny_models

# Making a model needs torch; where only the using side is installed these rooms are left out.
collect_ignore = [] if find_spec("torch") else ["training", "synthesis", "objectives", "networks", "protocols"]


@pytest.fixture(autouse=True, scope="session")
def a_cache_of_the_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache of the tests' own: what this machine's user made of models must not change what tests see."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        yield folder


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the private data sets; the test is skipped where there is none."""
    given = os.environ.get("XPRISM_DATA")
    folder = Path(given) if given else Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("needs the private data sets: set XPRISM_DATA to their folder")
    return folder


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a chest model that needs no training: five ellipses on a grid of 96 x 96."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    return tiny_models.write_model(folder, tiny_models.organ_planes(96), tiny_models.organ_targets())
