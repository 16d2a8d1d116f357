"""Which films the next free worker gets, and what happens to those of a worker that was lost."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Sequence

from xprism.batch.films import Film
from xprism.batch.outcome import Outcome

TRIES, LARGEST = 3, 32
_ELSEWHERE = frozenset({"unreadable", "output"})


class Portions:
    """Hands films out in portions, smaller towards the end so that all workers end together.

    A film is tried up to three times where a worker was lost with it, or where it could not be opened, fetched or
    written: the fault may be the machine's. It then comes last and alone, so that a film that kills whoever opens it
    takes no other one with it.
    """

    def __init__(self, films: Sequence[Film], *, workers: int) -> None:
        self._waiting, self._alone = deque(films), deque[Film]()
        self._by_name, self._tries = {film.name: film for film in films}, Counter[str]()
        self._workers = workers

    @property
    def unfinished(self) -> bool:
        """Whether a film is waiting, or with a worker."""
        return bool(self._by_name)

    def take(self) -> list[Film]:
        """The next portion; none where all films are finished or with a worker."""
        if not self._waiting:
            return [self._alone.popleft()] if self._alone else []
        size = max(1, min(LARGEST, len(self._waiting) // (4 * self._workers)))
        return [self._waiting.popleft() for _ in range(size)]

    def finish(self, outcomes: Iterable[Outcome]) -> list[Outcome]:
        """The outcomes that are final; the films of the others wait for another try."""
        return [one for one in outcomes if not (one.code in _ELSEWHERE and self._again(one.film)) and self._end(one)]

    def lose(self, films: Iterable[Film], why: str) -> list[Outcome]:
        """Films whose worker was lost: failures of those that were tried often enough; the others wait again."""
        remedy = "predict this film by itself and watch the memory; what is finished is kept"
        cause = f"the process that worked on it was lost {TRIES} times; at last: {why}"
        given_up = [film for film in films if not self._again(film.name)]
        return [
            one for film in given_up if self._end(one := Outcome(film.name, "failed", "worker_lost", cause, remedy))
        ]

    def _again(self, name: str) -> bool:
        self._tries[name] += 1
        if self._tries[name] < TRIES:
            self._alone.append(self._by_name[name])
            return True
        return False

    def _end(self, outcome: Outcome) -> bool:
        return self._by_name.pop(outcome.film, None) is not None
