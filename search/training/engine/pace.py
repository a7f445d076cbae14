"""How many steps one graph call covers: few enough that progress and cancelling do not wait, enough to cost nothing."""

from __future__ import annotations

SECONDS_A_CALL = 2.0
GROWTH = 8


class StepBudget:
    """Learns the time of a step from the calls made. The first call, which traces, does one step and teaches nothing."""

    def __init__(self, seconds_a_call: float = SECONDS_A_CALL) -> None:
        self._target = seconds_a_call
        self._limit = 1
        self._traced = False

    def steps(self, remaining: int) -> int:
        """Return how many of the `remaining` steps the next call does."""
        return max(1, min(remaining, self._limit))

    def took(self, steps: int, seconds: float) -> None:
        """Learn that a call of `steps` steps took `seconds`. The limit grows at most eightfold at a time."""
        if not self._traced:
            self._traced = True
            self._limit = GROWTH
            return
        fitting = int(self._target * steps / max(seconds, 1e-6))
        self._limit = max(1, min(fitting, max(self._limit, steps) * GROWTH if steps >= self._limit else self._limit))
