"""One trial that trains on several seeds: its numbers are means over them, and its objective is that of the means.

So a trial's value follows from its stored metrics, like any other's, whatever the aggregate. Pure functions of numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from search.definition.schema import Objective
from search.objective.anchors import is_resolved
from search.objective.outcomes import TrialCurve
from search.objective.scoring import evaluate, is_pareto, score_paths
from storage.records import UNDEFINED, Measured, Outcome, SeedResult, TrialState, Undefined, Values


def mean_values(by_seed: Sequence[Values]) -> dict[str, float]:
    """Return the mean of every number that all seeds have; one that is undefined under any of them is undefined."""
    if len(by_seed) == 1:
        return dict(by_seed[0])
    return {path: _mean([values[path] for values in by_seed]) for path in by_seed[0] if all(path in each for each in by_seed)}


def _mean(numbers: Sequence[float]) -> float:
    if any(isinstance(number, Undefined) for number in numbers):
        return UNDEFINED
    return sum(number / len(numbers) for number in numbers)


def mean_measured(by_seed: Sequence[Measured]) -> Measured:
    """Return the means over seeds of what was measured, split by split."""
    return Measured(*(mean_values([getattr(each, split) for each in by_seed]) for split in ("train", "validation", "test")))


def seed_results(ended: Outcome, curves: Mapping[int, TrialCurve], objective: Objective) -> dict[int, SeedResult]:
    """Return what a trial gave under each seed, from the seeds' own curves: nothing of one that has no objective.

    Where the objective cannot be scored yet, the epochs that may come to count are kept: see `rescored`.
    """
    if ended.state not in (TrialState.COMPLETE, TrialState.PRUNED):
        return {}
    if not is_resolved(objective) and objective.epoch == "best":
        kept = {seed: {epoch: each.validation for epoch, each in curve.reports.items()} for seed, curve in curves.items()}
    else:
        counted = counted_epoch(ended, objective)
        kept = {seed: {counted: curve.reports[counted].validation} for seed, curve in curves.items() if counted in curve.reports}
    paths = score_paths(objective)
    numbers = {
        seed: {epoch: {path: values[path] for path in paths if path in values} for epoch, values in by_epoch.items()}
        for seed, by_epoch in kept.items()
    }
    return rescored(ended, {seed: SeedResult(None, by_epoch) for seed, by_epoch in numbers.items()}, objective)


def rescored(ended: Outcome, kept: Mapping[int, SeedResult], objective: Objective) -> dict[int, SeedResult]:
    """Return what a trial gave under each seed as the objective judges it now; only what counts is kept once it can be scored."""
    if not is_resolved(objective):
        return dict(kept)
    counted, front = counted_epoch(ended, objective), is_pareto(objective)
    return {
        seed: SeedResult(None if front else evaluate(objective, each.measured[counted]).value, {counted: each.measured[counted]})
        for seed, each in kept.items()
        if counted in each.measured
    }


def counted_epoch(ended: Outcome, objective: Objective) -> int:
    """Return the epoch whose numbers are a trial's result: of a pruned one its last."""
    if objective.epoch == "last" or ended.state is TrialState.PRUNED or ended.best_epoch is None:
        return ended.epochs
    return ended.best_epoch
