"""Growing follows its schedule: phases, fading, pictures shown, and how much work is done."""

import pytest

from xprism.errors import RecipeError
from xprism.synthesis.growth import Growth
from xprism.synthesis.pipeline import PGGANPart

SMALL = PGGANPart(kind="pggan", size=16, kimg_per_phase=0.02, kimg=None, batch={4: 8, 8: 4, 16: 4})


def test_every_size_fades_in_and_stays_for_as_many_pictures() -> None:
    # 20 pictures a phase: 3 steps of 8, then 5 of 4.
    plan = [(4, 1.0)] * 3
    for size in (8, 16):
        plan += [(size, step / 5) for step in range(5)] + [(size, 1.0)] * 5
    growth = Growth(SMALL)
    assert growth.steps == len(plan)
    assert [(growth.at(step).size, growth.at(step).fade) for step in range(len(plan))] == plan


def test_pictures_shown_are_the_sum_of_all_batches_before() -> None:
    growth, shown = Growth(SMALL), 0
    for step in range(growth.steps):
        now = growth.at(step)
        assert now.shown == shown
        assert now.batch == (8 if now.size == 4 else 4)
        shown += now.batch


def test_the_schedule_of_the_paper_shows_twelve_million_pictures() -> None:
    growth = Growth(PGGANPart(kind="pggan", size=64))
    # 600 thousand at 4 pixels, twice that at 8, 16 and 32, and while 64 fades in; the rest at 64.
    steps = {4: 600_000 / 128, 8: 1_200_000 / 128, 16: 1_200_000 / 128, 32: 1_200_000 / 64}
    steps[64] = (12_000_000 - 4_200_000) / 32
    found = {size: sum(phase.steps for phase in growth.phases if phase.size == size) for size in steps}
    assert found == pytest.approx(steps, rel=1e-3)
    last = growth.at(growth.steps - 1)
    assert last.shown + last.batch == pytest.approx(12_000_000, abs=32)


def test_a_network_is_grown_once_its_full_size_has_faded_in() -> None:
    growth = Growth(SMALL)
    assert [growth.is_grown(steps) for steps in (0, 3, 18, 19, growth.steps)] == [False, False, False, True, True]


def test_a_network_of_four_pixels_has_one_phase() -> None:
    growth = Growth(PGGANPart(kind="pggan", size=4, kimg_per_phase=0.5, kimg=None))
    assert (growth.steps, growth.at(0).fade, growth.is_grown(1)) == (4, 1.0, True)


def test_work_is_counted_by_pixels_and_steps() -> None:
    growth = Growth(SMALL)
    pixels = [2000 + growth.at(step).batch * growth.at(step).size ** 2 for step in range(growth.steps)]
    assert [growth.work(steps) for steps in range(growth.steps + 1)] == [
        sum(pixels[:steps]) for steps in range(growth.steps + 1)
    ]


def test_a_schedule_that_ends_too_soon_is_refused() -> None:
    with pytest.raises(RecipeError, match=r"end before 16 pixels have faded in, which takes 0\.084 thousand"):
        Growth(SMALL.model_copy(update={"kimg": 0.05}))
