"""How long a training process may say nothing before it counts as hung."""

from __future__ import annotations

LEAST_SECONDS = 60.0
CALLS = 20
"""Once graph calls have been made: so many times the slowest of the study, but never less than a minute."""


class ProgressDeadlines:
    """Learns how slow each study's graph calls are, in seconds.

    `first_seconds`: the silence that is allowed before the first graph call of an order, while a process loads rows, builds the
    model and traces it. Where that is less than a minute, it takes the minute's place.
    """

    def __init__(self, first_seconds: float) -> None:
        self._first_seconds = first_seconds
        self._slowest: dict[int, float] = {}

    def learn(self, study: int, seconds: float) -> None:
        """Learn that a graph call of the study took so long."""
        self._slowest[study] = max(seconds, self._slowest.get(study, 0.0))

    def slowest(self, study: int) -> float | None:
        """Return how many seconds the study's slowest graph call took so far; None before the first."""
        return self._slowest.get(study)

    def before_calls(self) -> float:
        """Return how many seconds of silence are allowed as long as no graph call has been made."""
        return self._first_seconds

    def between_calls(self, study: int) -> float:
        """Return how many seconds of silence are allowed from then on."""
        return max(min(LEAST_SECONDS, self._first_seconds), CALLS * self._slowest.get(study, 0.0))
