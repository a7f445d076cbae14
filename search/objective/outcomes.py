"""From a cohort's reports to what is stored of each trial: pure functions of numbers."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from search.definition.schema import Objective
from search.names import listed
from search.objective.anchors import is_resolved
from search.objective.scoring import Score, best_epoch, counting_epoch, evaluate, is_pareto, optimized
from storage.records import Measured, Moment, Outcome, Reason, TrialState, Values
from storage.types import UNDEFINED, Undefined

NO_OBJECTIVE = "no_objective"


@dataclass
class Curve:
    """One trial's numbers by epoch, as its reports come in; epoch 0 is before training."""

    reports: dict[int, Measured] = field(default_factory=dict)

    def add(self, epoch: int, measured: Measured) -> None:
        self.reports[epoch] = measured

    @property
    def epochs(self) -> int:
        return max(self.reports, default=0)


def outcome(
    number: int, curve: Curve, objective: Objective | None, state: TrialState, reason: Reason | None, epochs: int
) -> Outcome:
    """Return a trial's outcome: its numbers at the initial, last and best epoch, and the objective at the epoch that counts.

    A trial that was pruned has the objective of its last epoch: what it was judged by, and what a sampler learns from. Only one
    that completed can win. A trial that ended otherwise keeps its numbers, but has no objective value. Nor has one that cannot be
    scored: one of no `objective` (a reference), or of one that is relative to what is not measured yet; its best epoch is its last.
    Under `pareto` a trial has the metrics that it is told apart by, and no value: not NaN, for nothing is wrong with it. One that
    completed without a finite objective is FAILED, with the metrics that are not finite.
    """
    if not curve.reports:
        return Outcome(number, state, epochs, reason=reason)
    known = objective is not None and is_resolved(objective)
    scores = {epoch: evaluate(objective, measured.validation) for epoch, measured in curve.reports.items()} if objective else {}
    best = best_epoch(scores) if objective is not None and known and not is_pareto(objective) else curve.epochs
    moments = {Moment.INITIAL: min(curve.reports), Moment.LAST: curve.epochs, Moment.BEST: best}
    measured = {moment: curve.reports[epoch] for moment, epoch in moments.items()}
    ended = Outcome(number, state, epochs, best_epoch=best, measured=measured, reason=reason)
    if objective is None or not known or state not in (TrialState.COMPLETE, TrialState.PRUNED):
        return ended
    if state is TrialState.PRUNED:
        return _scored(ended, scores[curve.epochs], objective)
    judged = _scored(ended, scores[counting_epoch(objective, scores)], objective)
    lost = without_objective(objective, judged)
    return judged if lost is None else replace(judged, state=TrialState.FAILED, reason=lost)


def without_objective(objective: Objective, judged: Outcome) -> Reason | None:
    """Return why a trial has no finite objective, None where it has one; under `pareto` that is one of every optimised metric."""
    wanted = [entry.metric for entry in optimized(objective)]
    odd = {path: judged.values[path] for path in wanted if not math.isfinite(judged.values.get(path, math.nan))}
    finite = not odd if is_pareto(objective) else judged.value is not None and math.isfinite(judged.value)
    if finite:
        return None
    told = (
        listed(f"{path} is {_told(number)} on validation" for path, number in odd.items()) if odd else "its aggregate is no number"
    )
    return Reason(NO_OBJECTIVE, f"the objective is not finite: {told}")


def _told(number: float) -> str:
    if isinstance(number, Undefined):
        return "undefined"
    return "not a number" if math.isnan(number) else "infinite"


def _scored(ended: Outcome, score: Score, objective: Objective) -> Outcome:
    value = None if is_pareto(objective) else score.value
    return replace(ended, value=value, values=score.values, feasible=score.feasible, violations=score.violations)


def unpacked(message: Mapping[str, Any]) -> dict[int, Measured]:
    """Return an epoch message's numbers by trial."""
    splits = ("train", "validation", "test")
    return {
        number: Measured(**{split: _of_place(message.get(split, {}), place) for split in splits})
        for place, number in enumerate(message["numbers"])
    }


def _of_place(told: Mapping[str, Sequence[float | None]], place: int) -> dict[str, float]:
    """Return one trial's numbers by path; null is what is undefined."""
    numbers = {path: values[place] for path, values in told.items()}
    return {path: UNDEFINED if number is None else number for path, number in numbers.items()}


def unpacked_weights(message: Mapping[str, Any], moving: Collection[int]) -> dict[int, Values]:
    """Return the weights in force after an epoch by trial: {} for those that are not `moving`, which are told beside the others."""
    told: Mapping[str, list[float]] = message.get("weights", {})
    return {
        number: {path: weights[place] for path, weights in told.items()} if number in moving else {}
        for place, number in enumerate(message["numbers"])
    }
