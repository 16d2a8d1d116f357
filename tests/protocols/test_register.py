"""Pictures of a second exposure are laid on their films, and what is not known of them stays unknown."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from xprism.data.manifest import Case, read_manifest, write_manifest
from xprism.errors import DataError
from xprism.protocols.register import register_pictures


def _textured(seed: int, shape: tuple[int, int] = (120, 140)) -> np.ndarray:
    rng = np.random.default_rng(seed)
    fine, wide = (ndimage.gaussian_filter(rng.standard_normal(shape), width) for width in (1.2, 8))
    values = fine / fine.std() + 3 * wide / wide.std()
    return (values - values.min()) / np.ptp(values) * 0.8 + 0.1


def _save(path: Path, values: np.ndarray) -> Path:
    Image.fromarray(np.rint(values * 65535).astype(np.uint16)).save(path)
    return path


def _case(folder: Path, name: str, film: np.ndarray, soft: np.ndarray, **more: object) -> Case:
    films = _save(folder / f"{name}.png", film), _save(folder / f"{name}_soft.png", soft)
    return Case(name, name, films[0], pictures={"soft": films[1]}, attributes={"polarity": "display"}, **more)


def test_a_shifted_picture_is_laid_on_its_film(tmp_path: Path) -> None:
    film = _textured(0)
    case = _case(tmp_path, "a", film, ndimage.shift(film, (1.4, -2.3), order=3, mode="mirror"))
    (moved,) = register_pictures([case], tmp_path / "moved")
    write_manifest(tmp_path / "moved.csv", [moved])
    (again,) = read_manifest(tmp_path / "moved.csv")
    soft = again.load_truth()["soft"]
    known = ~np.isnan(soft)
    assert 0.9 < known.mean() < 1
    assert not known[-2:].any()
    before, after = (np.abs((one - film)[known]).mean() for one in (case.load_truth()["soft"], soft))
    assert after < 0.05 * before


def test_what_was_not_known_moves_along(tmp_path: Path) -> None:
    film = _textured(1)
    region = np.zeros(film.shape, bool)
    region[20:100, 30:110] = True
    moved_region = ndimage.shift(region.astype(float), (2, 0), order=0) > 0.5
    Image.fromarray(moved_region.astype(np.uint8) * 255).save(tmp_path / "region.png")
    soft = np.where(moved_region, ndimage.shift(film, (2, 0), order=3, mode="mirror"), 0)
    case = _case(tmp_path, "a", film, soft, regions={"soft": tmp_path / "region.png"})
    (moved,) = register_pictures([case], tmp_path / "moved")
    known = ~np.isnan(moved.load_truth()["soft"])
    assert known.sum() > 0.9 * region.sum()
    assert not (known & ~region).any()
    np.testing.assert_allclose(moved.load_truth()["soft"][known], film[known], atol=0.03)


def test_a_picture_that_lies_on_its_film_stays_the_file_it_is(tmp_path: Path) -> None:
    film = _textured(2)
    case = _case(tmp_path, "a", film, 0.9 * film + 0.02)
    lines: list[str] = []
    assert register_pictures([case], tmp_path / "moved", on_case=lines.append) == (case,)
    assert lines[0].startswith("a soft: moved by")


def test_a_picture_of_something_else_is_refused_and_nothing_is_left(tmp_path: Path) -> None:
    case = _case(tmp_path, "odd", _textured(3), _textured(4))
    with pytest.raises(DataError, match="soft") as error:
        register_pictures([case], tmp_path / "moved")
    assert error.value.where == "odd"
    assert not (tmp_path / "moved").exists()
    small = _case(tmp_path, "small", _textured(3), _textured(3, (60, 70)))
    with pytest.raises(DataError, match=r"\(60, 70\) on a film of \(120, 140\)"):
        register_pictures([small], tmp_path / "moved")
