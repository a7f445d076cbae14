"""How a scheduled weight moves from epoch to epoch: pure arithmetic."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from search.definition.weights import Shape

SHAPES: Mapping[Shape, Callable[[float], float]] = {
    "constant": lambda progress: 1.0,
    "linear": lambda progress: progress,
    "cosine": lambda progress: (1 - math.cos(math.pi * progress)) / 2,
    "step": lambda progress: float(progress >= 1),
}
"""From the progress (0 at the first epoch, 1 once the final value is reached) to how much of the way is done, 0 to 1."""


@dataclass(frozen=True, slots=True)
class AppliedSchedule:
    """A schedule of one trial: nothing of it is searched any more. `start` is a multiple of the final weight."""

    shape: Shape
    start: float
    fraction: float

    def factor(self, epoch: int, epochs: int) -> float:
        """Return what the final weight is multiplied by in epoch `epoch` (from 0) of `epochs`: `start` at first, then 1."""
        progress = min(1.0, epoch / (self.fraction * epochs))
        return self.start + (1 - self.start) * SHAPES[self.shape](progress)

    def moves(self, epochs: int) -> bool:
        """Return whether the weight is not its final one in some epoch of a training of `epochs`."""
        return any(self.factor(epoch, epochs) != 1 for epoch in range(math.ceil(self.fraction * epochs)))

    def document(self) -> dict[str, str | float]:
        """Return the schedule as JSON has it."""
        return {"shape": self.shape, "start": self.start, "fraction": self.fraction}


def moving_of(schedules: Mapping[str, AppliedSchedule], weights: Mapping[str, float], epochs: int) -> dict[str, AppliedSchedule]:
    """Return the schedules that change a weight in some epoch, by term path; a final weight of 0 leaves its term out for good."""
    return {path: schedule for path, schedule in schedules.items() if weights[path] != 0 and schedule.moves(epochs)}
