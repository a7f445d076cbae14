"""From a cohort's reports to what is stored of each trial: pure functions of numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from search.definition.schema import Objective
from search.objective.anchors import is_resolved
from search.objective.scoring import Score, best_epoch, counting_epoch, evaluate, is_pareto, optimized
from storage.records import NO_OBJECTIVE, Measured, Moment, Outcome, Reason, TrialState, Undefined


@dataclass
class TrialCurve:
    """One trial's numbers by epoch, as its reports come in; epoch 0 is before training."""

    reports: dict[int, Measured] = field(default_factory=dict)

    def add(self, epoch: int, measured: Measured) -> None:
        self.reports[epoch] = measured

    @property
    def epochs(self) -> int:
        return max(self.reports, default=0)


def outcome(
    number: int, curve: TrialCurve, objective: Objective | None, state: TrialState, reason: Reason | None, epochs: int
) -> Outcome:
    """Return a trial's outcome: its numbers at the initial, last and best epoch, and the objective at the epoch that counts.

    A trial that was pruned has the objective of its last epoch: what it was judged by, and what a sampler learns from. Only one
    that completed can win. A trial that ended otherwise keeps its numbers, but has no objective value. Nor has one that cannot be
    scored: one of no `objective` (a reference), or of one that is relative to what is not measured yet; its best epoch is its last.
    Under `pareto` a trial has the metrics that it is compared by, and no value: not NaN, for nothing is wrong with it.
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
    return _scored(ended, scores[counting_epoch(objective, scores)], objective)


def judged(ended: Outcome, objective: Objective) -> Outcome:
    """Return the outcome of a trial that may win: FAILED where it is complete but has no finite objective; it keeps its numbers.

    Without a value a trial can neither win nor teach a sampler, and a study of such trials has no best. Under `pareto` that is one
    with an optimised metric that is not finite. As long as the objective is relative to what is not measured yet nothing is judged.
    """
    if ended.state is not TrialState.COMPLETE or not ended.values:
        return ended
    message = _without_value(ended, objective)
    return replace(ended, state=TrialState.FAILED, reason=Reason(NO_OBJECTIVE, message)) if message else ended


def _without_value(ended: Outcome, objective: Objective) -> str | None:
    """Return which of the optimised metrics are to blame that a complete trial has no finite objective; None where it has."""
    paths = [entry.metric for entry in optimized(objective)]
    odd = {path: value for path in paths if not math.isfinite(value := ended.values.get(path, math.nan))}
    valued = ended.value is not None and math.isfinite(ended.value)
    if valued or (is_pareto(objective) and not odd):
        return None
    if odd:
        return f"{', '.join(f'{path} is {_named(value)}' for path, value in odd.items())} on validation"
    kind = _named(math.nan if ended.value is None else ended.value)
    return f"the {objective.aggregate or 'mean'} of {' and '.join(paths)} is {kind} on validation, though each is finite"


def _named(value: float) -> str:
    if isinstance(value, Undefined):
        return "undefined"
    return "not a number" if math.isnan(value) else "infinite" if value > 0 else "minus infinite"


def _scored(ended: Outcome, score: Score, objective: Objective) -> Outcome:
    value = None if is_pareto(objective) else score.value
    return replace(ended, value=value, values=score.values, feasible=score.feasible, violations=score.violations)
