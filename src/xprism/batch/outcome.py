"""What became of one film, and of all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["done", "refused", "skipped", "failed"]


@dataclass(frozen=True)
class Outcome:
    """What became of one film; ``code``, ``cause`` and ``remedy`` say why it was refused or failed."""

    film: str
    state: State
    code: str = ""
    cause: str = ""
    remedy: str = ""


@dataclass(frozen=True)
class Summary:
    """How many films were predicted, refused, skipped as up to date, and failed."""

    done: int = 0
    refused: int = 0
    skipped: int = 0
    failed: int = 0

    @property
    def exit_code(self) -> int:
        """0 where every film has a result, 3 where some failed, 1 where all did."""
        if not self.failed:
            return 0
        return 3 if self.done + self.refused + self.skipped else 1
