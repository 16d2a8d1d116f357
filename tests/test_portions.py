"""Films handed out to workers that may be lost."""

from __future__ import annotations

from pathlib import Path

from xprism.batch.films import Film
from xprism.batch.outcome import Outcome
from xprism.batch.portions import LARGEST, TRIES, Portions


def films(count: int) -> list[Film]:
    return [Film(Path(f"/films/{number}"), str(number)) for number in range(count)]


def done(given: list[Film]) -> list[Outcome]:
    return [Outcome(film.name, "done") for film in given]


def test_every_film_is_handed_out_once_in_portions_that_shrink_towards_the_end() -> None:
    portions, sizes, names = Portions(films(1000), workers=3), [], []
    while given := portions.take():
        sizes.append(len(given))
        names += [film.name for film in given]
        portions.finish(done(given))
    assert names == [str(number) for number in range(1000)]
    assert sizes[0] == LARGEST
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] == 1
    assert not portions.unfinished


def test_films_of_a_lost_worker_come_again_last_and_one_by_one() -> None:
    portions = Portions(films(40), workers=1)
    lost = portions.take()
    assert len(lost) == 10
    assert portions.lose(lost, "machine gone") == []
    later = []
    while given := portions.take():
        later.append(given)
        portions.finish(done(given))
    assert later[-10:] == [[film] for film in lost]
    assert not portions.unfinished


def test_a_film_that_kills_every_worker_fails_and_takes_no_other_with_it() -> None:
    portions, killer, outcomes, deaths = Portions(films(50), workers=2), "17", [], 0
    while portions.unfinished:
        given = portions.take()
        if killer in [film.name for film in given]:
            deaths += 1
            outcomes += portions.lose(given, "out of memory")
        else:
            outcomes += portions.finish(done(given))
    assert deaths == TRIES
    (failed,) = [one for one in outcomes if one.state == "failed"]
    assert (failed.film, failed.code) == (killer, "worker_lost")
    assert "out of memory" in failed.cause
    assert sorted(int(one.film) for one in outcomes) == list(range(50))


def test_what_may_be_the_machines_fault_is_tried_again_and_what_is_the_films_is_not() -> None:
    portions = Portions(films(2), workers=1)
    opened: dict[str, int] = {"0": 0, "1": 0}
    outcomes = []
    while portions.unfinished:
        (film,) = portions.take()
        opened[film.name] += 1
        code = "unreadable" if film.name == "0" else "corrupt"
        outcomes += portions.finish([Outcome(film.name, "failed", code)])
    assert opened == {"0": TRIES, "1": 1}
    assert {one.film: one.code for one in outcomes} == {"0": "unreadable", "1": "corrupt"}
