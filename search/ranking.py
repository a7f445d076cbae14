"""Judge trials anew from what is stored of them: under another objective, or metric by metric. Pure functions of numbers."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from search import checks, pareto
from search.definition import Objective, StudyDefinition
from search.errors import DefinitionRefused
from search.known import Description, Known
from search.normal import echoed_objective
from search.objective import Score, evaluate, optimized
from search.parts import parts_of
from storage.records import Values

Measurements = Mapping[int, Values]
"""Validation numbers by path, by the trial's number."""


def judged_by(definition: StudyDefinition, objective: Objective, description: Description | None) -> Objective:
    """Return the objective normalised for a stored study; its `epoch`, unless it says one, is the study's.

    `description` is what a worker published of the workload. Raises DefinitionRefused with all faults, at paths in the definition.
    """
    known = Known(dataclasses.replace(parts_of(definition), objective=objective), {definition.workload.name: description})
    if faults := checks.objective_faults(known):
        raise DefinitionRefused(faults)
    if "epoch" not in objective.model_fields_set:
        objective = objective.model_copy(update={"epoch": definition.objective.epoch})
    return echoed_objective(objective, known)


def under(definition: StudyDefinition, aggregate: str, description: Description | None) -> Objective:
    """Return the study's objective with another aggregate, its config as it is by itself. Raises DefinitionRefused."""
    config = definition.objective.config if aggregate == definition.objective.aggregate else {}
    objective = definition.objective.model_copy(update={"aggregate": aggregate, "config": config})
    return judged_by(definition, objective, description)


def ranked(objective: Objective, measured: Measurements) -> list[tuple[int, Score]]:
    """Return the trials with their scores, best first: feasible before infeasible, finite before not, ties by number."""
    scores = [(number, evaluate(objective, values)) for number, values in sorted(measured.items())]
    return sorted(scores, key=lambda each: each[1].rank, reverse=True)  # a stable sort: reversed, equals keep their order


def winner(ranking: Sequence[tuple[int, Score]]) -> int | None:
    """Return the number of the best trial, None where no feasible one has a finite value."""
    if not ranking:
        return None
    number, score = ranking[0]
    return number if score.feasible and math.isfinite(score.value) else None


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
    feasible = [number for number in found if evaluate(objective, measured[number]).feasible]
    return [feasible[i] for i in pareto.front([found[number] for number in feasible], list(_directions(objective).values()))]


def _points(objective: Objective, measured: Measurements) -> dict[int, pareto.Point]:
    """Return the optimised metrics of the trials that have a finite number of each, by number."""
    points = {
        number: tuple(values.get(entry.metric, math.nan) for entry in optimized(objective))
        for number, values in sorted(measured.items())
    }
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
