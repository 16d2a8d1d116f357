"""Films and masks become what stages learn from: six of each, label maps, dots, pictures in grey values."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from xprism.data.manifest import Case, read_manifest
from xprism.errors import DataError
from xprism.synthesis.pipeline import Pipeline
from xprism.synthesis.sources import conditions_of, films_of, pictures_of, sources_of

GREYS_OF_LABELS = np.array([0, 42, 85, 128, 170, 212, 255])


def _pipeline(**data: object) -> Pipeline:
    stages = {
        "dots": {"kind": "pggan", "size": 16},
        "labels": {"kind": "pix2pixhd", "size": 48, "downs": 2},
        "film": {"kind": "pix2pixhd", "size": 48, "downs": 2},
    }
    return Pipeline.model_validate({"name": "three", "data": data, "stages": stages})


def _flags(case: Case) -> np.ndarray:
    assert case.flags is not None
    return np.asarray(Image.open(case.flags))


def test_six_come_of_every_film_and_the_first_is_the_film_itself(chests: Path) -> None:
    cases = read_manifest(chests)
    made = sources_of(cases, _pipeline(), variants=True)
    assert len(made) == 6 * len(cases)
    plain = sources_of(cases, _pipeline(), variants=False)
    for number, source in enumerate(plain):
        np.testing.assert_array_equal(made[6 * number].film, source.film)
        np.testing.assert_array_equal(made[6 * number].labels, source.labels)
    noisy = made[5]
    np.testing.assert_array_equal(noisy.labels, made[0].labels)
    inside = (made[0].film > 20) & (made[0].film < 235)
    spread = (noisy.film.astype(float) - made[0].film)[inside].std()
    assert 2.55**0.5 * 0.9 < spread < 7.65**0.5 * 1.1


def test_a_label_map_says_what_the_masks_say(chests: Path) -> None:
    case = read_manifest(chests)[1]
    (source,) = sources_of([case], _pipeline(), variants=False)
    flags = _flags(case)
    lungs = [(flags & bit > 0) & (flags & 28 == 0) for bit in (1, 2)]
    for number, lung in enumerate(lungs, start=1):
        np.testing.assert_array_equal(source.labels == number, lung)
    np.testing.assert_array_equal(source.labels == 3, flags & 4 > 0)


def test_films_fill_the_grey_scale_but_for_extremes(chests: Path) -> None:
    case = read_manifest(chests)[0]
    (source,) = sources_of([case], _pipeline(), variants=False)
    film = np.asarray(Image.open(case.film)).astype(float)
    low, high = np.percentile(film, (0.5, 99.5))
    np.testing.assert_allclose(source.film, np.clip((film - low) / (high - low), 0, 1) * 255, atol=0.6)


def test_dots_lie_at_centroids_of_each_variant(chests: Path) -> None:
    case = read_manifest(chests)[2]
    sources = sources_of([case], _pipeline(), variants=True)
    for source in sources:
        assert source.dots is not None
        row, column = ndimage.center_of_mass(source.labels == 3)
        dot = source.dots.dots["heart"]
        assert abs(dot.row - row / 3) <= 1
        assert abs(dot.column - column / 3) <= 1


def test_pictures_and_conditions_have_the_codes_of_what_they_show(chests: Path) -> None:
    cases = read_manifest(chests)[:2]
    sources = sources_of(cases, _pipeline(), variants=False)
    dots, maps, both = (pictures_of(sources, makes, labels=7) for makes in ("dots", "labels", "labels_and_film"))
    assert [one.shape for one in (dots, maps, both)] == [(2, 1, 16, 16), (2, 1, 48, 48), (2, 2, 48, 48)]
    assert set(np.unique(dots)) == {0, 51, 102, 153, 204, 255}
    np.testing.assert_allclose(maps[:, 0], GREYS_OF_LABELS[[source.labels for source in sources]], atol=0.5)
    np.testing.assert_array_equal(both[:, 1], [source.film for source in sources])
    given = conditions_of(sources, "labels", size=48)
    np.testing.assert_array_equal(given[:, 1::3, 1::3] * 51, dots[:, 0])
    np.testing.assert_array_equal(conditions_of(sources, "film", size=48), [source.labels for source in sources])


def test_without_clavicles_label_maps_have_four_numbers(chests: Path) -> None:
    sources = sources_of(read_manifest(chests), _pipeline(clavicles=False), variants=False)
    assert set(np.unique([source.labels for source in sources])) == {0, 1, 2, 3}


def test_a_film_of_another_shape_lies_in_the_middle_of_a_square(chests: Path, tmp_path: Path) -> None:
    case = read_manifest(chests)[0]
    paths = [tmp_path / "film.png", tmp_path / "flags.png"]
    for path, old in zip(paths, (case.film, case.flags), strict=True):
        assert old is not None
        Image.fromarray(np.pad(np.asarray(Image.open(old)), ((24, 24), (0, 0)))).save(path)
    tall = Case("tall", "tall", *paths, attributes={"polarity": "display"})
    (source,) = sources_of([tall], _pipeline(), variants=False)
    assert not source.film[:, :11].any()
    assert not source.film[:, 37:].any()
    heart, columns = np.nonzero(source.labels == 3)
    row, column = ndimage.center_of_mass(_flags(case) & 4)
    assert heart.mean() == pytest.approx((row + 24.5) / 2 - 0.5, abs=0.5)
    assert columns.mean() == pytest.approx((column + 0.5) / 2 - 0.5 + 12, abs=0.5)


def test_a_missing_mask_is_said_with_the_case(chests: Path) -> None:
    case = read_manifest(chests)[0]
    bare = Case("bare", "bare", case.film, masks={"heart": case.film}, attributes={"polarity": "display"})
    with pytest.raises(DataError, match="bare: has no mask of right_lung"):
        sources_of([bare], _pipeline(), variants=False)


def test_a_list_names_the_films_to_learn_from(chests: Path, tmp_path: Path) -> None:
    (tmp_path / "few.txt").write_text("# two\nc3\ns1\n")
    data = _pipeline(films=tmp_path / "few.txt").data
    assert [case.case for case in films_of(chests, data)] == ["c1", "c3"]
    (tmp_path / "few.txt").write_text("JPCLN001\n")
    with pytest.raises(DataError, match="JPCLN001"):
        films_of(chests, data)
