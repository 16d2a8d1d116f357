"""Who is held out when, and that copies go with their subject."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xprism.data.manifest import Case
from xprism.data.split import by_lists, copies_share_subject, k_fold, leave_one_out, official_scr, stratified
from xprism.errors import DataError

Split = Callable[[list[Case]], dict[str, int]]

BY_P = {"test": 0.15, "seed": 0, "stratify": "p"}
EVERY_SPLIT: list[Split] = [
    lambda cases: k_fold(cases, folds=2, seed=0),
    leave_one_out,
    official_scr,
    lambda cases: by_lists(cases, []),
    lambda cases: stratified([Case(**vars(c) | {"attributes": {"p": "a"} | c.attributes}) for c in cases], **BY_P),
]


def _case(name: str, subject: str | None = None, **attributes: str) -> Case:
    return Case(name, subject or name, Path(f"{name}.png"), attributes=attributes)


@given(count=st.integers(10, 60), folds=st.integers(2, 5), seed=st.integers(0, 5))
def test_folds_hold_out_every_subject_once_and_evenly(count: int, folds: int, seed: int) -> None:
    cases = [Case(f"c{i}", f"s{i // 2}", Path("x"), attributes={"group": "ab"[i % 4 // 2]}) for i in range(count)]
    held = k_fold(cases, folds=folds, seed=seed)
    assert held.keys() == {case.subject for case in cases}
    sizes = [list(held.values()).count(k) for k in range(folds)]
    assert max(sizes) - min(sizes) <= 1
    assert held == k_fold(list(reversed(cases)), folds=folds, seed=seed)


def test_folds_of_a_seed_stay_what_they_were_when_models_were_trained_on_them() -> None:
    cases = [_case(f"c{i}", f"s{i}", group="ab"[i % 2]) for i in range(9)]
    expected = {"s4": 0, "s8": 1, "s0": 2, "s2": 0, "s6": 1, "s3": 2, "s7": 0, "s5": 1, "s1": 2}
    assert k_fold(cases, folds=3, seed=4) == expected


def test_too_few_subjects_for_the_folds_are_refused() -> None:
    with pytest.raises(DataError, match="cannot make 3 folds of 1"):
        k_fold([_case("a", "s"), _case("b", "s")], folds=3, seed=0)


def test_leave_one_out_gives_each_subject_a_fold_of_its_own() -> None:
    cases = [_case("z1", "z"), _case("a1", "a"), _case("z2", "z"), _case("m1", "m")]
    assert leave_one_out(cases) == {"a": 0, "m": 1, "z": 2}


def test_one_subject_alone_cannot_be_left_out() -> None:
    with pytest.raises(DataError, match="out of 1 subjects"):
        leave_one_out([_case("z1", "z"), _case("z2", "z")])


XNET = {"ankle": 10, "arm": 3, "cervical": 1, "chest": 1, "elbow": 1, "femur": 3, "foot": 29, "hand": 4, "head": 11}
XNET |= {"knee": 36, "leg": 1, "lumbar": 6, "neck": 15, "pelvis": 2, "shoulder": 2, "thigh": 8, "thorax": 1}
XNET |= {"tibia": 4, "wrist": 11}
"""Films of each part of the body in XNet's table 1."""


def _parts(counts: dict[str, int]) -> list[Case]:
    return [_case(f"{part}{k}", p=part) for part, count in counts.items() for k in range(count)]


@pytest.mark.parametrize("seed", range(5))
def test_stratified_tests_every_part_alike_and_single_films_always(seed: int) -> None:
    cases = _parts(XNET)
    held = stratified(cases, test=0.15, seed=seed, stratify="p")
    assert set(held.values()) == {0}
    single = {f"{part}0" for part, count in XNET.items() if count == 1}
    assert len(single) == 5
    assert single <= held.keys()
    assert len(held.keys() - single) == round(0.15 * (149 - 5))
    for part, count in XNET.items():
        tested = sum(name.rstrip("0123456789") == part for name in held)
        assert count == 1 or abs(tested - 0.15 * count) < 1
        assert count == 1 or tested < count
    assert held == stratified(list(reversed(cases)), test=0.15, seed=seed, stratify="p")


def test_another_seed_tests_other_films() -> None:
    one, other = (stratified(_parts(XNET), test=0.15, seed=seed, stratify="p").keys() for seed in (0, 1))
    assert one != other


def test_stratified_keeps_a_subjects_films_together() -> None:
    cases = _parts({"hand": 8, "foot": 8})
    cases += [_case("hand0 again", "hand0", p="foot"), _case("odd", "foot3", p="elbow")]
    for seed in range(5):
        held = stratified(cases, test=0.2, seed=seed, stratify="p")
        assert held.keys() <= {case.subject for case in cases}
        assert "foot3" in held  # has the only elbow, so its foot is tested as well


def test_a_part_of_one_subject_with_many_films_is_tested() -> None:
    cases = [*_parts({"hand": 6}), _case("k1", "k", p="knee"), _case("k2", "k", p="knee")]
    assert "k" in stratified(cases, **BY_P)


def test_stratified_needs_the_attribute_and_somebody_to_train() -> None:
    with pytest.raises(DataError, match="'b' has no p"):
        stratified([_case("a", p="hand"), _case("b")], **BY_P)
    with pytest.raises(DataError, match="nobody is left to train"):
        stratified(_parts({"hand": 1, "foot": 1}), **BY_P)


def test_the_official_split_tests_on_even_numbers_in_fold_0() -> None:
    cases = [_case("JPCLN001"), _case("JPCLN002"), _case("JPCNN093"), _case("JPCNN010_rot10", "JPCNN010")]
    assert official_scr(cases) == {"JPCLN001": 1, "JPCLN002": 0, "JPCNN093": 1, "JPCNN010": 0}


def test_the_official_split_reads_the_number_from_the_case_where_subjects_are_named_otherwise() -> None:
    assert official_scr([_case("JPCLN004", "p7")]) == {"p7": 0}
    with pytest.raises(DataError, match="odd and even"):
        official_scr([_case("JPCLN004", "p7"), _case("JPCLN005", "p7")])


def test_the_official_split_is_for_jsrt_alone() -> None:
    with pytest.raises(DataError, match="'ist005' has no JSRT number"):
        official_scr([_case("JPCLN001"), _case("ist005")])


def test_lists_hold_out_whole_subjects_by_case_or_subject_name(tmp_path: Path) -> None:
    cases = [_case("a1", "a"), _case("a2", "a"), _case("b1", "b"), _case("c1", "c")]
    (tmp_path / "0.txt").write_text("# tested first\na2\n\n")
    (tmp_path / "1.txt").write_text("b\n")
    assert by_lists(cases, [tmp_path / "0.txt", tmp_path / "1.txt"]) == {"a": 0, "b": 1}


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["a\nnobody\n"], "1 names of no case or subject: nobody"),
        (["a1\n", "a2\n"], "'a' is on two lists"),
        (["# nothing\n"], "the list is empty"),
    ],
)
def test_lists_that_cannot_be_right_are_refused(tmp_path: Path, texts: list[str], message: str) -> None:
    lists = [tmp_path / f"{fold}.txt" for fold in range(len(texts))]
    for path, text in zip(lists, texts, strict=True):
        path.write_text(text)
    with pytest.raises(DataError, match=message):
        by_lists([_case("a1", "a"), _case("a2", "a")], lists)


def test_a_missing_list_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.txt: no such list"):
        by_lists([_case("a")], [tmp_path / "none.txt"])


@pytest.mark.parametrize("split", EVERY_SPLIT)
def test_no_split_accepts_an_augmented_copy_under_another_subject(split: Split) -> None:
    original, other = _case("JPCLN001"), _case("JPCLN002")
    planted = _case("JPCLN001_rot10", "JPCLN001_rot10", copy_of="JPCLN001")
    with pytest.raises(DataError, match="'JPCLN001_rot10' of subject 'JPCLN001_rot10' is a copy of 'JPCLN001'"):
        split([planted, other, original])


@pytest.mark.parametrize("split", EVERY_SPLIT)
def test_copies_follow_their_subject(split: Split) -> None:
    cases = [_case("JPCLN001"), _case("JPCLN002"), _case("JPCLN001_rot10", "JPCLN001", copy_of="JPCLN001")]
    assert split(cases).keys() <= {"JPCLN001", "JPCLN002"}


def test_a_copy_whose_original_is_not_among_the_cases_is_not_judged() -> None:
    copies_share_subject([_case("a_rot10", "a", copy_of="a")])
