"""Label maps keep what overlaps, but for the lung behind the heart."""

import numpy as np
import pytest

from xprism.errors import DataError
from xprism.synthesis.label_map import LABELS, label_map_of, masks_of

Masks = dict[str, np.ndarray]


def _box(rows: slice, columns: slice) -> np.ndarray:
    mask = np.zeros((24, 32), bool)
    mask[rows, columns] = True
    return mask


@pytest.fixture
def masks() -> Masks:
    """The patient's right is at the viewer's left; clavicles cross the tops of the lungs, the heart lies over one."""
    return {
        "right_lung": _box(slice(4, 20), slice(2, 13)),
        "left_lung": _box(slice(4, 20), slice(18, 30)),
        "heart": _box(slice(12, 20), slice(14, 22)),
        "right_clavicle": _box(slice(3, 6), slice(0, 14)),
        "left_clavicle": _box(slice(3, 6), slice(17, 32)),
    }


def test_each_pixel_has_the_label_of_what_lies_there(masks: Masks) -> None:
    numbers = label_map_of(masks)
    seen = {label: int((numbers == number).sum()) for number, label in enumerate(LABELS)}
    lung = {"right_lung": 14 * 11, "left_lung": 14 * 12 - 8 * 4}
    bone = {"right_clavicle_in_lung": 2 * 11, "left_clavicle_in_lung": 2 * 12}
    rest = {"heart": 8 * 8, "clavicle_outside_lungs": 3 * (14 + 15) - 2 * (11 + 12)}
    shown = {**lung, **bone, **rest}
    assert seen == {"background": 24 * 32 - sum(shown.values()), **shown}


def test_masks_come_back_whole_but_for_the_lung_behind_the_heart(masks: Masks) -> None:
    found = masks_of(label_map_of(masks))
    assert found.keys() == masks.keys()
    for name in ("heart", "right_lung", "right_clavicle", "left_clavicle"):
        np.testing.assert_array_equal(found[name], masks[name], err_msg=name)
    np.testing.assert_array_equal(found["left_lung"], masks["left_lung"] & ~masks["heart"])


def test_without_clavicles_lungs_have_no_holes(masks: Masks) -> None:
    numbers = label_map_of(masks, clavicles=False)
    assert numbers.max() == LABELS.index("heart")
    np.testing.assert_array_equal(numbers == LABELS.index("right_lung"), masks["right_lung"])
    del masks["left_clavicle"]
    np.testing.assert_array_equal(label_map_of(masks, clavicles=False), numbers)


def test_a_clavicle_that_touches_no_lung_takes_nothing_from_the_other(masks: Masks) -> None:
    masks["left_clavicle"] = np.zeros_like(masks["heart"])
    found = masks_of(label_map_of(masks))
    np.testing.assert_array_equal(found["right_clavicle"], masks["right_clavicle"])
    assert not found["left_clavicle"].any()


def test_masks_that_do_not_fit_are_refused(masks: Masks) -> None:
    with pytest.raises(DataError, match="needs masks of heart"):
        label_map_of({name: mask for name, mask in masks.items() if name != "heart"})
    with pytest.raises(DataError, match="differ in size"):
        label_map_of({**masks, "heart": np.ones((3, 3))})
    with pytest.raises(DataError, match="not 0 to 7"):
        masks_of(np.array([[0, 7]]))
