"""From a cohort's reports to what is stored of each trial: pure functions of numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from search.definition import Objective
from search.objective import Score, best_epoch, counting_epoch, evaluate
from storage.records import Measured, Moment, Outcome, Reason, TrialState, Values


@dataclass
class Curve:
    """One trial's numbers by epoch, as its reports come in; epoch 0 is before training."""

    reports: dict[int, Measured] = field(default_factory=dict)

    def add(self, epoch: int, measured: Measured) -> None:
        self.reports[epoch] = measured

    @property
    def epochs(self) -> int:
        return max(self.reports, default=0)


def outcome(number: int, curve: Curve, objective: Objective, state: TrialState, reason: Reason | None, epochs: int) -> Outcome:
    """Return a trial's outcome: its numbers at the initial, last and best epoch, and the objective at the epoch that counts.

    A trial that did not complete keeps its numbers, but has no objective value: it cannot win.
    """
    if not curve.reports:
        return Outcome(number, state, epochs, reason=reason)
    scores = {epoch: evaluate(objective, measured.validation) for epoch, measured in curve.reports.items()}
    best = best_epoch(scores)
    moments = {Moment.INITIAL: min(scores), Moment.LAST: curve.epochs, Moment.BEST: best}
    measured = {moment: curve.reports[epoch] for moment, epoch in moments.items()}
    ended = Outcome(number, state, epochs, best_epoch=best, measured=measured, reason=reason)
    return ended if state is not TrialState.COMPLETE else _scored(ended, scores[counting_epoch(objective, scores)])


def _scored(ended: Outcome, score: Score) -> Outcome:
    return replace(ended, value=score.value, values=score.values, feasible=score.feasible, violations=score.violations)


def unpacked(message: Mapping[str, Any]) -> dict[int, Measured]:
    """Return an epoch message's numbers by trial."""
    splits: dict[str, Mapping[str, list[float]]] = {split: message.get(split, {}) for split in ("train", "validation", "test")}
    return {
        number: Measured(**{split: {path: values[place] for path, values in told.items()} for split, told in splits.items()})
        for place, number in enumerate(message["numbers"])
    }


def unpacked_weights(message: Mapping[str, Any]) -> dict[int, Values]:
    """Return the weights in force after an epoch by trial: {} for each where none of the cohort's move."""
    told: Mapping[str, list[float]] = message.get("weights", {})
    return {number: {path: weights[place] for path, weights in told.items()} for place, number in enumerate(message["numbers"])}
