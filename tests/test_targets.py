"""One mechanism carries every kind of output: six-channel translation, organs, tissue classes, nodules."""

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.special import expit, softmax

from xprism.errors import DataError
from xprism.targets import Classes, Lesions, Masks, Picture, TargetSet

ORGANS = ("right_lung", "left_lung", "heart", "right_clavicle", "left_clavicle")
SIX_CHANNELS = TargetSet(
    targets=(
        Masks(name="organs", labels=("heart", "left_lung", "right_lung"), activation="tanh"),
        Picture(name="bone_suppressed", channels=3, range=(-1, 1)),
    )
)
FIVE_ORGANS = TargetSet(targets=(Masks(name="organs", labels=ORGANS, unions={"lungs": ("right_lung", "left_lung")}),))
TISSUE = TargetSet(targets=(Classes(name="tissue", labels=("open_beam", "soft_tissue", "bone")),))
NODULES = TargetSet(targets=(Lesions(name="nodules", label="nodule"), Masks(name="lung", labels=("lung",))))
ALL_SETS = [SIX_CHANNELS, FIVE_ORGANS, TISSUE, NODULES]


@pytest.mark.parametrize(("targets", "channels"), list(zip(ALL_SETS, (6, 5, 3, 2), strict=True)))
def test_channels_are_owned_once_and_in_order(targets: TargetSet, channels: int) -> None:
    owned = [k for part in targets.slices.values() for k in range(part.start, part.stop)]
    assert owned == list(range(channels))
    assert targets.channels == channels == len(set(targets.channel_labels))


@pytest.mark.parametrize("targets", ALL_SETS)
def test_a_target_set_survives_its_json(targets: TargetSet) -> None:
    assert TargetSet.model_validate_json(targets.model_dump_json()) == targets


@pytest.mark.parametrize("targets", ALL_SETS)
def test_activation_works_on_one_film_and_on_a_batch_alike(targets: TargetSet) -> None:
    raw = np.random.default_rng(0).normal(size=(2, targets.channels, 4, 5))
    batch = targets.activate(raw)
    assert batch.dtype == np.float32
    np.testing.assert_array_equal(batch[1], targets.activate(raw[1]))


def test_independent_masks_follow_scipys_logistic_and_may_overlap() -> None:
    raw = np.full((5, 3, 3), 4.0)
    np.testing.assert_allclose(FIVE_ORGANS.activate(raw), expit(raw), rtol=1e-6)


def test_tanh_masks_are_tanh_brought_to_zero_one() -> None:
    raw = np.random.default_rng(1).normal(size=(6, 3, 3))
    np.testing.assert_allclose(SIX_CHANNELS.activate(raw)[:3], (np.tanh(raw[:3]) + 1) / 2, atol=1e-6)
    np.testing.assert_allclose(SIX_CHANNELS.activate(raw)[3:], np.tanh(raw[3:]), atol=1e-6)


def test_a_network_that_makes_the_values_itself_is_clipped_to_their_range() -> None:
    target = Picture(name="soft", range=(-1, 3), activation="none")
    np.testing.assert_array_equal(target.activate(np.array([-2.0, -1, 0.5, 3, 4])), [-1, -1, 0.5, 3, 3])


def test_classes_are_exclusive_and_follow_scipys_softmax() -> None:
    raw = 50 * np.random.default_rng(2).normal(size=(3, 4, 4))
    found = TISSUE.activate(raw)
    np.testing.assert_allclose(found, softmax(raw, axis=0), atol=1e-6)
    np.testing.assert_allclose(found.sum(0), 1, atol=1e-6)


def test_wrong_channel_count_is_refused() -> None:
    with pytest.raises(DataError, match="expected 5 channels, got 4"):
        FIVE_ORGANS.activate(np.zeros((4, 2, 2)))


def test_a_case_that_knows_only_the_union_of_both_lungs() -> None:
    lungs = np.eye(4, dtype=bool)
    truth = FIVE_ORGANS.encode({"lungs": lungs}, (4, 4))
    assert FIVE_ORGANS.plane_labels == (*ORGANS, "lungs")
    assert truth.known.tolist() == [False] * 5 + [True]
    np.testing.assert_array_equal(truth.planes[5], lungs)
    assert FIVE_ORGANS.unions == {"lungs": (0, 1)}


def test_a_case_that_lacks_a_target_marks_its_channels_unknown() -> None:
    picture = np.full((4, 4), 0.25)
    truth = SIX_CHANNELS.encode({"heart": np.ones((4, 4), bool), "bone_suppressed": picture}, (4, 4))
    assert truth.known.tolist() == [True, False, False, True, True, True]
    np.testing.assert_array_equal(truth.planes[4], 2 * picture.astype(np.float32) - 1)


def test_a_picture_may_be_cut_to_masks_of_its_case() -> None:
    target = Picture(name="soft", range=(-1, 1), within=("left", "right"))
    soft, left = np.full((2, 3), 0.5), np.array([[1, 0, 0], [0, 0, 0]], bool)
    targets = TargetSet(targets=(target,))
    truth = targets.encode({"soft": soft, "left": left, "right": left[::-1]}, (2, 3))
    np.testing.assert_array_equal(truth.planes[0], [[0, -1, -1], [0, -1, -1]])
    assert not targets.encode({"soft": soft, "left": left}, (2, 3)).known.any()


def test_sides_know_their_other_side() -> None:
    assert FIVE_ORGANS.other_side == (1, 0, 2, 4, 3, 5)


def test_a_set_may_be_written_as_a_list() -> None:
    written = [{"kind": "masks", "name": "organs", "labels": ["heart"]}]
    assert TargetSet.model_validate(written) == TargetSet(targets=(Masks(name="organs", labels=("heart",)),))


def test_class_maps_become_one_plane_a_class() -> None:
    index = np.array([[0, 1], [2, 2]])
    truth = TISSUE.encode({"tissue": index}, (2, 2))
    np.testing.assert_array_equal(truth.planes.argmax(0), index)
    np.testing.assert_array_equal(truth.planes.sum(0), 1)


def test_a_class_out_of_range_is_refused() -> None:
    with pytest.raises(DataError, match="0 to 2"):
        TISSUE.encode({"tissue": np.array([[3]])}, (1, 1))


def test_truth_of_another_size_than_the_film_is_refused() -> None:
    with pytest.raises(DataError, match="'heart' is"):
        FIVE_ORGANS.encode({"heart": np.zeros((3, 4), bool)}, (4, 4))


def test_a_nodule_beside_its_lung_needs_nothing_special() -> None:
    truth = NODULES.encode({"lung": np.ones((2, 2), bool)}, (2, 2))
    assert truth.known.tolist() == [False, True]


def test_equal_names_are_refused() -> None:
    with pytest.raises(ValidationError, match="twice"):
        TargetSet(targets=(Masks(name="a", labels=("x",)), Masks(name="b", labels=("x",))))


def test_a_union_of_unknown_labels_is_refused() -> None:
    with pytest.raises(ValidationError, match="union 'lungs'"):
        Masks(name="organs", labels=("heart",), unions={"lungs": ("right_lung", "left_lung")})


def test_an_unknown_target_name_says_which_there_are() -> None:
    with pytest.raises(DataError, match="organs"):
        FIVE_ORGANS["bones"]
