"""From a cohort's reports to what is stored of each trial: pure functions of numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from search.definition import Objective
from search.objective import Score, best_epoch, counting_epoch, evaluate
from storage.records import Measured, Moment, Outcome, Reason, TrialState, Values


@dataclass
class Curve:
    """One trial's numbers by epoch, as its reports come in; epoch 0 is before training."""

    train: dict[int, Values] = field(default_factory=dict)
    validation: dict[int, Values] = field(default_factory=dict)

    def add(self, epoch: int, train: Values, validation: Values) -> None:
        self.train[epoch] = train
        self.validation[epoch] = validation

    @property
    def epochs(self) -> int:
        return max(self.validation, default=0)

    def at(self, epoch: int) -> Measured:
        return Measured(train=self.train[epoch], validation=self.validation[epoch])


def outcome(number: int, curve: Curve, objective: Objective, state: TrialState, reason: Reason | None, epochs: int) -> Outcome:
    """Return a trial's outcome: its numbers at the initial, last and best epoch, and the objective at the epoch that counts.

    A trial that did not complete keeps its numbers, but has no objective value: it cannot win.
    """
    if not curve.validation:
        return Outcome(number, state, epochs, reason=reason)
    scores = {epoch: evaluate(objective, values) for epoch, values in curve.validation.items()}
    best = best_epoch(scores)
    moments = {Moment.INITIAL: min(scores), Moment.LAST: curve.epochs, Moment.BEST: best}
    measured = {moment: curve.at(epoch) for moment, epoch in moments.items()}
    ended = Outcome(number, state, epochs, best_epoch=best, measured=measured, reason=reason)
    return ended if state is not TrialState.COMPLETE else _scored(ended, scores[counting_epoch(objective, scores)])


def _scored(ended: Outcome, score: Score) -> Outcome:
    return replace(ended, value=score.value, values=score.values, feasible=score.feasible, violations=score.violations)


def unpacked(message: Mapping[str, object]) -> dict[int, tuple[Values, Values]]:
    """Return an epoch message's numbers by trial: (train, validation)."""
    numbers: list[int] = message["numbers"]  # type: ignore[assignment]
    train: Mapping[str, list[float]] = message["train"]  # type: ignore[assignment]
    validation: Mapping[str, list[float]] = message["validation"]  # type: ignore[assignment]
    return {
        number: (
            {path: values[place] for path, values in train.items()},
            {path: values[place] for path, values in validation.items()},
        )
        for place, number in enumerate(numbers)
    }
