"""What ``check_manifests`` finds in data with planted faults, and that sound data pass."""

import io
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

from xprism.data.check import Report, check_manifests
from xprism.data.importers.jsrt import jsrt_cases
from xprism.data.importers.pairs import Pairing, PairRequest
from xprism.data.manifest import Case

SHAPE = (60, 50)


def _noise(seed: int, shape: tuple[int, int] = SHAPE) -> np.ndarray:
    """A smooth random film, 8-bit: neighbours agree as in a radiograph."""
    values = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), 4)
    return np.rint(255 * (values - values.min()) / np.ptp(values)).astype(np.uint8)


def _save(path: Path, values: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)
    return path


def _case(
    folder: Path, name: str, film: np.ndarray, *, subject: str = "", copy_of: str = "", **targets: np.ndarray
) -> Case:
    """A case on disk; bool targets become masks, others pictures."""
    masks = {
        key: _save(folder / f"{name}_{key}.png", np.uint8(255) * value)
        for key, value in targets.items()
        if value.dtype == bool
    }
    pictures = {
        key: _save(folder / f"{name}_{key}.png", value) for key, value in targets.items() if value.dtype != bool
    }
    attributes = {"polarity": "display"} | ({"copy_of": copy_of} if copy_of else {})
    return Case(name, subject or name, _save(folder / f"{name}.png", film), None, masks, pictures, attributes)


def _lungs(shape: tuple[int, int] = SHAPE) -> np.ndarray:
    inside = np.zeros(shape, bool)
    inside[shape[0] // 4 : 3 * shape[0] // 4, shape[1] // 5 : 4 * shape[1] // 5] = True
    return inside


def _check(*cases: Case) -> Report:
    return check_manifests({"m.csv": cases})


def _only(report: Report) -> str:
    assert len(report.findings) == 1, report.lines
    return str(report.findings[0])


def test_sound_cases_have_no_findings(tmp_path: Path) -> None:
    cases = [_case(tmp_path, f"c{k}", _noise(k), lungs=_lungs(), soft=_noise(k) // 2 + 20) for k in range(4)]
    report = _check(*cases)
    assert report.lines == ("4 cases: 0 errors, 0 warnings, 0 notes",)


def test_an_unreadable_film_is_an_error_with_its_reason(tmp_path: Path) -> None:
    case = _case(tmp_path, "a", _noise(0), lungs=_lungs())
    case.film.write_bytes(case.film.read_bytes()[:200])
    assert _only(_check(case)).startswith("error: a: film unreadable: the picture is damaged")


def test_every_unreadable_target_is_named(tmp_path: Path) -> None:
    case = _case(tmp_path, "a", _noise(0), lungs=_lungs(), soft=_noise(0))
    case.masks["lungs"].unlink()
    case.pictures["soft"].write_text("no picture")
    levels = [(finding.level, finding.what.split(":")[0]) for finding in _check(case).findings]
    assert levels == [("error", "mask 'lungs' unreadable"), ("error", "picture 'soft' unreadable")]


def test_flags_that_are_no_flags_are_an_error(tmp_path: Path) -> None:
    case = _case(tmp_path, "a", _noise(0))
    flagged = Case("a", "a", case.film, flags=_save(tmp_path / "f.png", np.full(SHAPE, 200, np.uint8)))
    assert "flags unreadable: a flag mask holds 0 to 31, this one 200" in _only(_check(flagged))


def test_a_mask_of_another_shape_is_an_error_and_one_of_another_size_a_note(tmp_path: Path) -> None:
    wrong = _case(tmp_path, "wrong", _noise(0), lungs=_lungs((50, 60)))
    half = _case(tmp_path, "half", _noise(1), lungs=_lungs((30, 25)))
    assert [(finding.level, finding.case) for finding in _check(wrong, half).findings] == [
        ("error", "wrong"),
        ("note", "half"),
    ]


def test_empty_masks_are_one_warning_a_label(tmp_path: Path) -> None:
    full, none = _lungs(), np.zeros(SHAPE, bool)
    cases = [_case(tmp_path, f"c{k}", _noise(k), lungs=full if k else none, heart=none) for k in range(3)]
    found = [str(finding) for finding in _check(*cases).findings]
    assert [text.split(", ")[0] for text in found] == [
        "warning: c0: mask 'lungs' is empty in 1 of 3 cases",
        "warning: c0 and 2 more: mask 'heart' is empty in 3 of 3 cases",
    ]


def test_a_picture_of_opposite_polarity_is_an_error(tmp_path: Path) -> None:
    film = _noise(0)
    for name, targets in {"bare": {}, "lungs": {"lungs": _lungs()}}.items():
        found = _only(_check(_case(tmp_path, name, film, soft=255 - film, **targets)))
        assert "correlates -1.00" in found
        assert found.startswith("error")
        assert ("inside the lungs" in found) == bool(targets)


def test_a_picture_unlike_its_film_inside_the_lungs_is_a_warning_with_its_correlation(tmp_path: Path) -> None:
    film, lungs = _noise(0), _lungs()
    mixed = (film // 2 + _noise(9) // 2).astype(np.uint8)
    expected = np.corrcoef(film[lungs].astype(float), mixed[lungs].astype(float))[0, 1]
    assert 0 < expected < 0.9
    found = _only(_check(_case(tmp_path, "a", film, soft=mixed, lungs=lungs)))
    assert found.startswith(f"warning: a: picture 'soft' correlates only {expected:.2f} with its film inside the lungs")


def test_a_picture_that_is_black_outside_the_lungs_is_judged_inside_them(tmp_path: Path) -> None:
    lungs = _lungs()
    film = np.where(lungs, _noise(0) // 4 + 1, 255).astype(np.uint8)  # dark lungs in a bright body
    cut = np.where(lungs, film, 0).astype(np.uint8)
    assert np.corrcoef(film.ravel(), cut.ravel())[0, 1] < 0, "over the whole frame it looks inverted"
    for targets in ({"lungs": lungs}, {}):
        assert not _check(_case(tmp_path, "a", film, soft=cut, **targets)).findings


def test_a_smaller_picture_is_compared_with_the_film_at_its_own_size(tmp_path: Path) -> None:
    film = np.kron(_noise(0), np.ones((2, 2), np.uint8))
    report = _check(_case(tmp_path, "a", film, soft=255 - _noise(0)))
    assert [finding.level for finding in report.findings] == ["error", "note"]


def test_one_film_under_two_subjects_is_an_error_even_in_another_format(tmp_path: Path) -> None:
    first = _case(tmp_path, "a", _noise(0), lungs=_lungs())
    second = _case(tmp_path, "b", _noise(1), lungs=_lungs())
    _save(tmp_path / "again.bmp", _noise(0))
    again = Case("b", "b", tmp_path / "again.bmp", masks=second.masks, attributes=second.attributes)
    found = _only(_check(first, again))
    assert found.startswith("error: b: the same film as 'a', but subject 'b' and not 'a'")
    same = Case("b", "a", again.film, masks=again.masks, attributes=again.attributes)
    assert _only(_check(first, same)).startswith("note: b: the same film as 'a'")


def test_a_recompressed_film_under_another_subject_is_noted(tmp_path: Path) -> None:
    film = _noise(3, (240, 200))
    stream = io.BytesIO()
    Image.fromarray(film).resize((100, 120)).save(stream, "JPEG", quality=70)
    copy = np.asarray(Image.open(stream))
    cases = [
        _case(tmp_path, "a", film, lungs=_lungs()),
        _case(tmp_path, "b", copy, lungs=_lungs()),
        _case(tmp_path, "c", _noise(4, (240, 200)), lungs=_lungs()),
    ]
    found = [str(finding) for finding in _check(*cases).findings if "looks" in finding.what]
    assert len(found) == 1
    assert found[0].startswith("note: b: looks nearly like 'a' of subject 'a'")


def test_a_copy_under_another_subject_is_an_error(tmp_path: Path) -> None:
    original = _case(tmp_path, "a", _noise(0), lungs=_lungs())
    turned = ndimage.rotate(_noise(0), -10, reshape=False, order=1)
    planted = _case(tmp_path, "a_rot10", turned, copy_of="a", lungs=_lungs())
    assert _only(_check(original, planted)).startswith("error: a_rot10: a copy of 'a', but subject 'a_rot10'")


def test_a_subject_in_two_manifests_is_a_warning(tmp_path: Path) -> None:
    first = _case(tmp_path, "a1", _noise(0), subject="a", lungs=_lungs())
    second = _case(tmp_path, "a2", _noise(1), subject="a", lungs=_lungs())
    assert not _check(first, second).findings
    found = _only(check_manifests({"x.csv": [first], "y.csv": [second]}))
    assert found.startswith("warning: a2: its subject is in x.csv and in y.csv")


def test_labels_that_no_other_manifest_knows_are_noted(tmp_path: Path) -> None:
    right = _case(tmp_path, "a", _noise(0), lungs=_lungs())
    typed = _case(tmp_path, "b", _noise(1), lungz=_lungs())
    findings = check_manifests({"x.csv": [right], "y.csv": [typed]}).findings
    assert [(finding.level, finding.case) for finding in findings] == [("note", "x.csv"), ("note", "y.csv")]
    assert "lungz" in findings[1].what


def test_blank_films_and_films_without_targets_are_said(tmp_path: Path) -> None:
    blank = np.full(SHAPE, 7, np.uint8)
    cases = [_case(tmp_path, "a", blank, lungs=_lungs()), _case(tmp_path, "b", blank, lungs=_lungs())]
    assert _only(_check(*cases)).startswith("warning: a and 1 more: the film is blank")
    assert _only(_check(_case(tmp_path, "c", _noise(0)))).startswith("note: c: nothing is known of it")


def test_errors_come_first_and_are_counted(tmp_path: Path) -> None:
    note = _case(tmp_path, "n", _noise(0))
    error = _case(tmp_path, "e", _noise(1), soft=255 - _noise(1))
    report = _check(note, error)
    assert [finding.level for finding in report.findings] == ["error", "note"]
    assert report.lines[-1] == "2 cases: 1 errors, 0 warnings, 1 notes"


def test_the_real_bone_suppressed_pictures_share_their_films_polarity(shared_data: Path) -> None:
    cases = [case for case in jsrt_cases(shared_data / "jsrt") if case.pictures]
    assert len(cases) == 3
    assert _check(*cases).lines[-1] == "3 cases: 0 errors, 0 warnings, 1 notes"


def test_a_real_picture_turned_over_is_found(shared_data: Path, tmp_path: Path) -> None:
    case = next(case for case in jsrt_cases(shared_data / "jsrt") if case.pictures)
    inverted = 255 - np.asarray(Image.open(case.pictures["bone_suppressed"]))
    turned = Case(
        case.case,
        case.subject,
        case.film,
        case.flags,
        pictures={"bone_suppressed": _save(tmp_path / "x.png", inverted)},
        attributes=case.attributes,
    )
    assert _check(turned).count("error") == 1


def test_real_dual_energy_pairs_pass(shared_data: Path) -> None:
    films, pictures = (str(shared_data / "dual_energy_pairs" / part) for part in ("*_cxr.png", "*_bs.png"))
    cases = Pairing(PairRequest((films,), pictures={"soft": pictures}, polarity="display")).cases(Path("unused"))
    assert _check(*cases).lines == ("4 cases: 0 errors, 0 warnings, 0 notes",)


def test_class_maps_are_looked_at_like_other_targets(tmp_path: Path) -> None:
    def with_map(name: str, path: Path, seed: int) -> Case:
        film = _save(tmp_path / f"{name}.png", _noise(seed))
        return Case(name, name, film, attributes={"polarity": "display"}, classes={"tissue": path})

    numbers = np.random.default_rng(0).integers(0, 3, SHAPE).astype(np.uint8)
    sound = with_map("sound", _save(tmp_path / "sound_map.png", numbers), 1)
    assert not _check(sound).findings
    wide = with_map("wide", _save(tmp_path / "wide_map.png", np.repeat(numbers, 2, axis=1)), 2)
    assert "another shape" in _only(_check(sound, wide))
    lost = with_map("lost", tmp_path / "nowhere.png", 3)
    assert "class map 'tissue' unreadable" in _only(_check(sound, lost))
