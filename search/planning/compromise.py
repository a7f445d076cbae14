"""One value for the trials of a study that has none: the rule by which `pareto` chooses its finalists and their winner.

It is the knee's rule (`search.objective.pareto.KNEE`): the greatest sum of the metrics, each measured in its range over the front.
As an objective it is the `mean` with utilities 1 / range, so that trainings on fresh seeds are judged by it like by any other. It
says which finalists a confirmation trains; it does not say which trade-off is wanted: that is asked by `pick`. Pure functions.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace

from search.definition.schema import Objective
from search.objective import pareto
from search.objective.scoring import evaluate, is_pareto, optimized
from search.sampling.observations import directions, observed_values
from storage.records import Role, TrialRecord


def scored_objective(objective: Objective, trials: Sequence[TrialRecord]) -> Objective:
    """Return the objective that trials have a value by: itself, or of `pareto` the compromise over the search trials' front.

    It depends on the complete, feasible search trials alone, in any order.
    """
    if not is_pareto(objective):
        return objective
    points = list(observed_values(objective, [trial for trial in trials if trial.role is Role.SEARCH and trial.feasible]).values())
    return compromise(objective, points)


def scored(objective: Objective, trials: Sequence[TrialRecord]) -> list[TrialRecord]:
    """Return complete trials with the value that `scored_objective` gives them, all others as they are."""
    judged = scored_objective(objective, trials)
    if judged is objective:
        return list(trials)
    known = observed_values(objective, trials)
    return [valued(judged, trial) if trial.number in known else trial for trial in trials]


def valued(judged: Objective, trial: TrialRecord) -> TrialRecord:
    """Return a complete trial with the value that an objective gives to its stored metrics."""
    return replace(trial, value=evaluate(judged, trial.values).value)


def compromise(objective: Objective, points: Sequence[pareto.Point]) -> Objective:
    """Return the mean of the optimised metrics, each with the utility 1 / its range over the front of `points`.

    `points` has finite numbers in the order of the optimised metrics. A metric that is the same on the whole front decides nothing
    and is only stored; where all are, the front is one point, and the ranges are those of all points: they rank what comes after
    it. Without any range every metric counts alike.
    """
    ways = directions(objective)
    ranges = _ranges([points[i] for i in pareto.front(points, ways)]) or _ranges(points)
    places = {entry.metric: place for place, entry in enumerate(optimized(objective))}
    utilities = {path: 1.0 / ranges[place] if ranges else 1.0 for path, place in places.items() if not ranges or place in ranges}
    metrics = tuple(
        entry.model_copy(update={"utility": utilities[entry.metric]} if entry.metric in utilities else {"strategy": "store"})
        if entry.metric in places
        else entry
        for entry in objective.metrics
    )
    return objective.model_copy(update={"aggregate": "mean", "config": {}, "metrics": metrics})


def _ranges(points: Sequence[pareto.Point]) -> Mapping[int, float]:
    """Return the range of each metric by its place, without those that are the same in all points."""
    widths = {place: max(column) - min(column) for place, column in enumerate(zip(*points, strict=True))}
    return {place: width if math.isfinite(width) else sys.float_info.max for place, width in widths.items() if width > 0}
