"""The Pareto front of stored trials: those that no other trial beats, metric by metric. Pure functions of numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from search.definition.schema import Objective
from search.objective import pareto
from search.objective.scoring import Measurements, is_feasible, optimized
from storage.records import Values


@dataclass(frozen=True, slots=True)
class Front:
    """The non-dominated trials by number, over the objective's optimised metrics.

    `reference` is the worst value of each metric among all trials, feasible or not, unless it was given; empty where there is none.
    `hypervolume` is None where there are more metrics or trials than it is worked out for.
    """

    directions: Mapping[str, str]
    trials: Mapping[int, Values]
    reference: Values
    hypervolume: float | None
    picks: Mapping[str, int | None]

    def best_in(self, path: str) -> int | None:
        """Return the number of the trial that is best in one of the metrics, the first of equals; None on an empty front."""
        turn = 1.0 if self.directions[path] == "maximize" else -1.0
        return max(self.trials, key=lambda number: turn * self.trials[number][path], default=None)


def front_numbers(objective: Objective, measured: Measurements) -> list[int]:
    """Return the numbers of the trials that keep all constraints and that no other such trial beats, in order."""
    found = _points(objective, measured)
    feasible = [number for number in found if is_feasible(objective, measured[number])]
    return [feasible[i] for i in pareto.front([found[number] for number in feasible], list(_directions(objective).values()))]


def _points(objective: Objective, measured: Measurements) -> dict[int, pareto.Point]:
    """Return the optimised metrics of the trials that have a finite number of each, by number."""
    paths = list(_directions(objective))
    points = {number: tuple(values.get(path, math.nan) for path in paths) for number, values in sorted(measured.items())}
    return {number: point for number, point in points.items() if all(map(math.isfinite, point))}


def _directions(objective: Objective) -> dict[str, str]:
    return {entry.metric: entry.direction or "maximize" for entry in optimized(objective)}


def pareto_front(objective: Objective, measured: Measurements, reference: Values | None = None) -> Front:
    """Return the front of the trials that keep all constraints and have a finite number of each optimised metric.

    `reference` replaces the worst value of the metrics that it names.
    """
    directions, finite = _directions(objective), _points(objective, measured)
    ways = list(directions.values())
    numbers = front_numbers(objective, measured)
    worst = dict(zip(directions, pareto.worst(list(finite.values()), ways), strict=True)) if finite else {}
    bound = {**worst, **(reference or {})}
    chosen = [finite[number] for number in numbers]
    return Front(
        directions=directions,
        trials={number: dict(zip(directions, finite[number], strict=True)) for number in numbers},
        reference=bound,
        hypervolume=_hypervolume(chosen, ways, [bound[path] for path in directions if path in bound]),
        picks={
            "knee": numbers[pareto.knee(chosen, ways)] if chosen else None,
            "nearest_ideal": numbers[pareto.nearest_ideal(chosen, ways)] if chosen else None,
        },
    )


def _hypervolume(points: Sequence[pareto.Point], directions: Sequence[str], reference: Sequence[float]) -> float | None:
    if len(directions) > pareto.MOST_OBJECTIVES or len(points) > pareto.MOST_POINTS:
        return None
    return pareto.hypervolume(points, directions, reference) if points else 0.0
