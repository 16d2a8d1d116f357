"""Drawn chests small enough to learn from in seconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tiny_models
from xprism.data.manifest import Case, write_manifest

FLAGS = {"right_lung": 1, "left_lung": 2, "heart": 4, "right_clavicle": 8, "left_clavicle": 16}


@pytest.fixture(scope="session")
def chests(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Manifest of five films 48 x 48 with ellipses for organs, each moved a little as a whole."""
    folder = tmp_path_factory.mktemp("chests")
    cases = []
    for number in range(5):
        rng = np.random.default_rng(number)
        down, right = rng.integers(-3, 4, 2)
        flags = np.zeros((48, 48), np.uint8)
        for label, bit in FLAGS.items():
            inside = tiny_models.ellipse(48, *tiny_models.ELLIPSES[label]) > 0
            flags |= np.roll(inside, (down, right), (0, 1)).astype(np.uint8) * np.uint8(bit)
        film = np.roll(tiny_models.drawn_film(48, seed=number), (down, right), (0, 1))
        paths = [folder / f"{kind}{number}.png" for kind in ("film", "flags")]
        for path, picture in zip(paths, (film, flags), strict=True):
            Image.fromarray(picture).save(path)
        cases.append(Case(f"c{number}", f"s{number}", *paths, attributes={"polarity": "display"}))
    write_manifest(folder / "chests.csv", cases)
    return folder / "chests.csv"
