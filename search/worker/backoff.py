"""How long to leave a database alone that does not answer: many workers that ask at once would keep it from coming back."""

from __future__ import annotations

import random
from collections.abc import Callable

MOST_SECONDS = 10.0


class Backoff:
    """Pauses that double with each failure in a row, up to `most_seconds`; each is shortened by chance, so that workers spread."""

    def __init__(
        self, first_seconds: float, most_seconds: float = MOST_SECONDS, chance: Callable[[], float] = random.random
    ) -> None:
        self._first_seconds, self._most_seconds, self._chance = first_seconds, most_seconds, chance
        self._failures = 0

    def failed(self) -> float:
        """Count a failure; return the seconds until the next attempt: between half of the pause and all of it."""
        pause = min(self._first_seconds * 2.0 ** min(self._failures, 30), self._most_seconds)
        self._failures += 1
        return pause * (1 + self._chance()) / 2

    def worked(self) -> None:
        """Begin anew with the shortest pause."""
        self._failures = 0
